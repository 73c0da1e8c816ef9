# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator's arithmetic and refusals, by tables. test_load_server.py runs it for real."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from laboratory.load import content, figures
from laboratory.load.attempts import count_attempts
from laboratory.load.options import parse
from laboratory.load.readback import summarize
from laboratory.load.record import Call, Recorder, calls_file, error_class, one_line, read_calls
from laboratory.load.report import problems
from laboratory.load.truth import Found, Lost, Truth, Verdict, compare, truths, writes
from laboratory.load.worker import share

SEED = content.seed_of("experiment", 1, 2)


def call(operation: str = "log_metric", start: float = 0, seconds: float = 1, ok: bool = True, **more: object) -> Call:
    return Call(0, operation, start, seconds, ok, **more)


# --- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--url"),
        (["--url", "postgresql://u:SECRET@db/mlflow"], "--url: the address has the scheme 'postgresql'"),
        (["--url", "localhost:5000"], "http://"),
        (["--processes", "0"], "--processes: '0' is not possible: give a whole number from 1 to 64."),
        (["--processes", "65"], "from 1 to 64"),
        (["--processes", "two"], "'two'"),
        (["--seconds", "nan"], "--seconds: 'nan'"),
        (["--seconds", "0"], "--seconds: '0'"),
        (["--pace", "-1"], "--pace: '-1'"),
        (["--batch", "1001"], "from 1 to 1000"),
        (["--artifact-size", "64 potatoes"], "such as 64KiB"),
        (["--artifact-size", "0"], "out of range"),
        (["--artifact-size", "5GiB"], "out of range"),
        (["--profile", "nonsense"], "training"),
        (["--retries", "some"], "default"),
        (["--experiment", " "], "--experiment is empty"),
        (["--keep", "--clean"], "not allowed with"),
        (["--secs", "3"], "--secs"),
        (["--read-back-only"], "no load.json"),
    ],
)
def test_refusals(arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--url", "http://localhost:1", "--output", str(tmp_path)] if arguments else []
    with pytest.raises(SystemExit) as caught:
        parse(given + arguments)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert sentence in said
    assert said.count("\n") == 1
    assert "SECRET" not in said
    assert not list(tmp_path.iterdir())


def test_folder_of_another_load_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "result.json").touch()
    with pytest.raises(SystemExit):
        parse(["--url", "http://localhost:1", "--output", str(tmp_path)])
    assert "is not an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("64KiB", 65536), ("1.5 MB", 1500000), ("7", 7), ("4gib", 4 * 2**30), ("2B", 2)]
)
def test_sizes(text: str, size: int, tmp_path: Path) -> None:
    options = parse(["--url", "http://localhost:1/", "--output", str(tmp_path / "new"), "--artifact-size", text])
    assert options.artifact_size == size
    assert options.url == "http://localhost:1"


def test_experiments_are_unique(tmp_path: Path) -> None:
    given = ["--url", "http://localhost:1", "--output", str(tmp_path)]
    assert parse(given).experiment != parse(given).experiment


@pytest.mark.parametrize(("total", "shares"), [(0, [0, 0, 0]), (2, [1, 1, 0]), (7, [3, 2, 2])])
def test_runs_are_shared_out(total: int, shares: list[int]) -> None:
    assert [share(total, 3, worker) for worker in range(3)] == shares


# --- figures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], (0, None, None, None, None)),
        ([2], (1, 2, 2, 2, 2)),
        (range(101), (101, 50, 95, 99, 100)),
        ([3, 1, 2], (3, 2, 2.9, 2.98, 3)),
    ],
)
def test_latency(seconds: list[float], expected: tuple) -> None:
    assert tuple(figures.latency(seconds).values()) == expected


@pytest.mark.parametrize(
    ("successes", "gap", "start"),
    [
        ([], 10, 100),
        ([105], 5, 100),
        ([104], 6, 104),
        ([109, 101, 102], 7, 102),
        ([101, 109.5], 8.5, 101),
        ([100, 110], 10, 100),
        # What ended outside of the load ends no gap in it.
        ([90, 120, 103], 7, 103),
    ],
)
def test_longest_gap(successes: list[float], gap: float, start: float) -> None:
    assert figures.longest_gap(successes, 100, 110) == {"seconds": gap, "start": start}


