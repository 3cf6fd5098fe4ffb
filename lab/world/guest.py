"""What one exchanger's system is like: one small table, from which its disk is made.

The image is built from the release alone and cached; all else is laid over it for each host: a world costs no build.
"""

import re
from dataclasses import dataclass, fields

from lab.build import release as releases
from lab.shell import LabError

FIREWALLS = ("nftables", "ferm")
RULESETS = ("plain", "jumps")
NETWORKS = ("ifupdown", "networkd")
CACHE_PUPPET = "/var/cache/puppet"
"""Where Debian's Puppet keeps its state since Debian 11; the folder before that is still the one at many sites."""
VARDIRS = ("/var/lib/puppet", CACHE_PUPPET)
ENTRIES = ("id", "title", "number")
_LOG = "/var/log/exim4/%slog"
"""Debian's ``log_file_path``."""


@dataclass(frozen=True)
class GuestWorld:
    """What one exchanger's system is like.

    Attributes:
        release: code name of its Debian.
        firewall: ``nftables``, or ``ferm`` (iptables-legacy).
        locale: the system's language; empty: none is set, which is C.
        timezone: of the system.
        prompt: ``PS1`` of root's shell; empty: bash's own.
        pam: whether sshd uses PAM, as Debian's default is. Each login then costs a second under software emulation.
        entry: how GRUB's saved entry names the kernel: by ``id``, ``title`` or ``number`` in the menu.
        exim_timezone: Exim's ``timezone``; empty: the system's.
        exim_log: Exim's ``log_file_path``; empty: Debian's.
        split_spool: Exim's ``split_spool_directory``.
        ruleset: of nftables: ``plain``, or ``jumps``: the same by jumps, sets and a verdict map.
        network: what configures the card: ``ifupdown``, or ``networkd``, beside a leftover file of ifupdown's.
        puppet: where Puppet keeps its state.
        retry_host: a remote host for which Exim has a retry rule of its own; empty: none.
        named_queue: Exim's queue for mail that comes in for a list (list-NAME@lab.test); empty: the usual one.
    """

    release: str
    firewall: str
    locale: str = ""
    timezone: str = "Etc/UTC"
    prompt: str = ""
    pam: bool = False
    entry: str = "id"
    exim_timezone: str = ""
    exim_log: str = ""
    split_spool: bool = False
    ruleset: str = "plain"
    network: str = "ifupdown"
    puppet: str = VARDIRS[0]
    retry_host: str = ""
    named_queue: str = ""

    def __post_init__(self) -> None:
        known = ("", *releases.find(self.release).locales)
        self._one_of("firewall", FIREWALLS)
        self._one_of("locale", known)
        self._one_of("entry", ENTRIES)
        self._one_of("ruleset", RULESETS if self.firewall == "nftables" else RULESETS[:1])
        self._one_of("network", NETWORKS)
        self._one_of("puppet", VARDIRS)
        for name in ("timezone", "exim_timezone"):
            self._zone(name)
        for name in ("retry_host", "named_queue"):
            if not re.fullmatch(r"[a-z0-9.-]*", getattr(self, name)):
                raise LabError(f"{name} {getattr(self, name)!r}: expected lower-case letters, digits, dots and dashes")
        for name in ("prompt", "exim_log"):
            if not re.fullmatch(r"[ -&(-~]*", getattr(self, name)):
                raise LabError(f"{name} {getattr(self, name)!r}: expected printable ASCII without single quotes")

    def _one_of(self, name: str, known: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in known:
            expected = ", ".join(repr(one) for one in known)
            raise LabError(f"{name} {value!r} on {self.release}: expected one of {expected}")

    def _zone(self, name: str) -> None:
        # Whether there is such a zone is found out where the disk is made: the machine of the lab need not know any.
        if not re.fullmatch(r"([A-Z][A-Za-z_]*/[A-Z][A-Za-z_]*)?", getattr(self, name)):
            raise LabError(f"{name} {getattr(self, name)!r}: expected a time zone's name, such as Etc/UTC")

    @property
    def main_log(self) -> str:
        """Path of the main log that Exim writes now, as a word of the shell: a dated one has the day of Exim's zone."""
        zone = f"TZ={self.exim_timezone} " if self.exim_timezone else ""
        return (self.exim_log or _LOG).replace("%s", "main").replace("%D", f"$({zone}date +%Y%m%d)")

    @property
    def network_file(self) -> str:
        """Path of the file that names the card."""
        return {"ifupdown": "/etc/network/interfaces", "networkd": "/etc/systemd/network/10-lan.network"}[self.network]

    def differs(self) -> str:
        """What is not as in the plainest world, in one line: release and firewall always, the rest where it differs."""
        said = [f"Debian {releases.find(self.release).number} ({self.release})", self.firewall]
        rest = [field for field in fields(self) if field.name not in ("release", "firewall")]
        return ", ".join(
            said + [_said(one.name, getattr(self, one.name)) for one in rest if getattr(self, one.name) != one.default]
        )


def _said(name: str, value: object) -> str:
    return name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {value}"
