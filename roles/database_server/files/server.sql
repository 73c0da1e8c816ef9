-- What decides on the whole server. The two roles and the databases, with commas between, are parameters; nothing is changed.
SELECT json_build_object(
    'version', current_setting('server_version_num')::int,
    'standby', pg_catalog.pg_is_in_recovery(),
    'admin', (
        SELECT json_build_object('name', rolname, 'superuser', rolsuper, 'createrole', rolcreaterole, 'createdb', rolcreatedb)
        FROM pg_catalog.pg_roles WHERE rolname = current_user
    ),
    'roles', (
        SELECT coalesce(json_object_agg(r.rolname, json_build_object(
            'superuser', r.rolsuper, 'replication', r.rolreplication, 'bypassrls', r.rolbypassrls, 'createdb', r.rolcreatedb,
            'createrole', r.rolcreaterole, 'login', r.rolcanlogin, 'expired', coalesce(r.rolvaliduntil < now(), false),
            'connection_limit', r.rolconnlimit,
            -- From PostgreSQL 16 on CREATEROLE is only for roles over which one has the ADMIN option.
            'changeable', a.rolsuper OR a.rolcreaterole AND (
                current_setting('server_version_num')::int < 160000
                OR pg_catalog.pg_has_role(a.oid, r.oid, 'MEMBER WITH ADMIN OPTION')),
            'usable', a.rolsuper OR pg_catalog.pg_has_role(
                a.oid, r.oid, CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END)
        )), '{}')
        FROM pg_catalog.pg_roles r, pg_catalog.pg_roles a
        WHERE r.rolname IN (%(owner)s, %(server)s) AND a.rolname = current_user
    ),
    'server_is_owner', coalesce((
        SELECT pg_catalog.pg_has_role(s.oid, o.oid, 'MEMBER') FROM pg_catalog.pg_roles s, pg_catalog.pg_roles o
        WHERE s.rolname = %(server)s AND o.rolname = %(owner)s AND NOT s.rolsuper
    ), false),
    'template_encoding', (SELECT pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database WHERE datname = 'template0'),
    'databases', (
        SELECT coalesce(json_object_agg(d.datname, json_build_object(
            'owner', pg_catalog.pg_get_userbyid(d.datdba), 'encoding', pg_catalog.pg_encoding_to_char(d.encoding), 'template', d.datistemplate,
            'open', d.datallowconn, 'changeable', pg_catalog.pg_has_role(d.datdba, 'USAGE')
        )), '{}')
        FROM pg_catalog.pg_database d WHERE d.datname = ANY (string_to_array(%(databases)s, ','))
    ),
    'settings', (
        SELECT coalesce(json_agg(json_build_object('database', d.datname, 'role', r.rolname, 'settings', s.setconfig)), '[]')
        FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
        WHERE d.datname = ANY (string_to_array(%(databases)s, ',')) AND r.rolname IN (%(owner)s, %(server)s)
    ),
    -- What the roles own, and what they have rights on: a database, what is in it, or what belongs to the whole server.
    'belongings', (
        SELECT coalesce(json_agg(DISTINCT jsonb_build_object(
            'role', r.rolname, 'owns', s.deptype = 'o', 'database', coalesce(d.datname, ''), 'other', CASE WHEN d.oid IS NULL THEN s.classid::regclass::text END
        )), '[]')
        FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid AND s.refclassid = 'pg_catalog.pg_authid'::regclass
        LEFT JOIN pg_catalog.pg_database d
            ON d.oid = CASE WHEN s.classid = 'pg_catalog.pg_database'::regclass THEN s.objid ELSE s.dbid END
        WHERE r.rolname IN (%(owner)s, %(server)s) AND s.deptype IN ('o', 'a') AND s.classid <> 'pg_catalog.pg_auth_members'::regclass
    )
) AS seen
