"""The worlds an exchanger can live in: its release, language, time zone and habits, one small table each.

The image is built from the release alone and cached; all else is laid over it for each host: a world costs no build.
"""

import re
from dataclasses import dataclass, fields

from lab.build import release as releases
from lab.place import EXCHANGERS, Exchanger, Lab
from lab.shell import LabError

FIREWALLS = ("nftables", "ferm")
ENTRIES = ("id", "title", "number")
DEFAULT = "two"


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

    def __post_init__(self) -> None:
        known = ("", *releases.find(self.release).locales)
        self._one_of("firewall", FIREWALLS)
        self._one_of("locale", known)
        self._one_of("entry", ENTRIES)
        for name in ("timezone", "exim_timezone"):
            self._zone(name)
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

    def differs(self) -> str:
        """What is not as in the plainest world, in one line: release and firewall always, the rest where it differs."""
        said = [f"Debian {releases.find(self.release).number} ({self.release})", self.firewall]
        rest = [field for field in fields(self) if field.name not in ("release", "firewall")]
        return ", ".join(
            said + [_said(one.name, getattr(self, one.name)) for one in rest if getattr(self, one.name) != one.default]
        )


def _said(name: str, value: object) -> str:
    return name.replace("_", " ") if value is True else f"{name.replace('_', ' ')} {value}"


_PLAIN = GuestWorld("bookworm", "nftables")
WORLDS: dict[str, dict[str, GuestWorld]] = {
    "one": {"mx1001": _PLAIN, "mx2001": GuestWorld("bookworm", "ferm")},
    "two": {
        "mx1001": _PLAIN,
        "mx2001": GuestWorld(
            "trixie",
            "ferm",
            locale="de_DE.UTF-8",
            timezone="Europe/Berlin",
            # With a clock: what a prompt looks like changes from line to line.
            prompt=r"\h \t \w> ",
            pam=True,
        ),
    },
    "habits": {
        "mx1001": GuestWorld("trixie", "nftables", timezone="America/New_York", pam=True, entry="title"),
        "mx2001": GuestWorld("bookworm", "ferm", entry="number", exim_timezone="Asia/Kolkata", split_spool=True),
    },
}
"""The world of each exchanger, by the name that ``mxlab up --world`` takes."""


def find(name: str) -> dict[str, GuestWorld]:
    """Return the worlds of that name, by exchanger.

    Raises:
        LabError: there are none.
    """
    if name not in WORLDS:
        raise LabError(f"unknown world {name!r}: expected one of {', '.join(WORLDS)}")
    return WORLDS[name]


def name_of(lab: Lab) -> str:
    """The name of the world a lab was brought up in; the default one's if it never was."""
    kept = lab.state / "world"
    return kept.read_text().strip() if kept.exists() else DEFAULT


def of(lab: Lab, mx: Exchanger) -> GuestWorld:
    """Return the world of an exchanger of a lab.

    Raises:
        LabError: the lab was made in a world that this checkout does not know.
    """
    return find(name_of(lab))[mx.name]


def settle(lab: Lab, name: str) -> None:
    """Note which world a lab is made in, once: its disks keep it.

    Args:
        lab: its folder must be there.
        name: empty means the one it has, or the default.

    Raises:
        LabError: there is no such world, or the lab was made in another one.
    """
    wanted = name or name_of(lab)
    find(wanted)
    kept = lab.state / "world"
    if kept.exists() and name_of(lab) != wanted:
        made = f"lab {lab.name} was made in world {name_of(lab)!r}, not {wanted!r}"
        raise LabError(f"{made}: `lab/mxlab down --purge` first, or another lab (--lab)")
    kept.write_text(f"{wanted}\n")


def listing() -> str:
    """Every world and what its exchangers are like, for a person."""
    lines = []
    for name, exchangers in WORLDS.items():
        lines.append(f"{name}{' (default)' if name == DEFAULT else ''}")
        lines += [f"  {mx.name:<8} {exchangers[mx.name].differs()}" for mx in EXCHANGERS]
    return "\n".join(lines)
