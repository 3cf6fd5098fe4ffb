"""Before a cold start, let the interface come up under its next name, or pin its name by MAC; and undo that.

Two methods. *stanzas*: both names in ifupdown's files, so that the host comes up under either; afterwards one of them
is removed. *link*: a .link file of systemd that names the card by its MAC, proven to be in the initramfs of each kernel
that may boot; it stays until it is removed.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mxlib.base.errors import CommandFailedError, HostError, MxlibError
from mxlib.facts import nic
from mxlib.facts.source import read_facts
from mxlib.model.on_host import PUT
from mxlib.model.record import Level
from mxlib.nic import advice
from mxlib.nic.files import BACKUPS, undo_script
from mxlib.nic.forecast import PIN, Forecast
from mxlib.nic.interfaces import NAME
from mxlib.nic.rename import Mention, Rewrite
from mxlib.nic.repair import apply, other_places
from mxlib.nic.twin import pairs, settle, twin, twinned
from mxlib.protocols.host import Host, read_text

_LINKS = PIN.rpartition("/")[0]
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,100}")
_INITRAMFS_S = 600.0


class PreventionError(MxlibError):
    """The interface was not prepared for its next name; nothing is left changed."""


@dataclass(frozen=True)
class Prevention:
    """What was prepared.

    Attributes:
        diff: the change; empty if nothing had to be changed.
        backup: directory on the host with the old files and ``undo``; empty if there is none.
        places: other lines that have the old name of a renamed interface, left for a person.
    """

    diff: str
    backup: str = ""
    places: tuple[Mention, ...] = ()


def plan_prevention(facts: nic.NicFacts, forecast: Forecast, method: str, run: str) -> str:
    """Return what :func:`prevent` would change, as text; touches nothing.

    Raises:
        PreventionError: the method is ruled out.
    """
    if method == "stanzas":
        return plan_stanzas(facts, forecast, run).diff()
    return _shown(plan_link(facts, forecast)) if method == "link" else ""


def _refuse(facts: nic.NicFacts, forecast: Forecast, method: str) -> None:
    refused = advice.PREVENTIONS[method](facts, forecast.renames(Level.COLD))
    if refused:
        raise PreventionError(refused)


def plan_stanzas(facts: nic.NicFacts, forecast: Forecast, run: str) -> Rewrite:
    """Return the files with both names, for every interface that a cold start renames; touches nothing.

    Raises:
        PreventionError: the method is ruled out.
    """
    _refuse(facts, forecast, "stanzas")
    return twin(facts.files, forecast.renames(Level.COLD), f"run {run}")


def plan_link(facts: nic.NicFacts, forecast: Forecast) -> dict[str, str]:
    """Return the ``.link`` files that pin every interface that a cold start renames, by path; touches nothing.

    Raises:
        PreventionError: the method is ruled out.
    """
    _refuse(facts, forecast, "link")
    renames = forecast.renames(Level.COLD)
    return {_path(card.name): _link(card.name, card.mac) for card in forecast.nics if card.name in renames}


def installed_kernels(host: Host) -> tuple[str, ...]:
    """Return the releases that have an initramfs in /boot: each of them may be booted.

    Raises:
        mxlib.base.errors.HostError: the host failed.
    """
    listed = read_text(host, "ls /boot", timeout=10).split()
    return tuple(name.removeprefix("initrd.img-") for name in listed if name.startswith("initrd.img-"))


def prevent_by_stanzas(host: Host, forecast: Forecast, run: str) -> Prevention:
    """Configure every interface that a cold start renames under both names, unless that is done already.

    Raises:
        PreventionError: the method is ruled out, or ifupdown did not take the second name and the change was undone.
        mxlib.base.errors.HostError: the host failed.
    """
    rewrite = plan_stanzas(read_facts(host, (nic.SOURCE,)).get(nic.SOURCE), forecast, run)
    if not rewrite.changed:
        return Prevention("")
    backup = apply(host, rewrite, run, f"a second name for a cold start; run {run}")
    _prove(host, tuple(forecast.renames(Level.COLD).values()), backup)
    return Prevention(rewrite.diff(), backup)


def _prove(host: Host, names: Sequence[str], backup: str) -> None:
    """Check that ifupdown reads both names; a second name that it does not take is removed at once."""
    queries = " && ".join(f"ifquery {shlex.quote(name)} >/dev/null" for name in names)
    try:
        host.act(f"# ask ifupdown for its names\nifquery --list --allow=hotplug && {queries}", timeout=20)
    except CommandFailedError as error:
        if backup:
            host.act(undo_script(backup), timeout=30, ok_codes=(0, 1))
        raise PreventionError(f"ifupdown does not take the second name, so it was removed: {error}") from None


def settle_names(host: Host, run: str) -> Prevention:
    """After the boot, leave only the name that the interface has now; if nothing was renamed, undo the prevention.

    Kernel parameters of a renamed interface are renamed with it. The copies that preventions made are no longer needed
    and are removed; the present names are noted for the next time.

    Raises:
        PreventionError: which name is in use is not certain.
        mxlib.base.errors.HostError: the host failed.
    """
    facts = read_facts(host, (nic.SOURCE,)).get(nic.SOURCE)
    rewrite, names = plan_settling(facts), renamed_since(facts)
    places: tuple[Mention, ...] = ()
    if names:
        other, places = other_places(host, names, rewrite)
        rewrite = Rewrite(rewrite.before + other.before, rewrite.after + other.after)
    if rewrite.changed:
        apply(host, rewrite, run, f"one name again; run {run}")
        note_names(host, {card.mac: card.name for card in facts.nics}, then=f"rm -rf {BACKUPS}/*/")
    return Prevention(rewrite.diff() if rewrite.changed else "", "", places)


def renamed_since(facts: nic.NicFacts) -> dict[str, str]:
    """Return old name to new name of each card that has come up under its second name.

    Raises:
        PreventionError: neither or both of the two names exist.
    """
    there = {card.name for card in facts.nics}
    names = pairs(facts.files)
    for old, new in names.items():
        if (old in there) == (new in there):
            raise PreventionError(f"{'both' if old in there else 'neither'} of {old} and {new} exist: left as it is")
    return {old: new for old, new in names.items() if new in there}


def plan_settling(facts: nic.NicFacts) -> Rewrite:
    """Return the files with one name for each card, its present one; touches nothing.

    Raises:
        PreventionError: neither or both of the two names exist.
    """
    if not twinned(facts.files):
        return Rewrite(facts.files, facts.files)
    return settle(facts.files, renamed_since(facts))


def prevent_by_link(host: Host, forecast: Forecast, kernels: Sequence[str]) -> Prevention:
    """Pin the present name of every interface that a cold start renames, in the initramfs of these kernels.

    Args:
        kernels: releases that may boot: the one to try and the one to fall back to.

    Raises:
        PreventionError: the method is ruled out, or an initramfs does not hold the file, which was removed again.
        mxlib.base.errors.HostError: the host failed.
    """
    names = list(forecast.renames(Level.COLD))
    if not all(map(_RELEASE.fullmatch, kernels)) or not kernels:
        raise PreventionError(f"not kernel releases: {', '.join(kernels) or 'none given'}")
    if not names:
        return Prevention("")
    texts = plan_link(read_facts(host, (nic.SOURCE,)).get(nic.SOURCE), forecast)
    try:
        host.act(_link_script(texts, kernels), timeout=_INITRAMFS_S)
    except CommandFailedError as error:
        remove_link(host, names, kernels)
        raise PreventionError(f"the names are not pinned, the files were removed: {error}") from None
    except HostError as error:
        left = ", ".join(texts)
        raise PreventionError(
            f"whether the names are pinned is unknown, {left} may be left behind: {error}"
        ) from None
    return Prevention(_shown(texts))


def _shown(texts: Mapping[str, str]) -> str:
    return "".join(f"+++ {path}\n" + re.sub("(?m)^", "+", text[:-1]) + "\n" for path, text in texts.items())


def remove_link(host: Host, names: Sequence[str], kernels: Sequence[str]) -> None:
    """Remove a pin, also from the initramfs of these kernels: the next boot names the card by its slot again.

    Raises:
        mxlib.base.errors.HostError: the host failed.
    """
    paths = " ".join(shlex.quote(_path(name)) for name in names)
    updates = "\n".join(f"update-initramfs -u -k {shlex.quote(kernel)}" for kernel in kernels)
    host.act(f"# remove the pin of a network name\nset -e\nrm -f {paths}\n{updates}", timeout=_INITRAMFS_S)


def _path(name: str) -> str:
    if not NAME.fullmatch(name):
        raise PreventionError(f"not a name of an interface: {name!r}")
    return PIN.format(name=name)


def _link(name: str, mac: str) -> str:
    if not _MAC.fullmatch(mac):
        raise PreventionError(f"not a MAC address: {mac!r}")
    head = "# Written by mx-cookbooks: keeps the name when the card moves to another PCI slot."
    return f"{head}\n[Match]\nMACAddress={mac}\nType=ether\n\n[Link]\nName={name}\n"


def _link_script(texts: dict[str, str], kernels: Sequence[str]) -> str:
    writes = "\n".join(f"printf %s {shlex.quote(text)} >{shlex.quote(path)}" for path, text in texts.items())
    names = [path.rpartition("/")[2] for path in texts]
    proofs = "\n".join(
        f"update-initramfs -u -k {shlex.quote(kernel)}\n"
        + "\n".join(
            f"lsinitramfs {shlex.quote(f'/boot/initrd.img-{kernel}')} | grep -F {shlex.quote(n)}" for n in names
        )
        for kernel in kernels
    )
    return f"# pin the name of a network card\nset -e\numask 022\nmkdir -p {_LINKS}\n{writes}\n{proofs}\nsync"


def prevent(host: Host, forecast: Forecast, *, method: str, run: str, kernels: Sequence[str] = ()) -> Prevention:
    """Prepare the host for a cold start, by the method that the site or the operator chose.

    Args:
        forecast: what a cold start does; without a rename there is nothing to do.
        method: ``stanzas``, ``link`` or ``none``.
        kernels: for ``link``, each release that may boot.

    Raises:
        PreventionError: the host cannot be prepared; nothing is left changed.
        mxlib.base.errors.HostError: the host failed.
    """
    if method == "none" or not forecast.renames(Level.COLD):
        return Prevention("")
    return prevent_by_link(host, forecast, kernels) if method == "link" else prevent_by_stanzas(host, forecast, run)


def note_names(host: Host, known: Mapping[str, str], then: str = "true") -> None:
    """Note on the host's own disk which MAC has which name now, for a later repair over the console.

    Args:
        known: name by MAC.
        then: shell command that is run afterwards.

    Raises:
        mxlib.base.errors.HostError: the host failed.
    """
    write = f"{PUT}{note_script(known)}\n{then}"
    host.act(f"# note the names of the network cards\nset -e\n{write}", timeout=20)


def note_script(known: Mapping[str, str]) -> str:
    """Return the command that does so; it needs the shell function ``put PATH TEXT``.

    Args:
        known: name by MAC.
    """
    lines = "".join(f"{mac} {name}\n" for mac, name in known.items())
    return f"mkdir -p -m 700 {BACKUPS} && put {nic.NOTE_PATH} {shlex.quote(lines)}"
