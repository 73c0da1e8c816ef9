# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the campaign that need nothing running: choice, resumption, figures, comparison, and what is shown."""

from __future__ import annotations

import argparse
import copy
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from laboratory.benchmark.processes import StepFailed
from laboratory.campaign import (
    comparison,
    cycles,
    main,
    options,
    output,
    repeatability,
    services,
    statistic,
    steps,
    view,
)
from laboratory.campaign import state as state_of
from laboratory.campaign.deployments import COMPOSE, KUBERNETES, Abilities, Candidate, choose, discover, obstacle
from laboratory.campaign.measures import measures
from laboratory.campaign.progress import Progress, clock
from laboratory.campaign.state import DONE, FAILED, FILE, INTERRUPTED, State
from laboratory.campaign.steps import Cycle, Step, steps_between

ROOT = Path(__file__).resolve().parents[2]
ALL = Abilities(engine=True, nfs=True, contexts=("mlflow",))
LOCAL = Candidate("local", COMPOSE, ("postgres", "mlflow_server"))
NFS = Candidate("multi-az-nfs", COMPOSE, ("postgres", "nfs", "mlflow_server", "load_balancer"))
K8S = Candidate("k8s", KUBERNETES, ("postgres", "object_store", "mlflow_server"))


# --- choice ---------------------------------------------------------------------------------------------------------


def test_the_deployments_of_the_checkout_are_found() -> None:
    found = [each.name for each in discover() if not each.of]
    assert found[:3] == ["local", "single-az", "multi-az"]
    assert not {"verify", "destroy", "campaign", "resilience", "minikube", "single_az"} & set(found)


