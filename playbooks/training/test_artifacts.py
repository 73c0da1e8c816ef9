# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artifacts of several sizes, depths and names go up and come back byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from playbooks.training.round_trip import FILES, UNLIKE, run_through
from playbooks.training.support import TrainingTestCase, done, sha256

MIB = 1 << 20


class Artifacts(TrainingTestCase):
    def up_and_down(self, size: int) -> None:
        sent = self.folder() / f"{size}.bin"
        with sent.open("wb") as stream:
            for start in range(0, size, MIB):
                # Random: neither compression nor a repeated part can make a damaged file look right.
                stream.write(os.urandom(min(MIB, size - start)))
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(sent), "sizes")
        listed = self.client().list_artifacts(run.info.run_id, "sizes")
        # An empty file's size is not listed as 0 but not at all.
        self.assertEqual([(f"sizes/{size}.bin", size, False)], [(a.path, a.file_size or 0, a.is_dir) for a in listed])
        got = Path(self.client().download_artifacts(run.info.run_id, f"sizes/{size}.bin", str(self.folder())))
        self.assertEqual(size, got.stat().st_size)
        self.assertEqual(sha256(sent), sha256(got))
        got.unlink()
        sent.unlink()
        done["runs"] += 1
        done["artifacts"] += 1
        done["artifact MiB"] += size // MIB

    def test_0_bytes(self) -> None:
        self.up_and_down(0)

    def test_1_byte(self) -> None:
        self.up_and_down(1)

    def test_1_mib(self) -> None:
        self.up_and_down(MIB)

    def test_8_mib_and_one_byte(self) -> None:
        # One byte more than the parts in which clients of object stores like to send.
        self.up_and_down(8 * MIB + 1)

    def test_64_mib(self) -> None:
        self.up_and_down(64 * MIB)

    def test_nested_directories(self) -> None:
        files = {
            "top.txt": b"top",
            "a/one.txt": b"1",
            "a/b/two.txt": b"2",
            "a/b/c/d/e/f/three.txt": b"3",
            "a/.hidden": b"h",
        }
        sent = self.folder()
        for name, content in files.items():
            (sent / name).parent.mkdir(parents=True, exist_ok=True)
            (sent / name).write_bytes(content)
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(sent), "tree")
        client = self.client()
        listed = {artifact.path: artifact.is_dir for artifact in client.list_artifacts(run.info.run_id, "tree/a")}
        self.assertEqual({"tree/a/.hidden": False, "tree/a/b": True, "tree/a/one.txt": False}, listed)
        got = Path(self.client().download_artifacts(run.info.run_id, "tree", str(self.folder())))
        found = {str(path.relative_to(got)): path.read_bytes() for path in got.rglob("*") if path.is_file()}
        self.assertEqual(files, found)
        done["runs"] += 1
        done["artifacts"] += len(files)

    def test_names(self) -> None:
        # Not among them are '#' and '?', which MLflow's client puts into the address as they are.
        names = ["Grüße 世界.txt", "with space & plus+.txt", "percent 100%.txt", "a=1;v,2@x.txt", "('quotes').txt"]
        sent = self.folder()
        for name in names:
            (sent / name).write_text(name, encoding="utf-8")
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(sent), "Ordner ü")
        listed = [artifact.path for artifact in self.client().list_artifacts(run.info.run_id, "Ordner ü")]
        self.assertEqual(sorted(f"Ordner ü/{name}" for name in names), sorted(listed))
        got = self.folder()
        for name in names:
            with self.subTest(name=name):
                path = self.client().download_artifacts(run.info.run_id, f"Ordner ü/{name}", str(got))
                self.assertEqual(name, Path(path).read_text(encoding="utf-8"))
        done["runs"] += 1
        done["artifacts"] += len(names)

    def test_files_that_some_layer_treats_in_its_own_way(self) -> None:
        self.assertEqual({}, run_through(FILES))
        done["runs"] += 1
        done["artifacts"] += len(FILES)

    def test_names_that_the_client_itself_changes(self) -> None:
        with mlflow.start_run() as run:
            for number, name in enumerate(UNLIKE):
                mlflow.log_text("text", f"{number}/{name}")
        listed = {
            name: self.client().list_artifacts(run.info.run_id, str(number)) for number, name in enumerate(UNLIKE)
        }
        self.assertEqual(UNLIKE, {name: Path(found[0].path).name for name, found in listed.items()})
        done["runs"] += 1
        done["artifacts"] += len(UNLIKE)

    def test_a_file_is_replaced(self) -> None:
        with mlflow.start_run() as run:
            mlflow.log_text("first version, the longer one", "note.txt")
            mlflow.log_text("second", "note.txt")
        self.assertEqual("second", mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt"))
        done["runs"] += 1
        done["artifacts"] += 1

    def test_dictionaries_and_tables(self) -> None:
        content = {"epochs": 3, "layers": [64, 32], "label": "größer"}
        with mlflow.start_run() as run:
            mlflow.log_dict(content, "config.json")
            mlflow.log_table({"prompt": ["a", "ä"], "score": [1, 2]}, "scores.json")
        self.assertEqual(content, mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json"))
        table = mlflow.load_table("scores.json", run_ids=[run.info.run_id])
        self.assertEqual({"prompt": ["a", "ä"], "score": [1, 2]}, table.to_dict("list"))
        done["runs"] += 1
        done["artifacts"] += 2

    def test_a_file_that_does_not_exist(self) -> None:
        with mlflow.start_run() as run:
            mlflow.log_text("there", "there.txt")
        self.assertEqual([], list(self.client().list_artifacts(run.info.run_id, "nowhere")))
        with self.assertRaises((MlflowException, OSError)):
            self.client().download_artifacts(run.info.run_id, "nowhere/missing.txt", str(self.folder()))
        done["runs"] += 1
        done["artifacts"] += 1
