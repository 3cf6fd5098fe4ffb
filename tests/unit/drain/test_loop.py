"""The acting half of a drain: scripts run for real in a shell, and the loop over a queue in memory."""

import dataclasses
import re
import subprocess
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from mxlib.base.errors import CommandTimeoutError, HostUnreachableError, ParseError, StepError
from mxlib.config.load import parse
from mxlib.drain import loop as drain
from mxlib.drain import runners
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import queue_flow as pulse
from mxlib.mta.exim.maillog import LogMark
from mxlib.protocols.host import CommandResult
from mxlib.protocols.world import Options, World
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.site import TEN_LINES

IDS = [f"1xUeoW-{number:06d}-0A" for number in range(12)]


# --- the poll


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

    def pulse(self):
        script = pulse.script(self.mark, "mx-drain.service").replace(exim.MAINLOG, str(self.path))
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        found = pulse.parse(done.stdout)
        self.mark = found.mark
        return found


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def test_the_growth_of_the_log_is_counted_once(log):
    log.write(
        f"{IDS[0]} <= a@b H=x [192.0.2.1] P=esmtp S=1",
        f'{IDS[0]} => c@d R=r T=t H=mx [192.0.2.7] C="250 OK"',
        f"{IDS[0]} Completed",
        f"{IDS[1]} == c@d R=r T=t defer (111): Connection refused",
        f"{IDS[1]} == c@d R=r T=t defer (-54): retry time not reached for any host for 'd'",
        f"{IDS[2]} ** c@d: gone",
    )
    found = log.pulse()
    assert (found.arrived, found.completed, found.delivered, found.deferred, found.failed) == (1, 1, 1, 1, 1)
    assert (found.lost, found.runs) == (False, False)
    assert found.mark == log.now()
    assert log.pulse().completed == 0


def test_a_rotation_between_two_looks(log):
    log.write(f"{IDS[0]} Completed")
    log.path.rename(f"{log.path}.1")
    log.path.write_text("")
    log.write(f"{IDS[1]} Completed")
    assert (log.pulse().completed, log.pulse().completed) == (2, 0)


def test_a_log_that_is_gone_is_said(log):
    log.mark = LogMark(log.mark.inode + 1_000_000, 0)
    log.write(f"{IDS[1]} Completed")
    found = log.pulse()
    assert (found.completed, found.lost) == (1, True)


def test_what_cannot_be_read_is_an_error(log):
    log.path.unlink()
    with pytest.raises(ParseError):
        log.pulse()


# --- the runners


def here(script, directory, choose_exit=0):
    """Our runners in this directory: systemd-run runs its command, exim4 writes down what it is handed."""
    binary = directory / "exim4"
    binary.write_text(f'#!/bin/sh\nshift\necho "$@" >>{directory}/tried\n')
    binary.chmod(0o755)
    fake = directory / "systemd-run"
    fake.write_text('#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n')
    fake.chmod(0o755)
    script = script.replace("/run/", f"{directory}/").replace(exim.BINARY, str(binary))
    done = subprocess.run(
        ["sh", "-euc", script], capture_output=True, text=True, check=False, env={"PATH": f"{directory}:/usr/bin:/bin"}
    )
    tried = directory / "tried"
    return done, [line.split() for line in tried.read_text().splitlines()] if tried.exists() else []


