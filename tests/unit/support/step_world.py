"""What a single step is given: a world that notes what is sent to the host and what is done elsewhere."""

from types import SimpleNamespace
from typing import Any

from mxlib.base.errors import MovedError, StepError
from mxlib.model.goal import Goal
from mxlib.model.record import Record
from mxlib.model.state import Ports, Step, Waited
from mxlib.reboot.progress import Progress
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.records import RECORD

ENTRIES = "saved_entry=m>b\n"


class World:
    """Notes what is sent to the host and what is done elsewhere, in order."""

    def __init__(self, goal: Goal | None = None, *, said: str = ENTRIES, off: bool = True) -> None:
        self.sent: list[tuple[str, Record | None]] = []
        self.given: dict[str, object] = {}
        self.done: list[str] = []
        self.noted: list[Record] = []
        """Records that the next act is to write."""
        self.said, self.moved = said, False
        self.progress = Progress(goal or Goal(), waited=Waited.OFF)
        self.clock, self.operator = FakeClock(), Tell()
        self.options = SimpleNamespace(who="op@cumin2002")
        self.target = SimpleNamespace(name="mx2001.lab.test")
        self.site: Any = SimpleNamespace(downtime=SimpleNamespace(minutes=0))
        self.mta: Any = SimpleNamespace(
            can=SimpleNamespace(stop_spares=True), stop_script="stop", stop_attempts_script="stop ours",
            count_script="", units=("exim4.service",),
        )
        self.adapters = SimpleNamespace(
            slot=SimpleNamespace(token=9),
            pool=SimpleNamespace(write=lambda _values: self.done.append("pool"), command=lambda _values: ["set"]),
            rescue=SimpleNamespace(off=lambda: off, power_on=lambda: self.done.append("power") or "started"),
        )

    def act(self, script: str, *, record: Record | None = None, **given: object) -> SimpleNamespace:
        self.given = given
        self.sent.append((script, record))
        return SimpleNamespace(output=self.said)

    def remember(self, record: Record) -> None:
        self.sent.append(("", record))

    def note(self, record: Record) -> None:
        self.noted.append(record)

    def keep_look(self, _facts: object) -> None:
        self.done.append("keeps the look")

    def still(self) -> None:
        self.done.append("looked")
        if self.moved:
            raise MovedError("has booted")


def state(record: Record = RECORD, kernel: str = "6.1.0-56", boot_id: str = "b1") -> Any:
    host = SimpleNamespace(kernel=kernel, boot=boot_id, build="", ports=Ports.CLOSED)
    return SimpleNamespace(record=record, host=host)


def refused(step: Step, _world: object, _state: object, asked_for: Step) -> None:
    """In place of what asks the others before a host is taken out: there are not enough."""
    assert asked_for is step
    raise StepError("not enough others")
