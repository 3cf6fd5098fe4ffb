"""Hosts whose network is configured in one way or another, as the reader of their cards finds them."""

import base64
from collections.abc import Mapping

from mxlib.facts.nic import ConfigFile, GuestNic, Networking, NicFacts

MAC, MAC2 = "aa:00:00:77:00:21", "aa:00:00:77:00:22"
DEFAULT_LINK = "/usr/lib/systemd/network/99-default.link"
OFF = {
    "networking": ("enabled", "active"),
    "systemd-networkd": ("disabled", "inactive"),
    "NetworkManager": ("absent", "inactive"),
}
TOOLS = frozenset({"ifup", "networkctl", "update-initramfs", "lsinitramfs"})
HOST = Networking(OFF, TOOLS, "kvm", ())
"""A guest with ifupdown, as Debian installs it."""
IRON = Networking(OFF, TOOLS, "none", ())
NETWORKING = (
    "unit networking enabled active\nunit systemd-networkd disabled inactive\nunit NetworkManager absent inactive\n"
    "tool ifup\ntool networkctl\ntool update-initramfs\ntool lsinitramfs\nvirt kvm\n"
)
"""What a guest with ifupdown answers, before its last line."""
UDEV = f"link {DEFAULT_LINK}\nchosen ens5\nnext SCHEME v252\nnext PATH enp0s5\nnext SLOT ens5\n"
"""What udev of Debian 12 says of ens5."""
EN_ALL = "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n"


def card(name: str = "ens5", mac: str = MAC, slot: int | None = 5, link: str | None = DEFAULT_LINK) -> GuestNic:
    """A card that has the name which udev gave it, and would give it again."""
    return GuestNic(name, mac, slot, link, name, name)


def ifupdown(text: str, *nics: GuestNic, unread: tuple[str, ...] = ()) -> NicFacts:
    """A host of ifupdown with this one file."""
    return NicFacts(nics or (card(),), (ConfigFile("/etc/network/interfaces", text),), unread, HOST)


def networkd(
    files: Mapping[str, str], *nics: GuestNic, interfaces: str | None = None, tools: frozenset[str] = TOOLS
) -> NicFacts:
    """A host of systemd-networkd, with a left-behind file of ifupdown if asked for.

    Arguments:
        files: text by path; a name alone is in /etc/systemd/network.
        nics: its cards.
        interfaces: text of /etc/network/interfaces.
        tools: what is installed.
    """
    on = OFF | {"systemd-networkd": ("enabled", "active")}
    found = tuple(ConfigFile(n if n.startswith("/") else f"/etc/systemd/network/{n}", t) for n, t in files.items())
    left = () if interfaces is None else (ConfigFile("/etc/network/interfaces", interfaces),)
    return NicFacts(nics or (card(),), left, (), Networking(on, tools, "kvm", found))


def file_line(path: str, text: str) -> str:
    """One file, as the reader prints it."""
    return f"file {base64.b64encode(path.encode()).decode()} {base64.b64encode(text.encode()).decode()}\n"
