"""How the queue moves, by the growth of a log that is there."""

import subprocess

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import queue_flow
from mxlib.mta.exim.log import LogMark, read_mark

IDS = [f"1xUeoW-{number:06d}-0A" for number in range(12)]


class Log:
    def __init__(self, directory):
        self.path = directory / "mainlog"
        self.path.write_text("")
        self.mark = self.now()

    def now(self):
        stat = self.path.stat()
        return LogMark(stat.st_ino, stat.st_size)

    def write(self, *lines):
        with self.path.open("a") as file:
            file.writelines(f"2026-11-21 06:00:00 {line}\n" for line in lines)

    def look(self):
        script = queue_flow.script(self.mark).replace(exim.MAINLOG, str(self.path))
        for folder in ("/sys/fs/cgroup/", "/run/"):
            script = script.replace(folder, f"{self.path.parent}{folder}")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        found = queue_flow.parse(done.stdout)
        self.mark = read_mark(found.mark)
        return found


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_the_growth_of_the_log_is_counted_once(log):
    log.write(
        f'{IDS[0]} <= a@b H=x [192.0.2.1] P=esmtp S=1 T="Completed == **"',
        f"{IDS[0]} => c@d R=r T=t H=mx [192.0.2.7] C=\"250 OK\"",
        f"{IDS[0]} Completed",
        f"{IDS[1]} == c@d R=r T=t defer (111): Connection refused",
        f"{IDS[1]} == c@d R=r T=t defer (-54): retry time not reached for any host for 'd'",
        f"{IDS[2]} ** c@d: gone",
    )
    found = log.look()
    assert (found.arrived, found.completed, found.delivered, found.failed) == (1, 1, 1, 1)
    assert (found.lost, found.runs) == (False, False)
    assert found.mark.startswith(f"{log.now()}:")
    assert log.look().completed == 0


@pytest.mark.parametrize(
    ("files", "units", "runs"),
    [(["new"], ["new"], True), ([], ["old"], False), (["new"], ["old"], False), (["new"], ["old", "new"], True)],
)
def test_runners_are_at_work_while_the_unit_of_a_start_that_was_not_stopped_is_there(log, files, units, runs):
    """A unit that was stopped stays while a delivery of it hangs: a drain would wait for it until its time is over."""
    for folder, made in (("run", files), ("sys/fs/cgroup/system.slice", [f"{name}.service" for name in units])):
        for name in made:
            (log.path.parent / folder / f"mx-drain-{name}").mkdir(parents=True)
    assert log.look().runs is runs


def test_a_rotation_between_two_looks(log):
    log.write(f"{IDS[0]} Completed")
    log.path.rename(f"{log.path}.1")
    log.path.write_text("")
    log.write(f"{IDS[1]} Completed")
    assert (log.look().completed, log.look().completed) == (2, 0)


def test_a_log_that_is_gone_is_said(log):
    log.mark = LogMark(log.mark.inode + 1_000_000, 0)
    log.write(f"{IDS[1]} Completed")
    found = log.look()
    assert (found.completed, found.lost) == (1, True)


def test_what_cannot_be_read_is_an_error(log):
    log.path.unlink()
    with pytest.raises(ParseError):
        log.look()
