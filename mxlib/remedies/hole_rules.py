"""The rules of a temporary hole: where they go, how they are put in, and what takes them out. Pure.

A rule goes into each chain that drops, as accepting in a table of our own would not override another table's drop. It
lets in TCP segments from the remote mail ports that do not open a connection, nothing else, and only until its end.
"""

import ipaddress
import re
import shlex
from dataclasses import dataclass

from mxlib.base.errors import StepError
from mxlib.config.sections import Site
from mxlib.facts.firewall import FirewallFacts
from mxlib.facts.hole import DIRECTORY, MARK
from mxlib.facts.netfilter import Chain, RuleAction

WIDEST = {4: 20, 6: 48}
"""Shortest prefix: a big provider's outgoing network fits, a large part of the Internet does not."""
_PLACE = re.compile(r"[A-Za-z0-9_.-]+")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class DroppingChain:
    """A chain that drops.

    Attributes:
        tool: the program that writes to it: nft, iptables-legacy, ip6tables-nft, ...
        table: family and table, for nft.
        chain: its name.
    """

    tool: str
    table: str
    chain: str


def network_of(text: str) -> Network | None:
    """The address or network, if it is one and not too wide; else None.

    Arguments:
        text: what the operator typed.
    """
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return None
    return found if found.prefixlen >= WIDEST[found.version] else None


def shown(network: Network) -> str:
    """Return it as people write it: an address without its prefix length."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def hole_id(network: Network) -> str:
    """Return the id of the hole for a network: one hole each."""
    return re.sub(r"[^0-9a-f]", "-", shown(network))


def places(found: FirewallFacts, version: int) -> tuple[DroppingChain, ...]:
    """The chains that may drop packets of a family, and what writes to them.

    Arguments:
        version: 4 or 6.

    Raises:
        mxlib.base.errors.StepError: a name is not fit for a command.
    """
    dropping = [chain for chain in found.input_chains(version) if _drops(found, chain)]
    return tuple(_place(chain, version) for chain in dropping)


def _drops(found: FirewallFacts, chain: Chain) -> bool:
    return chain.policy == "drop" or any(rule.action is RuleAction.DROP for rule in found.flat(chain))


def _place(chain: Chain, version: int) -> DroppingChain:
    kind, _, table = chain.table.partition(" ")
    program = "ip6tables" if version == 6 else "iptables"
    if not all(map(_PLACE.fullmatch, (*chain.table.split(), chain.name))):
        raise StepError(f"no name for a command: {chain.table!r} {chain.name!r}")
    if kind == "legacy":
        return DroppingChain(f"{program}-legacy", table, chain.name)
    # Chains of iptables-nft have its names; nft could write to them, but the tool might then not understand them.
    if kind == "nft" or chain.name.isupper():
        return DroppingChain(f"{program}-nft", table, chain.name)
    return DroppingChain("nft", chain.table, chain.name)


def _ports(site: Site) -> str:
    return ", ".join(map(str, site.ports))


def _rule(place: DroppingChain, network: Network, site: Site) -> str:
    """The words of the rule, for the shell; $stop is its end."""
    source, mark = shown(network), f"{MARK}{hole_id(network)}"
    if place.tool == "nft":
        family = "ip6" if network.version == 6 else "ip"
        return (
            f"{family} saddr {source} tcp sport '{{' {_ports(site)} '}}' "
            f"tcp flags '& (fin | syn | rst | ack)' != syn meta time '<' \"\\\"$stop\\\"\" counter accept "
            f"comment '\"{mark}\"'"
        )
    ports = _ports(site).replace(" ", "")
    return (
        f"{place.chain} -s {source} -p tcp -m multiport --sports {ports} -m tcp ! --syn "
        f'-m time --datestop "$stop" -m comment --comment {mark} -j ACCEPT'
    )


def _stop(place: DroppingChain) -> str:
    """The shell's words for the end of a rule, from $end in seconds; nft reads times in the zone it runs in."""
    form = "%Y-%m-%d %H:%M:%S" if place.tool == "nft" else "%Y-%m-%dT%H:%M:%S"
    return f"stop=$(date -u -d \"@$end\" '+{form}')\n"


