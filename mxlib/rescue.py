"""The machine from outside: a Ganeti instance, or nothing at all."""

import logging
from contextlib import ExitStack

from mxlib.boot_watch import BootWatch
from mxlib.errors import MxlibError
from mxlib.host import Host
from mxlib.instance import Level
from mxlib.nic_forecast import Fate, Forecast
from mxlib.nic_prevent import note_names
from mxlib.nic_service import Means, diagnose_and_repair, forecast_for, open_console, prove_console
from mxlib.text import one_line
from mxlib.verdict import Status, Verdict

logger = logging.getLogger(__name__)


class NoRescue:
    """The site says of no hypervisor."""

    def ready(self, host: Host) -> tuple[Verdict, ...]:
        """Nothing to ask."""
        del host
        return ()

    def watch(self) -> None:
        """No console."""

    def unwatch(self) -> None:
        """No console."""

    def mend(self) -> str:
        """Nothing can be done from here."""
        return "the configuration names no way to reach the machine from outside"

    def power_cycle(self) -> str:
        """Nothing can be done from here."""
        return ""


class GanetiRescue:
    """A virtual machine under Ganeti."""

    def __init__(self, means: Means, host: Host, run: str):
        """Touch nothing yet.

        Arguments:
            means: what the site has to reach it from outside.
            host: the machine from inside.
            run: id of the run, for transcripts.
        """
        self._means = means
        self._host = host
        self._run = run
        self._forecast: Forecast | None = None
        self._watching = ExitStack()

    def ready(self, host: Host) -> tuple[Verdict, ...]:
        """The console, the machine's parameters, and what a reboot does to its network names."""
        console = prove_console(self._means, host.name, self._run)
        return (console, self._parameters(host.name), self._names(host))

    def _parameters(self, name: str) -> Verdict:
        try:
            with self._means.rapi() as rapi:
                obstacles = rapi.instance(name).obstacles
        except (MxlibError, OSError) as error:
            return Verdict("machine", Status.UNKNOWN, one_line(str(error)))
        if obstacles:
            return Verdict("machine", Status.FAILED, "; ".join(obstacles))
        return Verdict("machine", Status.OK, "it boots its own kernel from its own disk")

    def _names(self, host: Host) -> Verdict:
        try:
            self._forecast = forecast_for(host, self._means)
        except MxlibError as error:
            return Verdict("nic-forecast", Status.UNKNOWN, one_line(str(error)))
        fate = self._forecast.fate(Level.GUEST)
        said = "; ".join(self._forecast.lines())
        if fate is Fate.KEPT:
            return Verdict("nic-forecast", Status.OK, "a reboot from inside keeps the network names")
        return Verdict("nic-forecast", Status.UNKNOWN if fate is Fate.UNKNOWN else Status.FAILED, one_line(said, 400))

    def watch(self) -> None:
        """Note the network names on the host, and begin to read the console."""
        try:
            if self._forecast is None:
                self._forecast = forecast_for(self._host, self._means)
            note_names(self._host, self._forecast)
            console = open_console(self._means, self._host.name, self._run, None)
            self._watching.enter_context(BootWatch(console))
        except (MxlibError, OSError) as error:
            logger.warning("the console is not watched: %s", one_line(str(error)))

    def unwatch(self) -> None:
        """Leave the console."""
        self._watching.close()

    def mend(self) -> str:
        """Diagnose over the console, and repair a renamed interface."""
        self.unwatch()
        known = self._forecast.known() if self._forecast is not None else None
        return diagnose_and_repair(self._means, self._host.name, run=self._run, known=known).headline

    def power_cycle(self) -> str:
        """Ganeti's "soft" reboot: a power cut that keeps the slots, whatever its name says."""
        self._means.cluster.power_cycle(self._host.name)
        return "the power was cut and is on again, with the devices in their slots"
