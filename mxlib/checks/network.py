"""The network: an interface that is up, an address that others can reach and a default route, on each family."""

from mxlib.checks.check import Check, Finding, Scope, failed, ok, worst
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import addresses
from mxlib.facts.addresses import AddressFacts
from mxlib.facts.source import Facts


def _family(facts: AddressFacts, family: int) -> Finding:
    own, routes = facts.global_addresses(family), facts.routes(family)
    if not own:
        return failed(f"no IPv{family} address, which verify.families expects")
    if not routes:
        return failed(f"no IPv{family} default route")
    down = [name for _, _, name in routes if not (link := facts.find(name)) or not link.up]
    if len(down) == len(routes):
        return failed(f"the IPv{family} default route is through {', '.join(down)}, which is down")
    return ok(f"{own[0]} by {routes[0][2]}")


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge interfaces, addresses and routes."""
    found = facts.get(addresses.SOURCE)
    return worst([_family(found, family) for family in policy.families])


CHECK = Check("network", "addresses and default routes", Scope.CONDITION, lambda _: (addresses.SOURCE,), judge)
