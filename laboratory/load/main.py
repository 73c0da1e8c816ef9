# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load from beginning to end: drive it, then prove it."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from laboratory.load.options import Options, parse
from laboratory.load.record import CREDENTIALS, read_calls
from laboratory.load.report import FORMAT, NOT_PROVED, OK, problems, table, write

if TYPE_CHECKING:
    from laboratory.load.crew import Signals

# Beside the records: what was asked for, and how it ended. Enough to prove the load again later.
STORY = "load.json"
RESULT = "result.json"
REFUSED = 2


def drive(options: Options, signals: Signals) -> None:
    """Put the load on the server. Records and load.json in the folder of `options` tell what happened."""
    import mlflow

    from laboratory.load.crew import Crew, say
    from laboratory.load.server import create_experiment

    experiment_id = create_experiment(options.url, options.experiment)
    shown = {**asdict(options), "url": CREDENTIALS.sub("//", options.url), "output": str(options.output)}
    story = {
        "experiment": options.experiment,
        "experiment_id": experiment_id,
        "profile": options.profile,
        "client_version": mlflow.__version__,
        "arguments": shown,
        "start": time.time(),
        "end": None,
        "ended": False,
        "workers": [],
        "cpu_seconds": None,
    }
    write(options.output / STORY, story)
    crew = Crew(options, experiment_id, signals)
    say(f"{options.processes} processes, profile {options.profile}, experiment '{options.experiment}'.")
    story["start"], story["end"] = crew.run()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    story["cpu_seconds"] = round(used.ru_utime + used.ru_stime, 3)
    write(options.output / STORY, {**story, "ended": True, "workers": crew.outcome()})


def prove(options: Options, signals: Signals) -> dict:
    """Read back what the records in the folder of `options` say was acknowledged; return and write the result."""
    from laboratory.load.crew import say
    from laboratory.load.figures import figures
    from laboratory.load.readback import read_back
    from laboratory.load.truth import truths

    story = json.loads((options.output / STORY).read_text(encoding="utf-8"))
    calls = read_calls(options.output)
    if story["end"] is None:
        story["end"] = max((call.end for call in calls), default=story["start"])
    expected = truths(calls)
    say(f"Reading back {len(expected)} runs.")
    seconds = options.read_back_seconds or 300 + 2 * (story["end"] - story["start"])
    proof = read_back(options.url, story["experiment_id"], expected, options.output, seconds, signals)
    result = {
        "format": FORMAT,
        **story,
        **figures(calls, story["start"], story["end"], story["arguments"]["warm_up"]),
        "read_back": asdict(proof),
    }
    result["problems"] = problems(result, options.fail_on_failed_calls)
    result["cleaned"] = options.clean and proof.whole and _clean(options, story["experiment_id"])
    write(options.output / RESULT, result)
    return result


def _clean(options: Options, experiment_id: str) -> bool:
    from laboratory.load.crew import say
    from laboratory.load.server import delete_experiment

    wrong = delete_experiment(options.url, experiment_id)
    if wrong:
        say(f"The experiment could not be deleted ({wrong}).")
    return not wrong


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    # Only now what takes a second to import.
    from laboratory.load.crew import Signals
    from laboratory.load.server import ServerRefused

    signals = Signals()
    signals.install()
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"--output {options.output} cannot be made ({error.strerror}): give another folder.", file=sys.stderr)
        return REFUSED
    try:
        if not options.read_back_only:
            drive(options, signals)
    except ServerRefused as error:
        print(error, file=sys.stderr)
        return REFUSED
    result = prove(options, signals)
    signals.ignore()
    print(table(result), flush=True)
    return NOT_PROVED if result["problems"] else OK
