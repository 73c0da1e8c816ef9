-- What is in one database and belongs neither to PostgreSQL, nor to an extension, nor to the guard. Nothing is changed.
WITH schemas AS (
    SELECT oid, nspname, nspowner FROM pg_catalog.pg_namespace
    WHERE nspname NOT IN ('information_schema', 'mlflow_guard') AND nspname !~ '^pg_'
), found AS (
    SELECT c.tableoid AS class, c.oid, n.nspname AS schema, c.relname AS name, c.relowner AS owner,
        CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
            WHEN 'c' THEN 'type' ELSE 'table' END AS kind
    FROM pg_catalog.pg_class c JOIN schemas n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
        -- The sequence of a column belongs to its table.
        OR c.relkind = 'S' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = c.tableoid AND d.objid = c.oid AND d.refclassid = c.tableoid AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT p.tableoid, p.oid, n.nspname, p.proname, p.proowner, 'function' FROM pg_catalog.pg_proc p JOIN schemas n ON n.oid = p.pronamespace
    -- The function of a trigger belongs to its table; MLflow has one.
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgfoid = p.oid)
    UNION ALL
    SELECT t.tableoid, t.oid, n.nspname, t.typname, t.typowner, 'type' FROM pg_catalog.pg_type t JOIN schemas n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('d', 'e', 'r')
    UNION ALL
    SELECT l.tableoid, l.oid, '', l.oid::text, l.lomowner, 'large object' FROM pg_catalog.pg_largeobject_metadata l
), own AS (
    SELECT schema, name, kind, pg_catalog.pg_get_userbyid(owner) AS owner FROM found f
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = f.class AND d.objid = f.oid AND d.deptype = 'e')
    ORDER BY kind = 'table' DESC, kind, schema, name LIMIT 1000
)
SELECT json_build_object(
    'objects', (SELECT coalesce(json_agg(own), '[]') FROM own),
    'schemas', (SELECT coalesce(json_object_agg(nspname, pg_catalog.pg_get_userbyid(nspowner)), '{}') FROM schemas)
) AS seen
