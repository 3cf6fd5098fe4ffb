"""Which remedy would help for what fails now. Pure: from verdicts and facts to orders."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mxlib.base.verdict import Status, Verdict
from mxlib.config.known_bad import KnownBad
from mxlib.config.sections import Site
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import sysctl, units
from mxlib.facts.source import Facts, FactUnknownError, Source
from mxlib.facts.units import UnitsFacts, UnitState
from mxlib.mta.event import Cause
from mxlib.mta.find import find, with_mta
from mxlib.probes.outbound import ProbeOutcome
from mxlib.remedies import bounds
from mxlib.remedies.bounds import Order
from mxlib.remedies.hole_rules import network_of

HOLE_S = 1800.0
_STALLED = (Cause.TIMEOUT_AFTER_DATA, Cause.TIMEOUT_SENDING)
_ADDRESS = re.compile(r"\[([0-9A-Fa-f.:]+)\]")


@dataclass(frozen=True)
class Suggestion:
    """A remedy that may help.

    Attributes:
        order: the remedy.
        check: the check it is for.
        why: one sentence.
    """

    order: Order
    check: str
    why: str


def sources(policy: VerifyPolicy) -> tuple[Source[object], ...]:
    """Return the facts that the choice needs in addition to the verdicts."""
    mta = find(policy.mta)
    asked = units.source(with_mta(policy).unit_names), sysctl.source(policy.read_sysctls)
    return (*asked, mta.service, mta.recent, mta.version)


def advise(verdicts: Iterable[Verdict], facts: Facts, policy: VerifyPolicy) -> tuple[str, ...]:
    """Return what would help and is not for a remedy to do: changes of the MTA's configuration, which is the site's.

    A remedy that edited it would be undone by the next run of Puppet, or would leave an MTA that cannot read it.

    Arguments:
        facts: the answers to :func:`sources`.
    """
    if not any(one.check == "log" and one.status is Status.FAILED for one in verdicts):
        return ()
    mta = find(policy.mta)
    try:
        return mta.advice(facts.get(mta.recent), facts.get(mta.version))
    except FactUnknownError:
        return ()


def suggest(
    verdicts: Sequence[Verdict], facts: Facts, site: Site, policy: VerifyPolicy, entries: Iterable[KnownBad] = ()
) -> tuple[Suggestion, ...]:
    """Return the remedies for what fails now, each once; what is merely unknown gets one only for stale hints.

    Arguments:
        facts: the answers to :func:`sources`.
        policy: what the checks judged by.
    """
    failing = {one.check: one for one in verdicts if one.status is Status.FAILED}
    found: list[Suggestion] = []
    if "firewall" in failing:
        found += _firewall(site, failing["firewall"])
    if "units" in failing:
        found += _units(facts, site, policy)
    if "mta" in failing:
        found += _mta(facts, policy)
    if "sysctl" in failing:
        found += _sysctls(facts, site)
    if "kernel" in failing:
        found += _kernel(failing["kernel"], site, entries)
    found += [one for verdict in verdicts if verdict.check.startswith("outbound-") for one in _mail(verdict)]
    if "temporary-hole" in failing:
        found.append(
            Suggestion(Order(bounds.CLOSE_HOLE), "temporary-hole", "a hole is open; not if mail still needs it")
        )
    return tuple({one.order: one for one in reversed(found)}.values())[::-1]


def _firewall(site: Site, verdict: Verdict) -> Iterator[Suggestion]:
    if bounds.firewalls(site):
        yield Suggestion(Order(bounds.RELOAD_FIREWALL), "firewall", verdict.why)


def _units(facts: Facts, site: Site, policy: VerifyPolicy) -> Iterator[Suggestion]:
    try:
        found = facts.get(units.source(with_mta(policy).unit_names))
    except FactUnknownError:
        return
    for names in with_mta(policy).required_units:
        yield from _required(names, found)
    generators = [generator.unit for generator in site.aliases]
    for state in found.failed:
        if state.name in generators:
            # It runs by a timer: one that came up before the name service would stay failed until the next hour.
            yield Suggestion(Order(bounds.RESTART_UNIT, state.name), "units", f"the last run of {state.name} failed")
        elif bounds.is_stale(site, state.name):
            yield Suggestion(Order(bounds.CLEAR_FAILED, state.name), "units", f"{state.name} has failed, and is over")


def _required(names: str, found: UnitsFacts) -> Iterator[Suggestion]:
    """The unit to restart for a required one that does not run; a firewall is loaded, not restarted."""
    states = [state for name in names.split("|") if (state := found.find(name))]
    if any(state.active in ("active", "activating") for state in states):
        return
    wanted = [state for state in states if state.load == "loaded" and not state.masked]
    best = next((state for state in wanted if state.enabled), wanted[0] if wanted else None)
    if best is not None:
        yield Suggestion(_order(best), "units", f"{best.name} is {best.active} ({best.result})")


def _mta(facts: Facts, policy: VerifyPolicy) -> Iterator[Suggestion]:
    """An MTA that has died: a unit of an init script stays active without a process, so no unit has failed."""
    try:
        found = facts.get(find(policy.mta).service)
    except FactUnknownError:
        return
    if not found.processes and not found.held and found.unit.load == "loaded":
        why = f"no process of the MTA; {found.unit.name} is {found.unit.active}"
        yield Suggestion(_order(found.unit), "mta", why)


def _order(state: UnitState) -> Order:
    if state.name in bounds.FIREWALLS:
        return Order(bounds.RELOAD_FIREWALL)
    return Order(bounds.RESTART_UNIT, state.name)


def _sysctls(facts: Facts, site: Site) -> Iterator[Suggestion]:
    try:
        found = facts.get(sysctl.source(site.verify.read_sysctls))
    except FactUnknownError:
        return
    for key, wanted in site.verify.sysctls.items():
        value = " ".join(wanted.split())
        if found.get(key) != value:
            why = f"{key} is {found.get(key, 'not there')}"
            yield Suggestion(Order(bounds.SET_SYSCTL, f"{key}={value}"), "sysctl", why)


def _kernel(verdict: Verdict, site: Site, entries: Iterable[KnownBad]) -> Iterator[Suggestion]:
    for entry in (one for one in entries if one.entry_id in verdict.why):
        for key, value in entry.unless:
            if value in bounds.allowed(site, key):
                why = f"it makes {entry.entry_id} harmless"
                yield Suggestion(Order(bounds.SET_SYSCTL, f"{key}={value}"), "kernel", why)


def _mail(verdict: Verdict) -> Iterator[Suggestion]:
    name = verdict.check.removeprefix("outbound-")
    waits = verdict.status is Status.UNKNOWN and ProbeOutcome.UNTRIED.value in verdict.why
    if waits or (verdict.status is Status.FAILED and ProbeOutcome.BOUNCED.value in verdict.why):
        why = "retry hints of an earlier fault decide, untried"
        yield Suggestion(Order(bounds.CLEAR_HINTS, name), verdict.check, why)
    if verdict.status is Status.FAILED and any(cause.value in verdict.why for cause in _STALLED):
        for address in dict.fromkeys(_ADDRESS.findall(verdict.why)):
            if network_of(address):
                why = "if its answers are dropped here (conntrack, firewall), this lets them through meanwhile"
                yield Suggestion(Order(bounds.ALLOW, address, HOLE_S), verdict.check, why)
