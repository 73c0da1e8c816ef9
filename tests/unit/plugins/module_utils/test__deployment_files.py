# Copyright: (c) 2026, the mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a deployment's folder, with real folders and, where it matters, as a real other user."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _deployment_files
from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_files import (
    FilesError,
    Steps,
    apply,
    check_folder,
    cut,
    describe,
    inspect,
    want,
)

NOBODY = 65534
SECRET = "s3cr3t-of-the-test"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def plain(path: str, content: str = "text\n", mode: str = "0644") -> dict[str, Any]:
    return {"path": path, "content": content, "mode": mode}


def secret(path: str, content: str = SECRET, mode: str = "0400", owner: int | None = None) -> dict[str, Any]:
    return {"path": path, "content": content, "mode": mode, "owner": owner}


def bring(folder: Any, files=(), secret_files=(), prune: bool = False, keep=()) -> Steps:
    """All that the module does; the steps that were taken."""
    folder = check_folder(str(folder))
    wanted = want(list(files), list(secret_files), os.geteuid(), os.getegid())
    done = Steps()
    apply(folder, inspect(folder, wanted, prune, [cut("keep", path) for path in keep], False), done)
    return done


def mode_of(path: Any) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def everything(folder: Path) -> dict[str, tuple]:
    """All that is below a folder, with what a write would alter."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        found[str(path.relative_to(folder))] = (info.st_mode, info.st_ino, info.st_uid, info.st_mtime_ns, info.st_size)
    return found


def in_child(function: Callable[[], Any], uid: int | None = None) -> Any:
    """The result of the function in a forked process, as another user if one is given and we may become it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if uid is not None and os.geteuid() == 0:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            try:
                answer = {"value": function()}
            except FilesError as error:
                answer = {"error": str(error)}
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    answer = json.loads(text)
    if "error" in answer:
        raise FilesError(answer["error"])
    return answer["value"]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "deployment"


@pytest.fixture
def open_folder():
    """A folder of the other user; pytest's own ones are closed to that user."""
    path = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


# What is wanted


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is empty"),
        ("/etc/passwd", "/etc/passwd is absolute"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a/..", "'..'"),
        (".", "the folder itself"),
        ("./", "the folder itself"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("a/", "path of a folder"),
        ("a/.", "path of a folder"),
        ("a\udcff", "UTF-8"),
    ],
)
@pytest.mark.parametrize("option", ["files", "secret_files"])
def test_paths_that_are_refused(option, path, words):
    lists = {"files": [], "secret_files": [], option: [plain(path)]}
    with pytest.raises(FilesError) as refusal:
        want(lists["files"], lists["secret_files"], 0, 0)
    assert str(refusal.value).startswith(f"{option}: ")
    assert words in str(refusal.value)


@pytest.mark.parametrize("again", ["a/b", "./a/b", "a//b"])
def test_a_path_that_is_given_twice(again):
    for files, secret_files in (([plain("a/b"), plain(again)], []), ([plain("a/b")], [secret(again)])):
        with pytest.raises(FilesError, match=f"{again} is given twice"):
            want(files, secret_files, 0, 0)


def test_a_path_that_is_file_and_folder():
    with pytest.raises(FilesError, match="a/b is a file and, for a/b/c/d, a folder"):
        want([plain("a/b/c/d")], [secret("a/b")], 0, 0)


# 420 is what YAML makes of an unquoted 0644.
@pytest.mark.parametrize("mode", ["420", "644", "0o644", "0888", "01777", "u=rw", "", "0644\n"])
def test_modes_that_are_no_octal_number(mode):
    with pytest.raises(FilesError, match=r"of a\.conf is not an octal number"):
        want([plain("a.conf", mode=mode)], [], 0, 0)


def test_mode_without_reading():
    with pytest.raises(FilesError, match="add 0400"):
        want([], [secret("key", mode="0240")], 0, 0)


