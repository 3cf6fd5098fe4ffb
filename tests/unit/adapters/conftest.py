"""What the tests of the consoles share."""

import os
from pathlib import Path

import pytest

from mxlib.adapters import console_repair, serial_shell
from mxlib.adapters.console_repair import Means
from mxlib.base.clock import SystemClock
from tests.unit.support import consoles
from tests.unit.support.console_means import RUNNING, FakeCluster
from tests.unit.support.rapi import FakeRapi


@pytest.fixture
def means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Means:
    (tmp_path / "printk").write_text("7\t4\t1\t7\n")
    # Only for the machine that runs the tests: its kernel is left alone, and it need not be root's.
    monkeypatch.setattr(serial_shell.SerialShell, "SCRATCH", str(tmp_path))
    monkeypatch.setattr(serial_shell.SerialShell, "PRINTK", str(tmp_path / "printk"))
    monkeypatch.setattr(serial_shell.SerialShell, "UID", str(os.getuid()))
    monkeypatch.setattr(serial_shell.SerialShell, "STILL_S", 0.2)
    monkeypatch.setattr(serial_shell.SerialShell, "ANSWER_S", 3.0)
    monkeypatch.setattr(console_repair, "_BACK_S", 0.1)
    monkeypatch.setattr(console_repair, "_SILENT_S", 0.5)
    return Means(
        rapi=lambda: FakeRapi(RUNNING),  # type: ignore[arg-type, return-value]
        cluster=FakeCluster(),  # type: ignore[arg-type]
        ssh_options=(),
        user="root",
        password=lambda: consoles.PASSWORD,
        transcripts=tmp_path / "transcripts",
        answers=lambda name, family: False,
        families=lambda name: (4, 6),
        clock=SystemClock(),
        say=lambda line: None,
    )
