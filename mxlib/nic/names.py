"""Which interface became which, from MAC addresses, names in the files and names in the guest. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mxlib.facts.nic import GuestNic, NicFacts
from mxlib.mta.find import configurations
from mxlib.nic import networkd
from mxlib.nic.interfaces import NAME, given
from mxlib.nic.manager import Managed, Manager, managed
from mxlib.nic.rename import Mention
from mxlib.nic.twin import pairs

PLACES = (
    "/etc/ferm /etc/nftables.conf /etc/nftables.d /etc/iptables /etc/sysctl.conf /etc/sysctl.d /etc/systemd"
    " /etc/network/if-pre-up.d /etc/network/if-up.d /etc/network/if-down.d /etc/network/if-post-down.d /etc/default"
    " /etc/udev/rules.d /etc/dhcp /etc/radvd.conf /etc/keepalived /etc/cron.d /usr/local/sbin"
)
"""Where an interface may be named, besides the files of ifupdown and of the MTA."""
_MOST = 200


@dataclass(frozen=True)
class Renames:
    """Which interface became which.

    Attributes:
        names: old name to new name; empty if every configured card is there under its name.
        why: what makes it certain, or what is in order, in one sentence; empty if there is a doubt.
        doubt: why it is not certain; empty if it is. With a doubt nothing may be rewritten.
        askable: whether a person who knows which MAC address had which name could settle the doubt.
    """

    names: Mapping[str, str]
    why: str
    doubt: str = ""
    askable: bool = False


def work_out(facts: NicFacts, macs: Sequence[str] | None, known: Mapping[str, str] | None) -> Renames:
    """Find out which interface became which, if that is certain.

    Args:
        macs: MAC addresses that the cluster has configured; None if it could not be asked.
        known: name by MAC from before the reboot; None if nothing was noted.
    """
    host = managed(facts)
    if host.by in (Manager.UNKNOWN, Manager.NETWORK_MANAGER):
        known_by = "" if host.by is Manager.UNKNOWN else f"{host.by.value} configures it, which is not served here: "
        return Renames({}, "", f"{known_by}{host.why}")
    if macs is not None and not any(nic.mac in macs for nic in facts.nics):
        cards = ", ".join(f"{nic.name} ({nic.mac})" for nic in facts.nics) or "none"
        why = f"the cluster's NICs are {', '.join(macs) or 'none'}, the guest's cards {cards}"
        return Renames({}, "", f"{why}. Which is which is not certain")
    # a card has up to three names: its own, a prevention's second one, and the one that ifupdown gives it
    others = (pairs(facts.files), given(facts.files))
    there = {name for nic in facts.nics for name in _names_of(nic, host)}
    missing = [name for name in host.wanted if not there & {name, *(other.get(name) for other in others)}]
    if not missing:
        return _all_there(facts, host)
    used = {*host.wanted, *(name for other in others for name in other.values())}
    by_note = _by_note(facts.nics, known or {}, missing)
    free = [nic for nic in facts.nics if not used & _names_of(nic, host)]
    return by_note or _by_elimination(missing, free, macs, alone=len(host.wanted) == 1)


def _names_of(nic: GuestNic, host: Managed) -> set[str]:
    """Return the names by which a card is configured: networkd knows it by its alternative ones, too."""
    return {nic.name} if host.by is Manager.IFUPDOWN else {nic.name, *nic.altnames}


def _all_there(facts: NicFacts, host: Managed) -> Renames:
    if host.wanted:
        return Renames({}, f"every configured card is there under its name ({', '.join(host.wanted)})")
    texts = facts.networking.files
    files = {nic.name: networkd.serving(texts, nic.name, nic.mac, nic.altnames) for nic in facts.nics}
    sure = [f"{name} by {path}" for name, path in files.items() if path]
    if not sure:
        return Renames(
            {}, "", f"no file of {host.by.value} is certainly about one of the cards: {', '.join(files) or 'none'}"
        )
    return Renames({}, f"every configured card is there: {', '.join(sure)}")


def _by_note(nics: Sequence[GuestNic], known: Mapping[str, str], missing: Sequence[str]) -> Renames | None:
    """Match cards by the MAC that each name had before; None if the note does not cover every missing name."""
    now = {nic.mac: nic.name for nic in nics if [other.mac for other in nics].count(nic.mac) == 1}
    names = {old: now[mac] for mac, old in known.items() if mac in now and now[mac] != old}
    if not set(missing) <= set(names):
        return None
    changes = ", ".join(f"{mac} was {known[mac]} and is {now[mac]}" for mac in known if known[mac] in names)
    return Renames(names, f"by MAC, as noted before the reboot: {changes}")


def _by_elimination(
    missing: Sequence[str], free: Sequence[GuestNic], macs: Sequence[str] | None, *, alone: bool
) -> Renames:
    """Match the only configured card with the only free one; where several are configured, each may have moved by one.

    A new disk moves ens5 to ens6 and ens6 to ens7: then only ens5 is missing and only ens7 free, and neither is right.
    """
    ours = [nic for nic in free if macs is None or nic.mac in macs]
    if alone and len(ours) == 1:
        asked = "the cluster could not be asked" if macs is None else "the cluster knows its MAC"
        nic = ours[0]
        why = f"{missing[0]} is the only configured card, and is missing; {nic.name} ({nic.mac}) is the only free one"
        return Renames({missing[0]: nic.name}, f"{why}; {asked}")
    cards = ", ".join(f"{nic.name} ({nic.mac})" for nic in free) or "none"
    lost = f" The cluster's NICs: {', '.join(macs)}." if macs is not None else ""
    return Renames(
        {},
        "",
        f"missing: {', '.join(missing)}; cards without configuration: {cards}.{lost} Which is which is not certain",
        askable=bool(ours),
    )


def places_script(names: Sequence[str]) -> str:
    """Return a read-only script that looks for names of interfaces outside ifupdown's files.

    Raises:
        ValueError: a name is not valid.
    """
    if not names or not all(NAME.fullmatch(name) for name in names):
        raise ValueError(f"not names of interfaces: {list(names)}")
    patterns = " ".join(f"-e {name}" for name in names)
    found = f"grep -rnIwF {patterns} {PLACES} {' '.join(configurations())} 2>/dev/null | head -n {_MOST}"
    units = " ".join(f"/etc/systemd/system/*@{name}.service*" for name in names)
    about = "# look for names outside ifupdown\n"
    return f'{about}{found}\nfor u in {units}; do [ -e "$u" ] && printf \'%s:0:is named after it\\n\' "$u"; done\ntrue'


def parse_places(output: str) -> tuple[Mention, ...]:
    """Return the lines that :func:`places_script` found; comments are left out."""
    found = re.findall(r"^(/[^:\n]+):(\d+):([^\n]*)$", output, re.MULTILINE)
    return tuple(
        Mention(path, int(line), text.strip()) for path, line, text in found if not text.lstrip().startswith(("#", ";"))
    )


_SYSCTL = re.compile(
    r"(?P<head>^[\s-]*(?:net[./])(?:ipv4|ipv6|mpls)[./](?:conf|neigh)[./])(?P<name>[A-Za-z0-9_-]+)(?=[./])"
)


def is_sysctl(place: Mention, names: Mapping[str, str]) -> bool:
    """Whether a line is a kernel parameter of one of these interfaces, which certainly has to be renamed with it."""
    found = _SYSCTL.match(place.text)
    return place.path.startswith("/etc/sysctl.") and found is not None and found["name"] in names


def rename_sysctl(text: str, names: Mapping[str, str]) -> str:
    """Return a file of sysctl.d with the parameters of renamed interfaces under their new names."""

    def renamed(found: "re.Match[str]") -> str:
        return found["head"] + names.get(found["name"], found["name"])

    return "\n".join(_SYSCTL.sub(renamed, line) for line in text.split("\n"))
