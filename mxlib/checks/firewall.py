"""The packet filter: loaded for both families, and never in the way of replies to connections of the host itself.

In the incident of 2021, replies of established connections were dropped. So established and related packets have to be
accepted before any rule that could drop them, and the first answer to mail of the host is sent through the rules.
"""

from collections.abc import Sequence

from mxlib.base.text import one_line
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown, worst
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import addresses, firewall
from mxlib.facts.firewall import FirewallFacts
from mxlib.facts.netfilter import Chain, Rule, RuleAction
from mxlib.facts.packet_match import EPHEMERAL, Packet
from mxlib.facts.source import Facts

_HARMLESS_STATES = frozenset({"invalid", "new", "untracked"})
# A drop with one of these conditions selects senders, services or new connections, not replies in general.
_NARROW = frozenset({"saddr", "daddr", "iif", "dport", "syn"})


def _hits_answers(rule: Rule) -> bool:
    """Whether a rule may drop replies of connections that the host itself opened."""
    if rule.action is not RuleAction.DROP or rule.conditions & _NARROW:
        return False
    return not (rule.states and rule.states <= _HARMLESS_STATES)


def _accepts_answers(rule: Rule) -> bool:
    only_states = rule.conditions <= {"state", "proto"}
    return rule.action is RuleAction.ACCEPT and ("established" in rule.states or not rule.conditions) and only_states


def _accepts_related(rule: Rule) -> bool:
    return rule.action is RuleAction.ACCEPT and ("related" in rule.states or not rule.conditions)


def _drops_by_default(facts: FirewallFacts, chain: Chain) -> bool:
    """Whether a chain drops what no rule accepts, by its policy or by its last rule."""
    rules = facts.flat(chain)
    last = rules[-1] if rules else None
    return chain.policy == "drop" or bool(last and last.action is RuleAction.DROP and not last.conditions)


def _blocks(facts: FirewallFacts, chain: Chain) -> Finding | None:
    """Return what drops replies in a chain; None if nothing does."""
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


_SMTP = 25
# Addresses all over the Internet: a port that most of them reach is open. A list of blocked networks holds few of them.
_SENDERS = {
    4: ("8.8.4.4", "40.92.1.1", "66.102.1.1", "104.47.1.1", "142.250.1.1", "185.70.40.1", "209.85.128.1"),
    6: ("2001:4860::1", "2400:cb00::1", "2607:f8b0::1", "2800:3f0::1", "2a00:1450::1", "2a01:111::1", "2c0f:fb50::1"),
}


def _port(
    found: FirewallFacts, hosts: tuple[tuple[str, str], ...], family: int, port: int, *, mail: bool
) -> Finding | None:
    """Return what is wrong with a port that others must reach, on the best of the host's addresses; None if it is open.

    Arguments:
        hosts: the host's own addresses of the family, with their interfaces.
        family: 4 or 6.
        mail: whether it is for mail, so that everybody must reach it; otherwise one network that a rule names will do.
    """
    ask = _from_everywhere if mail else _from_somewhere
    tried = [ask(found, host, interface, family, port) for host, interface in hosts]
    if not tried:
        return unknown(f"whether port {port} is open over IPv{family} is unknown: the host has no IPv{family} address")
    return _best(tried)


def _best(tried: Sequence[Finding | None]) -> Finding | None:
    """Return None where nothing is wrong on one of the host's addresses, otherwise the worst of the findings."""
    return None if None in tried else max((one for one in tried if one), key=lambda one: one.status.severity)


def _from_somewhere(found: FirewallFacts, host: str, interface: str, family: int, port: int) -> Finding | None:
    named = (Packet(sender, host, port, interface) for sender in found.named_senders(family))
    if any(_reaches(found, packet)[0] for packet in named):
        return None
    return _from_everywhere(found, host, interface, family, port)


