"""A temporary hole in the packet filter: reported as long as it is open, so that nobody forgets it."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import hole
from mxlib.facts.hole import Hole, HoleFacts
from mxlib.facts.source import Facts


def _described(one: Hole) -> str:
    until = f"{one.until:%H:%M:%S} UTC"
    if not one.rules:
        return f"the hole for {one.source} is gone before its time, {until}: the firewall was reloaded ({one.why})"
    if not one.timer:
        return f"the hole for {one.source} is open and its timer is gone: close it (remedy-mx close-hole {one.source})"
    return f"open for {one.source} until {until} ({one.who}: {one.why})"


def problems(found: HoleFacts) -> list[str]:
    """Return the holes that are open, and what is wrong with them."""
    strays = [f"rules of a hole {name}, and no record of it: reload the firewall" for name in found.strays]
    return [*map(_described, found.holes), *strays]


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge whether a host's packet filter is what its files say."""
    del policy
    wrong = problems(facts.get(hole.SOURCE))
    return failed("; ".join(wrong)) if wrong else ok("no temporary hole")


CHECK = Check(
    "temporary-hole", "no hole in the packet filter is open", Scope.CONDITION, lambda _: (hole.SOURCE,), judge
)