@pytest.mark.parametrize("owner", [-1, 2**32 - 1, 2**40])
def test_owner_that_is_no_user_id(owner):
    with pytest.raises(FilesError, match=f"the owner {owner} of key"):
        want([], [secret("key", owner=owner)], 0, 0)


def test_content_that_is_no_text_is_not_shown():
    with pytest.raises(FilesError) as refusal:
        want([], [secret("key", SECRET + "\ud800")], 0, 0)
    assert "content of key" in str(refusal.value)
    assert refusal.value.__suppress_context__
    assert SECRET not in "".join(traceback.format_exception_only(type(refusal.value), refusal.value))


def test_content_is_no_part_of_a_representation(folder):
    wanted = want([], [secret("key")], 0, 0)
    steps = inspect(str(folder), wanted, True, [], True)
    assert SECRET not in repr(wanted) + repr(steps) + repr(describe(str(folder), steps))


def test_ownership_that_root_wants():
    (theirs, ours), (readable,) = (
        want([], [secret("a", owner=999), secret("b")], 0, 7),
        want([plain("c")], [], 0, 7),
    )
    assert (theirs.uid, theirs.gid, theirs.mode) == (999, 999, 0o400)
    assert (ours.uid, ours.gid, ours.mode) == (0, 7, 0o400)
    assert (readable.uid, readable.gid, readable.mode) == (0, 7, 0o644)


def test_ownership_that_another_user_wants():
    theirs, mine, unowned = want([], [secret("a", owner=999), secret("b", owner=1000), secret("c")], 1000, 1000)
    assert (theirs.uid, theirs.gid, theirs.mode) == (1000, None, 0o444)
    assert (mine.uid, mine.gid, mine.mode) == (1000, None, 0o400)
    assert (unowned.uid, unowned.gid, unowned.mode) == (1000, None, 0o400)


@pytest.mark.parametrize("path", ["/", "//", "/opt", "/opt/", "/usr/../etc", "//var//lib", "~", "~/.."])
def test_folders_of_others_are_refused(path):
    with pytest.raises(FilesError, match="shared by others"):
        check_folder(os.path.expanduser(path))


def test_a_link_to_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(FilesError, match="shared by others"):
        check_folder(str(tmp_path / "link"))


@pytest.mark.parametrize("path", ["", "x", "./x", "../x"])
def test_relative_folder(path):
    with pytest.raises(FilesError, match="is not absolute"):
        check_folder(path)


# Writing


def test_files_and_folders_are_made(folder):
    done = bring(
        folder / "below",
        [plain("compose.yml", "a: ä\r\nb"), plain("conf/deep/x.json", "", "0600")],
        [secret("conf/key")],
        prune=True,
    )
    assert done.written == ["compose.yml", "conf/deep/x.json", "conf/key"]
    assert done.removed == []
    # Exactly as given: no newline added, none altered.
    assert (folder / "below/compose.yml").read_bytes() == b"a: \xc3\xa4\r\nb"
    assert (folder / "below/conf/deep/x.json").read_bytes() == b""
    assert (folder / "below/conf/key").read_text() == SECRET
    modes = {str(path.relative_to(folder)): mode_of(path) for path in folder.rglob("*")}
    assert modes == {
        "below": 0o700,
        "below/compose.yml": 0o644,
        "below/conf": 0o700,
        "below/conf/deep": 0o700,
        "below/conf/deep/x.json": 0o600,
        "below/conf/key": 0o400,
    }
    assert mode_of(folder) == 0o700


@pytest.mark.parametrize("mask", [0, 0o077, 0o177])
def test_the_umask_does_not_matter(folder, mask):
    def run() -> list[str]:
        os.umask(mask)
        return bring(folder, [plain("a/b")]).written

    folder.parent.chmod(0o755)
    assert in_child(run) == ["a/b"]
    assert [mode_of(folder), mode_of(folder / "a"), mode_of(folder / "a/b")] == [0o700, 0o700, 0o644]


