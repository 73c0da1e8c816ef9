# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where images come from: the user's word, the record, what is here, what registries answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _images as images

KEYS = {name: name * 8 for name in ("base", "postgres", "minio", "seaweedfs", "load_balancer", "nfs", "mlflow_server")}
CONTEXTS = {"keys": KEYS, "mlflow": "3.1", "minio": "2026-abc", "seaweedfs": "4.2"}
PLACE, OTHER_PLACE = "docker.io/library/postgres:15.1", "registry.example/library/postgres:15.1"
DEBIAN = "docker.io/library/debian:bookworm"
SETTINGS: dict[str, Any] = {
    "components": ["postgres"],
    "object_store": "seaweedfs",
    "supply": "auto",
    "archive": "",
    "rebuild": False,
    "references": {
        "postgres": PLACE,
        "seaweedfs": "docker.io/x/seaweedfs:4",
        "minio": "quay.io/minio/minio:1",
        "load_balancer": "docker.io/library/haproxy:3",
        "debian": DEBIAN,
        "nfs": "",
        "mlflow_server": "",
    },
    "mlflow_version": "3.1",
    "registry_timeout": 3,
    "registry_mirrors": {},
    "debian_mirror": [],
    "ca_bundle": "auto",
    "pip_index_url": "",
    "go_proxy": "",
    "http_proxy": "",
    "https_proxy": "",
    "no_proxy": "",
}
HOST: dict[str, Any] = {
    "proxy": {"http_proxy": "http://host"},
    "pip": {"index_url": "http://index", "extra_index_url": "http://extra", "trusted_host": "index"},
    "go_proxy": "",
    "debian_lines": ["deb http://host bookworm main"],
    "architecture": "amd64",
    "cache_dir": "/cache",
    "ca_bundle": "/host.pem",
}


def known(**given: Any) -> images.Known:
    nothing = {"record": {}, "images": [], "from_archive": [], "answers": [], "not_given": [], "obtained": {}}
    return images.Known(CONTEXTS, **{**nothing, **given})


