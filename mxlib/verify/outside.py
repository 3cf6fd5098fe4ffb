"""Checks whose evidence is not on the host alone: its network names after a reboot, by its hypervisor; its alerts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from mxlib.base.errors import MxlibError, SilenceError
from mxlib.base.parallel import once
from mxlib.base.text import one_line
from mxlib.base.verdict import Status
from mxlib.checks import alerts
from mxlib.checks.check import Finding, Outside, failed, ok, unknown
from mxlib.config.alerts import AlertsSection
from mxlib.facts import nic
from mxlib.facts.nic import NicFacts
from mxlib.facts.source import Facts
from mxlib.model.alert import relevant
from mxlib.model.record import Level
from mxlib.nic import advice
from mxlib.nic.forecast import Fate, Forecast, forecast, without_instance
from mxlib.nic.instance import Instances, NotAnInstanceError
from mxlib.protocols.service import AlertSource

NIC = "nic"
_ABOUT = "what a reboot does to the network names"


def nic_check(rapi_for: Callable[[str], Instances] | None) -> Outside:
    """The check of the network names, by the cluster of each host.

    Args:
        rapi_for: opens the remote API of the cluster of a host; None where the site has none.
    """
    if rapi_for is None:
        return Outside(NIC, _ABOUT, (), lambda host, facts: ok("the site has no Ganeti cluster, nothing to forecast"))
    return Outside(NIC, _ABOUT, (nic.SOURCE,), lambda host, facts: _ask(rapi_for, host, facts))


def _ask(rapi_for: Callable[[str], Instances], host: str, facts: Facts) -> Finding:
    found = facts.get(nic.SOURCE)
    try:
        with rapi_for(host) as rapi:
            instance = rapi.instance(host)
    except NotAnInstanceError as error:
        expected = without_instance(host, found, one_line(str(error)))
        if expected.virtual is not False:
            return unknown(expected.note)
        names = judge_names(expected, found)
        return replace(names, why=f"{expected.note}; {names.why}")
    except MxlibError as error:
        return unknown(f"the cluster could not be asked: {one_line(str(error))}")
    return judge_names(forecast(host, instance, found), found)


def judge_names(expected: Forecast, found: NicFacts) -> Finding:
    """Judge what the ways to reboot do to the names, by the worst of them."""
    if not expected.nics:
        return unknown("no network card of the host was found", *expected.lines())
    if all(expected.fate(level) is Fate.KEPT for level in _JUDGED):
        return ok("every way to reboot keeps the network names", *expected.lines())
    findings = [_judge(level, expected, found) for level in _JUDGED if expected.fate(level) is not Fate.KEPT]
    return min(findings, key=lambda finding: _ORDER.index(finding.status))


def _judge(level: Level, expected: Forecast, found: NicFacts) -> Finding:
    lines, fate, renames = expected.lines(), expected.fate(level), expected.renames(level)
    changes = ", ".join(f"{old} to {new}" for old, new in renames.items())
    prepared = advice.prepared(found, expected, level)
    if fate is Fate.NO_START:
        return failed(f"it would not start again after a {level.value} reboot", *lines)
    if fate is Fate.RENAMED and prepared.keys() != renames.keys():
        helps = advice.pin_advice(found, expected, level)
        return failed(f"a {level.value} reboot renames {changes}: it would not come back; {helps}", *lines)
    if fate is Fate.UNKNOWN or advice.unclear(found, expected, level):
        return unknown("what a reboot does to its network names is not known", *lines)
    return ok(f"a {level.value} reboot renames {changes}, and {'; '.join(dict.fromkeys(prepared.values()))}", *lines)


_JUDGED = (Level.GUEST, Level.COLD)
_ORDER = (Status.FAILED, Status.UNKNOWN, Status.OK)


def alerts_check(
    source: AlertSource, section: AlertsSection, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Outside:
    """The check of alerts about a host; those about the whole service are about each host.

    Args:
        source: where they are asked for, once for all hosts.
        section: which of them matter.
    """
    ask = once(source.firing, keep=(SilenceError,))

    def judge(host: str, facts: Facts) -> Finding:
        del facts
        try:
            firing = ask()
        except SilenceError as error:
            return unknown(one_line(str(error)))
        if firing is None:
            return ok("the site names no Alertmanager")
        mine = relevant(firing, [host], section.service, section.ignored)
        verdict = alerts.judge(mine, now(), verifying=True)
        return Finding(verdict.status, verdict.why, tuple(one.output for one in verdict.evidence))

    return Outside(alerts.NAME, "alerts that fire about", (), judge)
