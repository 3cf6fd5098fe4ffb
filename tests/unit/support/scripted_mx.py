"""An MX that answers the scripts of a run, so that the steps themselves run, and their round trips can be counted."""

import base64
import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.base.meter import Meter
from mxlib.base.verdict import Status, Verdict
from mxlib.config.load import parse
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.model.goal import Goal
from mxlib.model.on_host import RECORD, TOKEN
from mxlib.model.state import Slot
from mxlib.protocols.host import CommandResult
from mxlib.protocols.world import Options
from mxlib.reboot import peers
from mxlib.reboot.progress import Progress
from mxlib.reboot.run import Result, Run
from mxlib.reboot.steps import guard
from mxlib.reboot.world import Adapters, RebootWorld
from tests.unit.support.facts import fixture
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_mx import NEW, OLD
from tests.unit.support.memory_run import MemoryJournal
from tests.unit.support.site import TEN_LINES

SITE = parse(TEN_LINES, "test")
FINE = Verdict("condition", Status.OK, "")
CONDITION = Source("condition", (Section("condition", "true"),), lambda outputs: outputs["condition"].text())
TABLE = """\
table inet mx_depool {
	set prober {
		type inet_service
		flags timeout
	}
	chain input {
		type filter hook input priority filter - 10; policy accept;
		tcp sport @prober accept
		tcp dport { PORTS } tcp flags syn / fin,syn,rst,ack counter packets 0 bytes 0 reject with tcp reset
	}
}
"""
ABSENT = "Error: No such file or directory\nlist table inet mx_depool\n"
HEALTHY: dict[str, str] = json.loads(fixture("healthy/mx2001.json"))["outputs"]
FILLED = {
    "busy": "nft yes\nend\n",
    "retry-rules": "begin retry\n* * F,4d,6h\n",
    "maillog-mark": "mark 1 10 5\n",
    "retry-hints": "end\n",
    "queue-count": "0\n",
    "mta-processes": "end\n",
    "sockets-listening": "",
    "sockets-established": "",
    "client-arrivals": "end\n",
    "configuration": f"mta={'a' * 16} firewall={'b' * 16} packages={'c' * 16}\n",
}


