"""The packet filter: loaded, for both families, and never in the way of answers to what the host itself began.

In the incident of 2021 answers of established connections were dropped. So established and related packets have to be
accepted before anything drops that could hit them.
"""

from mxlib.base.text import one_line
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown, worst
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import firewall
from mxlib.facts.firewall import FirewallFacts
from mxlib.facts.netfilter import Action, Chain, Rule
from mxlib.facts.source import Facts

_HARMLESS_STATES = frozenset({"invalid", "new", "untracked"})
# A drop that looks at one of these picks out senders, services or openings of connections, not answers in general.
_NARROW = frozenset({"saddr", "daddr", "iif", "dport", "syn"})


def _hits_answers(rule: Rule) -> bool:
    """Whether a rule may drop answers of connections that the host itself opened."""
    if rule.action is not Action.DROP or rule.conditions & _NARROW:
        return False
    return not (rule.states and rule.states <= _HARMLESS_STATES)


def _accepts_answers(rule: Rule) -> bool:
    only_states = rule.conditions <= {"state", "proto"}
    return rule.action is Action.ACCEPT and ("established" in rule.states or not rule.conditions) and only_states


def _accepts_related(rule: Rule) -> bool:
    return rule.action is Action.ACCEPT and ("related" in rule.states or not rule.conditions)


def _drops_by_default(facts: FirewallFacts, chain: Chain) -> bool:
    """Whether the chain drops what no rule accepts, by its policy or by its last rule."""
    rules = facts.flat(chain)
    last = rules[-1] if rules else None
    return chain.policy == "drop" or bool(last and last.action is Action.DROP and not last.conditions)


def _blocks(facts: FirewallFacts, chain: Chain) -> Finding | None:
    """What in a chain drops answers; None when nothing does."""
    rules = facts.flat(chain)
    accepted = next((index for index, rule in enumerate(rules) if _accepts_answers(rule)), len(rules))
    bad = next((rule for rule in rules[:accepted] if _hits_answers(rule)), None)
    if bad:
        return failed(f"{chain.table} {chain.name} may drop answers: {one_line(bad.text, 120)}", bad.text)
    if not _drops_by_default(facts, chain):
        return None
    if not chain.readable:
        return unknown(f"{chain.table} {chain.name} has rules that nft cannot show")
    if accepted == len(rules):
        return failed(f"{chain.table} {chain.name} does not accept established connections")
    if not any(_accepts_related(rule) for rule in rules):
        return failed(f"{chain.table} {chain.name} does not accept related packets")
    return None


def _closed_ports(facts: FirewallFacts, chains: tuple[Chain, ...], policy: VerifyPolicy) -> list[int]:
    """Ports that a chain which drops by default has no rule to accept."""
    dropping = [chain for chain in chains if _drops_by_default(facts, chain)]
    open_ports = [
        {port for rule in facts.flat(chain) if rule.action is Action.ACCEPT for port in rule.ports}
        for chain in dropping
    ]
    return sorted(port for port in policy.firewall.accepted_ports if not all(port in ports for ports in open_ports))


def _family(facts: FirewallFacts, family: int, policy: VerifyPolicy) -> Finding:
    chains = facts.input_chains(family)
    blocked = [finding for chain in chains if (finding := _blocks(facts, chain))]
    if blocked:
        return worst(blocked)
    dropping = [chain for chain in chains if _drops_by_default(facts, chain)]
    if not dropping:
        why = f"no packet filter is loaded for IPv{family}"
        return failed(why) if policy.firewall.required else ok(why)
    rules = sum(len(facts.flat(chain)) for chain in dropping)
    if rules < policy.firewall.min_rules:
        return failed(f"only {rules} rules for IPv{family}, expected {policy.firewall.min_rules} at least")
    if closed := _closed_ports(facts, chains, policy):
        return failed(f"no rule accepts port {', '.join(map(str, closed))} over IPv{family}")
    return ok(f"IPv{family}: {rules} rules in {', '.join(chain.table for chain in dropping)}")


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the packet filter of a host."""
    found = facts.get(firewall.SOURCE)
    return worst([_family(found, family, policy) for family in policy.families])


CHECK = Check(
    "firewall", "loaded, v4 and v6, answers accepted before any drop", Scope.CONDITION,
    lambda _: (firewall.SOURCE,), judge,
)  # fmt: skip
