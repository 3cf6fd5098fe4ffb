"""Clear Exim's stale retry hints of a destination, once test mails have proven that it takes mail.

Hints outlive the fault they are about: until their time a message is deferred, past their cutoff it is bounced, both
untried. What is cleared is what was proven: the hints of the addresses that took the test mails, and of the domain.
"""

import dataclasses
import shlex

from mxlib.base.errors import StepError
from mxlib.base.text import one_line
from mxlib.base.verdict import Verdict
from mxlib.config.probes import OutboundProbe, ProbeSection
from mxlib.config.sections import Site
from mxlib.mta.exim import names as exim
from mxlib.probes import verdicts as probe
from mxlib.probes.judge import LOST
from mxlib.probes.outbound import OutboundRun, Outcome, plan_mails, send
from mxlib.remedies.bounds import CLEAR_HINTS, Order
from mxlib.remedies.remedy import Bench, Remedy

# exim_dumpdb prints a hint's key indented by two spaces, then a line of times; exim_fixdb takes a key, then d(elete).
# A key is T:HOST:IP, perhaps with a message id behind, or R:DOMAIN (Exim's spec.txt, "retry database").
_SCRIPT = """\
keys=$(exim_dumpdb {spool} retry | awk -v domain={domain} -v addresses={addresses} '
BEGIN {{ n = split(addresses, ips, " ") }}
/^  [RT]:/ {{
key = $1
if (key == "R:" domain) {{ print key; next }}
for (i = 1; i <= n; i++) {{
at = index(key, ":" ips[i])
rest = substr(key, at + 1 + length(ips[i]))
if (substr(key, 1, 2) == "T:" && at && rest ~ /^(:[0-9A-Za-z-]+)?$/) {{ print key; next }}
}}
}}')
cleared=0
for key in $keys; do
printf '%s\\nd\\n' "$key" | exim_fixdb {spool} retry >/dev/null
echo "hint $key"
cleared=$((cleared + 1))
done
echo "cleared $cleared"
"""


def _probe_of(site: Site, name: str) -> OutboundProbe | None:
    return next((one for one in site.probes.outbound if one.name == name), None)


def _only(site: Site, name: str) -> ProbeSection:
    return dataclasses.replace(site.probes, outbound=tuple(one for one in site.probes.outbound if one.name == name))


def refuse(site: Site, order: Order) -> str:
    """Only destinations with a test mail: no other one can be proven."""
    if _probe_of(site, order.argument):
        return ""
    known = ", ".join(one.name for one in site.probes.outbound)
    return f"{order.argument or 'no destination'}: only what probes.outbound names: {known}"


def script(domain: str, addresses: tuple[str, ...]) -> str:
    """Delete the hints of a domain and of addresses.

    Arguments:
        domain: the recipient's domain.
        addresses: of the remote hosts that took a test mail.
    """
    return _SCRIPT.format(spool=exim.SPOOL, domain=shlex.quote(domain), addresses=shlex.quote(" ".join(addresses)))


def _proven(run: OutboundRun) -> tuple[str, ...]:
    """The addresses that took the test mails.

    Raises:
        mxlib.base.errors.StepError: not all of them were delivered.
    """
    bad = [result for result in run.results if result.outcome is not Outcome.DELIVERED]
    if bad:
        raise StepError(f"not proven, so its hints stay: {bad[0].outcome.value}: {one_line(bad[0].text)}")
    return tuple(dict.fromkeys(result.remote for result in run.results if result.remote))


def apply(bench: Bench, order: Order) -> str:
    """Prove the destination against its hints, then clear them."""
    section = _only(bench.site, order.argument)
    run = send(bench.host, plan_mails(section.outbound), section.sender, bench.run, section.timeout, force=True)
    addresses = _proven(run)
    result = bench.act(script(section.outbound[0].to.partition("@")[2], addresses), 60.0)
    proof = f"{len(run.results)} test mails delivered against the hints, to {', '.join(addresses)}"
    return f"{proof}; {one_line(result.output)}"


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
        f"exim4 -M ID   # of test mails to {one.to}" if (one := _probe_of(bench.site, order.argument)) else "",
        f"exim_fixdb {exim.SPOOL} retry   # delete the hints of what took them",
    ],
    apply=apply,
    judge=judge,
)
