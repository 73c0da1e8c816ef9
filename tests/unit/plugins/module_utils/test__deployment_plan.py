# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a deployment: files named by their content, and limits that fit the host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _deployment_plan as plans

LABEL = {"owner": "d"}


def component(content: str = "one", **more: Any) -> dict[str, Any]:
    return {
        "compose": {
            "services": {
                "a": {
                    "image": "i",
                    "security_opt": ["seccomp:./config/a/seccomp.json", "no-new-privileges:true"],
                    "configs": [{"source": "a", "target": "/x"}],
                },
                "tool": {"image": "i", "profiles": ["tools"]},
            },
            "configs": {"a": {"file": "./config/a/x.json"}},
            "networks": {"n": None},
        },
        "files": [
            {"path": "config/a/x.json", "content": content, "mode": "0644"},
            {"path": "config/a/seccomp.json", "content": "{}", "mode": "0644"},
        ],
        **more,
    }


def plan(*components: tuple[str, dict], host: int = 8192, log_mb: int = 0, given: dict | None = None) -> dict[str, Any]:
    return plans.put_together(list(components), plans.Settings(LABEL, log_mb, host, given or {}))


def test_files_are_named_by_content_wherever_they_are_used() -> None:
    one, same, two = (plan(("a", component(content))) for content in ("one", "one", "two"))
    assert one == same
    paths = [each["path"] for each in one["files"]]
    for path in paths:
        assert path.split("/")[:2] == ["config", "a"]
        assert len(path.split("/")[2]) == plans.KEY_LENGTH
    assert one["compose"]["configs"]["a"]["file"] == f"./{paths[0]}"
    assert one["compose"]["services"]["a"]["security_opt"] == [f"seccomp:./{paths[1]}", "no-new-privileges:true"]
    # Another content is another file, so that whoever uses the first keeps it.
    assert not set(paths) & {each["path"] for each in two["files"]}


@pytest.mark.parametrize("change", ["content", "image", "log", "memory"])
def test_the_label_tells_every_change_of_a_service(change: str) -> None:
    def label(changed: bool) -> str:
        body = component("two" if change == "content" and changed else "one", memory={"a": {"need": 64, "share": 4}})
        if change == "image" and changed:
            body["compose"]["services"]["a"]["image"] = "j"
        host = 16384 if change == "memory" and changed else 8192
        found = plan(("a", body), host=host, log_mb=30 if change == "log" and changed else 0)
        return found["compose"]["services"]["a"]["labels"][plans.FILES_LABEL]

    assert label(False) == label(False) != label(True)


def test_everything_has_the_label_of_the_deployment() -> None:
    found = plan(("a", component()))["compose"]
    assert found["services"]["tool"]["labels"]["owner"] == found["networks"]["n"]["labels"]["owner"] == "d"


def test_lists_and_hooks_keep_the_order_of_the_components() -> None:
    found = plan(
        ("b", {"compose": {}, "files": [], "provision": True, "first": ["b"]}),
        ("a", component(provision=True, schema=True, first=["a"], rolling=["a"])),
    )
    assert found["provision"] == ["b", "a"]
    assert found["schema"] == ["a"]
    assert found["keep"] == []
    assert found["first"] == ["b", "a"]
    assert found["rolling"] == ["a"]
    # Tools are run when they are needed.
    assert found["services"] == ["a"]


@pytest.mark.parametrize(("log_mb", "size"), [(0, None), (30, "10240k"), (1, "341k")])
def test_logs_have_a_bound(log_mb: int, size: str | None) -> None:
    logging = plan(("a", component()), log_mb=log_mb)["compose"]["services"]["a"].get("logging")
    wanted = size and {"driver": "json-file", "options": {"max-size": size, "max-file": "3"}}
    assert logging == wanted


SERVERS = {"s1": {"need": 700, "share": 2.5}, "s2": {"need": 700, "share": 2.5}}
PARTS = [
    ("postgres", {"memory": {"postgres": {"need": "640", "share": 4}}}),
    ("object_store", {"memory": {"seaweedfs": {"need": 512, "share": 4}}}),
    ("mlflow_server", {"memory": SERVERS}),
    ("load_balancer", {"memory": {"load-balancer": {"need": 256, "share": 1}}}),
]


