"""What configures the network of a host: ifupdown, systemd-networkd, netplan or NetworkManager. Pure."""

from dataclasses import dataclass
from enum import Enum

from mxlib.facts.nic import NicFacts
from mxlib.nic import networkd
from mxlib.nic.interfaces import physical
from mxlib.nic.twin import settle


class Manager(Enum):
    """What configures the network cards."""

    IFUPDOWN = "ifupdown"
    NETWORKD = "systemd-networkd"
    NETPLAN = "netplan"
    NETWORK_MANAGER = "NetworkManager"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Managed:
    """What configures the network cards, and which of them by name.

    Attributes:
        by: what configures them.
        wanted: the cards that its files name; empty if the files select them by MAC address or pattern.
        why: what shows it, or why it is unknown.
    """

    by: Manager
    wanted: tuple[str, ...]
    why: str


def managed(facts: NicFacts) -> Managed:
    """Return what configures the cards of a host.

    A file alone decides nothing, as it may be a leftover: its reader must be installed and enabled as well. If ifupdown
    and networkd may both configure cards, the answer is UNKNOWN. Debian's NetworkManager leaves their cards alone.
    """
    if facts.unread:
        return Managed(Manager.UNKNOWN, (), f"a line that includes files is not understood: {'; '.join(facts.unread)}")
    found = [one for one in (_ifupdown(facts), _networkd(facts)) if one is not None]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(f"{one.by.value} ({one.why})" for one in found)
        return Managed(Manager.UNKNOWN, (), f"more than one may configure the network: {both}")
    if facts.networking.runs("NetworkManager"):
        return Managed(Manager.NETWORK_MANAGER, (), "NetworkManager.service is on")
    return Managed(Manager.UNKNOWN, (), f"not configured by ifupdown or systemd-networkd: {_seen(facts)}")


def _ifupdown(facts: NicFacts) -> Managed | None:
    # the second name of a prevention is no card of its own
    wanted = physical(settle(facts.files, {}).after)
    if "ifup" not in facts.networking.tools or not wanted:
        return None
    return Managed(Manager.IFUPDOWN, wanted, f"{facts.files[0].path} names {', '.join(wanted)}")


def _networkd(facts: NicFacts) -> Managed | None:
    files = facts.networking.files
    wanted = networkd.wanted(files)
    about = [nic.name for nic in facts.nics if networkd.serving(files, nic.name, nic.mac, nic.altnames) != ""]
    if not facts.networking.runs("systemd-networkd") or not (wanted or about):
        return None
    by = Manager.NETPLAN if networkd.from_netplan(files) else Manager.NETWORKD
    return Managed(by, wanted, f"it is on and its files are about {', '.join(wanted or about)}")


def _seen(facts: NicFacts) -> str:
    wanted = physical(facts.files)
    found = [f"{facts.files[0].path} names {', '.join(wanted) or 'no card'}"] if facts.files else []
    found += [] if facts.files else ["there is no /etc/network/interfaces"]
    found += [] if "ifup" in facts.networking.tools else ["ifup is not installed"]
    if facts.networking.runs("systemd-networkd"):
        found.append("systemd-networkd is on, and no file of its own in /etc, /run or /usr/local/lib is about a card")
    return "; ".join(found)
