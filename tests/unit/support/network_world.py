"""What the steps around network names are given: a world that notes what is remembered and done, in order."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from mxlib.base.errors import CommandFailedError, MovedError
from mxlib.model.goal import Goal
from mxlib.model.record import Record
from mxlib.model.state import Step, Waited
from mxlib.protocols.machine import Recovery
from mxlib.reboot.progress import Progress
from tests.unit.support.fakes import FakeClock
from tests.unit.support.memory_mx import MemoryMx, Process
from tests.unit.support.memory_walk import COLD


def claimed() -> Record:
    process = Process(MemoryMx(), COLD, "one")
    for _effect in process.effects(Step.CLAIM):
        """Only the record is wanted."""
    return replace(process.mx.record, prevention="link")


class World:
    """Notes what is remembered and what is done, in order."""

    def __init__(self, record: Record, renames: dict[str, str], *, mended: Recovery | None = None) -> None:
        self.said: list[Any] = []
        self.renames, self.mended = renames, mended
        self.record, self.fails, self.decided_on = record, False, "boot-0"
        rescue = SimpleNamespace(
            renames=lambda: self.renames, prevent=self.prevent, settle=self.settle, mend=lambda: self.mended
        )
        self.adapters = SimpleNamespace(rescue=rescue)
        self.clock, self.progress = FakeClock(), Progress(Goal(), waited=Waited.SILENT)
        self.mta = SimpleNamespace(units=("exim4.service",))
        self.site = SimpleNamespace(verify=SimpleNamespace(unit_names=("spamd.service", "exim4.service")))

    def remember(self, record: Record) -> None:
        self.record = record
        self.said.append(("noted", record.unsettled, record.prepared, record.pinned))

    def prevent(self, method: str, kernels: tuple[str, ...]) -> str:
        self.said.append((method, kernels))
        if self.fails:
            raise CommandFailedError("not taken")
        return "done"

    def settle(self, pinned: tuple[str, ...], kernels: tuple[str, ...]) -> str:
        assert kernels == (self.record.target.release, self.record.fallback.release)
        self.said.append(("settle", pinned))
        if self.fails:
            raise CommandFailedError("both exist")
        return "one name"

    def standing_now(self) -> SimpleNamespace:
        return SimpleNamespace(view=SimpleNamespace(boot="boot-1"))

    def decide_on(self, standing: SimpleNamespace) -> None:
        self.decided_on = standing.view.boot

    def act(self, script: str, *, timeout: float, look: bool) -> SimpleNamespace:
        if self.decided_on != "boot-1":
            raise MovedError("has booted meanwhile; nothing was done")
        self.said.append("revive")
        return SimpleNamespace(output="spamd.service\n")


def state(record: Record, host_boot: str = "boot-0") -> Any:
    return SimpleNamespace(record=record, host=SimpleNamespace(boot=host_boot))
