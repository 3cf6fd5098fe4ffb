"""Repair of a host's network from inside, over any shell: files, interfaces, stale units, SSH server.

Observed: after a rename with ``allow-hotplug`` nothing fails and systemd says "running"; with ``auto``,
networking.service has failed and stays failed until it is started again.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mxlib.base.errors import CommandFailedError, CommandTimeoutError, MxlibError
from mxlib.base.text import one_line
from mxlib.facts import addresses, nic
from mxlib.facts import reachability as access
from mxlib.facts.nic import ConfigFile
from mxlib.facts.source import read_facts
from mxlib.nic import advice, networkd
from mxlib.nic.cause import Diagnosis, Outage, from_inside
from mxlib.nic.files import parse_backup, undo_script, write_script
from mxlib.nic.interfaces import dependents, given, has_stanza
from mxlib.nic.manager import Manager, managed
from mxlib.nic.names import Renames, is_sysctl, parse_places, places_script, rename_sysctl, work_out
from mxlib.nic.rename import Mention, Rewrite
from mxlib.protocols.host import Host, read_text

_IFUP_S = 60.0
_UNITS_S = 30.0
_BOOT_S = 60
_ONLINE_S = 30


class NicRepairError(MxlibError):
    """The names are wrong, and the repair came to no end; the message says what became of the files."""


@dataclass
class GuestRepair:
    """What was found and done inside a host.

    Attributes:
        diagnosis: what was wrong.
        done: what was done, in order, each with its result.
        renames: old name to new name.
        diff: the change of the files.
        places: other lines with the old name, left for a person.
        backup: directory on the host with the old files and ``undo``.
        acted: whether anything on the host was, or may have been, changed.
    """

    diagnosis: Diagnosis
    done: list[str] = field(default_factory=list)
    renames: Mapping[str, str] = field(default_factory=dict)
    diff: str = ""
    places: tuple[Mention, ...] = ()
    backup: str = ""
    acted: bool = False


def repair_inside(
    host: Host,
    *,
    macs: Sequence[str] | None,
    known: Mapping[str, str] | None,
    run: str,
    say: Callable[[str], None],
    begun: GuestRepair | None = None,
) -> GuestRepair:
    """Find out why a running host is not reachable, and repair what is certainly wrong.

    Args:
        host: a root shell on it, such as one over its console.
        macs: the MACs that its cluster has configured; None if unknown.
        known: name by MAC from before the reboot; None if nothing was noted.
        say: called with each line of the story as it happens.
        begun: gets what is found and done, and is returned; where an error ends the repair, it says how far it came.

    Raises:
        NicRepairError: a change did not work, and was undone, or did not come to its end.
        mxlib.base.errors.HostError: the shell failed.
        mxlib.base.errors.ParseError: the host's answers do not have their known form.
    """
    repair = begun or GuestRepair(Diagnosis(Outage.UNKNOWN, ""))
    facts = read_facts(host, (nic.SOURCE, nic.NOTE_SOURCE))
    cards = facts.get(nic.SOURCE)
    renames = work_out(cards, macs, known or facts.get(nic.NOTE_SOURCE))
    if renames.doubt:
        order = "Say which MAC had which name (--known MAC=NAME), or put" if renames.askable else "Put"
        steps = f"Nothing was changed. {order} it right by hand on the console."
        repair.diagnosis = Diagnosis(Outage.UNCERTAIN, renames.doubt, steps)
        return repair
    if renames.names:
        _renamed(host, cards, renames, run, say, repair)
        return repair
    # Names are assigned before anything else starts; the rest is judged once the boot has ended, well or not, or as it
    # stands where a job of it hangs: whatever the exit code is.
    host.read(f"# wait until it has booted\ntimeout {_BOOT_S} systemctl is-system-running --wait", timeout=_BOOT_S + 10)
    now = read_facts(host, (addresses.SOURCE, access.SOURCE))
    repair.diagnosis = from_inside(cards, now.get(addresses.SOURCE), now.get(access.SOURCE))
    _put_right(host, cards, repair, say)
    return repair


def _renamed(
    host: Host, cards: nic.NicFacts, renames: Renames, run: str, say: Callable[[str], None], repair: GuestRepair
) -> None:
    repair.renames = renames.names
    refused = advice.repair(cards, renames.names)
    if refused:
        changes = ", ".join(f"{old} is now {new}" for old, new in renames.names.items())
        steps = f"Nothing was changed: {refused}. Change it there by hand, on the console: {changes}."
        repair.diagnosis = Diagnosis(Outage.RENAMED, renames.why, steps)
        return
    repair.diagnosis = Diagnosis(Outage.RENAMED, renames.why)
    try:
        _rename(host, cards, repair, run, say)
    except (CommandFailedError, CommandTimeoutError) as error:
        where = f"written, copies in {repair.backup}" if repair.backup else "perhaps not written"
        why = f"{repair.diagnosis.why}; the repair came to no end, its files are {where}"
        raise NicRepairError(f"{why}: {error}") from None


def apply(host: Host, rewrite: Rewrite, run: str, why: str) -> str:
    """Write changed files, all or none; return the directory of the copies on the host (empty in a dry run).

    Raises:
        NicRepairError: a file has changed since it was read, or cannot be written.
        mxlib.base.errors.HostError: the host failed.
    """
    try:
        return parse_backup(host.act(write_script(rewrite.changed, run, why), timeout=30).output)
    except CommandFailedError as error:
        raise NicRepairError(f"the network configuration was not written: {error}") from None


def _note(repair: GuestRepair, say: Callable[[str], None], line: str) -> None:
    repair.done.append(line)
    say(line)


def _rename(host: Host, cards: nic.NicFacts, repair: GuestRepair, run: str, say: Callable[[str], None]) -> None:
    changes = ", ".join(f"{old} is now {new}" for old, new in repair.renames.items())
    _note(repair, say, f"{changes}: {repair.diagnosis.why}")
    rewrite = advice.rewritten(cards, repair.renames)
    other, repair.places = other_places(host, repair.renames, rewrite)
    rewrite = Rewrite(rewrite.before + other.before, rewrite.after + other.after)
    repair.diff, repair.acted = rewrite.diff(), True
    repair.backup = apply(host, rewrite, run, f"{changes}; run {run}")
    _note(repair, say, f"rewritten: {', '.join(new.path for _, new in rewrite.changed)}; copies in {repair.backup}")
    by_networkd = managed(cards).by is Manager.NETWORKD
    try:
        if by_networkd:
            _up_by_networkd(host, list(repair.renames.values()), repair, say)
        else:
            _up(host, rewrite.after, list(repair.renames.values()), repair, say)
    except CommandFailedError as error:
        said = _put_back(host, repair, say)
        if by_networkd:
            host.act("networkctl reload", timeout=_UNITS_S, ok_codes=(0, 1))
        raise NicRepairError(f"{error}; {said}") from None
    if not by_networkd:
        _clear(host, list(repair.renames), repair, say)


def _put_back(host: Host, repair: GuestRepair, say: Callable[[str], None]) -> str:
    """Undo the change of the files, and say what became of them: what was put back is no change to show."""
    if not repair.backup:
        return "nothing was written"
    undone = host.act(undo_script(repair.backup), timeout=30, ok_codes=(0, 1))
    whole = undone.exit_code == 0
    if whole:
        repair.diff, repair.places = "", ()
    _note(repair, say, f"the files were {'' if whole else 'not all '}put back: {one_line(undone.output)}")
    return repair.done[-1]


def other_places(host: Host, names: Mapping[str, str], rewrite: Rewrite) -> tuple[Rewrite, tuple[Mention, ...]]:
    """Rename kernel parameters of interfaces; also return every other line that names them, for a person.

    Args:
        names: old name to new name.
        rewrite: the network's configuration, whose uncertain lines are returned as well.

    Raises:
        mxlib.base.errors.HostError: the host failed.
    """
    places = parse_places(read_text(host, places_script(list(names)), timeout=20))
    certain = tuple(dict.fromkeys(place.path for place in places if is_sysctl(place, names)))
    before = tuple(_read_file(host, path) for path in certain)
    after = tuple(ConfigFile(file.path, rename_sysctl(file.text, names)) for file in before)
    own = {file.path for file in rewrite.before}
    left = tuple(place for place in places if not is_sysctl(place, names) and place.path not in own)
    return Rewrite(before, after), rewrite.uncertain + left


def _read_file(host: Host, path: str) -> ConfigFile:
    script = f"# read {path}\nreadlink -f {shlex.quote(path)} && base64 {shlex.quote(path)}"
    real, _, packed = read_text(host, script, timeout=10).partition("\n")
    return nic.decoded_file(real, packed)


def _up(
    host: Host, files: Sequence[ConfigFile], names: Sequence[str], repair: GuestRepair, say: Callable[[str], None]
) -> None:
    """Bring up the cards that have a stanza, and once more what is built on them, as it came up without them."""
    cards = [name for name in names if has_stanza(files, name)]
    above = list(dict.fromkeys(one for name in names for one in dependents(files, name)))
    quoted = " ".join(map(shlex.quote, [*cards, *above]))
    host.act(f"ifup --no-act {quoted}", timeout=_IFUP_S)
    if above:
        down = " ".join(map(shlex.quote, reversed(above)))
        host.act(f"ifdown --force {down}", timeout=_IFUP_S, ok_codes=(0, 1))
    host.act(f"ifup {quoted}", timeout=_IFUP_S)
    # if the kernel makes no VLAN or bond, ifup says "ignoring unknown interface" and succeeds (seen with 0.8.41)
    there = " ".join(shlex.quote(given(files).get(name, name)) for name in [*names, *above] if ":" not in name)
    lost = f'for i in {there}; do [ -e "/sys/class/net/$i" ] || echo "no interface $i after ifup"; done'
    missing = read_text(host, lost, timeout=10).strip()
    if missing:
        raise CommandFailedError(one_line(missing))
    _note(repair, say, f"ifup {quoted}: {_addresses(host, [*names, *above])}")


def _up_by_networkd(host: Host, names: Sequence[str], repair: GuestRepair, say: Callable[[str], None]) -> None:
    host.act(networkd.up_script(names, _ONLINE_S), timeout=_ONLINE_S + 15)
    _note(repair, say, f"networkctl reload, reconfigure {' '.join(names)}: {_addresses(host, names)}")


def _addresses(host: Host, names: Sequence[str]) -> str:
    shown = "; ".join(f"ip -br addr show dev {shlex.quote(name)}" for name in names)
    return one_line(host.read(shown, timeout=10).output)


def _clear(host: Host, names: Sequence[str], repair: GuestRepair, say: Callable[[str], None]) -> None:
    """Clear stale units of the old names, and restart networking.service if it failed; report its state."""
    stale = " ".join(shlex.quote(f"ifup@{name}.service") for name in names)
    script = (
        "# clear stale units of the old network names\n"
        f'for u in {stale}; do systemctl stop "$u"; systemctl reset-failed "$u"; done 2>/dev/null\n'
        "if systemctl is-failed --quiet networking.service; then\n"
        "systemctl reset-failed networking.service; systemctl start networking.service; fi\n"
        "systemctl is-active networking.service"
    )
    result = host.act(script, timeout=_UNITS_S, ok_codes=(0, 3))
    _note(repair, say, f"stale units of {', '.join(names)} cleared; networking.service is {one_line(result.output)}")


def _put_right(host: Host, cards: nic.NicFacts, repair: GuestRepair, say: Callable[[str], None]) -> None:
    cause = repair.diagnosis.cause
    _note(repair, say, f"{cause.value}: {repair.diagnosis.why}")
    repair.acted = cause in (Outage.NOT_UP, Outage.SSHD)
    if cause is Outage.NOT_UP:
        quoted = " ".join(map(shlex.quote, repair.diagnosis.interfaces))
        again = f"ifdown --force {quoted}; ifup {quoted}"
        if managed(cards).by is not Manager.IFUPDOWN:
            again = f"networkctl reload; networkctl reconfigure {quoted}"
        host.act(again, timeout=_IFUP_S, ok_codes=(0, 1))
        _note(repair, say, again)
    elif cause is Outage.SSHD:
        host.act("systemctl reset-failed ssh.service; systemctl restart ssh.service", timeout=_UNITS_S, ok_codes=(0, 1))
        asked = "systemctl is-active ssh.service; journalctl -u ssh -n 5 --no-pager -o cat"
        state = host.read(f"# read the state of ssh.service\n{asked}", timeout=15)
        _note(repair, say, f"ssh.service restarted: {one_line(state.output)}")
