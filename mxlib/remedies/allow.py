"""A temporary hole in the packet filter, for the answers of one address to mail that the host sends; and its closing.

In the incident of 2021 answers to outgoing mail were dropped, and a rule put in by hand let mail flow again. This is
that rule, with an end (:mod:`mxlib.remedies.hole_rules`).

Four things close it, each by itself: a transient timer on the host, which needs nobody; the rule, which matches until
its own end only; a reload of the firewall; a reboot, as nothing of it is on disk (files in /run, a transient unit).
"""

from mxlib.base.errors import StepError
from mxlib.base.text import duration, one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.config.sections import Site
from mxlib.facts import firewall, hole
from mxlib.facts.hole import DIRECTORY, MARK
from mxlib.facts.source import read_facts
from mxlib.remedies.bounds import ALLOW, CLOSE_HOLE, Order
from mxlib.remedies.hole_rules import (
    WIDEST,
    DroppingChain,
    Network,
    hole_id,
    network_of,
    open_lines,
    open_script,
    places,
    shown,
)
from mxlib.remedies.remedy import Bench, Remedy, by_checks

_SHORTEST_S = 30


def refuse(site: Site, order: Order) -> str:
    """Only an address or a small network, and not for long."""
    if network_of(order.argument) is None:
        widest = " and ".join(f"/{length} for IPv{version}" for version, length in WIDEST.items())
        return f"{order.argument or 'no address'}: an address or a network is needed (--from), the widest {widest}"
    if not _SHORTEST_S <= order.seconds <= site.remedy.hole_max:
        return f"{duration(max(order.seconds, 0))}: --for is from {_SHORTEST_S} s to {duration(site.remedy.hole_max)}"
    return ""


def _network(order: Order) -> Network:
    found = network_of(order.argument)
    if found is None:
        raise StepError(f"not an address: {order.argument!r}")
    return found


def _places(bench: Bench, network: Network) -> tuple[DroppingChain, ...]:
    found = places(read_facts(bench.host, (firewall.SOURCE,)).get(firewall.SOURCE), network.version)
    if not found:
        raise StepError(f"nothing drops packets for IPv{network.version} here: a hole would change nothing")
    return found


def apply(bench: Bench, order: Order) -> str:
    """Open it where the packet filter drops."""
    network = _network(order)
    found = _places(bench, network)
    script = open_script(found, network, bench.site, order.seconds, (bench.who, one_line(bench.why)))
    said = bench.act(script, 60.0).output.strip()
    where = ", ".join(f"{one.tool} {one.table} {one.chain}" for one in found)
    return f"answers from {shown(network)} are let through: {said} ({where})"


def judge(bench: Bench, order: Order) -> tuple[Verdict, ...]:
    """Judge whether its rule is there and its timer armed: that it is open is what was asked for."""
    facts = read_facts(bench.host, (hole.SOURCE,))
    name = hole_id(_network(order))
    one = next((one for one in facts.get(hole.SOURCE).holes if one.hole_id == name), None)
    evidence = facts.evidence(hole.SOURCE)
    if one is None or not one.rules or not one.timer:
        return (Verdict("hole-stands", Status.FAILED, f"the hole for {order.argument} is not open", evidence),)
    why = f"open for {one.source} until {one.until:%H:%M:%S} UTC, then closed by the host itself"
    return (Verdict("hole-stands", Status.OK, why, evidence),)


def commands(bench: Bench, order: Order) -> list[str]:
    """What it would do to the packet filter as it is now."""
    network = _network(order)
    base = f"{DIRECTORY}/{hole_id(network)}"
    timer = f"systemd-run --on-active={order.seconds:.0f} --unit {MARK}{hole_id(network)} sh {base}.close"
    rules = [open_lines(place, network, bench.site).splitlines()[1] for place in _places(bench, network)]
    return [timer, *rules]


def refuse_close(_site: Site, order: Order) -> str:
    """An address, or nothing for every hole."""
    if not order.argument or network_of(order.argument):
        return ""
    return f"{order.argument}: not an address"


def close_script(order: Order) -> str:
    """Run what closes a hole, or every hole.

    Arguments:
        order: an address, or nothing.
    """
    network = network_of(order.argument) if order.argument else None
    pattern = f"{DIRECTORY}/{hole_id(network)}.close" if network else f"{DIRECTORY}/*.close"
    return f"""\
# close temporary holes in the firewall
closed=0
for file in {pattern}; do
[ -e "$file" ] || continue
sh "$file"
closed=$((closed + 1))
done
echo "$closed"
"""


def apply_close(bench: Bench, order: Order) -> str:
    """Close it now."""
    output = bench.act(close_script(order), 60.0).output.strip()
    return f"{plural(int(output), 'hole')} closed" if output.isdigit() else "closed"


REMEDY = Remedy(
    name=ALLOW,
    about="let answers of one address through the packet filter for a while; the host closes that by itself",
    argument="--from ADDRESS --for TIME",
    undo=f"{CLOSE_HOLE} ADDRESS; by itself at its end, at a reload of the firewall, and at a reboot",
    refuse=refuse,
    commands=commands,
    apply=apply,
    judge=judge,
)
REMEDY_CLOSE = Remedy(
    name=CLOSE_HOLE,
    about="close a temporary hole, or all, before their time",
    argument="[ADDRESS]",
    undo=f"{ALLOW} --from ADDRESS --for TIME",
    refuse=refuse_close,
    commands=lambda _bench, order: [f"sh {DIRECTORY}/{order.argument or '*'}.close"],
    apply=apply_close,
    judge=by_checks("temporary-hole"),
    harmless=True,
)