def test_time_line_counts_ends() -> None:
    calls = [call(start=100, seconds=0.5), call(start=100, seconds=1.5), call(start=101, seconds=9, ok=False)]
    assert figures.time_line(calls, 100, 102.2) == {"ok": [1, 1, 0], "failed": [0, 0, 1]}


def test_figures() -> None:
    calls = [
        call("create_run", 0, 1),
        call("log_batch", 1, 1, metrics=50, retries=2, requests=1),
        call("log_batch", 3, 2, metrics=50, requests=1),
        call("log_batch", 5, 9, ok=False, metrics=50, error_class="HTTP 503", error="first"),
        call("log_batch", 5, 9, ok=False, metrics=50, error_class="HTTP 503", error="second"),
        call("upload", 6, 2, bytes=4_000_000),
        call("upload", 8, 2, ok=False, bytes=4_000_000, error_class="WrongAnswer"),
    ]
    found = figures.figures(calls, 0, 20, warm_up=2)
    assert (found["calls"], found["failed_calls"], found["retried_calls"], found["retries"]) == (7, 3, 1, 2)
    assert found["http_requests"] == 4
    assert (found["runs"], found["metrics"], found["wrong_answers"]) == (1, 100, 1)
    assert (found["metrics_per_second"], found["calls_per_second"], found["runs_per_second"]) == (5, 0.2, 0.05)
    assert found["upload"] == {"bytes": 4_000_000, "mb_per_second": 0.2, "mb_per_second_in_calls": 2}
    assert found["download"] == {"bytes": 0, "mb_per_second": 0, "mb_per_second_in_calls": 0}
    # The first two began in the warm-up, and failures have no place among the percentiles.
    assert found["latency"]["all"]["count"] == 2
    assert found["latency"]["log_batch"] == {"count": 1, "p50": 2, "p95": 2, "p99": 2, "max": 2}
    assert found["failures"]["by_operation"] == {"log_batch": 2, "upload": 1}
    assert found["failures"]["by_error"] == {"HTTP 503": 2, "WrongAnswer": 1}
    assert found["failures"]["examples"]["HTTP 503"] == "first"
    assert found["longest_gap"] == {"seconds": 12, "start": 8}


def run_of(worker: int, start: float, calls: int, seconds: float) -> list[Call]:
    """One run: calls one after the other, each of them with ten metrics."""
    names = ["create_run", *["log_batch"] * (calls - 2), "end_run"]
    return [Call(worker, name, start + n * seconds, seconds, True, metrics=10) for n, name in enumerate(names)]


def test_whole_runs_are_counted_from_their_begin_to_their_end() -> None:
    quick = [*run_of(0, 0, 4, 0.5), *run_of(0, 2, 4, 0.5), *run_of(0, 4, 4, 0.5), *run_of(0, 6, 4, 0.5)[:-1]]
    slow = [*run_of(1, 0, 4, 1), *run_of(1, 4, 4, 1)]
    # Of the first process two runs in 4 s, after the warm-up and without what was cut off; of the second one in 4 s.
    assert figures.whole_runs([*quick, *slow], since=1) == {
        "runs_per_second": 0.75,
        "metrics_per_second": 30,
        "calls_per_second": 3,
    }


@pytest.mark.parametrize("calls", [[], run_of(0, 0, 4, 1), run_of(0, 5, 4, 1)[:-1], run_of(0, 5, 4, 1)[-1:]])
def test_without_a_whole_run_after_the_warm_up_there_is_no_rate(calls: list[Call]) -> None:
    assert set(figures.whole_runs(calls, since=1).values()) == {0}


def test_what_failed_in_a_whole_run_is_not_counted() -> None:
    calls = run_of(0, 2, 5, 1)
    calls[1].ok = False
    assert figures.whole_runs(calls, 1) == {"runs_per_second": 0.2, "metrics_per_second": 8, "calls_per_second": 0.8}


