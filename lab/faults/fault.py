"""What a fault is: how it is put on an exchanger or a service, how it is taken off, how its symptom shows."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from lab.lifecycle import Stations, ssh
from lab.place import CONSOLE_PASSWORD, Exchanger
from lab.shell import LabError
from lab.world import worlds


@dataclass(frozen=True)
class FaultTarget:
    """What a fault is put on.

    Attributes:
        mx: the exchanger concerned; ignored by faults of a service.
        kernel: the release concerned; used by faults of one kernel.
    """

    place: Stations
    mx: Exchanger
    kernel: str

    def on_host(self, script: str, timeout: float = 60) -> str:
        """Run a script on the exchanger.

        Raises:
            LabError: the script failed, or the exchanger does not answer.
        """
        done = ssh(self.place, self.mx, f"sh -euc {shlex.quote(script)}", timeout)
        if done.returncode:
            raise LabError(f"{self.mx.name}: exit code {done.returncode}: {done.stdout.strip()[-600:]}")
        return done.stdout


Act = Callable[[FaultTarget], object]


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: as in ``mxlab break NAME``.
        summary: its effect, in one line.
        undo: takes it off; harmless where it is not on.
        of_host: whether it concerns one exchanger; if not, a service of the lab.
        shows: script that succeeds on the exchanger once the fault has taken effect; empty: ``apply`` waits for that
            itself, or nothing shows before the next cold start.
    """

    name: str
    summary: str
    apply: Act
    undo: Act
    of_host: bool = True
    shows: str = ""


def shell(text: str) -> Act:
    """The act that runs a script on the exchanger; ``@kernel@``, ``@firewall@`` and ``@password@`` are filled in."""

    def act(target: FaultTarget) -> None:
        fields = {
            "kernel": target.kernel,
            "firewall": worlds.of(target.place.lab, target.mx).firewall,
            "password": CONSOLE_PASSWORD,
        }
        filled = text
        for key, value in fields.items():
            filled = filled.replace(f"@{key}@", value)
        target.on_host(filled, timeout=120)

    return act