def test_second_run_touches_nothing(folder):
    arguments = ([plain("a"), plain("b/c")], [secret("d"), secret("e", owner=os.geteuid())])
    bring(folder, *arguments, prune=True)
    before = everything(folder)
    assert not bring(folder, *arguments, prune=True)
    assert everything(folder) == before


def test_only_what_differs_is_written(folder):
    bring(folder, [plain("same"), plain("size"), plain("text"), plain("mode")])
    before = everything(folder)
    done = bring(
        folder, [plain("same"), plain("size", "longer text\n"), plain("text", "tEXt\n"), plain("mode", mode="0600")]
    )
    after = everything(folder)
    assert done.written == ["mode", "size", "text"]
    assert after["same"] == before["same"]
    # Another inode each: replaced in one step, never written in place.
    assert all(after[name][1] != before[name][1] for name in done.written)
    assert (folder / "text").read_text() == "tEXt\n"
    assert mode_of(folder / "mode") == 0o600
    assert sorted(os.listdir(folder)) == ["mode", "same", "size", "text"]


def test_modes_of_folders_are_set_right(folder):
    bring(folder, [plain("a/b")])
    folder.chmod(0o2755)
    (folder / "a").chmod(0o750)
    done = bring(folder, [plain("a/b")])
    assert [(step.parts, step.mode) for step in done.folders] == [((), 0o2755), (("a",), 0o750)]
    assert done.written == []
    assert (mode_of(folder), mode_of(folder / "a")) == (0o700, 0o700)


def test_the_folder_itself_may_be_reached_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert bring(tmp_path / "link", [plain("a")]).written == ["a"]
    assert (tmp_path / "real/a").read_text() == "text\n"
    assert (tmp_path / "link").is_symlink()


def test_nobody_else_can_read_a_new_file_for_a_moment(folder):
    """Watches the calls themselves: before owner and mode are set the file is closed, and it is not in place yet."""

    def run() -> list:
        seen = []

        def watch(event: str, arguments: tuple) -> None:
            if event in ("os.chown", "os.chmod") and isinstance(arguments[0], int):
                info = os.fstat(arguments[0])
                if stat.S_ISREG(info.st_mode):
                    seen.append([event, stat.S_IMODE(info.st_mode), info.st_size, os.path.exists(folder / "key")])
            elif event == "os.rename":
                seen.append([event, os.path.exists(folder / "key")])

        os.umask(0)
        sys.addaudithook(watch)
        bring(folder, [], [secret("key", mode="0444")])
        return seen

    size = len(SECRET)
    expected = [["os.chmod", 0o600, size, False], ["os.rename", False]]
    if os.geteuid() == 0:
        expected.insert(0, ["os.chown", 0o600, size, False])
    assert in_child(run) == expected
    assert mode_of(folder / "key") == 0o444


def test_a_replaced_file_does_not_lend_its_mode(folder):
    """The file that was there is readable by all; the new one must not be, at any time."""
    bring(folder, [plain("key", "x", "0666")])
    with open(folder / "key") as old:
        bring(folder, [], [secret("key")])
        assert old.read() == "x"
    assert mode_of(folder / "key") == 0o400


@needs_root
def test_root_gives_secrets_away_and_takes_them_back(folder):
    bring(folder, [], [secret("key", owner=999)])
    info = (folder / "key").stat()
    assert (info.st_uid, info.st_gid, mode_of(folder / "key")) == (999, 999, 0o400)
    assert not bring(folder, [], [secret("key", owner=999)])

    os.chown(folder / "key", 999, 0)
    assert [step.differs for step in bring(folder, [], [secret("key", owner=999)]).files] == [("owner",)]
    assert (folder / "key").stat().st_gid == 999

    assert [step.differs for step in bring(folder, [], [secret("key", owner=1000)]).files] == [("owner",)]
    assert (folder / "key").stat().st_uid == 1000
    assert [step.differs for step in bring(folder, [], [secret("key")]).files] == [("owner",)]
    assert (folder / "key").stat().st_uid == 0