def plan(settings: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    return images.plan_images({**SETTINGS, **(settings or {})}, known(**given))


def built(name: str, base: str = "build") -> str:
    product = images.products(CONTEXTS, "3.1")[name]
    return images.built_names(name, product, KEYS, DEBIAN)[base]


def engine(*names: str) -> list[dict[str, Any]]:
    """What the engine lists: one image with these names."""
    return [{"Id": "sha256:1", "RepoTags": list(names), "RepoDigests": None}]


def recorded(**entry: Any) -> dict[str, Any]:
    return {"components": {"postgres": {"reason": "it was so", **entry}}}


def test_a_name_holds_the_version_and_the_key_of_all_files_below() -> None:
    # The keys of a release are in the names of its images: other sums would build every image anew.
    assert built("postgres") == "mlops-mlflow/postgres:15-" + images.digest(KEYS["postgres"] + KEYS["base"])[:12]
    assert built("nfs", "registry") == "mlops-mlflow/nfs:4.3-" + images.digest(KEYS["nfs"] + DEBIAN)[:12]
    assert built("mlflow_server").startswith("mlops-mlflow/mlflow_server:3.1-")
    assert images.digest("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"


@pytest.mark.parametrize(
    ("components", "kind", "names"),
    [
        (["postgres", "object_store"], "minio", ["postgres", "minio"]),
        (["object_store", "nfs"], "external", ["nfs"]),
        ([], "minio", []),
    ],
)
def test_components_ask_for_images(components: list[str], kind: str, names: list[str]) -> None:
    assert images.names_of(components, kind) == names


# Settings, what is known, and what is to come of it.
WAYS = {
    "nothing-known": ({}, {}, {"supply": "probe", "ask": PLACE, "reference": "", "present": False}),
    "here-from-a-registry": (
        {},
        {"images": engine("postgres:15.1")},
        {"supply": "registry", "present": True, "id": "sha256:1", "reason": "its image was here already"},
    ),
    "here-by-its-digest": (
        {"references": {**SETTINGS["references"], "postgres": "quay.io/a/b@sha256:1"}},
        {"images": [{"Id": "sha256:1", "RepoTags": None, "RepoDigests": ["quay.io/a/b@sha256:1"]}]},
        {"supply": "registry", "present": True},
    ),
    "here-from-a-build": (
        {},
        {"images": engine(built("postgres"))},
        {"supply": "build", "base": "build", "reference": built("postgres"), "present": True},
    ),
    "here-but-to-be-rebuilt": (
        {"rebuild": True},
        {"images": engine(built("postgres"))},
        {"supply": "build", "present": False, "id": "sha256:1"},
    ),
    "registry-has-it": (
        {},
        {"answers": [(PLACE, 401)]},
        {"supply": "registry", "reference": PLACE, "reason": "docker.io answers"},
    ),
    "registry-lacks-it": (
        {},
        {"answers": [(PLACE, 404)]},
        {"supply": "build", "base": "build", "reason": f"docker.io does not have {PLACE}"},
    ),
    "registry-is-silent": (
        {},
        {"answers": [(PLACE, -1)]},
        {"supply": "build", "base": "build", "reason": "docker.io did not answer within 3 s"},
    ),
    "registry-does-not-give-it": (
        {},
        {"answers": [(PLACE, 200)], "not_given": ["postgres"]},
        {"supply": "build", "reason": f"docker.io answered, but did not give {PLACE}", "chosen": False},
    ),
    "mirror": (
        {"registry_mirrors": {"docker.io": "registry.example"}},
        {"answers": [(OTHER_PLACE, 200)]},
        {"supply": "registry", "reference": OTHER_PLACE, "reason": "registry.example answers"},
    ),
    "told-to-pull": (
        {"supply": "registry"},
        {},
        {"supply": "registry", "reference": PLACE, "reason": "images_supply is registry", "chosen": True},
    ),
    "told-to-build": (
        {"supply": "build"},
        {"images": engine("postgres:15.1"), "record": recorded(supply="registry")},
        {"supply": "build", "base": "build", "reason": "images_supply is build"},
    ),
    "recorded-as-pulled": (
        {},
        {"record": recorded(supply="registry"), "images": engine(built("postgres"))},
        {"supply": "registry", "reference": PLACE, "reason": "it was so", "present": False, "chosen": True},
    ),
    "recorded-as-built": (
        {},
        {"record": recorded(supply="build", base="build"), "images": engine("postgres:15.1")},
        {"supply": "build", "reference": built("postgres"), "reason": "it was so"},
    ),
    "recorded-as-from-an-archive": (
        {},
        {"record": recorded(supply="archive", reference="old:1"), "images": engine("old:1")},
        {"supply": "archive", "reference": "old:1", "reason": "it was so", "error": "", "present": True},
    ),
    "in-the-archive": (
        {"archive": "/a.tar"},
        {"from_archive": ["postgres"], "images": engine(built("postgres"))},
        {"supply": "archive", "reference": built("postgres"), "reason": "images_archive names /a.tar"},
    ),
    "not-in-the-archive": (
        {"archive": "/a.tar"},
        {"from_archive": ["postgres"]},
        {"supply": "archive", "reference": "", "present": False, "error": ""},
    ),
    "obtained": ({"supply": "build"}, {"obtained": {"postgres": "sha256:2"}}, {"id": "sha256:2", "present": False}),
}


@pytest.mark.parametrize("name", WAYS)
def test_an_image_comes_from_somewhere(name: str) -> None:
    settings, given, wanted = WAYS[name]
    image = plan(settings, **given)["images"]["postgres"]
    assert {key: image.get(key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("settings", "given", "base", "reason"),
    [
        ({"supply": "registry"}, {}, "registry", "images_supply is registry, and its base comes from there"),
        ({}, {"answers": [(DEBIAN, 200)]}, "registry", "docker.io answers, so its base comes from there"),
        ({}, {"answers": [(DEBIAN, 404)]}, "build", f"docker.io does not have {DEBIAN}"),
        ({}, {"images": engine(built("nfs", "registry"))}, "registry", "its image was here already"),
    ],
)
def test_what_no_registry_has_is_built_on_a_base_from_there(
    settings: dict[str, Any], given: dict[str, Any], base: str, reason: str
) -> None:
    image = plan({**settings, "components": ["nfs"]}, **given)["images"]["nfs"]
    assert (image["supply"], image["base"], image["reason"]) == ("build", base, reason)
    assert image["reference"] == built("nfs", base)


def test_an_image_from_an_archive_that_is_gone_is_an_error() -> None:
    answer = plan(record=recorded(supply="archive", reference="old:1"))
    assert len(answer["errors"]) == 1
    assert "the image old:1 of PostgreSQL came from an archive and is gone" in answer["errors"][0]


def test_a_record_of_another_object_store_does_not_count() -> None:
    record = {"components": {"object_store": {"kind": "minio", "supply": "registry", "reason": "it was so"}}}
    settings = {"components": ["object_store"]}
    assert plan(settings, record=record)["images"]["seaweedfs"]["supply"] == "probe"
    assert plan({**settings, "object_store": "minio"}, record=record)["images"]["minio"]["supply"] == "registry"


def test_each_registry_is_asked_once() -> None:
    questions = plan({"components": ["nfs", "mlflow_server", "postgres"]})["questions"]
    assert [each["reference"] for each in questions] == [DEBIAN, PLACE]


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        (PLACE, "https://registry-1.docker.io/v2/library/postgres/manifests/15.1"),
        ("localhost:5001/a/b:1", "http://localhost:5001/v2/a/b/manifests/1"),
        ("127.0.0.1:1/a:1", "http://127.0.0.1:1/v2/a/manifests/1"),
        ("quay.io/a@sha256:12", "https://quay.io/v2/a/manifests/sha256:12"),
        ("quay.io/a:1@sha256:12", "https://quay.io/v2/a/manifests/sha256:12"),
    ],
)
def test_registries_are_asked_for_the_manifest(reference: str, url: str) -> None:
    assert images.manifest_url(reference) == url


def test_others_are_told_the_component_and_its_image() -> None:
    settings = {"components": ["postgres", "object_store"], "supply": "build"}
    resolved = plan(settings)["resolved"]
    told = {"supply": "build", "base": "build", "reason": "images_supply is build", "id": ""}
    assert resolved == {
        "postgres": {**told, "reference": built("postgres")},
        "object_store": {**told, "reference": built("seaweedfs"), "kind": "seaweedfs"},
    }


def test_an_external_store_has_no_image() -> None:
    answer = plan({"components": ["object_store"], "object_store": "external"})
    assert answer["images"] == {}
    assert answer["candidates"] == []
    assert answer["resolved"]["object_store"]["kind"] == "external"
    assert answer["lines"] == ["object_store: an external one, so no image is needed"]


def test_the_user_is_told_where_an_image_comes_from() -> None:
    settings = {"components": ["postgres", "load_balancer"]}
    answer = plan(settings, images=engine("postgres:15.1"), answers=[("docker.io/library/haproxy:3", 404)])
    assert answer["lines"] == [
        f"postgres: PostgreSQL from docker.io ({PLACE}), because its image was here already",
        f"load_balancer: HAProxy built here from Debian packages ({built('load_balancer')}), because docker.io does "
        "not have docker.io/library/haproxy:3",
    ]
    assert answer["to_build"] == ["load_balancer"]
    assert answer["lacking"] == [f"HAProxy (docker.io/library/haproxy:3 or {built('load_balancer')})"]


def test_the_engine_is_asked_for_every_name() -> None:
    candidates = plan(record=recorded(supply="build", reference="old:1"))["candidates"]
    assert candidates == [PLACE, built("postgres"), "old:1"]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (
            {},
            {
                "apt_lines": ["deb http://host bookworm main"],
                "ca_bundle": "/host.pem",
                "environment": {"http_proxy": "http://host"},
                "arguments": {
                    "http_proxy": "http://host",
                    "PIP_INDEX_URL": "http://index",
                    "PIP_EXTRA_INDEX_URL": "http://extra",
                    "PIP_TRUSTED_HOST": "index",
                },
            },
        ),
        (
            {
                "debian_mirror": ["http://m", "deb [trusted=yes] http://n bookworm main"],
                "ca_bundle": "",
                "pip_index_url": "http://mine",
                "go_proxy": "http://go",
                "http_proxy": "http://mine",
            },
            {
                "apt_lines": ["deb http://m bookworm main", "deb [trusted=yes] http://n bookworm main"],
                "ca_bundle": "",
                "environment": {"http_proxy": "http://mine"},
                "arguments": {
                    "http_proxy": "http://mine",
                    "PIP_INDEX_URL": "http://mine",
                    "PIP_TRUSTED_HOST": "index",
                    "GOPROXY": "http://go",
                },
            },
        ),
    ],
)
def test_builds_are_told_what_the_user_says_or_the_host_uses(settings: dict[str, Any], wanted: dict[str, Any]) -> None:
    answer = images.build_settings({**SETTINGS, **settings}, "base", HOST)
    assert {key: answer[key] for key in wanted} == wanted
    key = images.digest("base" + "\n".join(wanted["apt_lines"]) + "amd64")
    assert answer["base"] == f"mlops-mlflow/debian:bookworm-{key[:12]}"
    assert answer["base_archive"] == f"/cache/debian-bookworm-amd64-{key[:12]}.tar"
