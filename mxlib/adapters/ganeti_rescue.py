"""The machine from outside: a Ganeti instance, or nothing at all."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from mxlib.adapters.boot_watch import BootWatch
from mxlib.adapters.console_proof import prove_console
from mxlib.adapters.console_repair import (
    Means,
    diagnose_and_repair,
    forecast_for,
    forecast_of,
    open_console,
)
from mxlib.adapters.secret import SecretError, from_file
from mxlib.base.errors import MxlibError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.facts import nic
from mxlib.facts.nic import NicFacts
from mxlib.facts.source import read_facts
from mxlib.model.record import Level
from mxlib.nic import advice
from mxlib.nic.cause import Outage
from mxlib.nic.forecast import Fate, Forecast
from mxlib.nic.instance import Instance, NotAnInstanceError
from mxlib.nic.prevent import note_script, plan_prevention, prevent, remove_link, settle_names
from mxlib.nic.report import RepairReport
from mxlib.nic.screen import Screen
from mxlib.protocols.host import Host
from mxlib.protocols.machine import Recovery

logger = logging.getLogger(__name__)

_NO_POWER = frozenset({Outage.RENAMED, Outage.UNCERTAIN, Outage.NOT_RUNNING, Outage.NO_BOOT_DEVICE, Outage.FSCK})
"""A power cycle keeps the slots and the disks: it helps against none of these."""
_NOT_INSIDE = frozenset({Outage.LOGIN, Outage.BUSY, Outage.SESSION, Outage.PROMPT, Outage.NO_ACCESS})


class NoMachineAccess:
    """A site without a hypervisor."""

    def ready(self, host: Host, level: Level, prevention: str) -> tuple[Verdict, ...]:
        """Nothing to ask, and no way to a cold start."""
        del host, prevention
        why = "no cold start: the site's configuration has no ganeti section"
        return (Verdict("machine", Status.FAILED, why),) if level is Level.COLD else ()

    def renames(self) -> Mapping[str, str]:
        """Nothing is known to rename."""
        return {}

    def prevent(self, method: str, kernels: Sequence[str]) -> str:
        """Nothing to prepare."""
        del method, kernels
        return "nothing to prepare"

    def settle(self, pinned: Sequence[str], kernels: Sequence[str]) -> str:
        """Nothing to settle."""
        del pinned, kernels
        return "nothing to settle"

    def note_script(self) -> str:
        """Nothing is known of its network cards."""
        return ""

    def attach(self) -> None:
        """No console."""

    def unwatch(self) -> None:
        """No console."""

    def shown(self) -> tuple[str, ...]:
        """No console."""
        return ()

    def stuck(self) -> str:
        """No console."""
        return ""

    def off(self) -> bool:
        """Not known."""
        return False

    def power_on(self) -> str:
        """Nothing can be done from here."""
        return "the configuration names no way to start the machine"

    def mend(self) -> Recovery:
        """Nothing can be done from here."""
        return Recovery("the configuration names no way to reach the machine from outside")

    def power_cycle(self) -> str:
        """Nothing can be done from here."""
        return ""


class GanetiRescue:
    """A virtual machine under Ganeti."""

    def __init__(self, means: Means, host: Host, run: str):
        """Touch nothing yet.

        Args:
            host: the machine from inside.
            run: id of the run, for transcripts and copies of files.
        """
        self._means = means
        self._host = host
        self._run = run
        self._forecast: Forecast | None = None
        self._started = False
        self._watching = ExitStack()
        self._watch: BootWatch | None = None
        self._panic: Screen | None = None

    # --- before

    def ready(self, host: Host, level: Level, prevention: str) -> tuple[Verdict, ...]:
        """Return verdicts on the console, the machine's parameters, and what this level does to its network names."""
        try:
            machine = _parameters(self._instance(host.name), level)
        except NotAnInstanceError as error:
            return (self._no_instance(host, level, one_line(str(error))),)
        except (MxlibError, OSError) as error:
            machine = Verdict("machine", Status.UNKNOWN, one_line(str(error)))
        # a dry run does not even log in on a console, and asks for no password
        console = self._password() if self._means.dry_run else (prove_console(self._means, host.name, self._run),)
        serves = all(verdict.passed for verdict in console)
        return (*console, machine, self._names(host, level, prevention, console=serves))

    def _no_instance(self, host: Host, level: Level, why: str) -> Verdict:
        """A machine that no cluster knows: physical by its own word, or a guest of a hypervisor that is not known."""
        if level is Level.COLD:
            return Verdict("machine", Status.FAILED, f"{why}: no cold start")
        names = self._names(host, level, "none", console=False)
        return Verdict("machine", names.status, one_line(f"{why}: {names.why}", 600))

    def _password(self) -> tuple[Verdict, ...]:
        try:
            if self._means.password_file is not None:
                from_file(self._means.password_file)
        except SecretError as error:
            return (Verdict("console", Status.FAILED, one_line(str(error))),)
        return ()

    def _instance(self, name: str) -> Instance:
        with self._means.rapi() as rapi:
            return rapi.instance(name)

    def _names(self, host: Host, level: Level, prevention: str, *, console: bool) -> Verdict:
        try:
            cards = read_facts(host, (nic.SOURCE,)).get(nic.SOURCE)
            self._forecast = forecast_of(host.name, cards, self._means)
            status, said = judge_names(self._forecast, cards, level, prevention, console=console)
        except MxlibError as error:
            return Verdict("nic-forecast", Status.UNKNOWN, one_line(str(error), 400))
        return Verdict("nic-forecast", status, one_line(said, 600))

    def renames(self) -> Mapping[str, str]:
        """Return them by a new forecast: the machine's parameters may have changed since the guard."""
        cards = read_facts(self._host, (nic.SOURCE,)).get(nic.SOURCE)
        self._forecast = forecast_of(self._host.name, cards, self._means)
        served = advice.served(cards, self._forecast, Level.COLD)
        return {old: new for old, new in self._forecast.renames(Level.COLD).items() if old not in served}

    def prevent(self, method: str, kernels: Sequence[str]) -> str:
        """Write two stanzas, or a link file in the initramfs; the change is shown first."""
        expected = self._forecast or forecast_for(self._host, self._means)
        facts = read_facts(self._host, (nic.SOURCE,)).get(nic.SOURCE)
        for line in plan_prevention(facts, expected, method, self._run).splitlines():
            self._means.say(f"| {line}")
        done = prevent(self._host, expected, method=method, run=self._run, kernels=kernels)
        names = ", ".join(f"{old} may become {new}" for old, new in expected.renames(Level.COLD).items())
        return f"{names}: prepared by {method}{f', old files in {done.backup}' if done.backup else ''}"

    def settle(self, pinned: Sequence[str], kernels: Sequence[str]) -> str:
        """Leave one name for each interface; a pin that was never needed is removed."""
        done = settle_names(self._host, self._run)
        for line in done.diff.splitlines():
            self._means.say(f"| {line}")
        if pinned:
            remove_link(self._host, pinned, kernels)
        said = ["the configuration names each interface once"] if done.diff else []
        said += [f"no name is pinned any more: {', '.join(pinned)}"] if pinned else []
        said += [f"still has the old name, check it: {'; '.join(map(str, done.places))}"] if done.places else []
        return "; ".join(said) or "each interface has one name"

    # --- around the boot

    def note_script(self) -> str:
        """Return the command that notes them as the guard, or a forecast of now, has found them."""
        try:
            if self._forecast is None:
                self._forecast = forecast_for(self._host, self._means)
        except (MxlibError, OSError) as error:
            logger.warning("the network names are not noted: %s", one_line(str(error)))
            return ""
        return note_script(self._forecast.known())

    def attach(self) -> None:
        """Begin to read the console; a machine that somebody has left paused runs from then on."""
        if self._watch is not None:
            return
        try:
            self._panic = None
            console = open_console(self._means, self._host.name, self._run, None)
            self._watch = self._watching.enter_context(BootWatch(console))
        except (MxlibError, OSError) as error:
            logger.warning("the console is not watched: %s", one_line(str(error)))

    def unwatch(self) -> None:
        """Leave the console."""
        self._watch = None
        self._watching.close()

    def shown(self) -> tuple[str, ...]:
        """Return the last lines of the boot."""
        return self._watch.excerpt() if self._watch is not None else ()

    def stuck(self) -> str:
        """Return what a boot that stands still shows; a panic is remembered, as nobody sees it who attaches later."""
        if self._watch is None:
            return ""
        said = self._watch.standstill()
        self._panic = self._watch.panic()
        return said

    def off(self) -> bool:
        """Whether it is off, and not by an order to the cluster; False where that is not known."""
        try:
            return self._means.cluster.switched_off(self._host.name)
        except (MxlibError, OSError) as error:
            logger.warning("whether the machine is off is not known: %s", one_line(str(error)))
            return False

    def power_on(self) -> str:
        """Start it, and attach the console at once."""
        self.unwatch()
        self._means.cluster.start(self._host.name)
        self._started = True
        self.attach()
        console = "" if self._watch is not None else ", without its console"
        return f"the machine was rebuilt from its configuration and started{console}"

    # --- when it does not come back

    def mend(self) -> Recovery:
        """Diagnose over the console, and repair a renamed interface."""
        self.unwatch()
        known = self._forecast.known() if self._forecast is not None else None
        report = diagnose_and_repair(self._means, self._host.name, run=self._run, known=known, panic=self._panic)
        return Recovery(
            note=report.sentence,
            back=report.ok,
            wait=report.diagnosis.cause is Outage.BOOTING,
            power=self._power_may_help(report),
            lines=tuple(report.lines()),
        )

    def _power_may_help(self, report: RepairReport) -> bool:
        """Whether a power cycle may help: not after a cold start that renames, as it keeps the new name."""
        renamed = self._started and self._forecast is not None and bool(self._forecast.renames(Level.COLD))
        cause = report.diagnosis.cause
        return cause not in _NO_POWER and not (renamed and cause in _NOT_INSIDE)

    def power_cycle(self) -> str:
        """Cut the power by Ganeti's "soft" reboot, which keeps the slots, and also that it was once started paused."""
        name, cluster = self._host.name, self._means.cluster
        cluster.power_cycle(name)
        try:
            if cluster.paused(name, node := cluster.status(name)[1]):
                cluster.unpause(name, node)
        except (MxlibError, OSError) as error:
            logger.warning("whether the machine is paused is not known: %s", one_line(str(error)))
        return "the power was cut and is on again, with the devices in their slots"