def test_figures_of_nothing() -> None:
    found = figures.figures([], 5, 5, warm_up=2)
    assert found["calls"] == found["runs_per_second"] == 0
    assert found["longest_gap"]["seconds"] == 0


# --- record --------------------------------------------------------------------------------------------------------

REFUSED = (
    "API request to http://h/x failed with exception HTTPConnectionPool(host='h', port=1): Max retries exceeded with "
    "url: /x (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object>: Connection refused'))"
)


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("no", response=response)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (MlflowException(REFUSED), "NewConnectionError"),
        (MlflowException(f"{REFUSED} (Caused by ResponseError('too many 503 error responses'))"), "HTTP 503"),
        (MlflowException("API request failed with exception ('broken: IncompleteRead(0 bytes)')"), "IncompleteRead"),
        (MlflowException("API request failed with timeout exception ReadTimeout(1)"), "ReadTimeout"),
        (RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}), "INVALID_PARAMETER_VALUE"),
        (MlflowException("anything"), "INTERNAL_ERROR"),
        (http_error(502), "HTTP 502"),
        (ValueError("x"), "ValueError"),
    ],
)
def test_error_classes(error: Exception, name: str) -> None:
    assert error_class(error) == name


def test_errors_are_one_line_without_secrets() -> None:
    said = one_line(ValueError("http://user:SECRET@host/\n" + "x" * 1000))
    assert "SECRET" not in said
    assert "\n" not in said
    assert len(said) == 300


def test_record_comes_back_without_the_line_that_was_cut_short(tmp_path: Path) -> None:
    calls = [call("create_run", run_id="a", wrote={"seed": 2**64 - 1}), call(ok=False, error="漢")]
    recorder = Recorder(calls_file(tmp_path, 7))
    for one in calls:
        recorder.write(one)
    with calls_file(tmp_path, 7).open("a", encoding="utf-8") as stream:
        stream.write('{"worker": 7, "oper')
    assert read_calls(tmp_path) == calls