@needs_root
def test_root_takes_plain_files(folder):
    bring(folder, [plain("a")])
    os.chown(folder / "a", 1000, 1000)
    assert bring(folder, [plain("a")]).written == ["a"]
    assert (folder / "a").stat().st_uid == (folder / "a").stat().st_gid == 0


def test_another_user_makes_foreign_secrets_readable(open_folder):
    folder = open_folder / "deployment"

    def run() -> list:
        uid = os.geteuid()
        secret_files = [secret("s/mine", owner=uid), secret("s/theirs", owner=uid + 1), secret("s/unowned")]
        first = bring(folder, [plain("a")], secret_files, prune=True)
        second = bring(folder, [plain("a")], secret_files, prune=True)
        return [uid, first.written, bool(second)]

    uid, written, again = in_child(run, NOBODY)
    assert uid != 0
    assert written == ["a", "s/mine", "s/theirs", "s/unowned"]
    assert again is False
    modes = {name: mode_of(folder / name) for name in (*written, "s", ".")}
    assert modes == {"a": 0o644, "s/mine": 0o400, "s/theirs": 0o444, "s/unowned": 0o400, "s": 0o700, ".": 0o700}
    assert {(folder / name).stat().st_uid for name in modes} == {uid}


# What is in the way


def in_the_way(folder: Path, what: str) -> None:
    path = folder / "conf"
    if what == "a symlink":
        path.symlink_to(folder.parent / "outside")
    elif what == "a folder":
        path.mkdir()
    elif what == "a special file":
        os.mkfifo(path)
    else:
        path.write_text("x")


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("a symlink", "conf"),
        ("a folder", "conf"),
        ("a special file", "conf"),
        ("a symlink", "conf/x"),
        ("a file", "conf/x"),
        ("a special file", "conf/x/y"),
    ],
)
def test_something_in_the_place_is_an_error_before_the_first_change(folder, what, wanted, prune):
    folder.mkdir()
    (folder.parent / "outside").mkdir()
    in_the_way(folder, what)
    folder.chmod(0o755)
    before = everything(folder.parent)
    with pytest.raises(FilesError) as refusal:
        bring(folder, [plain("a"), plain(wanted)], prune=prune)
    assert f"{folder}/conf is {what} where a " in str(refusal.value)
    assert "remove it first" in str(refusal.value)
    assert everything(folder.parent) == before
    assert mode_of(folder) == 0o755


def test_a_link_to_a_file_is_not_followed(folder):
    folder.mkdir()
    outside = folder.parent / "outside"
    outside.write_text("text\n")
    (folder / "a").symlink_to(outside)
    with pytest.raises(FilesError, match="a is a symlink"):
        bring(folder, [plain("a", "other")])
    assert outside.read_text() == "text\n"


def test_a_link_that_comes_after_the_look_is_not_followed(folder):
    outside = folder.parent / "outside"
    outside.mkdir()
    bring(folder, [plain("sub/a")])
    wanted = want([plain("sub/a", "new")], [secret("sub/b")], os.geteuid(), os.getegid())
    steps = inspect(str(folder), wanted, False, [], False)
    shutil.rmtree(folder / "sub")
    (folder / "sub").symlink_to(outside)
    with pytest.raises(FilesError, match="sub/a cannot be written"):
        apply(str(folder), steps, Steps())
    assert os.listdir(outside) == []


@pytest.mark.parametrize("below", ["", "x/y"])
def test_the_folder_is_a_file(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FilesError, match=r"file is (a file where a folder is needed|not a folder, so that)"):
        bring(tmp_path / "file" / below, [plain("a")])


def test_the_folder_is_a_link_to_nothing(folder):
    folder.symlink_to("nowhere")
    with pytest.raises(FilesError, match=f"{folder} cannot be read"):
        bring(folder, [plain("a")])


