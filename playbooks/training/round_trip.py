# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""Files that some layer treats in its own way go up and come back: python -m playbooks.training.round_trip URL.

It needs nothing but an MLflow client, of any release from 2.9 on, so that older ones can run it too.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import sys
import tempfile
from pathlib import Path

TEXT = b"id,value\n" + b"7,0.5\n" * 800
PACKED = gzip.compress(TEXT, mtime=0)
# Larger than one part of an upload, of a download, and than what is sent as one object.
LARGE = gzip.compress(os.urandom(9 * 2**20))

# What comes back must be what was sent, to the byte.
FILES: dict[str, bytes] = {
    # Names from which an encoding is guessed, with and without that encoding inside.
    "table.csv.gz": PACKED,
    "TABLE.CSV.GZ": PACKED,
    "no gzip.gz": b"this is text",
    "empty.gz": b"",
    "half.gz": PACKED[: len(PACKED) // 2],
    "twice.gz": gzip.compress(PACKED, mtime=0),
    "large.bin.gz": LARGE,
    "code.tgz": PACKED,
    "code.tar.gz": PACKED,
    "drawing.svgz": PACKED,
    "old.tar.Z": b"\x1f\x9d\x90 not really packed",
    "page.html.br": b"\x0b\x02\x80brotli\x03",
    "words.txt.bz2": bz2.compress(TEXT),
    "words.txt.xz": lzma.compress(TEXT),
    "words.txt.zst": b"(\xb5/\xfd$\x05)\x00\x00words",
    "words.tar.txz": lzma.compress(TEXT),
    # Contents that look packed, under names that do not.
    "model.pkl": PACKED,
    "MLmodel": PACKED,
    # Content types that are shown, run or converted.
    "page.html": b"<html><script>1</script>\r\n",
    "data.json": b'{"not": "valid"',
    "note.txt": b"caf\xe9 \r\n \r \n\x00\xff\xfe",
    "UPPER.TXT": b"\xef\xbb\xbfwith a byte order mark\n",
    "drawing.svg": b"<svg/>",
    "program.wasm": b"\x00asm",
    "empty": b"",
    "no type at all.": b"a dot at the end",
    # Names.
    ".hidden": b"1",
    "..two dots": b"2",
    "...": b"3",
    "-dash": b"4",
    "blank  in between": b"5",
    "blank after ": b"6",
    "two  blanks.txt": b"7",
    "a+b.txt": b"8",
    "a&b=c;d,e@f:g!h$i~j*k.txt": b"9",
    "(a) [b] {c} <d> |e| ^f^ `g`.txt": b"10",
    'it\'s "quoted".txt': b"11",
    "100%.txt": b"13",
    "Grüße 世界 🚀.txt": b"14",
    "e\u0301 and é.txt": b"15",
    "x" * 251 + ".txt": b"16",
    "ü" * 125 + ".txt": b"17",
    "con.txt": b"18",
}
# MLflow's client puts a name into an address as it is, and takes apart what it finds in a list. Under these names other
# ones are stored or listed, by every server, MLflow's own on a folder too.
UNLIKE: dict[str, str] = {
    "a#b.txt": "a",
    "a?b.txt": "a",
    "a%41b.txt": "aAb.txt",
    "tab\there.txt": "tabhere.txt",
    " blank before.txt": "blank before.txt",
}


def came_back(client, run_id: str, folder: str, name: str, content: bytes) -> str:
    """Empty if the file comes back as it was sent, else what is wrong."""
    with tempfile.TemporaryDirectory() as target:
        try:
            got = Path(client.download_artifacts(run_id, f"{folder}/{name}", target)).read_bytes()
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return "" if got == content else f"{len(got)} other bytes instead of {len(content)}"


def run_through(files: dict[str, bytes]) -> dict[str, str]:
    """What is wrong with which file, one by one and as a folder."""
    import mlflow

    client = mlflow.MlflowClient()
    with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as target:
        for name, content in files.items():
            (Path(source) / name).write_bytes(content)
        with mlflow.start_run() as run:
            mlflow.log_artifacts(source, "table")
        run_id = run.info.run_id
        wrong = {name: came_back(client, run_id, "table", name, content) for name, content in files.items()}
        listed = {Path(each.path).name: each.file_size or 0 for each in client.list_artifacts(run_id, "table")}
        if listed != {name: len(content) for name, content in files.items()}:
            wrong["(list)"] = str(sorted(set(listed.items()) ^ {(name, len(files[name])) for name in files}))[:500]
        if not any(wrong.values()):
            got = Path(client.download_artifacts(run_id, "table", target))
            found = {path.name: path.read_bytes() for path in got.iterdir()}
            wrong["(folder)"] = ", ".join(name for name in files if found.get(name) != files[name])
    return {name: reason for name, reason in wrong.items() if reason}


if __name__ == "__main__":
    import mlflow

    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.set_experiment("round trip")
    print(json.dumps(run_through(FILES)))
