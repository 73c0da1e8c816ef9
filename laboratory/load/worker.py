# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One process of the load."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import traceback
from pathlib import Path

from laboratory.load.attempts import count_attempts
from laboratory.load.control import Control
from laboratory.load.options import Options
from laboratory.load.profiles import PROFILES
from laboratory.load.record import Recorder, calls_file
from laboratory.load.session import LoadIsOver, Session
from laboratory.load.training_run import RunNotCreated, TrainingRun

SCRATCH = "work-"


def share(total: int, processes: int, worker: int) -> int:
    """How many of all runs are this worker's."""
    return total // processes + (worker < total % processes)


def error_file(folder: Path, worker: int) -> Path:
    return folder / f"worker-{worker:02}.error"


def work(options: Options, control: Control, worker: int, experiment_id: str) -> None:
    """The whole life of the process. It ends when the load is over or its share of the runs is done."""
    # A signal to the whole group of processes is for the main one, which lets calls under way finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.retries == "none":
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=options.output))
    try:
        recorder = Recorder(calls_file(options.output, worker))
        session = Session(options, control, worker, experiment_id, recorder, count_attempts(), scratch)
        control.ready(worker)
        if control.wait_for_begin():
            _make_runs(session)
    except BaseException:
        error_file(options.output, worker).write_text(traceback.format_exc(), encoding="utf-8")
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_runs(session: Session) -> None:
    options = session.options
    profile = PROFILES[options.profile]
    numbers = range(share(options.runs, options.processes, session.worker)) if options.runs else itertools.count()
    with contextlib.suppress(LoadIsOver):
        for number in numbers:
            with contextlib.suppress(RunNotCreated):
                run = TrainingRun(session, number)
                profile(run)
                run.end()
