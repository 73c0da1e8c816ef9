# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked for, and the refusal of what cannot."""

from __future__ import annotations

import argparse
import os
import re
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import laboratory.load

PROFILES = ("training", "metrics", "artifacts", "search", "reads")
RETRIES = ("default", "none")
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
# One call of MLflow's REST interface takes no more metrics than this.
MAX_BATCH = 1000
MAX_ARTIFACT = 4 * 2**30

EPILOG = """\
To stop early: SIGTERM, SIGINT, or a file named `stop` in the folder of --output. Calls under way are finished, then
everything is read back and the result is written. A second signal ends the reading back; what was not read is "not
checked". Credentials and certificates are given as to any MLflow client: MLFLOW_TRACKING_USERNAME,
MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_SERVER_CERT_PATH; MLFLOW_HTTP_REQUEST_TIMEOUT too.

Exit code: 0 = all that was acknowledged is there; 1 = something is lost, or could not be checked, or a process died;
2 = bad arguments, or the server does not answer at the start.
"""


def unique_name() -> str:
    return f"load-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Options:
    """Sizes are in bytes, times in seconds. The defaults are those of the command line.

    url: address of the server, http:// or https://.
    output: folder for records and result; missing or empty, except with read_back_only.
    processes: processes that call the server, 1 to 64.
    seconds: how long to start new calls, more than 0.
    pace: calls per second of each process; 0 is as fast as it can.
    runs: how many runs all processes together begin at most; 0 is no bound.
    profile: what is called, one of PROFILES.
    batch: metrics of one log_batch, 1 to 1000.
    artifact_size, large_artifact_size: of the ordinary artifact, and of the one that every tenth run has besides.
    experiment: name of the experiment to be made.
    retries: "default" leaves the HTTP retries of MLflow's client as they are, "none" sets them to 0.
    warm_up: calls that start within these first seconds are left out of the percentiles, and out of nothing else.
    finish_seconds: how long calls under way at the end may take before their process is killed.
    read_back_seconds: how long reading everything back may take; 0 is five minutes and twice the time of the load.
    clean: delete the experiment and its artifacts after a proof without a loss.
    fail_on_failed_calls: exit code 1 also for calls that failed.
    read_back_only: no load; prove once more what an earlier load recorded in `output`.
    """

    url: str
    output: Path
    processes: int = 4
    seconds: float = 60
    pace: float = 0
    runs: int = 0
    profile: str = "training"
    batch: int = 50
    artifact_size: int = 64 * 2**10
    large_artifact_size: int = 16 * 2**20
    experiment: str = field(default_factory=unique_name)
    retries: str = "default"
    warm_up: float = 2
    finish_seconds: float = 300
    read_back_seconds: float = 0
    clean: bool = False
    fail_on_failed_calls: bool = False
    read_back_only: bool = False


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        print(f"{message.removeprefix('argument ')}{'' if message.endswith('.') else '.'}", file=sys.stderr)
        sys.exit(2)


def size(text: str) -> int:
    """`64KiB`, `1.5 MB`, `1000`: bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not match or match[2].upper() not in UNITS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: give a number and a unit, such as 64KiB or 64MiB.")
    found = round(float(match[1]) * UNITS[match[2].upper()])
    if not 1 <= found <= MAX_ARTIFACT:
        raise argparse.ArgumentTypeError(f"'{text}' is out of range: give a size from 1 byte to 4GiB.")
    return found


def number(kind: type, least: float, most: float) -> Callable[[str], float]:
    """A converter for argparse: a number of this kind within these bounds, both included."""
    what = "whole number" if kind is int else "number"

    def convert(text: str) -> float:
        try:
            found = kind(text)
        except ValueError:
            found = None
        # NaN is in no range.
        if found is None or not least <= found <= most:
            raise argparse.ArgumentTypeError(f"'{text}' is not possible: give a {what} from {least:g} to {most:g}.")
        return found

    return convert


def address(text: str) -> str:
    text = text.strip().rstrip("/")
    if not re.match(r"https?://[^/]", text):
        # A client that is given a database's URI creates or migrates its tables. The text may hold a password.
        scheme = text.split(":", 1)[0] if "://" in text else "none"
        raise argparse.ArgumentTypeError(
            f"the address has the scheme '{scheme}': the load goes to a server, never to its database or folder, "
            "so give an address that starts with http:// or https://."
        )
    return text


def parser() -> Parser:
    make = Parser(
        prog="python -m laboratory.load",
        description=laboratory.load.__doc__.splitlines()[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    day = 24 * 3600
    add = make.add_argument
    add("--url", type=address, required=True, help="address of the server, such as http://localhost:5000")
    add("--output", type=Path, required=True, metavar="FOLDER", help="records and result; missing or empty")
    add("--processes", type=number(int, 1, 64), help="processes that call the server, 1 to 64 (4)")
    add("--seconds", type=number(float, 0.1, 7 * day), help="how long to start new calls (60)")
    add("--pace", type=number(float, 0, 10000), help="calls per second of each process; 0: as fast as it can (0)")
    add("--runs", type=number(int, 0, 10**7), help="most runs of all processes together; 0: no bound (0)")
    add("--profile", choices=PROFILES, help="what is called (training)")
    add("--batch", type=number(int, 1, MAX_BATCH), help="metrics of one log_batch, 1 to 1000 (50)")
    add("--artifact-size", type=size, metavar="SIZE", help="of the ordinary artifact (64KiB)")
    add("--large-artifact-size", type=size, metavar="SIZE", help="of the one that every tenth run has too (16MiB)")
    add("--experiment", metavar="NAME", help="name of the experiment to make; it must be new (load-...)")
    add("--retries", choices=RETRIES, help="HTTP retries of MLflow's client: as they are, or none (default)")
    add("--warm-up", type=number(float, 0, day), help="first seconds that the percentiles leave out (2)")
    add("--finish-seconds", type=number(float, 0, day), help="how long calls may take to finish at the end (300)")
    add("--read-back-seconds", type=number(float, 0, day), help="bound of reading back; 0: 300 + 2 x load (0)")
    ending = make.add_mutually_exclusive_group()
    ending.add_argument("--keep", dest="clean", action="store_const", const=False, help="keep the experiment (so)")
    ending.add_argument("--clean", action="store_const", const=True, help="delete it, unless the proof fails")
    add("--fail-on-failed-calls", action="store_const", const=True, help="exit code 1 for failed calls too")
    add("--read-back-only", action="store_const", const=True, help="prove once more what FOLDER has on record")
    return make


def parse(arguments: list[str] | None = None) -> Options:
    """The options, or the end of the program with exit code 2 and one sentence."""
    make = parser()
    given = {name: value for name, value in vars(make.parse_args(arguments)).items() if value is not None}
    options = Options(**given)
    if not options.experiment.strip():
        make.error("--experiment is empty: give a name, or leave the option out for a name of its own.")
    folder = options.output
    if options.read_back_only:
        if not (folder / "load.json").is_file():
            make.error(f"--output {folder} has no load.json: --read-back-only needs the folder of an earlier load.")
    elif folder.exists() and (not folder.is_dir() or os.listdir(folder)):
        make.error(f"--output {folder} is not an empty folder: give another one, so that nothing is mixed or lost.")
    return options
