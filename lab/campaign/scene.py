"""What the disturbances of a run are put on."""

import subprocess
import threading
import time
from dataclasses import dataclass, field

from lab import lifecycle
from lab.lifecycle import Stations
from lab.place import Exchanger
from lab.shell import LabError
from lab.stations.box import Box

_BEGIN_S = 10.0


class NotDoneError(LabError):
    """A disturbance that could not begin or be ended, as what it is put on is off or does not answer."""


def must_be_up(box: Box) -> None:
    """Raise :class:`NotDoneError` if the power of a station is off: another disturbance may have cut it."""
    if box.pid is None:
        raise NotDoneError(f"{box.name} is off")


@dataclass
class Scene:
    """What a disturbance is put on.

    Attributes:
        place: the lab's stations.
        mx: the exchanger that is rebooted.
        kernel: the release it is rebooted into.
        host: the management host on which the cookbook runs.
        other: the other management host.
        child: the cookbook.
        others: other cookbooks that were started meanwhile.
        said: what they printed, and which disturbances did not happen.
        ended: commands beside the cookbook that have ended, and their exit codes.
        refused: names of the disturbances that were other operators, who were told that nothing was changed.
        unended: names of the disturbances that could not be ended while it lasted.
        stopped: set when the run has ended.
    """

    place: Stations
    mx: Exchanger
    kernel: str
    host: Box
    other: Box
    child: "subprocess.Popen[bytes]"
    others: "list[subprocess.Popen[str]]" = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unended: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def signal(self, *numbers: int) -> None:
        """Send signals to the cookbook; one that is just beginning is waited for.

        Raises:
            NotDoneError: there is none any more.
        """
        end = time.monotonic() + _BEGIN_S
        while not self._hit(numbers[0]):
            if self.child.poll() is not None or time.monotonic() > end:
                raise NotDoneError("the cookbook does not run")
            time.sleep(0.05)
        for number in numbers[1:]:
            self._hit(number)

    def _hit(self, number: int) -> bool:
        try:
            return self.child.poll() is None and lifecycle.send_signal(self.child, number)
        except (FileNotFoundError, ProcessLookupError):  # it ended in this moment
            return False
