"""The packet filter as the kernel has it, whichever tool loaded it.

On Debian 12 ferm loads through iptables-legacy. There plain ``iptables-save`` prints a warning with exit code 0, and
``nft list ruleset`` is empty: to one tool alone a healthy filter looks absent. So all tools are asked.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.iptables_statements import HOOKED, legacy_table
from mxlib.facts.netfilter import Chain, LoadedTable, Rule, RuleAction, nft_tables, parse_nft, parse_save
from mxlib.facts.packet_match import Packet
from mxlib.facts.packet_path import Passage, Table, passage
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

OWN_TABLES = frozenset({"inet mx_depool"})
_TOOLS = ("iptables-legacy-save", "ip6tables-legacy-save", "iptables-nft-save", "ip6tables-nft-save")
_DEPTH = 8
_HOOKS = ("ingress", "prerouting", "input")
_INGRESS = "ingress"

NFT = Section(
    "firewall-nft", "if command -v nft >/dev/null; then nft -j list ruleset; else echo absent; fi", timeout_s=30
)
# The legacy tools are asked only where the kernel has their tables: merely asking would load its modules. There they
# must be: tables that no tool can show are unknown.
TABLES = Section(
    "firewall-tables",
    """\
save() {
printf 'tool %s\\n' "$1"
"$1" || exit
}
! grep -qs . /proc/net/ip_tables_names || save iptables-legacy-save
! grep -qs . /proc/net/ip6_tables_names || save ip6tables-legacy-save
! command -v iptables-nft-save >/dev/null || save iptables-nft-save
! command -v ip6tables-nft-save >/dev/null || save ip6tables-nft-save
echo 'tool end'
""",
    timeout_s=30,
)


@dataclass(frozen=True)
class FirewallFacts:
    """The packet filter of a host.

    Attributes:
        chains: every chain of every tool.
        tables: the same, in the form in which a packet is sent through them.
    """

    chains: tuple[Chain, ...]
    tables: tuple[LoadedTable, ...] = ()

    def passages(self, packet: Packet) -> tuple[tuple[str, Passage], ...]:
        """Return what becomes of a packet in each chain on its way to the host, in order, except in our own tables."""
        found = [
            (_HOOKS.index(hook.partition(" ")[0]), priority, loaded.name, chain, loaded.table, hook)
            for loaded in self.tables
            for hook, priority, chain in loaded.hooks
            if hook in (*_HOOKS, f"{_INGRESS} {packet.interface}")
            and packet.family in loaded.families
            and loaded.name not in OWN_TABLES
        ]
        on_the_way = sorted(found, key=lambda one: one[:4])
        return tuple(
            (f"{name} {chain}", _of_some_card(way) if hook == _INGRESS else way)
            for _, _, name, chain, table, hook in on_the_way
            for way in (passage(table, chain, packet),)
        )

    def named_senders(self, family: int) -> tuple[str, ...]:
        """Return one address of each network that any rule or set names."""
        texts = (text for loaded in self.tables for text in _texts(loaded.table))
        return tuple(dict.fromkeys(text for text in texts if _family(text) == family))

    def input_chains(self, family: int) -> tuple[Chain, ...]:
        """Return the chains that packets to the host pass, in order; our own tables are left out."""
        found = [
            chain
            for chain in self.chains
            if chain.hook == "input" and family in chain.families and chain.table not in OWN_TABLES
        ]
        return tuple(sorted(found, key=lambda chain: chain.priority))

    def flat(self, chain: Chain) -> tuple[Rule, ...]:
        """Return the rules of a chain; for a jump, those of its target under the jump's conditions."""
        return tuple(self._flat(chain, frozenset(), frozenset(), _DEPTH))

    def _flat(self, chain: Chain, conditions: frozenset[str], states: frozenset[str], depth: int) -> Iterable[Rule]:
        for rule in chain.rules:
            both = conditions | rule.conditions
            if rule.action is not RuleAction.JUMP:
                yield Rule(rule.action, both, rule.states or states, rule.ports, "", rule.text)
                continue
            targets = [c for c in self.chains if (c.table, c.name) == (chain.table, rule.target)]
            for target in targets if depth else []:
                if target.families & chain.families:
                    yield from self._flat(target, both, rule.states or states, depth - 1)


def _of_some_card(way: Passage) -> Passage:
    """Return what becomes of a packet in a chain of a card that is unknown: it may be another one."""
    return way if way.open else Passage(None, way.rules)


def _texts(table: Table) -> Iterable[str]:
    """Every text in the statements and sets of a table; for a network its address."""
    rest: list[object] = [statement for chain in table.chains.values() for rule in chain.rules for statement in rule[0]]
    rest += table.sets.values()
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            rest += one.values()
        elif isinstance(one, list | tuple):
            rest += one


def _family(text: str) -> int | None:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return None


def parse(outputs: Outputs) -> FirewallFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: a tool failed, or the output is cut short.
    """
    nft = outputs[NFT.name].text()
    chains = [] if nft.strip() == "absent" else parse_nft(nft)
    tables = [] if nft.strip() == "absent" else nft_tables(nft)
    saved = _tools(outputs[TABLES.name].text())
    for tool in _TOOLS:
        family = 6 if tool.startswith("ip6") else 4
        kind, version = "nft" if "nft" in tool else "legacy", "ip6" if family == 6 else "ip"
        text = saved.get(tool, "")
        found = parse_save(text, family, f"{kind} {version}")
        if kind == "legacy":
            chains += found
            every = (legacy_table(text, family, f"{kind} {version} {name}", name) for name in HOOKED)
            tables += [one for one in every if one]
        elif found and (preferred := _prefer_saved(chains, found, version)) is not chains:
            chains = preferred
            table = legacy_table(text, family, f"{kind} {version} filter")
            tables = [one for one in tables if one.name != f"{version} filter"] + ([table] if table else [])
    return FirewallFacts(tuple(chains), tuple(tables))


def _tools(text: str) -> dict[str, str]:
    parts = re.split(r"^tool (\S+)\n", text, flags=re.MULTILINE)
    tools = dict(zip(parts[1::2], parts[2::2], strict=True))
    if "end" not in tools:
        raise ParseError("the tables of the packet filter are cut short")
    return tools


def _prefer_saved(chains: list[Chain], saved: list[Chain], family: str) -> list[Chain]:
    """Where nft cannot show what iptables-nft has loaded, prefer the output of iptables-nft."""
    table = f"{family} filter"
    if not saved or all(chain.readable for chain in chains if chain.table == table):
        return chains
    return [chain for chain in chains if chain.table != table] + saved


SOURCE = Source("firewall", (NFT, TABLES), parse)
