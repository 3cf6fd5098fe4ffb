"""The MXs as a roll sees them: asked side by side, rebooted one by one by the run that `sre.mail.reboot-mx` makes."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from spicerack import Spicerack

from mxlib.adapters.etcd_slot import EtcdSlot
from mxlib.adapters.etcd_wait import wait_for_silence
from mxlib.base.clock import Clock
from mxlib.base.errors import ConfigError, HostError, MxlibError, ParseError, PoolError, SilenceError
from mxlib.base.ids import new_run
from mxlib.base.stop import Stop
from mxlib.base.text import one_line
from mxlib.commands.reboot import HostRun
from mxlib.commands.request import RunRequest
from mxlib.config.roll import RollSoak
from mxlib.config.sections import Site
from mxlib.facts import kernel as kernel_facts
from mxlib.facts import past_runs
from mxlib.facts.source import Facts, read_facts
from mxlib.model.alert import Alert, out_of_service, relevant
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.mta.event import Cause
from mxlib.mta.find import find
from mxlib.protocols.host import Host
from mxlib.protocols.operator import Operator
from mxlib.protocols.service import AlertSource, PoolState
from mxlib.roll.plan import expected
from mxlib.roll.protocols import HostEnd
from mxlib.roll.soak import SoakState
from mxlib.roll.state import Blocker, Seen
from mxlib.roll.survey import KERNEL_CHECK, RUN_SUFFIX, Asked, newest, silent, survey, unknown
from mxlib.roll.watch import MAX_PARALLEL, Watch, causes_of

_SPARE_S = 300.0
"""Seconds beyond all time limits."""


@dataclass(frozen=True)
class RollOrder:
    """What the roll was asked for, as far as the hosts' own runs need it.

    Attributes:
        asked: the kernel, and what every host is judged by.
        reason: why, in words.
        task: the task's id; may be empty.
        soak: the watch between two hosts.
    """

    asked: Asked
    reason: str
    task: str
    soak: RollSoak


class SpicerackFleet:
    """The MXs of a site."""

    def __init__(
        self,
        spicerack: Spicerack,
        site: Site,
        order: RollOrder,
        *,
        hosts: Mapping[str, Host],
        pools: Mapping[str, PoolState],
        slot: EtcdSlot,
        alerts: AlertSource,
        stop: Stop,
        clock: Clock,
        operator: Operator,
    ):
        """Touch nothing yet.

        Arguments:
            hosts: every MX of the site, by name.
            pools: the pool state of each.
            slot: the slot of the service, to look at.
            stop: stops the roll, and the run of the host it is at.
        """
        self._spicerack, self._site, self._order = spicerack, site, order
        self._hosts, self._pools, self._slot, self._alerts = hosts, pools, slot, alerts
        self._stop, self._clock, self._operator = stop, clock, operator
        self._before: frozenset[Cause] | None = None
        self._seen: tuple[Seen, ...] = ()
        self._rebooted: set[str] = set()

    def look(self) -> tuple[Seen, ...]:
        """Return how every MX stands: one SSH round trip each, side by side."""
        answers = asked_of(self._hosts, lambda host: read_facts(host, (*self._order.asked.sources, past_runs.SOURCE)))
        holder = self._slot.look().holder
        out = {holder.host: holder.run} if holder is not None else {}
        took = {name: _past(answer) for name, answer in answers.items()}
        self._seen = tuple(self._one(name, answer, out.get(name, ""), took) for name, answer in answers.items())
        return self._seen

    def _one(self, name: str, answer: Facts | MxlibError, run: str, took: Mapping[str, Sequence[float]]) -> Seen:
        place = self._site.mxs[name]
        expected_s = self._expected(name, took)
        if isinstance(answer, MxlibError):
            return silent(name, place, str(answer), run, expected_s)
        try:
            values = self._pools[name].read()
        except PoolError as error:
            return unknown(name, place, str(error))
        if values is None:
            return unknown(name, place, "its pool state cannot be read")
        return survey(self._order.asked, answer, place, values, expected_s)

    def _expected(self, name: str, took: Mapping[str, Sequence[float]]) -> float:
        fleet = [seconds for one in took.values() for seconds in one]
        return expected(took.get(name, ()), fleet, bound(self._site))

    def at_work(self) -> str:
        """Return who has an MX out with a run that is alive; one that was killed a moment ago is waited for."""
        if self._slot.look().alive and not wait_for_silence(self._slot.look, self._clock, self._operator.line):
            return self._slot.describe() or "another run has taken the slot of the service"
        return ""

    def blockers(self) -> tuple[Blocker, ...]:
        """Return the alerts about the MXs or the service."""
        try:
            firing = self._firing()
        except SilenceError as error:
            return (Blocker(_unknown(error)),)
        return tuple(Blocker(_said([one]), out_of_service(one, self._site.mxs)) for one in firing)

    def alerts(self) -> str:
        """Return what fires, or why that is unknown; empty: nothing does, or the site has nobody to ask."""
        try:
            return _said(self._firing())
        except SilenceError as error:
            return _unknown(error)

    def _firing(self) -> list[Alert]:
        """As in the guard of a single host, an alert that somebody has silenced is known and does not count."""
        section = self._site.alerts
        about = relevant(self._alerts.firing() or (), self._site.mxs, section.service, section.ignored)
        return [one for one in about if not one.quiet]

    def reboot(self, host: str, *, resume: bool) -> HostEnd:
        """Take one host all the way, and return how that ended."""
        self._note_causes()
        self._rebooted.add(host)
        goal = Goal(adopt=True) if resume else Goal(self._order.asked.kernel)
        request = RunRequest(
            host=host,
            goal=goal,
            reason=self._order.reason,
            task=self._order.task,
            accept=self._accepted(),
            run="" if resume else f"{new_run()}{RUN_SUFFIX}",
        )
        run = HostRun(self._spicerack, self._site, request, self._stop)
        begin = self._clock.monotonic()
        outcome = run.execute()
        why, kernel = (run.result.why, run.result.kernel) if run.result else ("", "")
        if outcome is Outcome.REFUSED:
            why = run.objections or why
        seconds, report = self._clock.monotonic() - begin, str(run.report_file or "")
        kernel = kernel or self._on_trial(host, resume=resume)
        silent = run.result is not None and run.result.silent
        return HostEnd(host, outcome, one_line(why, 400), report, seconds, kernel, silent)

    def _on_trial(self, host: str, *, resume: bool) -> str:
        """Return the kernel that a run was to try, where the run itself does not know; empty: nobody does."""
        if not resume:
            return self._order.asked.kernel
        return next((one.target for one in self._seen if one.host == host), "")

    def _accepted(self) -> frozenset[str]:
        """Return the findings that block no host; the bad kernel that a roll leads away from is one of them."""
        bad = frozenset({KERNEL_CHECK}) if any(one.kernel_bad for one in self._seen) else frozenset[str]()
        return self._order.asked.accepted | bad

    def _note_causes(self) -> None:
        """Note the errors that the MXs had before this roll changed any of them."""
        if self._before is None:
            self._before = causes_of(find(self._site.mta), self._without_kernel())

    def _without_kernel(self) -> dict[str, Host]:
        """Return the MXs whose errors are surely not the kernel's doing.

        They are known to run another one, and this roll has rebooted none of them: one that fell back has in its log of
        the last quarter of an hour what the kernel did.
        """
        others = {one.host for one in self._seen if one.kernel not in ("", self._order.asked.kernel)}
        return {name: host for name, host in self._hosts.items() if name in others - self._rebooted}

    def soak(self, hosts: Sequence[str], limit_s: float | None) -> tuple[SoakState, str]:
        """Watch hosts under real mail."""
        others = self._without_kernel()
        watch = Watch(
            find(self._site.mta),
            {name: self._hosts[name] for name in hosts},
            others,
            self._before if self._before is not None else causes_of(find(self._site.mta), others),
            self._order.soak,
            alerts=self.alerts,
            clock=self._clock,
            operator=self._operator,
        )
        return watch.run(limit_s)


def _said(alerts: Sequence[Alert]) -> str:
    return f"alerts fire: {'; '.join(one.said for one in alerts)}" if alerts else ""


def _unknown(error: SilenceError) -> str:
    return f"whether alerts fire is unknown: {error}"


def _past(answer: Facts | MxlibError) -> tuple[float, ...]:
    """Return the seconds that earlier reboots of a host took, as it keeps them; none where it cannot be read."""
    try:
        return answer.get(past_runs.SOURCE) if isinstance(answer, Facts) else ()
    except ParseError:
        return ()


def bound(site: Site) -> float:
    """Return the sum of all time limits of a reboot: what is expected of a host of which nothing is known."""
    drain = site.drain.timeout + site.drain.still_timeout
    # before the drain, out of the new boot and, if that fails, out of the old one, each time with a control
    probes = 4 * len(site.probes.outbound) * site.probes.timeout
    return drain + 2 * site.boot.timeout + probes + site.soak.seconds + _SPARE_S


def asked_of(hosts: Mapping[str, Host], ask: Callable[[Host], Facts]) -> dict[str, Facts | MxlibError]:
    """Return the answer of each host, by its name, or why there is none; they are asked side by side."""

    def answer(host: Host) -> Facts | MxlibError:
        try:
            return ask(host)
        except (HostError, ParseError) as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, min(MAX_PARALLEL, len(hosts)))) as pool:
        return dict(zip(hosts, pool.map(answer, hosts.values()), strict=True))


def newest_of(hosts: Mapping[str, Host]) -> str:
    """Return the newest kernel that is whole on any of the hosts.

    Raises:
        mxlib.base.errors.ConfigError: there is none, or no host can be read.
    """
    answers = asked_of(hosts, lambda host: read_facts(host, (kernel_facts.SOURCE,)))
    found = []
    for answer in answers.values():
        if isinstance(answer, Facts):
            try:
                found.append(answer.get(kernel_facts.SOURCE))
            except ParseError:
                continue
    release = newest(found)
    if not release:
        raise ConfigError("no host reports a kernel that is whole: say which one to roll out")
    return release