def _from_everywhere(found: FirewallFacts, host: str, interface: str, family: int, port: int) -> Finding | None:
    is_open, rule = _most(found, [Packet(sender, host, port, interface) for sender in _SENDERS[family]])
    if is_open is None:
        return unknown(f"whether port {port} is open over IPv{family} is unknown, a rule is not understood: {rule}")
    return None if is_open else failed(f"no rule accepts port {port} over IPv{family}: {rule}")


def _answers(found: FirewallFacts, hosts: tuple[tuple[str, str], ...], family: int) -> Finding | None:
    """Return what becomes of answers to mail that the host sends, on the best of its addresses; None if they pass."""
    tried = [_answered(found, host, interface, family) for host, interface in hosts]
    return _best(tried) if tried else None


def _answered(found: FirewallFacts, host: str, interface: str, family: int) -> Finding | None:
    senders = _SENDERS[family]
    passes, rule = _most(found, [Packet(one, host, EPHEMERAL, interface, answer_from=_SMTP) for one in senders])
    if passes is None:
        return unknown(f"whether answers pass over IPv{family} is unknown, a rule is not understood: {rule}")
    return None if passes else failed(f"answers over IPv{family} are dropped: {rule}")


def _most(found: FirewallFacts, packets: Sequence[Packet]) -> tuple[bool | None, str]:
    """Return whether most of the packets pass (None: unknown), and a rule that stops one of the others."""
    ways = [_reaches(found, packet) for packet in packets]
    most = len(ways) // 2 + 1
    if sum(passes is True for passes, _ in ways) >= most:
        return True, ""
    passes = None if sum(passes is not False for passes, _ in ways) >= most else False
    return passes, next(rule for one, rule in ways if one is passes)


def _reaches(found: FirewallFacts, packet: Packet) -> tuple[bool | None, str]:
    """Return whether a packet passes all chains (None: unknown), and the chain and rule that stop it."""
    ways = found.passages(packet)
    bad = next(((name, way) for wanted in (False, None) for name, way in ways if way.open is wanted), None)
    if bad is None:
        return True, ""
    return bad[1].open, f"{bad[0]}: {one_line(bad[1].rules[0] if bad[1].rules else 'no rule accepts it', 160)}"


def _family(facts: FirewallFacts, hosts: tuple[tuple[str, str], ...], family: int, policy: VerifyPolicy) -> Finding:
    chains = facts.input_chains(family)
    blocked = [finding for chain in chains if (finding := _blocks(facts, chain))]
    if blocked:
        return worst(blocked)
    if lost := _answers(found=facts, hosts=hosts, family=family):
        return lost
    dropping = [chain for chain in chains if _drops_by_default(facts, chain)]
    if not dropping:
        why = f"no packet filter is loaded for IPv{family}"
        return failed(why) if policy.firewall.required else ok(why)
    rules = sum(len(facts.flat(chain)) for chain in dropping)
    if rules < policy.firewall.min_rules:
        return failed(f"only {rules} rules for IPv{family}, expected {policy.firewall.min_rules} at least")
    asked = [(port, port in policy.listeners) for port in policy.firewall.accepted_ports]
    if closed := [bad for port, mail in asked if (bad := _port(facts, hosts, family, port, mail=mail))]:
        return worst(closed)
    return ok(f"IPv{family}: {rules} rules in {', '.join(chain.table for chain in dropping)}")


def _own(facts: Facts, family: int) -> tuple[tuple[str, str], ...]:
    """Return the addresses that others send to, with their interfaces."""
    known = facts.get(addresses.SOURCE)
    reachable = known.global_addresses(family)
    return tuple((one, each.name) for each in known.interfaces for one in each.addresses if one in reachable)


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge the packet filter of a host."""
    found = facts.get(firewall.SOURCE)
    return worst([_family(found, _own(facts, family), family, policy) for family in policy.families])


CHECK = Check(
    "firewall", "loaded, v4 and v6, answers accepted before any drop, the mail ports open", Scope.CONDITION,
    lambda _: (firewall.SOURCE, addresses.SOURCE), judge,
)  # fmt: skip
