"""The worlds that the exchangers of a lab can live in, by name, and which one a lab was made in."""

from lab.build import release as releases
from lab.build.apt import SUITE
from lab.place import EXCHANGERS, NODE, Exchanger, Lab
from lab.shell import LabError
from lab.world.guest import GuestWorld
from lab.world.nightly import NIGHTLY

DEFAULT = "two"
_PLAIN = GuestWorld("bookworm", "nftables")
_GERMAN = GuestWorld(
    "trixie",
    "ferm",
    locale="de_DE.UTF-8",
    timezone="Europe/Berlin",
    # With a clock: what a prompt looks like changes from line to line.
    prompt=r"\h \t \w> ",
    pam=True,
)
WORLDS: dict[str, dict[str, GuestWorld]] = {
    "one": {"mx1001": _PLAIN, "mx2001": GuestWorld("bookworm", "ferm")},
    "two": {"mx1001": _PLAIN, "mx2001": _GERMAN},
    "ganeti31": {"mx1001": _PLAIN, "mx2001": _GERMAN},
    "habits": {
        "mx1001": GuestWorld("trixie", "nftables", timezone="America/New_York", pam=True, entry="title"),
        "mx2001": GuestWorld("bookworm", "ferm", entry="number", exim_timezone="Asia/Kolkata", split_spool=True),
    },
    "pythons": {"mx1001": _PLAIN, "mx2001": _GERMAN},
    **NIGHTLY,
}
"""The world of each exchanger, by the name that ``mxlab up --world`` takes."""
NODES = {"ganeti31": "trixie"}
"""Release of the Ganeti node, by the name of the world, where it is not Debian 12, whose Ganeti is 3.0."""
PYTHONS = {"pythons": {"cumin1001": "3.11", "cumin2001": "3.13"}}
"""Python of each management host, by the name of the world, where it is not the machine's."""


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


def node_release(lab: Lab) -> str:
    """The code name of the Debian release of a lab's Ganeti node."""
    return NODES.get(name_of(lab), SUITE)


def python(lab: Lab, host: str) -> str:
    """Version of the Python of a lab's management host; empty: the machine's, whichever it is."""
    return PYTHONS.get(name_of(lab), {}).get(host, "")


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
        if name in NODES:
            lines.append(f"  {NODE.name:<8} Debian {releases.find(NODES[name]).number} ({NODES[name]})")
        lines += [f"  {host} Python {version}" for host, version in PYTHONS.get(name, {}).items()]
    return "\n".join(lines)
