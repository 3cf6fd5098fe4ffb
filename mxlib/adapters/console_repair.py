"""Forecast and repair of a host's network interfaces with the means a site has: its cluster, its consoles, SSH."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mxlib.adapters.console import Console, ConsoleBusyError, ConsoleError, ConsoleLoginError
from mxlib.adapters.console_login import Login
from mxlib.adapters.ganeti import Cluster, Rapi
from mxlib.adapters.secret import Secret, SecretError
from mxlib.adapters.serial_shell import SerialShell
from mxlib.base.clock import Clock, wait_for
from mxlib.base.errors import HostError, MxlibError
from mxlib.base.text import one_line
from mxlib.facts import nic
from mxlib.facts.nic import NicFacts
from mxlib.facts.source import read_facts
from mxlib.nic.cause import Diagnosis, Outage, from_cluster, from_screen
from mxlib.nic.forecast import Forecast, forecast, unknown, without_instance
from mxlib.nic.instance import GanetiError, Instance, NotAnInstanceError, instance_name
from mxlib.nic.repair import GuestRepair, NicRepairError, repair_inside
from mxlib.nic.report import RepairReport
from mxlib.nic.screen import Screen
from mxlib.protocols.host import Host

_SILENT_S = 6.0
_MENDED = frozenset({Outage.RENAMED, Outage.NOT_UP, Outage.SSHD})
_ENDED = "Run it by hand, on the cluster's master: gnt-instance console {name}"
_LOOK = "Log in on the console and look."
_BACK_S = 45.0
"""After the repair: address detection and the first login of a slow host."""


@dataclass(frozen=True)
class Means:
    """What a site has to reach a virtual machine from outside.

    Attributes:
        rapi: opens the cluster's remote API.
        cluster: its command line.
        ssh_options: options of the ssh that carries a console.
        user: who logs in on a console.
        password: their password; asked for only when it is needed.
        transcripts: directory of console transcripts.
        answers: whether a host answers over SSH by an address family.
        families: the address families a host should answer by.
        clock: what a repair waits by.
        say: hears each line of the story as it happens.
        dry_run: whether to log in on no console.
        password_file: where the password is read from; None: from the terminal.
    """

    rapi: Callable[[], Rapi]
    cluster: Cluster
    ssh_options: tuple[str, ...]
    user: str
    password: Callable[[], Secret]
    transcripts: Path
    answers: Callable[[str, int], bool]
    families: Callable[[str], tuple[int, ...]]
    clock: Clock
    say: Callable[[str], None]
    dry_run: bool = False
    password_file: Path | None = None


def forecast_for(host: Host, means: Means | None) -> Forecast:
    """Return what each way to reboot does to the host's interfaces.

    Args:
        host: it must answer.
        means: None when the site has no cluster.

    Raises:
        mxlib.base.errors.HostError: the host does not answer.
        mxlib.base.errors.ParseError: its cards cannot be read.
    """
    return forecast_of(host.name, read_facts(host, (nic.SOURCE,)).get(nic.SOURCE), means)


def forecast_of(name: str, cards: NicFacts, means: Means | None) -> Forecast:
    """Return what each way to reboot does to cards that were read already.

    Args:
        means: None when the site has no cluster.
    """
    if means is None:
        return without_instance(name, cards, "the site's configuration has no ganeti section")
    try:
        return forecast(name, _instance(means, name), cards)
    except NotAnInstanceError as error:
        return without_instance(name, cards, str(error))
    except (GanetiError, SecretError) as error:
        return unknown(name, cards.nics, str(error))


def _instance(means: Means, name: str) -> Instance:
    with means.rapi() as rapi:
        return rapi.instance(name)


def open_console(means: Means, name: str, run: str, secret: Secret | None) -> Console:
    """Return a console of the host, not yet attached, with a transcript of its own.

    Raises:
        mxlib.nic.instance.GanetiError: not a host name, or its cluster is not known.
    """
    transcript = means.transcripts / f"{instance_name(name)}-{run}.log"
    argv = means.cluster.console_argv(name, means.ssh_options)
    return Console(argv, secret=secret, transcript=transcript, clock=means.clock)


def why_no_shell(means: Means, name: str, console: Console, error: ConsoleError) -> Diagnosis:
    """Return why a console gave no shell, and what to do next."""
    screen = error.screen or console.screen()
    if isinstance(error, ConsoleLoginError):
        advice = error.advice or "Check the password file; log in by hand: gnt-instance console {name}"
        return Diagnosis(Outage.LOGIN, error.why, advice.replace("{name}", _known_as(means, name)))
    if error.screen is None:
        return Diagnosis(Outage.NO_ACCESS, error.why)
    known = _known_as(means, name)
    shown = from_screen(screen, known)
    if not console.alive and shown.cause in (Outage.BOOTING, Outage.SILENT):
        # a command that has ended is at no boot: what it said last is why
        said = one_line(console.last_words(), 400) or "it said nothing"
        return Diagnosis(Outage.NO_ACCESS, f"the console's command ended by itself: {said}", _ENDED.format(name=known))
    if isinstance(error, ConsoleBusyError):
        advice = "Ask them to leave it with Ctrl-], or end the other socat on the node; then run this again."
        return Diagnosis(Outage.BUSY, error.why, advice)
    return replace(shown, why=f"{error.why}; {shown.why}") if shown.cause is Outage.UNKNOWN else shown


def _known_as(means: Means, name: str) -> str:
    """Return the name that gnt-instance takes, for a command that is advised."""
    try:
        return means.cluster.known_as(name)
    except MxlibError:
        return name


def refuse_busy(means: Means, name: str, console: Console, say: Callable[[str], None]) -> None:
    """Refuse a console that is silent because somebody else reads it, or say that this cannot be known.

    Raises:
        mxlib.adapters.console.ConsoleBusyError: others are on it.
    """
    console.send("\r")
    if not console.wait(lambda text: bool(text.strip()), timeout=_SILENT_S) and console.alive:
        holders = _holders(means, name, say)
        if len(holders) > 1:
            raise ConsoleBusyError(f"attached and silent; processes on it: {'; '.join(holders)}", console.screen())


def _holders(means: Means, name: str, say: Callable[[str], None]) -> tuple[str, ...]:
    try:
        node = _instance(means, name).node
    except MxlibError:
        node = None
    try:
        return means.cluster.console_holders(name, node)
    except HostError as error:
        say(f"the console is silent, and whether somebody else reads it is unknown: {one_line(str(error))}")
        return ()


def diagnose_and_repair(
    means: Means, name: str, *, run: str, known: Mapping[str, str] | None = None, timeout: float = 120.0,
    panic: Screen | None = None,
) -> RepairReport:  # fmt: skip
    """Find out why a host does not answer, repair what certainly can be, prove it from outside. Never raises for that.

    Args:
        run: id of the run, for the transcript and copies of files.
        known: name by MAC from before the reboot (:meth:`mxlib.nic.forecast.Forecast.known`), if it was noted.
        timeout: seconds until a prompt must have come on the console: the machine's own boot is within it.
        panic: the console on which its kernel was just seen to have panicked: nobody can log in there.
    """
    return _Repair(means, instance_name(name), run, known, timeout, panic).whole()


class _Repair:
    """One repair, from the look from outside to the proof from outside."""

    def __init__(
        self, means: Means, name: str, run: str, known: Mapping[str, str] | None, timeout: float, panic: Screen | None
    ) -> None:
        self._means, self._name, self._run = means, name, run
        self._known, self._timeout, self._panic = known, timeout, panic
        self._families = means.families(name)
        self._instance: Instance | None = None
        self.report = RepairReport(name)

    def whole(self) -> RepairReport:
        begin = self._means.clock.monotonic()
        if self._answers():
            self.report.diagnosis = Diagnosis(Outage.NONE, "")
        else:
            self._ask_cluster()
            self._from_console()
            self._look_again()
        self.report.ok = self._all_answer()
        self.report.seconds = self._means.clock.monotonic() - begin
        return self.report

    def _look_again(self) -> None:
        """Ask from outside once more: a slow host comes up while its console is read, whatever was found there."""
        mended = self.report.diagnosis.cause in _MENDED or self.report.acted
        limit = _BACK_S if mended else 0.0
        back = wait_for(self._answers, deadline_s=limit, every_s=1.0, clock=self._means.clock)
        if back and not mended:
            self.report.diagnosis = Diagnosis(Outage.NONE, "")
            self._say("it answers over SSH now, and nothing was changed")
        elif back and self.report.inside is not None:
            # what went wrong after that was said as it happened
            self.report.diagnosis = self.report.inside.diagnosis

    def _say(self, line: str) -> None:
        at = self._means.clock.now().strftime("%H:%M:%S")
        self.report.story.append(f"{at} {line}")
        self._means.say(line)

    def _answers(self) -> bool:
        self.report.answers = {family: self._means.answers(self._name, family) for family in self._families}
        return self._all_answer()

    def _all_answer(self) -> bool:
        return bool(self.report.answers) and all(self.report.answers.values())

    def _ends(self, diagnosis: Diagnosis) -> None:
        self.report.diagnosis = diagnosis
        self._say(f"{diagnosis.cause.value}: {one_line(diagnosis.why, 400)}")

    def _ask_cluster(self) -> None:
        missing = ", ".join(f"IPv{family}" for family, good in self.report.answers.items() if not good)
        self._say(f"no answer over {missing or 'any address: its name does not resolve'}")
        try:
            self._instance = _instance(self._means, self._name)
            self._say(f"the cluster says: {self._instance.status}, NICs {', '.join(self._instance.macs)}")
        except MxlibError as error:
            alone = "the repair has the console alone"
            self._say(f"the cluster's remote API does not help: {one_line(str(error))}; {alone}")

    def _from_console(self) -> None:
        stands = from_cluster(self._instance.status, self._instance.name) if self._instance is not None else None
        if stands is not None:
            self._ends(stands)
        elif self._panic is not None:
            self.report.screen = self._panic.last
            self._ends(from_screen(self._panic, _known_as(self._means, self._name)))
        elif self._means.dry_run:
            self._ends(Diagnosis(Outage.NO_ACCESS, "dry run: not logged in on the console", "Run it without -d."))
        else:
            self._attach()

    def _attach(self) -> None:
        try:
            secret = self._means.password()
        except SecretError as error:
            advice = "Put the password there (mode 0600), or run this on a terminal."
            self._ends(Diagnosis(Outage.NO_ACCESS, str(error), advice))
            return
        try:
            console = open_console(self._means, self._name, self._run, secret)
            self.report.transcript = str(console.transcript or "")
            with console:
                self._session(console, secret)
                self.report.screen = console.screen().last
        except (MxlibError, OSError) as error:
            self._ends(Diagnosis(Outage.NO_ACCESS, one_line(str(error), 400)))

    def _session(self, console: Console, secret: Secret) -> None:
        shell = SerialShell(console, self._name, Login(self._means.user, secret, self._timeout))
        try:
            refuse_busy(self._means, self._name, console, self._say)
            with shell:
                opened = " (a root session was open there)" if shell.found_logged_in else ""
                self._say(f"logged in on the console{opened}")
                self._inside(shell)
        except ConsoleError as error:
            self._ends(why_no_shell(self._means, self._name, console, error))
        where = "at its login prompt" if shell.logged_out else "NOT at a login prompt"
        self._say(f"console left, {'where its getty logs root in by itself' if shell.autologin else where}")

    def _inside(self, shell: Host) -> None:
        try:
            macs = self._instance.macs if self._instance is not None else None
            self.report.inside = begun = GuestRepair(Diagnosis(Outage.UNKNOWN, ""))
            inside = repair_inside(shell, macs=macs, known=self._known, run=self._run, say=self._say, begun=begun)
        except ConsoleError:
            raise
        except NicRepairError as error:
            self._ends(Diagnosis(Outage.UNCERTAIN, one_line(str(error), 400), _LOOK))
        except MxlibError as error:
            # what could not be asked says nothing of the names: a machine whose commands hang may need its power cut
            self._ends(Diagnosis(Outage.UNKNOWN, one_line(str(error), 400), _LOOK))
        else:
            self.report.inside, self.report.diagnosis = inside, inside.diagnosis