def test_a_name_that_is_too_long(folder):
    with pytest.raises(FilesError, match="shorter name"):
        bring(folder, [plain("a"), plain("b/" + "x" * 256)])


# Pruning


def litter(folder: Path) -> None:
    for name in ("old", "wanted/old", "empty/empty/old", "kept/deep/old", ".hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside/file").write_text("x")
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    (folder / os.fsdecode(b"\xff")).write_text("x")


def test_pruning(folder):
    litter(folder)
    arguments = {"files": [plain("wanted/a")], "prune": True, "keep": ["kept/deep/", "./later/on"]}
    (folder / "later").mkdir()
    done = bring(folder, **arguments)
    assert done.removed == [
        ".hidden",
        "dangling",
        "empty/empty/old",
        "empty/empty/",
        "empty/",
        "link",
        "old",
        "pipe",
        "wanted/old",
        "\\xff",
    ]
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert left == ["kept", "kept/deep", "kept/deep/old", "later", "wanted", "wanted/a"]
    assert (folder.parent / "outside/file").read_text() == "x"
    assert not bring(folder, **arguments)


def test_pruning_all(folder):
    litter(folder)
    bring(folder, prune=True)
    assert os.listdir(folder) == []


def test_without_pruning_all_stays(folder):
    litter(folder)
    before = set(everything(folder))
    assert bring(folder, [plain("wanted/a")]).removed == []
    assert set(everything(folder)) == before | {"wanted/a"}


def test_a_folder_that_is_filled_meanwhile_stays(folder):
    (folder / "empty").mkdir(parents=True)
    steps = inspect(str(folder), [], True, [], False)
    assert steps.removed == ["empty/"]
    (folder / "empty/new").write_text("x")
    done = Steps()
    apply(str(folder), steps, done)
    assert done.removed == []
    assert (folder / "empty/new").exists()


# Errors of the system


def test_a_folder_of_somebody_else(open_folder):
    """A folder that is owned by another user cannot be closed, and one that is closed cannot be read."""
    folder = open_folder / "deployment"
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder of somebody else")
    folder.mkdir(mode=0o755)
    for mode, words in ((0o755, "cannot be given the mode 0700"), (0o700, "cannot be read")):
        folder.chmod(mode)
        with pytest.raises(FilesError) as refusal:
            in_child(lambda: bring(folder, [plain("a")], [secret("b")]).written, NOBODY)
        assert words in str(refusal.value)
        assert "or with become" in str(refusal.value)
        assert SECRET not in str(refusal.value)
    assert os.listdir(folder) == []


def test_a_limit_that_is_met_leaves_the_old_file_and_nothing_else(folder):
    bring(folder, [plain("b", "old")], [secret("c", "old")])

    def run() -> list:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        wanted = want([plain("a"), plain("b", "x" * 200)], [secret("c")], os.geteuid(), os.getegid())
        done = Steps()
        try:
            apply(str(folder), inspect(str(folder), wanted, False, [], False), done)
        except FilesError as error:
            return [str(error), done.written]
        return []

    message, written = in_child(run)
    assert message.startswith(f"path: {folder}/b cannot be written (File too large); raise the limit")
    assert written == ["a"]
    assert sorted(os.listdir(folder)) == ["a", "b", "c"]
    assert (folder / "b").read_text() == (folder / "c").read_text() == "old"


FILL = """
import os, sys
from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_files import (
    FilesError, Steps, apply, inspect, want
)

folder = sys.argv[1]
content = sys.stdin.read()
wanted = want([], [{"path": "key", "content": content, "mode": "0400"}], os.geteuid(), os.getegid())
try:
    apply(folder, inspect(folder, wanted, False, [], False), Steps())
except FilesError as error:
    print(error)
print(os.listdir(folder))
"""


