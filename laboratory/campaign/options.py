# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked for, and the refusal of what cannot."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import laboratory.campaign
from laboratory.benchmark.processes import StepFailed
from laboratory.resilience.faults import SCENARIOS

EPILOG = """\
Progress goes to stderr and to progress.log in the folder; the summary to stdout. In the folder are campaign.json (the
raw data), report.html and report.md. Ctrl-C takes down what is up; --resume FOLDER goes on after it.

Exit code: 0 = all went well; 1 = a step of a deployment failed, or something was lost or left behind; 2 = refused
before anything was deployed; 130 = interrupted.
"""
# What --resume takes from the campaign that it goes on with.
KEPT = (
    "repetitions",
    "clients",
    "seconds",
    "large",
    "small",
    "faults",
    "fault_repetitions",
    "check_repetitions",
    "peers",
    "port",
    "prefix",
)


def variables(text: str) -> dict[str, object]:
    """`name=value` or a JSON object, as ansible-playbook takes them."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"'{text}' is not JSON: {error}") from None
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"'{text}' is neither name=value nor a JSON object")
    return {name: value}


def parser() -> argparse.ArgumentParser:
    make = argparse.ArgumentParser(
        prog="python -m laboratory.campaign",
        description=laboratory.campaign.__doc__.splitlines()[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = make.add_argument
    add("--deployments", nargs="+", default=[], metavar="NAME", help="these only (all that this machine can run)")
    add("--repetitions", type=int, default=3, metavar="N", help="of each deployment, 1 to 20 (3)")
    add("--clients", type=int, default=4, metavar="N", help="of the load with several clients, 2 to 64 (4)")
    add("--seconds", type=float, default=7, metavar="S", help="of each load, 3 to 600 (7)")
    add("--large", type=int, default=32, metavar="MIB", help="size of the large artifact, 1 to 4096 MiB (32)")
    add("--small", type=int, default=30, metavar="N", help="small artifacts of 64 KiB, 1 to 1000 (30)")
    add(
        "--faults",
        nargs="*",
        choices=list(SCENARIOS),
        default=["kill-server"],
        metavar="NAME",
        help=f"under load (kill-server); none, or any of {', '.join(SCENARIOS)}",
    )
    for what, words in (("check", "a second run and the training tests"), ("fault", "faults")):
        add(f"--{what}-repetitions", type=int, default=1, metavar="N", help=f"those with {words}, 1 to 20 (1)")
    add("--peers", action="store_true", help="also MLflow the plain way, on the same PostgreSQL and store")
    add("--port", type=int, default=5000, help="public port of the deployments, 1 to 65535 (5000)")
    add("--prefix", default="campaign", metavar="NAME", help="of the deployments' names: NAME-local, ... (campaign)")
    add("--extra-vars", type=variables, action="append", default=[], metavar="VARS", help="for all playbooks")
    add("--output", type=Path, metavar="FOLDER", help="for data and page (campaign-<time>)")
    doing = make.add_mutually_exclusive_group()
    doing.add_argument("--list", action="store_true", help="only say which deployments would run, and why not others")
    doing.add_argument(
        "--resume", type=Path, metavar="FOLDER", help="go on with an interrupted campaign, as it was begun"
    )
    doing.add_argument("--report", type=Path, metavar="FOLDER", help="only write the page of a campaign again")
    doing.add_argument(
        "--compare",
        nargs=2,
        metavar="FILE",
        help="only compare two campaigns, campaign.json or FILE:DEPLOYMENT for one deployment of each",
    )
    doing.add_argument(
        "--repeatability",
        nargs="+",
        metavar="FOLDER",
        help="only tell how far the ratios between the deployments differ in several campaigns",
    )
    return make


BOUNDS = {
    "repetitions": (1, 20),
    "clients": (2, 64),
    "seconds": (3, 600),
    "large": (1, 4096),
    "small": (1, 1000),
    "fault_repetitions": (1, 20),
    "check_repetitions": (1, 20),
    "port": (1, 65535),
}


def parse(words: list[str]) -> argparse.Namespace:
    make = parser()
    given = make.parse_args(words)
    for name, (least, most) in BOUNDS.items():
        if not least <= getattr(given, name) <= most:
            make.error(f"--{name.replace('_', '-')} is {getattr(given, name):g}: give {least} to {most}")
    if not given.prefix.replace("-", "").isalnum() or not given.prefix.islower():
        make.error(f"--prefix is '{given.prefix}': give lower-case letters, digits and hyphens")
    given.extra_vars = {name: value for each in given.extra_vars for name, value in each.items()}
    return given


def kept(given: argparse.Namespace) -> dict[str, object]:
    """The arguments that make the campaign what it is, for its record; of variables the names: they may be secret."""
    return {**{name: getattr(given, name) for name in KEPT}, "extra_vars": sorted(given.extra_vars)}


def resumed(given: argparse.Namespace, recorded: dict) -> argparse.Namespace:
    """The arguments with which an interrupted campaign was begun."""
    missing = sorted(set(recorded["extra_vars"]) ^ set(given.extra_vars))
    if missing:
        raise StepFailed(
            f"--extra-vars: the campaign was begun with {', '.join(recorded['extra_vars']) or 'none'}, and their "
            f"values are not on record: give the same again ({', '.join(missing)} differs)."
        )
    return argparse.Namespace(**{**vars(given), **{name: recorded[name] for name in KEPT}})
