"""The loop of a drain over a queue in memory."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from mxlib.base.errors import CommandTimeoutError, HostUnreachableError, StepError
from mxlib.config.load import parse
from mxlib.drain import loop as drain
from mxlib.drain import runners
from mxlib.mta.exim import names as exim
from mxlib.protocols.host import CommandResult
from mxlib.protocols.world import Options, World
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.site import TEN_LINES


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
        mark = re.search(r"^mark=(\S+)", script, re.MULTILINE)[1]
        parts = {
            "queue-flow": self.flow() if "section queue-flow " in script else "",
            "retry-rules": "begin retry\n* * F,4d,6h\n",
            "maillog-mark": "mark 1 10 5\n",
            "retry-hints": "end\n",
            "backlog": self.backlog(),
        }
        text = "".join(
            f"{mark} begin {name}\n{said}\n{mark} errors {name}\n\n{mark} end {name} 0\n"
            for name, said in parts.items()
            if f"section {name} " in script
        )
        return self.answer(text)

    def flow(self):
        done, self.completed = self.completed, 0
        return f"arrived 0\ncompleted {done}\ndelivered {done}\ndeferred 0\nfailed 0\nlost 0\nmark 1 10 5\nruns 0\n"

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
    assert len(stopped) == 1, "in the end"
