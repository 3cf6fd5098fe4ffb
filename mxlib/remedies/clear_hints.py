"""Clear the MTA's stale retry hints of a destination, once test mails have proven that it takes mail.

Hints outlive the fault they are about: until their time a message is deferred, past their cutoff it is bounced, both
untried. What is cleared is what was proven: the hints of the addresses that took the test mails, and of the domain.
"""

import dataclasses
from collections.abc import Sequence

from mxlib.base.errors import StepError
from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Verdict
from mxlib.config.probes import OutboundProbe, ProbeSection
from mxlib.config.sections import Site
from mxlib.facts.source import read_facts
from mxlib.mta.backlog import Hint
from mxlib.mta.find import find
from mxlib.probes import verdicts as probe
from mxlib.probes.judge import LOST
from mxlib.probes.outbound import OutboundRun, ProbeOutcome, plan_mails, send
from mxlib.remedies.bounds import CLEAR_HINTS, Order
from mxlib.remedies.remedy import Bench, Remedy


def _probe_of(site: Site, name: str) -> OutboundProbe | None:
    return next((one for one in site.probes.outbound if one.name == name), None)


def _only(site: Site, name: str) -> ProbeSection:
    return dataclasses.replace(site.probes, outbound=tuple(one for one in site.probes.outbound if one.name == name))


def refuse(site: Site, order: Order) -> str:
    """Only destinations with a test mail: no other one can be proven."""
    if not find(site.mta).can.hints:
        return f"{find(site.mta).name} keeps no retry hints that can be cleared"
    if _probe_of(site, order.argument):
        return ""
    known = ", ".join(one.name for one in site.probes.outbound)
    return f"{order.argument or 'no destination'}: only what probes.outbound names: {known}"


def _proven(run: OutboundRun) -> tuple[str, ...]:
    """The addresses that took the test mails.

    Raises:
        mxlib.base.errors.StepError: not all of them were delivered.
    """
    bad = [result for result in run.results if result.outcome is not ProbeOutcome.DELIVERED]
    if bad:
        raise StepError(f"not proven, so its hints stay: {bad[0].outcome.value}: {one_line(bad[0].text)}")
    return tuple(dict.fromkeys(result.remote for result in run.results if result.remote))


def apply(bench: Bench, order: Order) -> str:
    """Prove the destination against its hints, then clear them."""
    mta, section = find(bench.site.mta), _only(bench.site, order.argument)
    run = send(mta, bench.host, plan_mails(section.outbound), section.sender, bench.run, section.timeout, force=True)
    addresses = _proven(run)
    domain = section.outbound[0].to.partition("@")[2]
    known = read_facts(bench.host, (mta.hints,)).get(mta.hints)
    keys = [hint.key for hint in known if _about(hint, domain, addresses)]
    if keys:
        bench.act(mta.forget_script(keys), 60.0)
    proof = f"{len(run.results)} test mails delivered against the hints, to {', '.join(addresses)}"
    return f"{proof}; {plural(len(keys), 'hint')} cleared{': ' if keys else ''}{one_line(', '.join(keys))}"


def _about(hint: Hint, domain: str, addresses: Sequence[str]) -> bool:
    """Whether a hint is about a host that took a test mail, or about the routing of its domain.

    One on a single message is not: its host takes other mail, and past its cutoff one more failure is final.
    """
    if hint.message:
        return False
    return hint.ip in addresses if hint.ip else not hint.address and hint.domain == domain.lower()


def judge(bench: Bench, order: Order) -> tuple[Verdict, ...]:
    """The same test mails once more, now as any message goes."""
    section = _only(bench.site, order.argument)
    verdicts = probe.outbound(bench.host, section, bench.run, bench.site.verify)
    return tuple(one for one in verdicts if one.check != LOST)


REMEDY = Remedy(
    name=CLEAR_HINTS,
    about="clear the retry hints of a destination, once test mails have proven it",
    argument="DESTINATION",
    undo="nothing to take back: a hint that is still true comes back with the next failure",
    refuse=refuse,
    commands=lambda bench, order: [
        f"test mails against the hints, to {one.to}" if (one := _probe_of(bench.site, order.argument)) else "",
        "clear the hints of what took them",
    ],
    apply=apply,
    judge=judge,
)
