# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the tests on bare machines that need no machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.beds.commands import BedFailed
from tests.beds.fresh import host
from tests.beds.fresh.readme import first_commands

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "file:///srv"
README = """\
# Title

`make single-az` in a sentence.

```console
git clone https://example.com/other && make other
```

```shell
# A comment.
apt-get install -y git     # what else

git clone https://example.com/group/name.git && cd name
make single-az     # deploys
make test
```

```shell
git clone https://example.com/later && make later
```
"""


def test_the_lines_of_the_first_shell_block_up_to_the_deployment() -> None:
    assert first_commands(README, SOURCE) == [
        "apt-get install -y git",
        "git clone file:///srv/name.git && cd name",
        "make single-az",
    ]


def test_our_own() -> None:
    lines = first_commands((ROOT / "README.md").read_text(encoding="utf-8"), SOURCE)
    assert f"git clone {SOURCE}/{host.PROJECT} && cd {host.PROJECT}" in lines
    assert lines[-1] == "make single-az"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("```shell", "```sh"), "has no block of shell commands"),
        (("git clone https://example.com/group/name.git && cd name\n", ""), "has no `git clone`"),
        (("make single-az     # deploys\nmake test\n", ""), "deploys nothing after it"),
    ],
)
def test_a_readme_that_leads_nowhere(change, sentence) -> None:
    with pytest.raises(BedFailed, match=f"README.md {sentence}"):
        first_commands(README.replace(*change), SOURCE)


def test_the_tree_is_copied_as_it_is_here(tmp_path: Path) -> None:
    """Also what is not committed, and nothing that git ignores."""
    host.copy_of_the_tree(tmp_path)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", f"file://{tmp_path}/{host.PROJECT}", str(clone)], check=True)
    assert (clone / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    assert (clone / "tools/venv").stat().st_mode & 0o111
    assert not (clone / ".venv").exists()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        copied = subprocess.run(["git", "ls-files"], cwd=clone, capture_output=True, text=True, check=True)
        here = [name for name in listed.stdout.split() if os.path.lexists(ROOT / name)]
        assert sorted(copied.stdout.split()) == sorted(here)


def test_settings_of_the_network_go_along_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = 'Acquire::http::Proxy "http://proxy.example.com";\nAcquire::Retries "3";\n'
    monkeypatch.setattr(host, "perform", lambda _command: f'Acquire "";\n{wanted}Acquire::Languages "none";\n')
    assert host.apt_settings() == wanted
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.example.com")
    assert host.variables()["HTTPS_PROXY"] == "http://proxy.example.com"
    assert "MLFLOW_TRACKING_URI" not in host.variables()