@needs_root
def test_a_full_disk(tmp_path):
    """On a small file system, which only a process of its own sees, so that nothing is left of it."""
    unshare = ["unshare", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=64k,mode=0700 none "$1"'
    if not shutil.which("unshare") or subprocess.run([*unshare, mount, "-", str(tmp_path)], check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    result = subprocess.run(
        [*unshare, f'{mount} && exec "$2" -c "$3" "$1"', "-", str(tmp_path), sys.executable, FILL],
        input=SECRET * 10000,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(_deployment_files.__file__).absolute().parents[5])},
    )
    assert f"{tmp_path}/key cannot be written (No space left on device); free space" in result.stdout
    assert result.stdout.endswith("\n[]\n")
    assert SECRET not in result.stdout + result.stderr


@needs_root
def test_a_mounted_file_system_is_left_alone(folder):
    (folder / "mounted").mkdir(parents=True)
    (folder / "old").write_text("x")
    unshare = ["unshare", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=64k none "$1/mounted" && touch "$1/mounted/file"'
    if not shutil.which("unshare") or subprocess.run([*unshare, mount, "-", str(folder)], check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    script = (
        "import sys; from ansible_collections.mlops.mlflow.plugins.module_utils._deployment_files import inspect; "
        "print(inspect(sys.argv[1], [], True, [], False).removed)"
    )
    result = subprocess.run(
        [*unshare, f'{mount} && exec "$2" -c "$3" "$1"', "-", str(folder), sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(_deployment_files.__file__).absolute().parents[5])},
    )
    assert result.stdout == "['old']\n"


# What diff mode shows


def shown(folder: Path, files=(), secret_files=(), prune: bool = False) -> dict[str, tuple[str, str]]:
    wanted = want(list(files), list(secret_files), os.geteuid(), os.getegid())
    entries = describe(str(folder), inspect(str(folder), wanted, prune, [], True))
    assert all(entry["before_header"] == entry["after_header"] for entry in entries)
    return {entry["after_header"]: (entry["before"], entry["after"]) for entry in entries}


def test_diff_of_a_new_folder(folder):
    assert shown(folder, [plain("sub/a", "new\n")], [secret("key")]) == {
        f"{folder}/": ("", "folder, mode 0700\n"),
        "sub/": ("", "folder, mode 0700\n"),
        "sub/a": ("", "new\n"),
        "key (secret, not shown)": ("", "created\n"),
    }


def test_diff_of_changes(folder):
    bring(folder, [plain("a", "old\n"), plain("b"), plain("old", "rest")], [secret("c"), secret("d")])
    folder.chmod(0o755)
    owner = f"{os.geteuid()}:{os.getegid()}"
    changes = [plain("a", "new\n"), plain("b", mode="0600")], [secret("c", "other"), secret("d", mode="0440")]
    assert shown(folder, *changes, prune=True) == {
        f"{folder}/": ("folder, mode 0755\n", "folder, mode 0700\n"),
        "a": ("old\n", "new\n"),
        "b (mode and owner)": (f"mode 0644, owner {owner}\n", f"mode 0600, owner {owner}\n"),
        "c (secret, not shown)": ("", "changed: content\n"),
        "d (secret, not shown)": ("", "changed: mode\n"),
        "old (removed)": ("a file that is not wanted, content not shown\n", ""),
    }


def test_diff_does_not_show_what_was_a_secret(folder):
    bring(folder, [], [secret("a"), secret("b")])
    entries = shown(folder, [plain("a", "new\n")], prune=True)
    assert SECRET not in repr(entries)
    assert entries["a"] == ("(not shown, as fewer could read it until now)\n", "new\n")


def test_diff_of_what_is_no_text_or_large(folder):
    bring(folder, [plain("a"), plain("b")])
    (folder / "a").write_bytes(b"\xff\0")
    with open(folder / "b", "wb") as stream:
        stream.truncate(_deployment_files.SHOWN_SIZE + 1)
    entries = shown(folder, [plain("a"), plain("b")])
    assert entries["a"] == ("(not shown, as it is not text)\n", "text\n")
    assert entries["b"] == ("(not shown, as it is large)\n", "text\n")