@dataclass
class ScriptedMx:
    """The MX itself: what is on its disk and what runs, changed by what each script says that it does.

    Attributes:
        trips: what each round trip was for, in order, by the name of the host that was asked.
        down_s: seconds for which it does not answer after it was ordered to reboot.
    """

    clock: FakeClock
    name: str = "mx2001.lab.test"
    trips: list[tuple[str, str]] = field(default_factory=list)
    down_s: float = 30.0
    meter: Meter = field(default_factory=Meter)
    boot: int = 1
    kernel: str = OLD.release
    saved: str = OLD.entry
    next: str = ""
    record: bytes | None = None
    token: bytes | None = None
    closed: bool = False
    held: bool = False
    running: bool = True
    puppet_off: bool = False
    down: tuple[float, float] = (0.0, 0.0)

    @property
    def boot_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.boot:012}"

    # --- the host

    def read(self, script: str, *, timeout: float) -> CommandResult:
        return self.asked(script, re.findall(r"^section (\S+) ", script, re.MULTILINE), timeout)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        fence = re.search(r"^printf '\\n%s acted %s\\n' (\S+) ", script, re.MULTILINE)
        if fence is None:
            head, looks, look = script.partition("printf '\\n%s looks\\n' ")
            answer = self.asked(head, re.findall(r"^section (\S+) ", look or head, re.MULTILINE), timeout, look)
            return dataclasses.replace(answer, output=f"\n{look.split()[0]} looks\n{answer.output}" if looks else "")
        head, _, rest = script.partition("set +e\n")
        self.written(head)
        act, _, look = rest.partition("printf '\\n%s acted")
        said = self.acted(act)
        answer = self.asked(act, re.findall(r"^section (\S+) ", look, re.MULTILINE), timeout, look)
        return dataclasses.replace(answer, output=f"{said}\n{fence[1]} acted 0\n{answer.output}")

    def asked(self, script: str, sections: list[str], timeout: float, look: str = "") -> CommandResult:
        self.trips.append((self.name, what_for(script)))
        self.meter.add(0.5)
        self.clock.sleep(0.5)
        if self.down[0] < self.clock.monotonic() < self.down[1]:
            self.clock.sleep(timeout)
            raise HostUnreachableError("no session")
        mark = re.search(r"^mark=(\S+)", look or script, re.MULTILINE)
        word = mark[1] if mark else ""
        texts = [
            f"{word} begin {one}\n{self.says(one)}\n{word} errors {one}\n\n{word} end {one} 0\n" for one in sections
        ]
        return CommandResult(self.name, 0, "".join(texts), datetime(2026, 1, 1, tzinfo=UTC), 0.5)

    def says(self, section: str) -> str:
        made = {"standing": self.standing, "depool": self.depool, "backlog": self.backlog}
        return made[section]() if section in made else FILLED.get(section, HEALTHY.get(section, ""))

    # --- what it says

    def standing(self) -> str:
        up = self.running and not self.held
        state = "active" if up else "inactive"
        once, puppet = f"next {self.next}\n" if self.next else "", "off" if self.puppet_off else "on"
        return (
            f"boot {self.boot_id}\nkernel {self.kernel}\nlisteners {2 * up}\nprocesses {int(self.running)}\n"
            f"saved {self.saved}\n{once}puppet {puppet}\n"
            f"units\nJob=\nLoadState=loaded\nActiveState={state}\nUnitFileState=generated\n\n"
            "Job=\nLoadState=loaded\nActiveState=inactive\nUnitFileState=static\nend\n"
        )

    def depool(self) -> str:
        kept = (("record", self.record), ("kept-token", self.token))
        lines = [f"{name} {base64.b64encode(data).decode()}" for name, data in kept if data is not None]
        lines += ["file yes", "unit enabled"] if self.closed else []
        lines += ["held yes"] if self.held else []
        ports = ", ".join(str(port) for port in SITE.ports)
        table = f"{TABLE.replace('PORTS', ports)}code 0" if self.closed else f"{ABSENT}code 1"
        return "\n".join([*lines, "table", table]) + "\n"

    def backlog(self) -> str:
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.clock.monotonic())
        return f"zone +0000\nnow {int(now.timestamp())}\ntotal 0 0\nend\n"

    # --- what is done to it

    def written(self, head: str) -> None:
        for path, name in ((TOKEN, "token"), (RECORD, "record")):
            if found := re.search(rf"^put {path} (.*)$", head.replace("\n'", "\\n'"), re.MULTILINE):
                setattr(self, name, shlex.split(found[1])[0].replace("\\n", "\n").encode())

    def acted(self, act: str) -> str:
        for purpose, effect in EFFECTS.items():
            if f"# {purpose}\n" in act:
                for name, value in effect.items():
                    setattr(self, name, value)
        if found := re.search(r"^(dis|en)able-puppet ", act, re.MULTILINE):
            self.puppet_off = found[1] == "dis"
        for name, entry in re.findall(r"grub-editenv \S+ (?:set|unset) '?(saved|next)_entry(?:=([^']*))?'?", act):
            setattr(self, name, entry)
        if "--no-block reboot" in act:
            self.boot, self.kernel = self.boot + 1, NEW.release if self.next == NEW.entry else OLD.release
            self.next, self.running = "", not self.held
            self.down = (self.clock.monotonic() + 0.6, self.clock.monotonic() + self.down_s)
        counts = "ledger 2\nspool 2\nmust 2\nmissing 0\nuntraced 0\nholes 0\n" if "ledger" in act else ""
        entries = f"saved_entry={self.saved}\nnext_entry={self.next}\n" if "grub-editenv" in act else ""
        return counts + entries


EFFECTS: dict[str, dict[str, Any]] = {
    "close the mail ports": {"closed": True},
    "open the mail ports": {"closed": False, "held": False},
    "stop the MTA and hold it": {"held": True, "running": False},
    "let the MTA start": {"held": False, "running": True},
    "remove the record of the run": {"record": None},
}


def what_for(script: str) -> str:
    """Return what a script is for, by its own words."""
    said = re.findall(r"^# (.+)$", script, re.MULTILINE)
    return said[0] if said else script.strip().splitlines()[0]


class Sender:
    """A verifier: one round trip for the test mails, sessions from outside for the rest."""

    def sources(self) -> tuple[Source[Any], ...]:
        return (CONDITION,)

    def judged(self, _facts: object) -> tuple[Verdict, ...]:
        return (FINE,)

    def known_bad(self, _facts: object, _release: str) -> Verdict:
        return FINE

    def condition(self, host: Any) -> tuple[Verdict, ...]:
        host.read("# judge the host itself\nsection condition ", timeout=30)
        return (FINE,)

    def outbound(self, host: Any) -> tuple[Verdict, ...]:
        host.act("# send 1 test mail\n", timeout=60)
        return (FINE,)

    def inbound(self, _host: Any) -> tuple[Verdict, ...]:
        return (FINE,)