def limits(host: int, given: dict | None = None) -> list[int]:
    return list(plans.memory_limits(PARTS, plans.Settings(LABEL, 0, host, given or {})).values())


@pytest.mark.parametrize(
    ("host", "given", "expected"),
    [
        (24105, {}, [6016, 6016, 3760, 3760, 1504]),
        # A kernel that keeps a little more for itself changes nothing.
        (24080, {}, [6016, 6016, 3760, 3760, 1504]),
        (8192, {}, [2048, 2048, 1280, 1280, 512]),
        # What is needed, on a host that is small: it worked before there were limits, and goes on doing so.
        (1900, {}, [640, 512, 700, 700, 256]),
        (512, {}, [640, 512, 700, 700, 256]),
        (8192, {"postgres": 700, "mlflow_server": "2000"}, [700, 2048, 2000, 2000, 512]),
    ],
)
def test_limits_follow_from_the_host(host: int, given: dict, expected: list[int]) -> None:
    assert limits(host, given) == expected


def test_one_server_more_does_not_touch_the_data_services() -> None:
    more = [*PARTS[:2], ("mlflow_server", {"memory": {f"s{n}": {"need": 700, "share": 5 / 3} for n in range(3)}})]
    found = plans.memory_limits(more, plans.Settings(LABEL, 0, 24105, {}))
    assert [found["postgres"], found["seaweedfs"]] == limits(24105)[:2]


@pytest.mark.parametrize("host", [2048, 4096, 8192, 24105, 262144])
def test_all_limits_together_are_less_than_the_host(host: int) -> None:
    needs = 640 + 512 + 2 * 700 + 256
    assert sum(limits(host)) <= max(host, needs)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"postgres": 100}, ["postgres 100 MiB", "at least 640"]),
        ({"postgres": 9000}, ["postgres 9000", "8192 MiB", "leave postgres out"]),
        ({"postgres": 5000, "object_store": 5000}, ["10000 MiB together", "8192"]),
        ({"postgres": "much"}, ["postgres 'much'", "a number from 1"]),
        ({"postgres": 0}, ["postgres 0", "a number from 1"]),
        ({"redis": 500}, ["redis", "postgres, object_store, mlflow_server, load_balancer"]),
        ([1], ["[1]", "dictionary"]),
    ],
)
def test_what_cannot_fit_is_refused(given: dict, words: list[str]) -> None:
    with pytest.raises(plans.PlanError) as refusal:
        limits(8192, given)
    for word in ["deployment_memory_limits_mb", *words]:
        assert word in str(refusal.value)


def test_a_file_for_a_single_step_changes_no_name_and_no_service() -> None:
    before = component()
    passing = {"path": "secrets/previous", "content": "former", "mode": "0400", "secret": True, "passing": True}
    after = {**before, "files": [*before["files"], passing]}
    without, with_it = (plan(("one", each)) for each in (before, after))
    assert with_it["compose"] == without["compose"]
    assert [each for each in with_it["files"] if "passing" not in each] == without["files"]
    assert len(with_it["files"]) == len(without["files"]) + 1


@pytest.mark.parametrize(("passing", "flags"), [(None, [None, None]), ([], [False, False]), (["b"], [False, True])])
def test_secrets_become_files_that_one_user_reads(passing: list[str] | None, flags: list[bool | None]) -> None:
    files = plans.secret_files({"a": "1", "b": "2"}, "secrets/x", 10001, passing)
    assert [file["path"] for file in files] == ["secrets/x/a", "secrets/x/b"]
    assert [file.get("passing") for file in files] == flags
    assert {(file["mode"], file["uid"], file["secret"]) for file in files} == {("0400", 10001, True)}


def test_secret_files_are_written_with_their_owner() -> None:
    files = [*plans.secret_files({"a": "1"}, "secrets", "7"), {"path": "open", "content": "", "mode": "0644"}]
    assert plans.files_to_write(files) == [{"path": "secrets/a", "content": "1", "mode": "0400", "owner": 7}]