def test_a_playbook_says_where_it_deploys_to(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(
        "- hosts: all\n  vars: {kubernetes_components: [postgres]}\n  roles: [{role: mlops.mlflow.kubernetes}]\n"
    )
    (tmp_path / "c.yml").write_text(
        "- hosts: all\n  vars: {deployment_components: [postgres, nfs]}\n"
        "  tasks: [{ansible.builtin.import_role: {name: mlops.mlflow.deployment}}]\n"
    )
    (tmp_path / "d.yml").write_text("- import_playbook: c.yml\n")
    assert discover(tmp_path) == [
        Candidate("c", COMPOSE, ("postgres", "nfs")),
        Candidate("b", KUBERNETES, ("postgres",)),
    ]


@pytest.mark.parametrize(
    ("candidate", "machine", "extra", "expected"),
    [
        (LOCAL, ALL, {}, ""),
        (LOCAL, Abilities(engine=False, nfs=True), {}, "engine does not answer"),
        (NFS, ALL, {}, ""),
        (NFS, Abilities(engine=True, nfs=False), {}, "cannot mount NFS"),
        (Candidate("multi-az-nfs", COMPOSE), Abilities(engine=True, nfs=False), {}, "cannot mount NFS"),
        (LOCAL, Abilities(engine=True, nfs=False), {}, ""),
        (K8S, ALL, {}, ""),
        (K8S, Abilities(engine=True, nfs=False), {}, "0 contexts of minikube"),
        (K8S, Abilities(engine=True, nfs=False, contexts=("a", "b")), {}, "2 contexts of minikube"),
        (K8S, Abilities(engine=True, nfs=False), {"kubernetes_context": "bed"}, ""),
    ],
)
def test_what_this_machine_cannot_run_has_a_reason(
    candidate: Candidate, machine: Abilities, extra: dict, expected: str
) -> None:
    reason = obstacle(candidate, machine, extra)
    assert bool(reason) is bool(expected)
    assert expected in reason


def test_all_that_can_run_are_chosen_and_the_others_named() -> None:
    chosen, skipped = choose([LOCAL, NFS, K8S], [], Abilities(engine=True, nfs=False), {})
    assert chosen == [LOCAL]
    assert [each.name for each in skipped] == ["multi-az-nfs", "k8s"]


def test_what_is_asked_for_is_chosen() -> None:
    chosen, skipped = choose([LOCAL, NFS], ["multi-az-nfs"], ALL, {})
    assert chosen == [NFS]
    assert [(each.name, each.reason) for each in skipped] == [("local", "not asked for")]


def test_each_deployment_on_s3_can_be_seen_on_the_other_store() -> None:
    found = {each.name: each for each in discover()}
    minio = found["single-az-minio"]
    assert (minio.playbook, dict(minio.variables)) == ("single-az", {"object_store": "minio"})
    assert minio.components == found["single-az"].components
    assert {"multi-az-minio", "k8s-minio"} <= set(found)
    assert not {"local-minio", "multi-az-nfs-minio"} & set(found)


def test_the_other_store_is_measured_when_it_is_asked_for() -> None:
    candidates = [each for each in discover() if each.playbook == "single-az"]
    chosen, skipped = choose(candidates, [], ALL, {})
    assert [each.name for each in chosen] == ["single-az"]
    assert "name it in --deployments" in skipped[0].reason
    chosen, skipped = choose(candidates, ["single-az", "single-az-minio"], ALL, {})
    assert [each.name for each in chosen] == ["single-az", "single-az-minio"]
    assert skipped == []


def test_a_deployment_on_the_other_store_has_a_name_and_a_store_of_its_own() -> None:
    given = options.parse(["--extra-vars", "object_store=seaweedfs"])
    candidate = next(each for each in discover() if each.name == "single-az-minio")
    deployment = main.deployment_of(candidate, given)
    assert (deployment.name, deployment.playbook) == ("campaign-single-az-minio", "single-az")
    assert deployment.variables == {"object_store": "minio"}


@pytest.mark.parametrize(
    ("asked", "machine", "expected"),
    [
        (["moon"], ALL, "--deployments has moon, and there is no such playbook: choose among local, multi-az-nfs."),
        ([], Abilities(engine=False, nfs=False), "can run none of them: local: the Docker engine"),
        (["multi-az-nfs"], Abilities(engine=True, nfs=False), "multi-az-nfs: the kernel"),
    ],
)
def test_an_impossible_choice_is_refused(asked: list[str], machine: Abilities, expected: str) -> None:
    with pytest.raises(StepFailed) as refusal:
        choose([LOCAL, NFS], asked, machine, {})
    assert expected in str(refusal.value)


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--repetitions", "0"], "--repetitions is 0: give 1 to 20"),
        (["--clients", "1"], "--clients is 1"),
        (["--seconds", "1"], "--seconds is 1"),
        (["--port", "70000"], "--port is 70000"),
        (["--prefix", "My Campaign"], "--prefix is 'My Campaign'"),
        (["--faults", "flood"], "kill-server"),
        (["--extra-vars", "nonsense"], "neither name=value nor a JSON object"),
        (["--extra-vars", "{"], "is not JSON"),
        (["--resume", "a", "--report", "b"], "not allowed with"),
    ],
)
def test_bad_arguments_are_refused(words: list[str], expected: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as refusal:
        options.parse(words)
    assert refusal.value.code == 2
    assert expected in capsys.readouterr().err


def test_variables_come_in_both_ways() -> None:
    given = options.parse(
        ["--extra-vars", "object_store=seaweedfs", "--extra-vars", '{"mlflow_server_zones": ["a", "b"]}']
    )
    assert given.extra_vars == {"object_store": "seaweedfs", "mlflow_server_zones": ["a", "b"]}


def test_values_of_variables_are_not_on_record() -> None:
    given = options.parse(["--extra-vars", "object_store_secret_key=hunter2"])
    assert options.kept(given)["extra_vars"] == ["object_store_secret_key"]
    assert "hunter2" not in json.dumps(options.kept(given))


def test_a_campaign_goes_on_with_the_arguments_that_it_was_begun_with() -> None:
    recorded = options.kept(options.parse(["--seconds", "9", "--port", "5003", "--extra-vars", "a=1"]))
    given = options.resumed(options.parse(["--resume", "x", "--extra-vars", "a=2"]), recorded)
    assert (given.seconds, given.port, given.extra_vars) == (9, 5003, {"a": "2"})
    with pytest.raises(StepFailed, match="begun with a"):
        options.resumed(options.parse(["--resume", "x"]), recorded)


def test_faults_come_last_and_only_as_often_as_asked_for() -> None:
    given = options.parse(["--peers", "--fault-repetitions", "2"])
    names = [[step.name for step in steps_between(given, number)] for number in (1, 2, 3)]
    assert [each[-1] for each in names] == ["faults", "faults", "peers"]
    assert [{"run again", "train"} <= set(each) for each in names] == [True, False, False]
    assert "faults" not in [step.name for step in steps_between(options.parse(["--faults"]), 1)]


# --- state ----------------------------------------------------------------------------------------------------------


def campaign(folder: Path, repetitions: int = 2, names: tuple[str, ...] = ("local", "single-az")) -> State:
    given = options.kept(options.parse(["--repetitions", str(repetitions)]))
    return State.begin(
        folder,
        arguments=given,
        deployments=list(names),
        skipped=[{"name": "k8s", "reason": "no <cluster> & no contexts"}],
        machine={"processor": "a processor", "cores": "2", "memory": "24.0 GiB"},
        versions={"collection": "0.1.0"},
        images={"local": {"mlflow_server": "mlops-mlflow/mlflow_server:3.17.2-abc"}},
        started=1.8e9,
    )


def finish(state: State, name: str, repetition: int, status: str = DONE, deployed: bool = True, **samples) -> dict:
    cycle = state.begin_cycle(name, repetition)
    cycle.update(
        status=status, deployed=deployed, samples={key.replace("__", "."): value for key, value in samples.items()}
    )
    return cycle


def test_deployments_take_turns(tmp_path: Path) -> None:
    assert campaign(tmp_path).pending() == [("local", 1), ("single-az", 1), ("local", 2), ("single-az", 2)]


def test_a_campaign_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    state = campaign(tmp_path)
    finish(state, "local", 1, deploy__seconds=20.0)
    finish(state, "single-az", 1, INTERRUPTED, deploy__seconds=99.0)
    state.save()
    again = State.load(tmp_path)
    assert again.pending() == [("single-az", 1), ("local", 2), ("single-az", 2)]
    again.begin_cycle("single-az", 1)
    # What was interrupted gave its place to the new one.
    assert [(each["deployment"], each["status"]) for each in again.document["cycles"]] == [
        ("local", DONE),
        ("single-az", "running"),
    ]


def test_what_cannot_be_deployed_is_not_tried_again_and_stops_no_other(tmp_path: Path) -> None:
    state = campaign(tmp_path)
    finish(state, "local", 1, FAILED, deployed=False)
    assert state.pending() == [("single-az", 1), ("single-az", 2)]
    finish(state, "single-az", 1, FAILED, deployed=True)
    assert state.pending() == [("single-az", 2)]


def test_a_folder_has_one_campaign(tmp_path: Path) -> None:
    campaign(tmp_path).save()
    with pytest.raises(StepFailed, match="holds a campaign already"):
        campaign(tmp_path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "There is no file"),
        ("{", "cannot be read as JSON"),
        ("[]", "is not the"),
        ('{"cycles": []}', "the format None"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(StepFailed, match=expected):
        State.load(tmp_path)


# --- a cycle --------------------------------------------------------------------------------------------------------


class Recorded:
    """In place of a deployment: notes what is asked of it, which is to be taken down."""

    name = "campaign-local"

    def __init__(self) -> None:
        self.cleaned = 0

    def clean(self) -> None:
        self.cleaned += 1


def cycle_of(state: State, monkeypatch: pytest.MonkeyPatch, deploys: bool = True) -> Cycle:
    def deploy(cycle: Cycle) -> dict:
        if not deploys:
            raise StepFailed("the image is missing")
        cycle.record["deployed"] = True
        return {"deploy.seconds": 20.0}

    monkeypatch.setattr(cycles, "BEGINNING", (Step("deploy", deploy),))
    monkeypatch.setattr(cycles, "ENDING", (Step("destroy", lambda cycle: {"destroy.seconds": 5.0}),))
    record = state.begin_cycle("local", 1)
    return Cycle(argparse.Namespace(), LOCAL, Recorded(), state.folder, record, lambda text: None)


def fail(cycle: Cycle) -> dict:
    raise StepFailed("no answer")


def err(cycle: Cycle) -> dict:
    return {"x": cycle.nothing}


def stop(cycle: Cycle) -> dict:
    raise KeyboardInterrupt


def test_a_failed_step_is_on_record_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = campaign(tmp_path)
    cycle = cycle_of(state, monkeypatch)
    cycles.perform_cycle(cycle, [Step("train", fail), Step("memory", lambda cycle: {"memory.all": 1.0})], state.save)
    record = State.load(tmp_path).document["cycles"][0]
    assert (record["status"], record["problems"]) == (FAILED, ["train: no answer"])
    assert [step["name"] for step in record["steps"]] == ["deploy", "train", "memory", "destroy"]
    assert record["samples"] == {"deploy.seconds": 20.0, "memory.all": 1.0, "destroy.seconds": 5.0}
    assert cycle.deployment.cleaned == 1


def test_an_error_of_ours_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = campaign(tmp_path)
    cycle = cycle_of(state, monkeypatch)
    cycles.perform_cycle(cycle, [Step("memory", err)], state.save)
    assert cycle.record["problems"] == ["memory: AttributeError: 'Cycle' object has no attribute 'nothing'"]
    assert cycle.record["steps"][-1]["name"] == "destroy"


def test_a_port_that_is_taken_is_seen_before_anything_is_deployed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        cycle = Cycle(argparse.Namespace(port=port), LOCAL, Recorded(), tmp_path / "a" / "b", {}, lambda text: None)
        with pytest.raises(StepFailed, match=f"Port {port} is taken by .*choose another port with --port"):
            steps.preflight(cycle)


def test_a_server_that_does_not_answer_is_not_verified() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
    with pytest.raises(StepFailed, match=f"{url}/version does not answer"):
        steps.version(url)


def test_what_a_peer_cannot_do_is_named_and_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def rates(url: str, large: int, small: int, **variables: str) -> dict:
        asked.append(variables)
        if large:
            raise StepFailed("413 Request Entity Too Large")
        return {"small_up": [2.0, 4.0, 3.0]}

    def load(*words: object, **variables: str) -> dict:
        asked.append(variables)
        raise StepFailed("no answer")

    monkeypatch.setattr(steps.artifacts, "rates", rates)
    monkeypatch.setattr(steps, "run_load", load)
    record = {"details": {}, "problems": []}
    given = argparse.Namespace(large=32, small=30, seconds=7, clients=4)
    cycle = Cycle(given, LOCAL, Recorded(), tmp_path, record, lambda text: None)
    assert steps.measure_peer(cycle, "nginx", "http://127.0.0.1:1") == {"artifacts.small_up": 3.0}
    assert record["problems"] == []
    assert record["details"]["behind nginx, large artifacts"] == "413 Request Entity Too Large"
    assert record["details"]["behind nginx, load, one client"] == "no answer"
    # None of them waits for a store that clients do not reach.
    assert all(each["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] == "false" for each in asked)
    assert len(asked) == 5


def test_nothing_is_tested_that_was_not_deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = campaign(tmp_path)
    cycle = cycle_of(state, monkeypatch, deploys=False)
    cycles.perform_cycle(cycle, [Step("train", fail)], state.save)
    assert [step["name"] for step in cycle.record["steps"]] == ["deploy"]
    assert cycle.deployment.cleaned == 1
    assert ("local", 2) not in state.pending()


def test_an_interruption_takes_down_what_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = campaign(tmp_path)
    cycle = cycle_of(state, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        cycles.perform_cycle(cycle, [Step("train", stop)], state.save)
    assert cycle.deployment.cleaned == 1
    again = State.load(tmp_path)
    assert again.document["cycles"][0]["status"] == INTERRUPTED
    assert again.pending()[0] == ("local", 1)


def test_a_campaign_is_carried_out_by_one_process_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(StepFailed, match="is running: wait for its end")
    with state_of.locked(tmp_path), refused, state_of.locked(tmp_path):
        pytest.fail("both had it")
    with state_of.locked(tmp_path):
        pass
    with pytest.raises(StepFailed, match="no folder"), state_of.locked(tmp_path / "nothing"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_what_a_killed_campaign_started_ends_with_it(tmp_path: Path) -> None:
    imports = "from laboratory.benchmark.processes import perform"
    program = f"{imports}; perform(['sh', '-c', 'echo $$ > pid; sleep 600'], cwd={str(tmp_path)!r})"
    campaign = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        child = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
    finally:
        campaign.kill()
        campaign.wait()
    assert wait_for(lambda: not runs(child))


def test_an_interrupted_load_ends_at_once(tmp_path: Path) -> None:
    # As the load's processes do, which finish their calls first.
    stubborn = "trap '' INT TERM; echo $$ > pid; while :; do sleep 0.1; done"
    # What is started in the background ignores SIGINT until it is told otherwise, as the campaign does.
    handler = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    imports = "from laboratory.benchmark.processes import perform"
    program = f"{handler}; {imports}; perform(['sh', '-c', {stubborn!r}], cwd=F, expendable=True)"
    campaign = subprocess.Popen(
        [sys.executable, "-c", program.replace("F", repr(str(tmp_path)))], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    try:
        child = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
        campaign.send_signal(signal.SIGINT)
        campaign.wait(timeout=20)
    finally:
        campaign.kill()
        campaign.wait()
    assert not runs(child)


def wait_for(condition: Callable[[], object]) -> object:
    end = time.monotonic() + 20
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def runs(process: int) -> bool:
    """A zombie has ended, and only nobody has asked yet how."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("seconds", "expected"), [(0, "0:00"), (61.9, "1:01"), (3725, "1:02:05")])
def test_the_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_progress_says_where_and_goes_on_counting(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    progress = Progress(tmp_path, before=600)
    progress.where = "2 of 9, local, repetition 1"
    progress.say("deploy")
    line = capsys.readouterr().err.strip()
    assert re.fullmatch(r"\[  10:0\d\] 2 of 9, local, repetition 1: deploy", line)
    assert (tmp_path / "progress.log").read_text().strip() == line


# --- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "median", "spread"),
    [([4], 4, 0), ([1, 9, 4], 4, 2), ([1, 3], 2, 1), ([0, 0, 0], 0, 0)],
)
def test_median_and_spread(samples: list[float], median: float, spread: float) -> None:
    found = statistic.statistic(samples)
    assert (found.median, found.spread) == (median, spread)


def test_samples_are_collected_of_what_came_to_its_end(tmp_path: Path) -> None:
    state = campaign(tmp_path, 3)
    finish(state, "local", 1, deploy__seconds=20.0)
    finish(state, "local", 2, FAILED, deploy__seconds=22.0)
    finish(state, "local", 3, INTERRUPTED, deploy__seconds=500.0)
    found = statistic.collect(state.document["cycles"])
    assert found == {"deploy.seconds": {"local": statistic.Statistic(21.0, 20.0, 22.0, 2)}}


def test_peers_stand_beside_the_same_measure(tmp_path: Path) -> None:
    state = campaign(tmp_path, 1)
    finish(
        state,
        "local",
        1,
        several__calls=200.0,
        memory__all=900.0,
        peer__plain__several__calls=100.0,
        peer__nginx__several__calls=80.0,
        peer__plain__memory__all=2000.0,
        peer__ours__memory__all=500.0,
    )
    found = statistic.collect_peers(state.document["cycles"], ("plain", "nginx"))["local"]
    assert {way: each.median for way, each in found["several.calls"].items()} == {"": 200, "plain": 100, "nginx": 80}
    # Not 900: PostgreSQL serves all ways.
    assert found["memory.all"][""].median == 500
    assert not [key for key in statistic.collect(state.document["cycles"]) if key.startswith("peer")]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2], [3, 4], True),
        ([3, 4], [1, 2], True),
        ([1, 3], [2, 4], False),
        ([1], [9], False),
        ([1, 2], [2, 3], False),
    ],
)
def test_a_difference_is_one_beyond_the_spread(one: list, other: list, expected: bool) -> None:
    assert statistic.apart(statistic.statistic(one), statistic.statistic(other)) is expected


def test_replicas_are_one_component() -> None:
    assert [services.component(name) for name in ("mlflow-server-a1", "mlflow-server-b1", "postgres")] == [
        "mlflow-server",
        "mlflow-server",
        "postgres",
    ]


@pytest.mark.parametrize(
    "counters", [{"total_inactive_file": 2**20, "inactive_file": 0}, {"inactive_file": 2**20}], ids=["v1", "v2"]
)
def test_memory_is_without_what_the_kernel_would_give_back(counters: dict) -> None:
    assert services.memory_in_use({"memory_stats": {"usage": 11 * 2**20, "stats": counters}}) == 10


def test_every_sample_has_a_place() -> None:
    keys = {"deploy.seconds", "several.p99", "memory.postgres", "memory.all", "fault.kill-server.gap", "left.things"}
    assert [each.key for each in measures(keys, 4)] == [
        "deploy.seconds",
        "several.p99",
        "memory.postgres",
        "memory.all",
        "fault.kill-server.gap",
        "left.things",
    ]


# --- the page -------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page refers to, its cells, and whether its elements are closed in the right order."""

    VOID = {"meta", "link", "br", "img", "input", "hr"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.identifiers: list[str] = []
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in ("td", "th", "dd", "li"):
            self.cells.append("")
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                self.references.append(value)
            elif name == "id":
                self.identifiers.append(value)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th", "dd", "li"} & set(self.open):
            self.cells[-1] += data


def assert_self_contained(text: str) -> Page:
    page = Page(text)
    assert page.open == []
    assert [each for each in page.references if not each.startswith("#")] == []
    assert not {"script", "link", "iframe", "object", "embed", "img"} & set(page.tags)
    assert "@import" not in text
    assert [each for each in re.findall(r"url\(([^)]*)\)", text) if not each.startswith("#")] == []
    assert len(page.identifiers) == len(set(page.identifiers))
    assert {each[1:] for each in page.references} <= set(page.identifiers)
    assert '<meta name="viewport" content="width=device-width' in text
    assert "@media print" in text
    assert "prefers-color-scheme: dark" in text
    return page


def full(folder: Path, factor: float = 1.0) -> State:
    """With a bit of everything."""
    state = campaign(folder)
    for repetition in (1, 2):
        for number, name in enumerate(("local", "single-az"), 1):
            share = factor * number * (1 + repetition / 100)
            cycle = finish(
                state,
                name,
                repetition,
                deploy__seconds=20 * share,
                rerun__seconds=8 * share,
                rerun__changed=0,
                destroy__seconds=5 * share,
                one__calls=60 / share,
                one__p50=9 * share,
                one__p95=12 * share,
                one__p99=20 * share,
                several__calls=120 / share,
                several__metrics=3000 / share,
                several__p99=80 * share,
                artifacts__large_up=150 / share,
                artifacts__large_down=90 / share,
                memory__postgres=100 * share,
                memory__all=100 * share,
                cpu__postgres=0.5,
                cpu__all=0.5,
                left__things=0,
                peer__plain__several__calls=60 / share,
                peer__nginx__several__calls=50 / share,
            )
            cycle["samples"] |= {"fault.kill-server.gap": 10.0 * share, "fault.kill-server.lost_writes": 0}
            cycle["details"]["time_lines"] = {
                "kill-server": {"ok": [9, 8, 0, 7], "failed": [0, 0, 1, 0], "gap_start": 2.0, "gap_seconds": 1.2}
            }
    state.document["ended"] = 1.8e9 + 900
    state.document["elapsed"] = 900.0
    return state


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    state = full(tmp_path)
    output.write(tmp_path, state.document)
    text = (tmp_path / output.PAGE).read_text(encoding="utf-8")
    page = assert_self_contained(text)
    assert page.tags.count("svg") >= 8
    cells = [" ".join(each.split()) for each in page.cells]
    assert "20.3 s20.2 to 20.4" in cells
    assert "4 of 4 cycles passed, nothing lost, nothing left behind" in text
    assert "a processor" in cells
    assert "k8s: no <cluster> & no contexts" in cells
    assert "mlops-mlflow/mlflow_server:3.17.2-abc" in cells


def test_problems_are_on_the_page_and_in_the_summary(tmp_path: Path) -> None:
    state = full(tmp_path)
    cycle = state.document["cycles"][0]
    cycle["status"] = FAILED
    cycle["problems"] = ["train: <b>no answer</b>"]
    summary = output.write(tmp_path, state.document)
    text = (tmp_path / output.PAGE).read_text(encoding="utf-8")
    page = assert_self_contained(text)
    assert "Problems with local" in text
    assert "local, repetition 1: train: <b>no answer</b>" in page.cells
    assert "**Problems with local.**" in summary
    assert "train: <b>no answer</b>" in summary


def test_a_page_of_nothing_can_be_made(tmp_path: Path) -> None:
    state = campaign(tmp_path)
    finish(state, "local", 1, FAILED, deployed=False)
    output.write(tmp_path, state.document)
    assert_self_contained((tmp_path / output.PAGE).read_text(encoding="utf-8"))


def test_an_unfinished_campaign_says_so(tmp_path: Path) -> None:
    state = campaign(tmp_path)
    finish(state, "local", 1, deploy__seconds=20.0)
    shown = view.view(state.document)
    assert (shown.verdict, shown.good) == ("Not finished: 1 of 4 cycles", False)


def test_the_summary_is_a_table_with_ratios(tmp_path: Path) -> None:
    lines = output.write(tmp_path, full(tmp_path).document).splitlines()
    assert "| | local | single-az |" in lines
    assert "| Times: deploy | 20.3 s (20.2 to 20.4) | 40.6 s (40.4 to 40.8) × 2.00 |" in lines
    assert "- k8s: no <cluster> & no contexts" in lines


def test_the_command_repeats_the_campaign(tmp_path: Path) -> None:
    state = campaign(tmp_path)
    words = view.command(state.document).split()[3:]
    given = options.parse(words)
    assert given.deployments == ["local", "single-az"]
    assert options.kept(given) == state.document["arguments"]


# --- comparison -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "a", tmp_path / "b"
    for folder, factor in zip(folders, (1.0, 1.5), strict=True):
        state = full(folder, factor)
        state.document["versions"]["MLflow client"] = f"3.{17 + int(factor * 2)}"
        state.save()
    return folders


def test_a_comparison_has_ratios_and_says_what_else_differs(two: tuple[Path, Path], tmp_path: Path) -> None:
    text = comparison.write([str(two[0]), str(two[1] / FILE)], tmp_path)
    assert "| Times: deploy | 20.3 s (20.2 to 20.4) | 30.5 s (30.3 to 30.6) | 1.50 (worse) |" in text
    assert re.search(r"\| Artifacts: large file, up \| .* \| 0.67 \(worse\) \|", text)
    assert "| CPU: all | 0.50 cores | 0.50 cores | 1.00 |" in text
    assert "- version MLflow client: 3.19 in A, 3.20 in B" in text
    page = assert_self_contained((tmp_path / comparison.PAGE).read_text(encoding="utf-8"))
    assert "1.50worse" in page.cells
    assert page.tags.count("svg") == 2


def test_the_other_way_round_it_is_better(two: tuple[Path, Path], tmp_path: Path) -> None:
    text = comparison.write([str(two[1]), str(two[0])], tmp_path)
    assert re.search(r"\| Times: deploy \| .* \| 0.67 \(better\) \|", text)


def test_two_deployments_can_be_compared(two: tuple[Path, Path], tmp_path: Path) -> None:
    text = comparison.write([f"{two[0]}:local", f"{two[0]}:single-az"], tmp_path)
    assert "**local (A), single-az (B)**" in text
    assert re.search(r"\| Times: deploy \| .* \| 2.00 \(worse\) \|", text)


def test_what_is_only_in_one_is_named(two: tuple[Path, Path], tmp_path: Path) -> None:
    state = State.load(two[1])
    document = copy.deepcopy(state.document)
    document["deployments"] = ["local"]
    state.document = document
    state.save()
    assert "- single-az: only in A" in comparison.write([str(two[0]), str(two[1])], tmp_path)


def test_a_deployment_that_failed_in_one_is_named(two: tuple[Path, Path], tmp_path: Path) -> None:
    state = State.load(two[1])
    for cycle in state.document["cycles"]:
        if cycle["deployment"] == "single-az":
            cycle["samples"] = {}
    state.save()
    text = comparison.write([str(two[0]), str(two[1])], tmp_path)
    assert "- single-az: nothing was measured in both" in text
    assert "**single-az**" not in text


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (("", ":local"), "of both campaigns"),
        ((":moon", ":local"), "no deployment moon"),
        (("/nothing", ""), "There is no file"),
    ],
)
def test_an_impossible_comparison_is_refused(two: tuple[Path, Path], ends: tuple[str, str], expected: str) -> None:
    with pytest.raises(StepFailed, match=expected):
        comparison.write([f"{folder}{end}" for folder, end in zip(two, ends, strict=True)], two[0])


def test_ratios_of_several_campaigns_are_set_side_by_side(two: tuple[Path, Path], tmp_path: Path) -> None:
    # Half as fast again in everything, so the ratios are the same; but for one.
    state = State.load(two[1])
    for cycle in state.document["cycles"]:
        if cycle["deployment"] == "single-az":
            cycle["samples"]["destroy.seconds"] *= 1.1
    state.save()
    text = repeatability.write([str(two[0]), str(two[1])], tmp_path)
    assert "| | single-az : local | differ by |" in text
    assert "| Times: deploy | 2.00 / 2.00 | 0% |" in text
    assert "| Times: destroy | 2.00 / 2.20 | 10% |" in text
    assert not [word for word in ("Fault", "Left behind", "tasks that this changed") if word in text]
    assert (tmp_path / repeatability.SUMMARY).read_text() == text


def test_without_two_deployments_in_common_there_are_no_ratios(two: tuple[Path, Path], tmp_path: Path) -> None:
    state = State.load(two[1])
    state.document["deployments"] = ["local"]
    state.save()
    with pytest.raises(StepFailed, match="fewer than two deployments in common"):
        repeatability.write([str(two[0]), str(two[1])], tmp_path)
    with pytest.raises(StepFailed, match="two campaigns or more"):
        repeatability.write([str(two[0])], tmp_path)


def test_a_refusal_ends_with_its_own_code(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main.main(["--report", str(tmp_path)]) == main.REFUSED
    assert "There is no file" in capsys.readouterr().err


def test_the_page_can_be_written_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    full(tmp_path).save()
    assert main.main(["--report", str(tmp_path)]) == main.OK
    assert (tmp_path / output.PAGE).exists()
    assert "Times: deploy" in capsys.readouterr().out