class Machine:
    """A machine without a console."""

    def ready(self, *_given: object) -> tuple[Verdict, ...]:
        return ()

    def off(self) -> bool:
        return False

    def shown(self) -> tuple[str, ...]:
        return ()

    def stuck(self) -> str:
        return ""

    def note_script(self) -> str:
        return ""

    def attach(self) -> None:
        """Nothing to watch."""

    unwatch = attach


class AtOnce:
    """A question that is answered before anything else is done: its round trips belong to the step that asks."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.found = ask()

    def answer(self, _seconds: float) -> Any:
        return self.found


class Around:
    """etcd, Alertmanager and the alerts: they answer at once, and are asked without a host."""

    def __init__(self) -> None:
        self.token, self.pooled, self.taken = 0, "yes", False

    def state(self) -> Slot:
        return Slot.MINE if self.taken else Slot.FREE

    def describe(self) -> str:
        return ""

    def take(self, newest: int = 0) -> int:
        self.taken, self.token = True, newest + 1
        return self.token

    def release(self) -> None:
        self.taken = False

    def leave(self) -> None:
        """Nothing to leave."""

    def firing(self) -> None:
        return None

    def add(self, _minutes: int) -> tuple[str, ...]:
        return ("s1",)

    def remove(self, _silence: str) -> None:
        """It is gone."""


class Pool:
    """The pool state."""

    def __init__(self) -> None:
        self.value = "yes"

    def read(self, _services: Collection[str] = ()) -> dict[str, str]:
        return {"smtp": self.value}

    def write(self, values: Mapping[str, str]) -> None:
        self.value = values["smtp"]

    def command(self, values: Mapping[str, str]) -> list[str]:
        return [f"set {dict(values)}"]


@dataclass(frozen=True)
class StepTrips:
    """What one step asked hosts for, the looks before it included."""

    step: str
    asked: tuple[tuple[str, str], ...]


class Noting(MemoryJournal):
    """A journal that notes which round trips belong to which step."""

    def __init__(self, trips: list[tuple[str, str]]) -> None:
        super().__init__()
        self.trips, self.steps_taken = trips, []

    def write(self, event: str, **values: Any) -> None:
        super().write(event, **values)
        if event in ("done", "guard", "failed", "end"):
            self.steps_taken.append(StepTrips(str(values.get("step", event)), tuple(self.trips)))
            self.trips.clear()


def plain_run(
    monkeypatch: pytest.MonkeyPatch, keep: Callable[[MemoryJournal], None] = lambda _journal: None
) -> tuple[Result, list[StepTrips]]:
    """Take an MX through a run in which nothing goes wrong, with an empty queue and a soak of a minute.

    Arguments:
        keep: is given the journal.
    """
    clock, tell, around = FakeClock(), Tell(), Around()
    target = ScriptedMx(clock)
    peer = ScriptedMx(clock, "mx1001.lab.test", target.trips, meter=target.meter)
    kernels = {one.release: one for one in (OLD, NEW)}
    monkeypatch.setattr(peers, "UnderWay", AtOnce)
    monkeypatch.setattr(guard, "_kernel", lambda _menu, release: kernels[release])
    monkeypatch.setattr(guard.readiness, "kernels", lambda *_given, **_named: (FINE,))
    monkeypatch.setattr(guard.readiness, "boot_menu", lambda *_given: (FINE,))
    adapters = Adapters(around, Pool(), around, Sender(), Machine(), around, None, target.meter)  # type: ignore[arg-type]
    options = Options("why", "who", 50, 900.0, soak_s=60.0)
    progress = Progress(Goal(NEW.release))
    world = RebootWorld(SITE, target, (peer,), clock, tell, options, "run-1", adapters=adapters, progress=progress)
    journal = Noting(target.trips)
    keep(journal)
    result = Run(world, journal, resting=lambda: None).execute()
    return result, journal.steps_taken


def main() -> None:
    """Print the table: step, round trips, what each is for."""
    with pytest.MonkeyPatch.context() as patch:
        result, steps = plain_run(patch)
    for one in steps:
        asked = (f"{host.partition('.')[0]}: {what}" for host, what in one.asked)
        print(f"{one.step:16}{len(one.asked):4}  {'; '.join(asked)}")
    print(f"{'':16}{sum(len(one.asked) for one in steps):4}  {result.outcome.name}: {result.why}")


if __name__ == "__main__":
    main()