def open_lines(place: DroppingChain, network: Network, site: Site) -> str:
    """What puts the rule into a chain; $end is the time of its end, in seconds.

    Arguments:
        network: who is let through.
    """
    rule = _rule(place, network, site)
    if place.tool == "nft":
        return f"{_stop(place)}TZ=UTC nft insert rule {place.table} {place.chain} {rule}\n"
    return f"{_stop(place)}{place.tool} -w 10 -I {rule}\n"


def _close_lines(place: DroppingChain, network: Network, site: Site) -> str:
    """Take the rules out, then see that none is left; what cannot be read counts as not closed."""
    mark = f"{MARK}{hole_id(network)}"
    if place.tool == "nft":
        listing = f"nft -a list chain {place.table} {place.chain} 2>/dev/null"
        handle = f"sed -n 's/.*comment \"{mark}\".* # handle \\([0-9]*\\)$/\\1/p'"
        delete = f'nft delete rule {place.table} {place.chain} handle "$handle"'
        seen, end = "nft list ruleset", f"*'\"{mark}\"'*"
        take = f"{listing} | {handle} | while read -r handle; do {delete}; done\n"
    else:
        rule = _rule(place, network, site)
        take = f"{_stop(place)}while {place.tool} -w 10 -D {rule} 2>/dev/null; do :; done\n"
        seen, end = f"{place.tool}-save -t filter", f"*'{mark} '*"
    return f"{take}left=$({seen}) || exit 1\ncase $left in {end}) exit 1 ;; esac\n"


def close_text(found: tuple[DroppingChain, ...], network: Network, site: Site) -> str:
    """What closes the hole; it lies on the host, and the timer runs it, again and again until it succeeds.

    Arguments:
        found: where the rules are.
        network: who is let through.
    """
    lines = "".join(_close_lines(place, network, site) for place in found)
    base = f"{DIRECTORY}/{hole_id(network)}"
    gone = f'systemctl stop "{MARK}{hole_id(network)}-$end.timer" 2>/dev/null || :'
    return f"{lines}rm -f {base}.hole {base}.close\n{gone}\n"


def open_script(
    found: tuple[DroppingChain, ...], network: Network, site: Site, seconds: float, said: tuple[str, str]
) -> str:
    """Write down who and until when, arm what closes it, and only then open it.

    Arguments:
        found: where the rules go.
        network: who is let through.
        seconds: how long.
        said: who, and why.
    """
    name = hole_id(network)
    base, unit = f"{DIRECTORY}/{name}", f"{MARK}{name}-$end"
    record = f"from={shown(network)}\\nuntil=%s\\nwho=%s\\nwhy=%s\\n"
    armed = "--property=Type=oneshot --property=Restart=on-failure --property=RestartSec=10"
    return f"""\
# open a temporary hole in the firewall
mkdir -p {DIRECTORY}
trap '[ $? = 0 ] || sh {base}.close' EXIT
trap 'trap "" HUP INT TERM; exit 143' HUP INT TERM
[ ! -e {base}.close ] || sh {base}.close
end=$(($(date +%s) + {seconds:.0f}))
printf 'end=%s\\n%s' "$end" {shlex.quote(close_text(found, network, site))} >{base}.close
printf '{record}' "$end" {shlex.quote(said[0])} {shlex.quote(said[1])} >{base}.hole
systemd-run --quiet --collect --unit "{unit}" {armed} --on-active={seconds:.0f} --timer-property=AccuracySec=1s \
/bin/sh {base}.close
{"".join(open_lines(place, network, site) for place in found)}\
date -u -d "@$end" '+open until %H:%M:%S UTC'
"""
