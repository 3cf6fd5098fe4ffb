"""Verify several hosts at the same time: by what each says, by what others hear from it, and by comparison."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from mxlib.aliases import look as verify_aliases
from mxlib.aliases.judge import ANSWERS
from mxlib.base.parallel import Outstanding, at_once, side_by_side
from mxlib.base.verdict import Status, Verdict
from mxlib.model.answers import InboundResult
from mxlib.probes import judge as probes
from mxlib.probes import judge_peers as peers
from mxlib.probes import verdicts as probe
from mxlib.probes.peer import PeerSession
from mxlib.protocols.host import Host
from mxlib.protocols.operator import Share
from mxlib.verify.look import Look, look, outbound
from mxlib.verify.request import HostReport, VerificationScope, inbound_names

A = TypeVar("A")
_NOT_TAKEN = "THIS HOST is at fault, its MTA did not take the test mail"


def peers_of(name: str, names: Sequence[str], count: int) -> tuple[str, ...]:
    """The MXs that ask an MX: the next ones after it, in a circle, so that the work is shared.

    Arguments:
        count: how many ask each.
    """
    place = names.index(name)
    return tuple([*names[place + 1 :], *names[:place]][:count])


Busy = Callable[[str, Share], None]
"""Shows what is under way; see :meth:`mxlib.protocols.operator.Operator.busy`."""


def _nobody(_text: str, _share: Share) -> None:
    """Nobody looks."""


def verify_hosts(
    hosts: Sequence[Host], request: VerificationScope, others: Sequence[Host] = (), busy: Busy = _nobody
) -> tuple[HostReport, ...]:
    """Verify several hosts at the same time.

    Arguments:
        others: the site's other MXs: some of them ask the hosts, answer for comparison, and serve as a control.
        busy: shows how many answers are there, and which are not.

    Returns:
        A report each, worst first, and within one status in the order of the names.
    """
    everybody = (*hosts, *others)
    names = [host.name for host in everybody]
    near = {host.name: peers_of(host.name, names, request.policy.peers) for host in hosts}
    asked_by = near if request.probes and request.wants(peers.PEERS) else dict.fromkeys(near, ())
    compared = {peer for askers in near.values() for peer in askers} if _compares(request) else set()
    looks = _looks(everybody, asked_by, request)
    sessions = _sessions([name for name in names if name in near or name in compared], request)
    waits = Outstanding((*map(_look_at, looks), *map(_sessions_with, sessions)), partial(_show, busy))
    seen, heard = side_by_side(
        partial(_answers, {name: waits.watched(_look_at(name), ask) for name, ask in looks.items()}),
        partial(_answers, {name: waits.watched(_sessions_with(name), ask) for name, ask in sessions.items()}),
    )
    # a peer that only asked others has not said anything of its own aliases
    own = {host.name: seen[host.name] for host in hosts}
    found = _Findings(request, seen, heard, asked_by, _aliases(everybody, own, request))
    reports = _with_controls([found.report(host.name) for host in hosts], everybody, request)
    return tuple(sorted(compare(reports), key=lambda report: (report.status.severity, report.host)))


def _show(busy: Busy, answered: int, everything: int, waiting: Sequence[str]) -> None:
    """Show how far it is; who is waited for first, as a narrow terminal cuts the rest."""
    left = f", waiting for {', '.join(waiting)}" if waiting else ""
    busy(f"verify: {answered} of {everything} answers{left}", Share(answered, max(1, everything)))


def _look_at(name: str) -> str:
    return name


def _sessions_with(name: str) -> str:
    return f"sessions with {name}"


def _looks(
    hosts: Sequence[Host], asked_by: Mapping[str, Sequence[str]], request: VerificationScope
) -> dict[str, Callable[[], Look]]:
    """Every host that is verified, and every other one that has to ask one of them."""
    targets = {host.name: tuple(name for name, askers in asked_by.items() if host.name in askers) for host in hosts}
    return {
        host.name: partial(look, host, request, targets[host.name], verified=host.name in asked_by)
        for host in hosts
        if host.name in asked_by or targets[host.name]
    }


def _aliases(
    hosts: Sequence[Host], looks: Mapping[str, Look], request: VerificationScope
) -> verify_aliases.AliasLook | None:
    """Return what only a look at every MX shows about generated aliases; None if nothing asked for needs it.

    Arguments:
        looks: of the hosts that are verified themselves.
    """
    wanted = frozenset(filter(request.wants, verify_aliases.names(request.aliases, request.probes)))
    if not wanted:
        return None
    own = request.wants(verify_aliases.OWN)
    known = {name: look.facts for name, look in looks.items() if own and look.facts}
    section = request.probes if ANSWERS in wanted else None
    return verify_aliases.look(hosts, request.aliases, known, section, request.policy)


def _answers(asked: Mapping[str, Callable[[], A]]) -> dict[str, A]:
    return dict(zip(asked, at_once(lambda ask: ask(), asked.values()), strict=True))


def _compares(request: VerificationScope) -> bool:
    return bool(request.probes and request.policy.peers) and request.wants(peers.SAME)


def _sessions(names: Sequence[str], request: VerificationScope) -> dict[str, Callable[[], tuple[InboundResult, ...]]]:
    """Sessions from here; none if nothing was asked for that needs them."""
    section, policy = request.probes, request.policy
    if section is None or not (_compares(request) or request.wants_any(inbound_names(policy))):
        return {}
    return {name: partial(probe.sessions, name, section, policy) for name in names}


@dataclass(frozen=True)
class _Findings:
    """Everything that was asked, by name of the host it is about."""

    request: VerificationScope
    looks: Mapping[str, Look]
    sessions: Mapping[str, tuple[InboundResult, ...]]
    asked_by: Mapping[str, Sequence[str]]
    aliases: verify_aliases.AliasLook | None

    def report(self, name: str) -> HostReport:
        """Judge a host by all of it. Whatever was asked for and has no verdict is UNKNOWN."""
        seen = self.looks[name]
        verdicts = [*seen.verdicts, *self._inbound(name), *self._among(name, seen.when)]
        if self.aliases:
            names = frozenset(verify_aliases.names(self.request.aliases, self.request.probes))
            verdicts += self.aliases.verdicts(name, names)
        judged = {one.check for one in verdicts}
        lacking = [check for check in self.request.names if self.request.wants(check) and check not in judged]
        verdicts += [Verdict(check, Status.UNKNOWN, "it was not asked") for check in lacking]
        wanted = [one for one in verdicts if self.request.wants(one.check)]
        order = sorted(wanted, key=lambda verdict: verdict.status.severity)
        return HostReport(name, tuple(order), seen.when, seen.seconds, seen.facts, seen.answered)

    def _inbound(self, name: str) -> tuple[Verdict, ...]:
        results = self.sessions.get(name)
        return probe.judge_sessions(results, self.request.policy) if results else ()

    def _among(self, name: str, when: datetime) -> list[Verdict]:
        section = self.request.probes
        if section is None or not self.request.policy.peers:
            return []
        if len(self.looks) < 2 and len(self.sessions) < 2:
            alone = "there is no other MX to ask"
            return [Verdict(check, Status.OK, alone) for check in (peers.PEERS, peers.SAME)]
        found = []
        if self.request.wants(peers.PEERS):
            found.append(self._by_peers(name))
        if self.request.wants(peers.SAME):
            prescribed = dict.fromkeys(section.inbound.accepted, 2) | dict.fromkeys(section.inbound.refused, 5)
            results = [result for results in self.sessions.values() for result in results]
            found.append(peers.judge_same(name, results, prescribed, when))
        return found

    def _by_peers(self, name: str) -> Verdict:
        askers = self.asked_by[name]
        heard = [
            PeerSession(asker, result)
            for asker in askers
            for result in self.looks[asker].sessions
            if result.host == name
        ]
        silent = {asker: self.looks[asker].silent for asker in askers if self.looks[asker].silent}
        here = self.sessions.get(name)
        return peers.judge_peers(heard, silent, all(not one.wrong for one in here) if here else None)


def compare(reports: Sequence[HostReport]) -> list[HostReport]:
    """Say of each failed test mail whether it failed on the other hosts too: then the remote end is the likely cause.

    Arguments:
        reports: of several MXs, asked at the same time.
    """
    others = {report.host: _results(report.verdicts) for report in reports}
    return [
        _compared(report, {name: found for name, found in others.items() if name != report.host}) for report in reports
    ]


def _results(verdicts: Iterable[Verdict]) -> dict[str, Status]:
    """Status by check, as far as it says how a destination is now.

    Hints on one host prove nothing about another, nor does mail that one host's MTA did not take.
    """
    return {one.check: one.status if _says_now(one) else Status.UNKNOWN for one in verdicts}


def _says_now(verdict: Verdict) -> bool:
    return probes.is_about_now(verdict) and probes.was_tried(verdict)


def _compared(report: HostReport, others: Mapping[str, Mapping[str, Status]]) -> HostReport:
    verdicts = tuple(
        _with_control(one, {name: found[one.check] for name, found in others.items() if one.check in found})
        for one in report.verdicts
    )
    return dataclasses.replace(report, verdicts=verdicts)


def _is_failed_mail(verdict: Verdict) -> bool:
    return verdict.status is Status.FAILED and verdict.check.startswith(probes.outbound_name(""))


def _with_control(verdict: Verdict, others: Mapping[str, Status]) -> Verdict:
    """A failed test mail, with what it means next to those of other hosts."""
    if not _is_failed_mail(verdict) or verdict.why.startswith(_NOT_TAKEN):
        return verdict
    if not probes.was_tried(verdict):
        return dataclasses.replace(verdict, why=f"{_NOT_TAKEN}: {verdict.why}")
    if not others:
        return verdict
    passed = sorted(name for name, status in others.items() if status is Status.OK)
    failed = sorted(name for name, status in others.items() if status is Status.FAILED)
    if passed:
        cause = f"THIS HOST is at fault, it passes on {', '.join(passed)}"
    elif failed:
        cause = f"the REMOTE END or the way to it, it fails on {', '.join(failed)} too"
    else:
        cause = f"whose fault is unknown, so is its result on {', '.join(sorted(others))}"
    return dataclasses.replace(verdict, why=f"{cause}: {verdict.why}")


def _with_controls(
    reports: Sequence[HostReport], everybody: Sequence[Host], request: VerificationScope
) -> list[HostReport]:
    """Repeat on a peer what failed, where no other verified host has sent the same."""
    if request.probes is None or len(reports) != 1 or len(everybody) < 2:
        return list(reports)
    report = reports[0]
    failed = {one.check for one in report.verdicts if _is_failed_mail(one) and probes.was_tried(one)}
    again = tuple(one for one in request.probes.outbound if probes.outbound_name(one.name) in failed)
    if not again:
        return [report]
    peer = everybody[1]
    section = dataclasses.replace(request.probes, outbound=again)
    return [_compared(report, {peer.name: _results(outbound(peer, section, request))})]
