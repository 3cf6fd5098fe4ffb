"""Whom a remedy gives way to."""

import fcntl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mxlib.base.errors import CommandFailedError, FencedError, LockedError
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


class Shell:
    """A host that runs scripts in a folder, for real."""

    name = "mx1001.lab.test"

    def __init__(self, tmp_path: Path) -> None:
        self.folder, self.limits = tmp_path, [0.0]

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        self.limits.append(timeout)
        done = sh(script, self.folder)
        if done.returncode not in ok_codes:
            raise CommandFailedError(done.stdout)
        return CommandResult(script, done.returncode, done.stdout, NOW, timeout)


@pytest.mark.parametrize(
    ("whose", "script", "error", "may_have_acted"),
    [
        ("ours", "echo done", None, True),
        ("ours", "exit 3", CommandFailedError, True),
        ("another's", "echo done", FencedError, False),
    ],
)
def test_a_guarded_host_is_changed_while_no_run_but_ours_has_claimed_it(
    tmp_path: Path, record: Record, whose: str, script: str, error: Any, may_have_acted: bool
) -> None:
    acted: list[bool] = []
    shell: Any = Shell(tmp_path)
    host = guard.GuardedHost(shell, "drains", record if whose == "ours" else None, lambda: acted.append(True))
    if error is None:
        assert host.act(script, timeout=5.0).output == "done\n"
    else:
        with pytest.raises(error):
            host.act(script, timeout=5.0)
    assert (bool(acted), shell.limits[-1]) == (may_have_acted, 25.0), "the lock is waited for besides"


def test_a_lock_that_another_command_holds_is_no_other_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_LOCK", guard._LOCK.replace("-w 20", "-n"))
    (tmp_path / "state").mkdir()
    shell: Any = Shell(tmp_path)
    with (tmp_path / "state" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LockedError):
            guard.GuardedHost(shell, "drains", None, lambda: None).act("true", timeout=5.0)