@pytest.mark.parametrize(("refusals", "retries"), [(0, 0), (2, 2), (3, 2)])
def test_retries_are_counted(refusals: int, retries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [503] * refusals

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(left.pop() if left else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Keep the output of the tests clean."""

    for owner, name in ((HTTPAdapter, "send"), (Retry, "increment")):
        # Only so that it is put back afterwards.
        monkeypatch.setattr(owner, name, getattr(owner, name))
    counted = count_attempts()
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    try:
        with requests.Session() as session:
            session.mount("http://", HTTPAdapter(max_retries=Retry(2, status_forcelist=[503], raise_on_status=False)))
            with contextlib.suppress(requests.exceptions.RetryError):
                session.get(f"http://127.0.0.1:{listener.server_port}")
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
    assert (counted.requests, counted.retries) == (1, retries)


# --- content -------------------------------------------------------------------------------------------------------


def test_values_survive_json_and_differ() -> None:
    values = [content.metric_value(SEED, index) for index in range(10000)]
    assert len(set(values)) == 10000
    assert all(0 <= value < 1 and json.loads(json.dumps(value)) == value for value in values)
    assert values[:9] != [content.metric_value(SEED + 1, index) for index in range(9)]
    assert [content.metric_index(*content.metric_place(index)) for index in range(50)] == list(range(50))


@pytest.mark.parametrize("size", [1, 31, 2**20, 2**20 + 1, 3 * 2**20 - 5])
def test_artifacts_have_their_size_and_hash(size: int, tmp_path: Path) -> None:
    hashes = set()
    for index in range(2):
        path = tmp_path / str(index)
        digest = content.write_artifact(path, SEED, index, size)
        assert path.stat().st_size == size
        assert content.sha256(path) == digest
        hashes.add(digest)
    assert len(hashes) == 2


# --- what must be there, and what is -------------------------------------------------------------------------------


def history(*indices: int) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in content.METRICS}
    for index in indices:
        name, step = content.metric_place(index)
        found[name].append((step, content.metric_value(SEED, index)))
    return found


def texts(kind: str, *indices: int) -> dict[str, str]:
    return {content.text_name(kind, index): content.text_value(SEED, kind, index) for index in indices}


def truth(**more: object) -> Truth:
    fields = {"metrics": [[0, 6]], "params": [[0, 1]], "tags": [[0, 1]], "artifacts": {"f/a": "hash"}}
    return Truth("run", SEED, **{**fields, **more})


def found(**more: object) -> Found:
    fields = {
        "metrics": history(*range(6)),
        "params": texts("param", 0),
        "tags": texts("tag", 0),
        "artifacts": {"f/a": "hash"},
    }
    return Found(**{**fields, **more})


def altered(index: int, value: float) -> dict[str, list[tuple[int, float]]]:
    """A history in which one value is another one."""
    there = history(*(other for other in range(6) if other != index))
    name, step = content.metric_place(index)
    there[name].append((step, value))
    return there


LOSSES = [
    ({}, {}, []),
    ({}, {"metrics": history(0, 1, 2, 3, 4)}, [("metric", "accuracy at step 1", "missing")]),
    ({}, {"metrics": altered(3, 0.5)}, [("metric", "gradient_norm at step 0", "different")]),
    (
        {},
        {"metrics": history()},
        [("metric", f"{content.metric_place(i)[0]} at step {i // 4}", "missing") for i in range(6)],
    ),
    ({}, {"params": {}}, [("param", "param_000", "missing")]),
    ({}, {"params": {"param_000": "x"}}, [("param", "param_000", "different")]),
    ({}, {"tags": texts("tag", 1)}, [("tag", "tag_000", "missing")]),
    ({}, {"artifacts": {}}, [("artifact", "f/a", "missing")]),
    ({}, {"artifacts": {"f/a": "other"}}, [("artifact", "f/a", "different")]),
    ({"statuses": {"FINISHED"}}, {"status": "RUNNING"}, [("status", "status", "different")]),
    ({"statuses": {"FINISHED"}}, {"status": "FINISHED"}, []),
    ({"statuses": {"FINISHED", "RUNNING"}}, {"status": "FINISHED"}, []),
    ({}, {"status": "FINISHED"}, [("status", "status", "different")]),
    # What a failed call wrote, or did not write, is no loss.
    ({"may_metrics": [[6, 4]]}, {}, []),
    ({"may_metrics": [[6, 4]]}, {"metrics": history(*range(8))}, []),
]


@pytest.mark.parametrize(("promised", "there", "lost"), LOSSES)
def test_losses(promised: dict, there: dict, lost: list[tuple]) -> None:
    verdict = compare(truth(**promised), found(**there))
    assert [(one.kind, one.name, one.why) for one in verdict.lost] == lost
    assert verdict.not_checked == 0
    assert {kind: count for kind, count in verdict.checked.items() if kind != "metric"} == dict.fromkeys(
        ("param", "tag", "artifact", "status"), 1
    )
    # The run itself counts as one, too.
    assert sum(verdict.checked.values()) + 1 == writes(truth(**promised))


@pytest.mark.parametrize(
    ("promised", "there", "duplicated", "unexpected"),
    [
        ({}, history(*range(6)), 0, 0),
        ({}, history(*range(6), 2, 2), 2, 0),
        ({}, history(*range(7)), 0, 1),
        ({"may_metrics": [[6, 1]]}, history(*range(7)), 0, 0),
        ({"may_metrics": [[6, 1]]}, history(*range(7), 6), 1, 0),
    ],
)
def test_more_than_was_written(promised: dict, there: dict, duplicated: int, unexpected: int) -> None:
    verdict = compare(truth(**promised), found(metrics=there))
    assert (verdict.duplicated, verdict.unexpected) == (duplicated, unexpected)
    assert not verdict.lost


def test_what_cannot_be_read_is_not_checked_and_not_lost() -> None:
    verdict = compare(truth(), found(metrics={**history(*range(6)), "loss": None}, artifacts={"f/a": None}))
    assert verdict.lost == []
    assert verdict.not_checked == 3
    assert verdict.checked["metric"] == 4


def test_promises_follow_from_the_calls() -> None:
    def on(run_id: str, ok: bool = True, **wrote: object) -> Call:
        return call("write", ok=ok, run_id=run_id, wrote=wrote)

    calls = [
        call("create_run", run_id="a", wrote={"seed": 5}),
        call("create_run", ok=False, wrote={"seed": 6}),
        on("a", metrics=[0, 50]),
        on("a", metrics=[50, 50], ok=False),
        on("a", params=[0, 1]),
        on("a", params=[1, 1], ok=False),
        on("a", tags=[0, 1]),
        on("a", artifact={"path": "p", "size": 1, "sha256": "s"}),
        on("a", artifact={"path": "q", "size": 1, "sha256": "t"}, ok=False),
        on("a", status="FINISHED", ok=False),
        call("create_run", run_id="b", wrote={"seed": 7}),
        on("b", status="FINISHED"),
        call("search_runs"),
    ]
    assert truths(calls) == {
        "a": Truth("a", 5, [[0, 50]], [[50, 50]], [[0, 1]], [[0, 1]], {"p": "s"}, {"RUNNING", "FINISHED"}),
        "b": Truth("b", 7, statuses={"FINISHED"}),
    }


# --- the proof as a whole ------------------------------------------------------------------------------------------


def test_proof_is_whole() -> None:
    proof = summarize({"run": truth()}, [compare(truth(), found())], {"run", "made twice"})
    assert proof.whole
    assert proof.unacknowledged_runs == 1


@pytest.mark.parametrize(
    ("verdicts", "listed", "lost_runs", "lost_writes", "not_checked"),
    [
        ([Verdict("run", lost_run=True)], {"run"}, ["run"], 0, 0),
        ([Verdict("run", lost_run=True)], set(), ["run"], 0, 0),
        # It can be read by its id, but nobody who searches would know the id.
        ([Verdict("run")], set(), ["run"], 0, 0),
        ([Verdict("run", lost=[Lost("param", "p", "missing")])], {"run"}, [], 1, 0),
        ([Verdict("run", not_checked=3, error="no")], {"run"}, [], 0, 3),
        # The process that should have read it back died.
        ([], {"run"}, [], 0, writes(truth())),
        ([Verdict("run")], "no answer", [], 0, 1),
    ],
)
def test_proof_fails(
    verdicts: list[Verdict], listed: set[str] | str, lost_runs: list[str], lost_writes: int, not_checked: int
) -> None:
    proof = summarize({"run": truth()}, verdicts, listed)
    assert not proof.whole
    assert proof.lost_runs == lost_runs
    assert sum(proof.lost_writes.values()) == lost_writes
    assert proof.not_checked == not_checked
    assert bool(proof.reasons) == bool(not_checked)


GOOD = {
    "read_back": {"lost_runs": [], "lost_writes": {"metric": 0}, "not_checked": 0, "reasons": []},
    "wrong_answers": 0,
    "failed_calls": 7,
    "workers": [{"number": 0, "died": ""}],
    "ended": True,
}


@pytest.mark.parametrize(
    ("change", "strict", "problem"),
    [
        ({}, False, None),
        ({}, True, "7 calls failed"),
        ({"failed_calls": 0}, True, None),
        ({"wrong_answers": 2}, False, "2 reads"),
        ({"ended": False}, False, "cut short"),
        ({"workers": [{"number": 3, "died": "by SIGKILL"}]}, False, "process 3 died: by SIGKILL"),
        ({"read_back": {**GOOD["read_back"], "lost_runs": ["a"]}}, False, "1 acknowledged runs"),
        ({"read_back": {**GOOD["read_back"], "lost_writes": {"tag": 2, "param": 1}}}, False, "3 acknowledged writes"),
        ({"read_back": {**GOOD["read_back"], "not_checked": 1, "reasons": ["why"]}}, False, "not be checked: why"),
    ],
)
def test_problems(change: dict, strict: bool, problem: str | None) -> None:
    said = problems({**GOOD, **change}, strict)
    assert len(said) == (problem is not None)
    assert problem is None or problem in said[0]
