"""The packet filter as the kernel has it, by whichever tool it was loaded.

On Debian 12 ferm loads through iptables-legacy: there plain ``iptables-save`` prints a warning with exit code 0 and
``nft list ruleset`` is empty, so a filter that is well looks absent to whoever asks one tool only. All are asked.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.netfilter import Action, Chain, Rule, parse_nft, parse_save
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

OWN_TABLES = frozenset({"inet mx_depool"})
_TOOLS = ("iptables-legacy-save", "ip6tables-legacy-save", "iptables-nft-save", "ip6tables-nft-save")
_DEPTH = 8

NFT = Section(
    "firewall-nft", "if command -v nft >/dev/null; then nft -j list ruleset; else echo absent; fi", timeout_s=30
)
# The legacy tools are asked only where the kernel has their tables: merely asking would load its modules.
TABLES = Section(
    "firewall-tables",
    """\
save() {
command -v "$1" >/dev/null || return 0
printf 'tool %s\\n' "$1"
"$1" || exit
}
! grep -qs . /proc/net/ip_tables_names || save iptables-legacy-save
! grep -qs . /proc/net/ip6_tables_names || save ip6tables-legacy-save
save iptables-nft-save
save ip6tables-nft-save
echo 'tool end'
""",
    timeout_s=30,
)


@dataclass(frozen=True)
class FirewallFacts:
    """The packet filter of a host.

    Attributes:
        chains: every chain of every tool.
    """

    chains: tuple[Chain, ...]

    def input_chains(self, family: int) -> tuple[Chain, ...]:
        """Chains that packets to the host pass, in their order, but for our own tables."""
        found = [
            chain
            for chain in self.chains
            if chain.hook == "input" and family in chain.families and chain.table not in OWN_TABLES
        ]
        return tuple(sorted(found, key=lambda chain: chain.priority))

    def flat(self, chain: Chain) -> tuple[Rule, ...]:
        """The rules of a chain with those of the chains it jumps to in their place, under the jump's conditions.

        Arguments:
            chain: the chain.
        """
        return tuple(self._flat(chain, frozenset(), frozenset(), _DEPTH))

    def _flat(self, chain: Chain, conditions: frozenset[str], states: frozenset[str], depth: int) -> Iterable[Rule]:
        for rule in chain.rules:
            both = conditions | rule.conditions
            if rule.action is not Action.JUMP:
                yield Rule(rule.action, both, rule.states or states, rule.ports, "", rule.text)
                continue
            targets = [c for c in self.chains if (c.table, c.name) == (chain.table, rule.target)]
            for target in targets if depth else []:
                if target.families & chain.families:
                    yield from self._flat(target, both, rule.states or states, depth - 1)


def parse(outputs: Outputs) -> FirewallFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: a tool did not answer.
    """
    nft = outputs[NFT.name].text()
    chains = [] if nft.strip() == "absent" else parse_nft(nft)
    saved = _tools(outputs[TABLES.name].text())
    for tool in _TOOLS:
        family = 6 if tool.startswith("ip6") else 4
        kind = "nft" if "nft" in tool else "legacy"
        found = parse_save(saved.get(tool, ""), family, f"{kind} {'ip6' if family == 6 else 'ip'}")
        if kind == "legacy":
            chains += found
        else:
            chains = _prefer_saved(chains, found, "ip6" if family == 6 else "ip")
    return FirewallFacts(tuple(chains))


def _tools(text: str) -> dict[str, str]:
    parts = re.split(r"^tool (\S+)\n", text, flags=re.MULTILINE)
    tools = dict(zip(parts[1::2], parts[2::2], strict=True))
    if "end" not in tools:
        raise ParseError("the tables of the packet filter are cut short")
    return tools


def _prefer_saved(chains: list[Chain], saved: list[Chain], family: str) -> list[Chain]:
    """Where nft cannot show what iptables-nft has loaded, take what iptables-nft says of it itself."""
    table = f"{family} filter"
    if not saved or all(chain.readable for chain in chains if chain.table == table):
        return chains
    return [chain for chain in chains if chain.table != table] + saved


SOURCE = Source("firewall", (NFT, TABLES), parse)