def test_each_chosen_message_is_tried_once(tmp_path):
    done, tried = here(runners.start_script(f"printf '%s\\n' {' '.join(IDS)}", 3, 60), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(one for batch in tried for one in batch) == IDS
    assert max(map(len, tried)) <= 5


def test_nothing_is_begun_after_the_time(tmp_path):
    _, tried = here(runners.start_script(f"printf '%s\\n' {' '.join(IDS)}", 3, -1), tmp_path)
    assert tried == []


def test_nothing_is_begun_once_they_are_stopped(tmp_path):
    choose = f"rm -f {tmp_path}/mx-drain.go; printf '%s\\n' {' '.join(IDS)}"
    _, tried = here(runners.start_script(choose, 3, 60), tmp_path)
    assert tried == []


def test_a_choice_that_fails_tries_nothing(tmp_path):
    done, tried = here(runners.start_script(f"printf '%s\\n' {IDS[0]}; exit 3", 3, 60), tmp_path)
    assert (done.returncode, tried) == (3, [])


def test_nothing_chosen_starts_nothing(tmp_path):
    assert here(runners.start_script("true", 3, 60), tmp_path)[1] == []


def test_hints_are_cleared_by_their_exact_keys():
    script = runners.clear_script(["T:mx.x.test:192.0.2.7", "R:o'hara@x.test:<a@b>", "evil\nq", "X:what"])
    shown = subprocess.run(["sh", "-c", script.partition(" | ")[0]], capture_output=True, text=True, check=True).stdout
    assert shown == "T:mx.x.test:192.0.2.7\nd\nR:o'hara@x.test:<a@b>\nd\n"


# --- the loop


@dataclasses.dataclass
class Queue:
    """A queue in memory, answering the very scripts."""

    waiting: dict[str, int]
    down: set[str]
    clock: FakeClock
    delivered: set[str] = dataclasses.field(default_factory=set)
    tried: list[str] = dataclasses.field(default_factory=list)
    cleared: list[str] = dataclasses.field(default_factory=list)
    completed: int = 0
    name: str = "mx2001.lab.test"

    def read(self, script, *, timeout):
        if "arrived" in script and "backlog" not in script:
            done, self.completed = self.completed, 0
            return self.answer(
                f"arrived 0\ncompleted {done}\ndelivered {done}\ndeferred 0\nfailed 0\nlost 0\nmark 1 10\nruns 0\n"
            )
        mark = re.match(r"mark=(\S+)", script)[1]
        parts = {
            "retry-rules": "begin retry\n* * F,4d,6h\n",
            "maillog-mark": "mark 1 10\nzone +0000\n",
            "retry-hints": "end\n",
            "backlog": self.backlog(),
        }
        text = "".join(
            f"{mark} begin {name}\n{said}\n{mark} errors {name}\n\n{mark} end {name} 0\n"
            for name, said in parts.items()
            if f"section {name} " in script
        )
        return self.answer(text)

    def backlog(self):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.clock.monotonic())
        digits = exim.id_time(now - timedelta(hours=1))
        rows = [f"dest {name} - {count} 0 {digits}-000001-0A {digits}-000002-0A"
                for name, count in self.waiting.items() if count]  # fmt: skip
        when = now.strftime("%Y-%m-%d %H:%M:%S")
        rows += [f"ok {name} {when}" for name in self.delivered]
        rows += [f"bad {name} {when} 1 1 defer (111): Connection refused"
                 for name in self.down if name in self.tried]  # fmt: skip
        total = sum(self.waiting.values())
        return "\n".join(["zone +0000", f"now {int(now.timestamp())}", *rows, f"total {total} 0", "end", ""])

    def act(self, script, *, timeout, ok_codes=(0,)):
        for name, limit in re.findall(r"^try (\S+) - \S+ (\d+)$", script, re.MULTILINE):
            self.tried.append(name)
            if name not in self.down:
                took = min(self.waiting[name], int(limit))
                self.waiting[name] -= took
                self.completed += took
                self.delivered.add(name)
        return self.answer("")

    def answer(self, text):
        return CommandResult("", 0, text, datetime(2026, 1, 1, tzinfo=UTC), 0.1)


@pytest.fixture
def world():
    def make(waiting, down=(), **options):
        clock, tell = FakeClock(), Tell()
        target = Queue(dict(waiting), set(down), clock)
        chosen = Options("why", "who", options.pop("bound", 0), options.pop("timeout", 900.0))
        context = World(parse(TEN_LINES, "test"), target, (), clock, tell, chosen, "run-1")
        return SimpleNamespace(context=context, target=target, tell=tell, clock=clock)

    return make


def test_a_few_prove_it_then_all_are_tried(world):
    found = world({"x.test": 100})
    done = drain.empty(found.context)
    assert (found.target.waiting["x.test"], found.target.tried) == (0, ["x.test", "x.test"])
    assert done.evidence["after"] == 0
    assert done.note.startswith("100 messages completed")


def test_what_is_down_is_left_and_told(world):
    found = world({"x.test": 100, "y.test": 30}, down=["y.test"], bound=50)
    done = drain.empty(found.context)
    assert found.target.waiting == {"x.test": 0, "y.test": 30}
    assert found.target.tried.count("y.test") == 1, "three canaries once, then no more"
    assert "30 stay on disk, within the bound of 50" in done.note
    (left,) = done.evidence["left"]
    assert (left["domain"], left["count"], left["way"]) == ("y.test", 30, "remote at fault")


def test_more_than_the_bound_is_an_error_with_a_verdict(world):
    found = world({"y.test": 30}, down=["y.test"])
    with pytest.raises(StepError, match=r"30 messages left of 30 .* y\.test: 30 mess.*refused") as caught:
        drain.empty(found.context)
    assert caught.value.evidence["after"] == 30
    assert found.clock.monotonic() < 120, "a stall is seen, the time is not sat out"


def test_an_empty_queue_is_done_at_once(world):
    found = world({})
    assert drain.empty(found.context).evidence["after"] == 0
    assert found.target.tried == []


def test_a_dry_run_tries_nothing(world):
    found = world({"x.test": 100})
    drain.rehearse(found.context)
    assert found.target.tried == []
    assert any("would try" in line for line in found.tell.lines)


def test_a_host_that_is_silent_for_a_while_is_asked_again(world, monkeypatch):
    found = world({"x.test": 100})
    answers, silent = runners.look, [HostUnreachableError("banner"), CommandTimeoutError("slow")]

    def look(context, mark):
        if silent:
            raise silent.pop()
        return answers(context, mark)

    monkeypatch.setattr(runners, "look", look)
    assert drain.empty(found.context).evidence["after"] == 0


def test_our_runners_are_stopped_whatever_happens(world, monkeypatch):
    found = world({"x.test": 100})
    stopped = []
    monkeypatch.setattr(runners, "stop", lambda context: stopped.append(context))

    def broken(context, mark):
        raise HostUnreachableError("no session")

    monkeypatch.setattr(runners, "look", broken)
    with pytest.raises(HostUnreachableError):
        drain.empty(found.context)
    assert len(stopped) == 2, "before they were started, and in the end"
