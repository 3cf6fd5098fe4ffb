"""Faults that are on before a run begins, and off after it is judged: of its kernel, its next boot, its console."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from lab import lifecycle
from lab.faults import catalogue
from lab.faults.fault import shell
from lab.lifecycle import Stations
from lab.place import Exchanger
from lab.shell import LabError
from lab.world import worlds


@dataclass(frozen=True)
class FaultBefore:
    """One fault that a run begins with, and what the run has to come to.

    Attributes:
        name: of the fault in the catalogue, and as in ``mxlab campaign --only NAME``.
        summary: one line.
        codes: how a run may end to which nothing else happens.
        named: what such a run says of it.
        falls_back: its new kernel can never serve: the earlier one does in the end, whatever else happens.
        level: of the reboot, where only one brings it out.
        words: options without which the guard would refuse.
        alone: nothing else happens in its run: without the run nobody could reach the host.
        starts: unit that is started again, so that only the boot is concerned.
    """

    name: str
    summary: str
    codes: tuple[int, ...]
    named: str = ""
    falls_back: bool = False
    level: str = ""
    words: tuple[str, ...] = ()
    alone: bool = False
    starts: str = ""


_DONE, _REFUSED, _FELL_BACK, _NO_ANSWER, _INCONCLUSIVE = 0, 10, 12, 16, 21

BEFORE: Mapping[str, FaultBefore] = MappingProxyType({
    one.name: one
    for one in (
        FaultBefore(
            # inconclusive: a peer on a busy machine may fail the same test mail, so that nothing blames the kernel
            "bad-kernel", "the new kernel loses large outgoing mail", (_FELL_BACK, _INCONCLUSIVE), falls_back=True
        ),
        FaultBefore("kernel-panic", "the new kernel panics early in its boot", (_FELL_BACK,), falls_back=True),
        FaultBefore("kernel-hang", "the boot of the new kernel never ends", (_FELL_BACK,), falls_back=True),
        FaultBefore(
            "nic-renumber", "a cold start renames the network card: to be repaired over the console", (_DONE,),
            level="cold", words=("--accept", "nic-forecast"), alone=True,
        ),
        FaultBefore(
            "second-disk", "a new disk moves the network card at a cold start: to be prevented", (_DONE,),
            level="cold", words=("--prevention", "stanzas"), alone=True,
        ),
        FaultBefore("dead-spamd", "the mail filter's first start after a boot fails", (_DONE,), starts="spamd"),
        FaultBefore("no-ferm", "the firewall's first start after a boot fails", (_DONE,), starts="@firewall@"),
        FaultBefore(
            "console-password", "root has another password: to be refused", (_REFUSED,), "login was refused", alone=True
        ),
        FaultBefore(
            "console-busy", "somebody else holds the console: to be refused", (_REFUSED,),
            "somebody else holds its console", alone=True,
        ),
    )
})  # fmt: skip


def listing() -> dict[str, str]:
    """Return what each is, by name."""
    return {one.name: f"{one.summary} (before the run)" for one in BEFORE.values()}


def put_on(place: Stations, mx: Exchanger, kernel: str, name: str) -> None:
    """Put a fault on; it is in the catalogue's memory until :func:`take_off`.

    Raises:
        LabError: it could not be put on, or takes no effect in this world; it is off again.
    """
    goal = catalogue.target(place, mx, kernel)
    try:
        catalogue.apply(goal, catalogue.find(name))
        if unit := BEFORE[name].starts:
            shell(f"systemctl reset-failed {unit}.service || true; systemctl start {unit}.service")(goal)
    except LabError:
        take_off(place, mx, kernel, name)
        raise


def take_off(place: Stations, mx: Exchanger, kernel: str, name: str) -> None:
    """Take a fault off; the host may be started anew for that."""
    catalogue.undo(catalogue.target(place, mx, kernel), catalogue.find(name))


def wrong_end(
    happened: Sequence[str], code: int | None, said: str, earlier: str | None, found: str | None
) -> list[str]:
    """Return how a run with a fault before it did not end as it has to.

    Arguments:
        happened: names of everything that happened.
        code: exit code of the cookbook.
        said: everything that was printed.
        earlier: the release that ran before it.
        found: the one that runs in the end, when the operator has done what he was told; None: the host is silent.
    """
    wrong = []
    for one in (BEFORE[name] for name in happened if name in BEFORE):
        if one.falls_back and found != earlier:
            wrong.append(f"with {one.name} {earlier} has to run in the end, not {found}")
        if list(happened) != [one.name] or not tried(happened, code):
            continue
        if code not in one.codes:
            expected = " or ".join(map(str, one.codes))
            wrong.append(f"with {one.name} alone exit code {expected} is expected, not {code}")
        if one.named not in said:
            wrong.append(f"nothing said {one.named!r}")
    return wrong


def tried(happened: Sequence[str], code: int | None) -> list[str]:
    """Return what of it was really tried: a run that was refused before it begins has not met its kernel or its boot.

    One that the host did not answer at all, as a busy one may, has met nothing.

    Arguments:
        happened: names of everything that happened.
        code: exit code of the cookbook.
    """
    unmet = {name for name, one in BEFORE.items() if code == _NO_ANSWER or (code == _REFUSED and code not in one.codes)}
    met = [one for one in happened if one not in unmet]
    return met if len(happened) == 1 else list(happened)


def still_down(place: Stations, mx: Exchanger, happened: Iterable[str]) -> list[str]:
    """Return which unit the run was to start again after the boot, and did not."""
    units = [BEFORE[name].starts for name in happened if name in BEFORE and BEFORE[name].starts]
    firewall = worlds.of(place.lab, mx).firewall
    names = [unit.replace("@firewall@", firewall) for unit in units]
    return [
        f"{name}.service does not run in the end"
        for name in names
        if lifecycle.ssh(place, mx, f"systemctl is-active -q {name}.service", timeout=60).returncode
    ]
