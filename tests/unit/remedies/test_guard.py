"""Whom a remedy gives way to."""

import fcntl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mxlib.base.errors import FencedError
from mxlib.model.on_host import FENCED
from mxlib.model.record import Record
from mxlib.protocols.host import CommandResult
from mxlib.remedies import guard
from tests.unit.support.facts import NOW
from tests.unit.support.records import RECORD
from tests.unit.support.remedy_host import called, sh


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A run's record and token, as they lie on the host."""
    found = replace(RECORD, run="20261121T000000Z-abcdef", token=7)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "run.json").write_text(found.to_json())
    (tmp_path / "state" / "token").write_text("7\n")
    return found


def acts(tmp_path: Path, **how: Any) -> bool:
    """Whether a guarded script came to act; if not, it must have ended as one that was fenced off."""
    done = sh(guard.guarded("echo acted", "op's remedy", **how), tmp_path)
    assert done.returncode == (0 if "acted" in done.stdout else FENCED), done.stderr
    return "acted" in done.stdout


def test_on_a_host_that_nobody_has_claimed_it_acts_and_notes_it_there(tmp_path: Path) -> None:
    assert acts(tmp_path)
    assert "logger -t mx-cookbooks -- op's remedy" in called(tmp_path)


def test_another_ones_run_is_left_alone(tmp_path: Path, record: Record) -> None:
    assert not acts(tmp_path)
    assert not acts(tmp_path, run=replace(record, run="20261121T000000Z-000000"))
    assert acts(tmp_path, harmless=True)


def test_ones_own_run_may_be_helped_until_somebody_takes_it_over(tmp_path: Path, record: Record) -> None:
    assert acts(tmp_path, run=record)
    (tmp_path / "state" / "token").write_text("8\n")
    assert not acts(tmp_path, run=record)


def test_a_run_that_is_over_is_nobodys_any_more(tmp_path: Path, record: Record) -> None:
    (tmp_path / "state" / "run.json").unlink()
    assert not acts(tmp_path, run=record)


class Answers:
    """A host that ends a script with this code."""

    name = "mx1001.lab.test"

    def __init__(self, code: int) -> None:
        self.code = code

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...]) -> CommandResult:
        assert self.code in ok_codes
        return CommandResult(script, self.code, "a run has claimed the host just now\n", NOW, timeout)


def test_a_host_that_gave_way_says_to_whom() -> None:
    assert guard.act(Answers(0), "true", 5.0).exit_code == 0
    with pytest.raises(FencedError, match=r"^mx1001.lab.test: a run has claimed the host just now$"):
        guard.act(Answers(FENCED), "true", 5.0)


def test_a_script_that_fails_has_acted_and_failed(tmp_path: Path) -> None:
    done = sh(guard.guarded("false; echo acted", "op's remedy"), tmp_path)
    assert (done.returncode, done.stdout) == (1, "")


def test_while_a_run_claims_the_host_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    script = guard.guarded("echo acted", "op's remedy").replace("flock -w 20", "flock -w 0.1")
    with (tmp_path / "state/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = sh(script, tmp_path)
    assert (done.returncode, done.stdout) == (FENCED, "the record on the host is locked by another command\n")


def test_the_lock_is_not_handed_to_what_the_script_starts(tmp_path: Path) -> None:
    sh(guard.guarded("sleep 30 >/dev/null 2>&1 &", "op's remedy"), tmp_path)
    free = subprocess.run(["flock", "-n", str(tmp_path / "state/lock"), "true"], check=False)
    assert free.returncode == 0
