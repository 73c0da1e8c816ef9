# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the stand-in answers as a real minikube does: python -m tests.minikube.compare MINIKUBE PROFILE

It calls both with the same command lines, those with which the role looks, and compares exit codes and the shape of the
answers. The real cluster must run; it is not changed. Ends with 1 and a line for each difference.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.minikube import stand_in

NOBODY = "nobodys-cluster"
LOOKS = [
    ["version", "--output=json"],
    ["profile", "list", "--light", "--output=json"],
    ["status", "--profile=PROFILE", "--output=json"],
    ["ip", "--profile=PROFILE"],
    ["image", "ls", "--profile=PROFILE", "--format=json"],
    # What fails, without anything being changed.
    ["status", f"--profile={NOBODY}", "--output=json"],
    ["ip", f"--profile={NOBODY}"],
    ["no-such-command"],
    ["start", "--profile=PROFILE", "--no-such-option"],
]
# Keys of dictionaries by which something is found: any is as good as any other.
BY_NAME = ("Addons",)


def shape(answer: Any) -> Any:
    """What an answer is made of: types instead of values, and of a list its first entry."""
    if isinstance(answer, dict):
        return {key: {} if key in BY_NAME else shape(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [shape(answer[0])] if answer else []
    return type(answer).__name__


def differences(real: Any, mine: Any, place: str = "") -> list[str]:
    """Where the stand-in says what the real one does not. It may leave out what nobody reads."""
    if isinstance(mine, dict) and isinstance(real, dict):
        return [
            each
            for key in mine
            for each in (
                differences(real[key], mine[key], f"{place}.{key}")
                if key in real
                else [f"{place}.{key}: only the stand-in has it"]
            )
        ]
    if isinstance(mine, list) and isinstance(real, list):
        return differences(real[0], mine[0], f"{place}[]") if mine and real else []
    # What is not there is null in one and left out, or empty, in another.
    return [] if real == mine or "NoneType" in (real, mine) else [f"{place}: {real} there, {mine} by the stand-in"]


def call(program: str, words: list[str], environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def compared(words: list[str], real: tuple[int, str], mine: tuple[int, str]) -> list[str]:
    """One line for each difference between the two answers to a command line."""
    name = f"minikube {' '.join(words)}"
    if real[0] != mine[0]:
        return [f"{name}: ends with {real[0]}, the stand-in with {mine[0]}"]
    if not any(word.endswith("json") for word in words) or real[0]:
        return []
    return [f"{name}: {each}" for each in differences(shape(json.loads(real[1])), shape(json.loads(mine[1])))]


def make_cluster(home: Path, real: list[dict[str, Any]], profile: str, tags: list[str]) -> None:
    """Give the stand-in a cluster like the real one."""
    config = next((each["Config"] for each in real if each["Name"] == profile), None)
    if not config:
        sys.exit(f"There is no cluster {profile}: start one by playbooks/minikube.yml first.")
    options = {
        "--driver": config["Driver"], "--cpus": str(config["CPUs"]), "--memory": f"{config['Memory']}mb",
        "--disk-size": f"{config['DiskSize']}mb", "--nodes": str(len(config["Nodes"])),
        "--kubernetes-version": config["KubernetesConfig"]["KubernetesVersion"],
    }  # fmt: skip
    if config.get("ExposedPorts"):
        options["--ports"] = ",".join(config["ExposedPorts"])
    path = home / "profiles" / profile / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(stand_in.new_config(profile, options)))
    machine = home / "machines" / f"{profile}.json"
    machine.parent.mkdir()
    machine.write_text(json.dumps({"status": stand_in.RUNNING, "images": tags}))


def main(program: str, profile: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        mine = home / "programs/minikube"
        mine.parent.mkdir()
        mine.write_text(f"#!{sys.executable}\n{Path(stand_in.__file__).read_text(encoding='utf-8')}", encoding="utf-8")
        mine.chmod(0o755)
        # As the role calls it.
        there = {**os.environ, "MINIKUBE_IN_STYLE": "false", "MINIKUBE_WANTUPDATENOTIFICATION": "false"}
        here = {"MINIKUBE_HOME": folder, "HOME": folder, "PATH": os.environ["PATH"]}
        real = json.loads(call(program, ["profile", "list", "--light", "--output=json"], there)[1])["valid"]
        make_cluster(home, real, profile, ["mlops-mlflow/postgres:15"])
        found = []
        for look in LOOKS:
            words = [word.replace("PROFILE", profile) for word in look]
            found += compared(words, call(program, words, there), call(str(mine), words, here))
        version = json.loads(call(program, ["version", "--output=json"], there)[1])["minikubeVersion"]
    print("\n".join(found) or f"{len(LOOKS)} command lines: the stand-in answers as minikube {version} does.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
