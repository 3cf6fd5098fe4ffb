"""The MTA of a host as a service: its unit, its listeners and its processes."""

from dataclasses import dataclass
from enum import Enum

from mxlib.facts.sockets import Socket
from mxlib.facts.units import UnitState


class Role(Enum):
    """The purpose of a process of the MTA."""

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
        role: its purpose, by its command line, its parent and its sockets.
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
        processes: all its processes.
        held: whether it cannot be started: by a mask, or by our drop-in together with the file that it looks for.
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
        """Whether its unit starts at boot."""
        return self.unit.enabled

    @property
    def still(self) -> bool:
        """Whether it has neither process nor listener."""
        return not self.processes and not self.listeners

    def role(self, role: Role) -> tuple[MtaProcess, ...]:
        """Return its processes of one role."""
        return tuple(process for process in self.processes if process.role is role)
