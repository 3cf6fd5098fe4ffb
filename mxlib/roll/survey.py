"""How one MX stands towards the kernel of a roll, judged from what it answered. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.checks.check import Check, Scope
from mxlib.checks.registry import all_checks
from mxlib.config.known_bad import Applies, Candidate, KnownBad, KnownBadAction, about
from mxlib.config.pool import MxSection
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import grub, kernel, sysctl
from mxlib.facts.source import Facts, Source
from mxlib.model.debversion import DebianVersion
from mxlib.model.record import Record
from mxlib.model.state import NOT_POOLED, MtaState, Ports
from mxlib.mta import standing
from mxlib.mta.find import find
from mxlib.roll.state import Seen, Stand

RUN_SUFFIX = "-roll"
"""The id of a run that a roll has begun ends so; that sets its leftovers apart from other people's work."""
KERNEL_CHECK = "kernel"


@dataclass(frozen=True)
class Asked:
    """What every host of a roll is asked and judged by.

    Attributes:
        kernel: release of the roll.
        policy: what the site expects.
        entries: kernels known to be bad.
        accepted: names of checks whose findings do not count.
        ports: the mail ports that the site names.
    """

    kernel: str
    policy: VerifyPolicy
    entries: tuple[KnownBad, ...] = ()
    accepted: frozenset[str] = frozenset()
    ports: tuple[int, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that need no test mail."""
        return tuple(check for check in all_checks(self.entries) if check.scope is Scope.CONDITION)

    @property
    def sources(self) -> tuple[Source[Any], ...]:
        """Everything that is read, in one round trip."""
        version, sysctls = find(self.policy.mta).version, sysctl.source(self.policy.read_sysctls)
        own = (standing.source(find(self.policy.mta)), kernel.SOURCE, grub.SOURCE, version, sysctls)
        return (*own, *(source for check in self.checks for source in check.sources(self.policy)))


def unknown(host: str, place: MxSection, why: str) -> Seen:
    """Return how a host stands that could not be asked, and why it could not."""
    unwell = "how it is is unknown"
    return Seen(host, place.data_centre, place.preference, Stand.UNKNOWN, one_line(why), unwell=unwell)


def silent(host: str, place: MxSection, why: str, run: str, expected_s: float = 0.0) -> Seen:
    """Return how a host stands that does not answer.

    Where a run of a roll has it out, it may be on its way up, and that run is resumed.

    Arguments:
        run: id of the run that holds the slot of the service for this host; empty: none.
        expected_s: seconds that its reboot is expected to take.
    """
    seen = unknown(host, place, why)
    if not run.endswith(RUN_SUFFIX):
        return seen
    said = f"out by run {one_line(run)} of a roll, and does not answer: {seen.why}"
    return dataclasses.replace(seen, stand=Stand.LEFTOVER, why=said, expected_s=expected_s)


def survey(asked: Asked, facts: Facts, place: MxSection, pool: Mapping[str, str], expected_s: float = 0.0) -> Seen:
    """Return how a host stands.

    Arguments:
        facts: what it answered.
        pool: the value of each of its pool objects; empty where there is no pool.
        expected_s: seconds that its reboot is expected to take.
    """
    try:
        found = facts.get(standing.source(find(asked.policy.mta)))
    except ParseError as error:
        return unknown(facts.host, place, str(error))
    runs = found.view.kernel
    seen = Seen(facts.host, place.data_centre, place.preference, Stand.FOREIGN, kernel=runs, expected_s=expected_s)
    if why := _out(found, asked.ports, pool):
        record = found.depool.record
        if record is None or not left_by_a_roll(record):
            return dataclasses.replace(seen, why=why)
        return dataclasses.replace(seen, stand=Stand.LEFTOVER, why=why, target=record.target.release)
    verdicts = [check.verdict(facts, asked.policy) for check in asked.checks]
    if found.view.kernel == asked.kernel:
        older = _older_build(facts, found)
        return dataclasses.replace(
            seen,
            stand=Stand.SKIPPED if older else Stand.THERE,
            why=older or _saved(asked, facts, found),
            unwell=_unwell(verdicts, asked.accepted),
        )
    why, newer = _target(asked, facts), _newer(asked, facts)
    stand = Stand.SKIPPED if why else Stand.TODO
    unwell = _unwell(verdicts, asked.accepted | {KERNEL_CHECK})
    bad = _unwell([one for one in verdicts if one.check == KERNEL_CHECK], frozenset())
    return dataclasses.replace(seen, stand=stand, why=why, newer=newer, unwell=unwell, kernel_bad=bad)


def left_by_a_roll(record: Record) -> bool:
    """Whether a roll took the host out, not a person."""
    return record.run.endswith(RUN_SUFFIX) and not record.stay


def _out(found: standing.Standing, wanted: Sequence[int], pool: Mapping[str, str]) -> str:
    """Why it is out of service; empty if it is in service."""
    record = found.depool.record
    if record is not None:
        return f"taken out by run {record.run} ({record.who} since {record.since}): {one_line(record.why)}"
    ports = found.depool.ports_of(wanted)
    if ports is not Ports.OPEN:
        return f"its mail ports are {ports.value}, and no run says why"
    if found.view.mta is not MtaState.SERVING:
        return f"its MTA does not serve (unit {found.mta_unit}), and no run says why"
    out = sorted(f"{name}={value}" for name, value in pool.items() if value in NOT_POOLED)
    return f"somebody has taken it out of the pool ({', '.join(out)})" if out else ""


def _unwell(verdicts: Sequence[Verdict], accepted: frozenset[str]) -> str:
    bad = [one for one in verdicts if one.status is not Status.OK and one.check not in accepted]
    worst = min(bad, key=lambda one: one.status.severity, default=None)
    return f"{worst.check} {worst.status.value}: {one_line(worst.why)}" if worst else ""


def _saved(asked: Asked, facts: Facts, found: standing.Standing) -> str:
    """A remark where the host runs the kernel and would boot another one."""
    try:
        menu = facts.get(grub.SOURCE)
    except ParseError:
        return "which kernel it would boot next is unknown"
    entry = menu.find(found.view.saved)
    if entry is None or entry.release != asked.kernel:
        return "somebody has booted it by hand: GRUB's saved entry is another kernel"
    return ""


def _older_build(facts: Facts, found: standing.Standing) -> str:
    """Why the kernel of that name that it runs is not the wanted one: another build of it is on the disk."""
    try:
        waiting = facts.get(kernel.SOURCE).waiting_build
    except ParseError:
        waiting = ""
    if not waiting and not found.view.replaced:
        return ""
    known = f"build {waiting}" if waiting else "another build"
    return (
        f"it runs build {found.view.build or 'unknown'}, and {known} of the same kernel is not booted yet; a roll"
        " cannot do that, as no fallback would be left (cookbook sre.mail.reboot-mx, with --accept fallback)"
    )


def _target(asked: Asked, facts: Facts) -> str:
    """Why the host cannot be booted into the kernel; empty if it can."""
    try:
        found = facts.get(kernel.SOURCE).find(asked.kernel)
        entry = facts.get(grub.SOURCE).entry_for(asked.kernel)
    except ParseError as error:
        return f"whether it has {asked.kernel} is unknown: {one_line(str(error))}"
    if found is None:
        return f"{asked.kernel} is not installed"
    if not found.whole:
        return f"{asked.kernel} lacks {', '.join(found.missing)}"
    if entry is None:
        return f"{asked.kernel} has no entry in grub.cfg"
    return _known_bad(asked, facts, found)


def _known_bad(asked: Asked, facts: Facts, found: kernel.InstalledKernel) -> str:
    try:
        values = facts.get(sysctl.source(asked.policy.read_sysctls))
        version = facts.get(find(asked.policy.mta).version)
        candidate = Candidate(found.release, found.version, asked.policy.mta, version, values)
        bad = about(asked.entries, candidate, asked.policy.allowed_kernels)
    except ParseError as error:
        return f"whether {asked.kernel} is known to be bad is unknown: {one_line(str(error))}"
    refused = [one.entry_id for one in bad[Applies.YES] if one.action is KnownBadAction.REFUSE]
    if refused:
        return f"{asked.kernel} is known to be bad: {', '.join(refused)}"
    unsure = [one.entry_id for one in bad[Applies.UNKNOWN] if one.action is not KnownBadAction.WARN]
    return f"whether {asked.kernel} is known to be bad is unknown: {', '.join(unsure)}" if unsure else ""


def _newer(asked: Asked, facts: Facts) -> str:
    """The kernel it runs, where the roll leads it back to an older one."""
    try:
        found = facts.get(kernel.SOURCE)
        running, target = found.running_kernel, found.find(asked.kernel)
        if running is None or target is None or not running.version or not target.version:
            return ""
        return running.release if DebianVersion(running.version) > DebianVersion(target.version) else ""
    except ParseError:
        return ""


def newest(found: Sequence[kernel.KernelFacts]) -> str:
    """Return the newest kernel that is whole on any of the hosts, of the flavour it runs; empty if there is none."""
    whole = [
        one
        for facts in found
        for one in facts.installed
        if one.whole and one.version and kernel.flavour(one.release) == kernel.flavour(facts.running)
    ]
    return max(whole, key=lambda one: DebianVersion(one.version)).release if whole else ""


def known_bad_entry(newer: str, kernel_wanted: str, reason: str, why: str, today: str) -> str:
    """Return a ready-made entry for the list of known-bad kernels, for a person to review.

    Arguments:
        newer: the release that the roll led away from.
        kernel_wanted: the older release.
        reason: a URL.
        why: the reason of the roll, in words.
        today: the date, in ISO 8601.
    """
    said = one_line(why, 120).replace('"', "'").replace("\\", "/")
    return (
        f"# Made by a roll back from {newer} to {kernel_wanted}. Review it: narrow `affects`, say `when` and\n"
        "# `unless`, set the URL, then add it to a list that `verify: known_bad` of the site's configuration names.\n"
        "---\n"
        f"- id: rolled-back-{newer}\n"
        f'  affects: {{abi: "{newer}"}}\n'
        f'  symptom: "{said}"\n'
        "  action: refuse\n"
        f"  reason: {reason}\n"
        f"  reviewed: {today}\n"
    )
