"""The MTA of a host as a service: its unit, its listeners and every process of it."""

from dataclasses import dataclass
from enum import Enum

from mxlib.facts.sockets import Socket
from mxlib.facts.units import UnitState


class Role(Enum):
    """What a process of the MTA is there for."""

    DAEMON = "daemon"
    RUNNER = "queue runner"
    DELIVERY = "delivery"
    SESSION = "SMTP session"
    CHILD = "child of the daemon"
    OTHER = "other"


@dataclass(frozen=True)
class MtaProcess:
    """A process of the MTA.

    Attributes:
        pid: its id.
        parent: its parent's id.
        command: its command line, arguments separated by blanks.
        role: what it is there for, as far as its command line, its parent and its sockets tell.
    """

    pid: int
    parent: int
    command: str
    role: Role


@dataclass(frozen=True)
class MtaFacts:
    """The MTA of a host.

    Attributes:
        unit: its unit.
        version: its upstream version, such as ``4.96``.
        listeners: its listening sockets.
        processes: every process of it.
        held: whether something keeps it from being started: a mask, or our drop-in together with its file.
    """

    unit: UnitState
    version: str
    listeners: tuple[Socket, ...]
    processes: tuple[MtaProcess, ...]
    held: bool = False

    @property
    def masked(self) -> bool:
        """Whether its unit is masked."""
        return self.unit.masked

    @property
    def enabled(self) -> bool:
        """Whether its unit comes up at boot."""
        return self.unit.enabled

    @property
    def still(self) -> bool:
        """Whether nothing of it is left: no process and no listener."""
        return not self.processes and not self.listeners

    def role(self, role: Role) -> tuple[MtaProcess, ...]:
        """Its processes of one role."""
        return tuple(process for process in self.processes if process.role is role)