def _parameters(instance: Instance, level: Level) -> Verdict:
    if instance.obstacles:
        return Verdict("machine", Status.FAILED, "; ".join(instance.obstacles))
    exits = instance.hvparams.get("reboot_behavior") == "exit" and level is Level.GUEST
    warnings = ("reboot_behavior=exit: it switches itself off, and is rebuilt",) if exits else ()
    return Verdict("machine", Status.OK, "it boots its own kernel from its own disk", warnings=warnings)


def judge_names(
    forecast: Forecast, cards: NicFacts, level: Level, prevention: str, *, console: bool
) -> tuple[Status, str]:
    """Return what the guard says of the network names.

    Args:
        prevention: what is done before a cold start.
        console: whether the host's console serves, as far as it was tried.
    """
    fate, said = forecast.fate(level), forecast.sentence(level)
    if fate is Fate.KEPT:
        return Status.OK, said
    if fate is not Fate.RENAMED:
        return Status.UNKNOWN if fate is Fate.UNKNOWN else Status.FAILED, said
    if advice.unclear(cards, forecast, level):
        return Status.UNKNOWN, said
    prepared = advice.prepared(cards, forecast, level)
    if prepared.keys() == forecast.renames(level).keys():
        return Status.OK, f"{said}: {'; '.join(dict.fromkeys(prepared.values()))}"
    helps = advice.guard_advice(cards, forecast, console=console)
    if level is not Level.COLD:
        pin = advice.pin_advice(cards, forecast, level)
        cold = "" if forecast.virtual is False else f"order it as a cold start (--level cold): {helps}; or "
        return Status.FAILED, f"{said}; {cold}prepare it first: {pin}"
    if prevention == "none":
        return Status.FAILED, f"{said}; {helps}"
    refused = advice.PREVENTIONS[prevention](cards, forecast.renames(Level.COLD))
    if refused:
        return Status.UNKNOWN, f"{said}; --prevention {prevention}: {refused}; {helps}"
    return Status.OK, f"{said}: prevented by {prevention}"
