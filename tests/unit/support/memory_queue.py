"""A queue in memory, for the tests of a drain."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from mxlib.config.load import parse
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
        return f"arrived 0\ncompleted {done}\ndelivered {done}\nfailed 0\nlost 0\nmark 1 10 5\nruns 0\n"

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


def world(waiting, down=(), **options):
    """Return a run on a host with so many messages for each destination, some of which are down."""
    clock, tell = FakeClock(), Tell()
    target = Queue(dict(waiting), set(down), clock)
    chosen = Options("why", "who", options.pop("bound", 0), options.pop("timeout", 900.0))
    kept = []
    events = SimpleNamespace(write=lambda event, **values: kept.append((event, values)))
    world = World(parse(TEN_LINES, "test"), target, (), clock, tell, chosen, "run-1", events=events)
    return SimpleNamespace(world=world, target=target, tell=tell, clock=clock, events=kept)
