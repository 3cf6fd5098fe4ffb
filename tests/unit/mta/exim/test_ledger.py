"""The functions of the ledger, run for real on a made-up spool and log."""

import subprocess
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import ledger
from mxlib.mta.exim import names as exim

OLD, NEW = "1rABCD-0000aB-2z", "1rABCD-0000000aBcD-12xY"


class Host:
    """A spool, a split one with a named queue, and a log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for queue in ("input/3", "slow/input"):
            (folder / "spool" / queue).mkdir(parents=True)
        self.log = folder / "mainlog"
        self.log.write_text("")
        self.mark = f"{self.log.stat().st_ino}:0"

    def run(self, call: str, *, code: int = 0, mark: str = "") -> list[str]:
        script = f"{ledger.functions(mark or self.mark)}{call}"
        for real, ours in ((exim.SPOOL, "spool"), (exim.MAINLOG, "mainlog"), ("@RAW@", "raw")):
            script = script.replace(real, str(self.folder / ours))
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_every_message_of_every_queue_is_on_disk(host: Host) -> None:
    for name in (f"input/3/{OLD}-H", f"input/3/{OLD}-D", f"slow/input/{NEW}-H", "input/3/x-H", f"input/{NEW}-D"):
        (host.folder / "spool" / name).touch()
    assert sorted(host.run("on_disk")) == sorted([OLD, NEW])


def test_an_empty_spool_has_none_and_one_that_cannot_be_read_fails(host: Host) -> None:
    assert host.run("on_disk") == []
    (host.folder / "spool" / "input").rename(host.folder / "gone")
    assert host.run("on_disk", code=1) == []


@pytest.mark.parametrize("prefix", ["2026-01-01 00:00:00", "2026-01-01 00:00:00.123 +0100", "2026-01-01 00:00:00 [77]"])
@pytest.mark.parametrize("key", [OLD, NEW])
def test_arrivals_and_ends_of_the_log(host: Host, prefix: str, key: str) -> None:
    host.log.write_text(
        f'{prefix} {key} <= a@b P=local S=1 T="x {OLD} Completed"\n'
        f"{prefix} {key} => c@d R=r T=t H=mx [192.0.2.7] C=\"250 OK id={OLD} <= x\"\n"
        f"{prefix} {key} == e@d R=r T=t defer (111): Connection refused\n"
        f"{prefix} {key} Completed QT=1s\n"
        f"{prefix} Start queue run: {key} Completed\n"
    )
    assert host.run("events") == [f"arrived {key}", f"gone {key}"]


def test_only_what_came_after_the_mark_is_an_event(host: Host) -> None:
    host.log.write_text(f"2026-01-01 00:00:00 {OLD} <= a@b\n")
    mark = f"{host.log.stat().st_ino}:{host.log.stat().st_size}"
    with host.log.open("a") as log:
        log.write(f"2026-01-01 00:00:01 {OLD} Completed\n")
    assert host.run("events", mark=mark) == [f"gone {OLD}"]


def test_lines_that_are_lost_are_a_hole(host: Host) -> None:
    host.log.write_text(f"2026-01-01 00:00:00 {OLD} Completed\n")
    assert host.run("events", mark="1:5:9") == ["hole", f"gone {OLD}"]


def test_without_a_log_nothing_is_known(host: Host) -> None:
    host.log.unlink()
    assert host.run("events", code=3) == []


def test_the_log_is_written_to_the_disk(host: Host) -> None:
    assert host.run("sync() { echo sync \"$@\"; }\nsettle") == [f"sync {host.log}"]


def test_a_mark_is_checked_before_it_is_used() -> None:
    with pytest.raises(ParseError):
        ledger.functions("1:2; reboot")
