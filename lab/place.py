"""Where the lab keeps its things, and the names and addresses in it."""

import os
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from lab.shell import LabError

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_LAB = "mxlab"
LAN_V4, LAN_V6 = "192.0.2.0/24", "2001:db8:77::/64"
BRIDGE = "br-lab"
CLUSTER, CLUSTER_V4 = "ganeti-lab.lab.test", "192.0.2.3"
# Secrets of the lab: root's password on the consoles, and those of the RAPI users. They open nothing outside the lab.
CONSOLE_PASSWORD = "lab-console-pw"  # noqa: S105
RAPI_READ_PASSWORD, RAPI_WRITE_PASSWORD = "lab-rapi-read", "lab-rapi-write"


@dataclass(frozen=True)
class Station:
    """A name on the lab's network and its addresses (documentation prefixes: RFC 5737, RFC 3849)."""

    name: str
    number: int

    @property
    def fqdn(self) -> str:
        """Fully qualified name."""
        return f"{self.name}.lab.test"

    @property
    def v4(self) -> IPv4Address:
        """IPv4 address."""
        return IPv4Address(f"192.0.2.{self.number}")

    @property
    def v6(self) -> IPv6Address:
        """IPv6 address; its last group looks like the last number of the IPv4 address."""
        return IPv6Address(f"2001:db8:77::{self.number}")


GATEWAY = Station("gw", 1)
NODE = Station("ganeti01", 2)
INFRA = Station("infra1001", 5)
CLIENT = Station("client1001", 51)
VRTS = Station("vrts1001", 61)


@dataclass(frozen=True)
class ManagementHost(Station):
    """Where operators work; there is one in each of the lab's two data centres."""

    dc: str


@dataclass(frozen=True)
class Exchanger(Station):
    """A mail exchanger: a Debian virtual machine. There is one in each of the lab's two data centres."""

    dc: str
    preference: int

    @property
    def mac(self) -> str:
        """Hardware address, fixed so that a repair can find the interface by it."""
        return f"aa:00:00:77:00:{self.number:02d}"


MANAGEMENT = (ManagementHost("cumin1001", 31, "eqiad"), ManagementHost("cumin2001", 41, "codfw"))
EXCHANGERS = (Exchanger("mx1001", 11, "eqiad", 10), Exchanger("mx2001", 21, "codfw", 50))
STATIONS: tuple[Station, ...] = (GATEWAY, NODE, INFRA, CLIENT, VRTS, *MANAGEMENT, *EXCHANGERS)


def exchanger(name: str) -> Exchanger:
    """Return the exchanger of a name, short or fully qualified.

    Raises:
        LabError: there is no such exchanger.
    """
    for mx in EXCHANGERS:
        if name in (mx.name, mx.fqdn):
            return mx
    raise LabError(f"unknown mail exchanger {name!r}: expected one of {', '.join(mx.name for mx in EXCHANGERS)}")


def cache() -> Path:
    """Return the only folder on the machine that the lab writes to (``MXLAB_CACHE``, or ``~/.cache/mxlab``)."""
    given = os.environ.get("MXLAB_CACHE")
    return Path(given).absolute() if given else Path("~/.cache/mxlab").expanduser()


@dataclass(frozen=True)
class Lab:
    """One lab: its name and its folder. Labs of different names share nothing."""

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", self.name):
            raise LabError(f"lab name {self.name!r}: expected 1 to 20 of a-z, 0-9 and '-', beginning with a letter")

    @property
    def state(self) -> Path:
        """The folder of this lab."""
        return cache() / "labs" / self.name

    @property
    def outside(self) -> Path:
        """Folder of the outside world's files: its behaviour, what it sent and received, what crossed the wire."""
        return self.state / "outside"

    @property
    def keys(self) -> Path:
        """Keys and certificates of this lab."""
        return self.state / "keys"

    @property
    def logs(self) -> Path:
        """Logs of what runs in the lab."""
        return self.state / "logs"
