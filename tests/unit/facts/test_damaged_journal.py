"""Files that journalctl leaves out; its words are those of systemd 252."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from mxlib.facts.damaged_journal import SCRIPT


@pytest.mark.parametrize(
    ("said", "age", "shown"),
    [
        ("Journal file {file} corrupted, ignoring file.", 0, True),
        ("Journal file {file} is truncated, ignoring file.", 0, True),
        ("An error was encountered while opening journal file or directory {file}, ignoring file: x", 0, True),
        ("Use SYSTEMD_LOG_LEVEL=debug journalctl --file={file} to see the details.", 0, True),
        ("Failed to open journal: Bad message", 0, True),
        ("Journal file {file}.gone corrupted, ignoring file.", 0, True),
        ("Journal file {file} corrupted, ignoring file.", 10 * 365 * 86400, False),
        ("An error was encountered while opening journal file or directory {file}, ignoring file: x", 315e6, False),
        ("", 0, False),
    ],
)
def test_what_may_have_something_of_this_boot_is_said(tmp_path: Path, said: str, age: float, shown: bool) -> None:
    file = tmp_path / "system@0005.journal~"
    file.touch()
    os.utime(file, (time.time() - age,) * 2)
    line = said.format(file=file)
    stub = f"journalctl() {{ {f'echo {line!r} >&2' if line else ':'}; }}\n"
    done = subprocess.run(["/bin/sh", "-euc", stub + SCRIPT], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ([line] if shown else [])
