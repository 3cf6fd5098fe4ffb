"""What refresh-aliases does: from the state of every generator on every MX to the repairs, in order. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mxlib.aliases.judge import AliasState
from mxlib.checks.aliases import Problem, Trouble, problems
from mxlib.config.aliases import AliasGenerator

_A_RUN_HELPS = frozenset(Trouble) - {Trouble.ABSENT, Trouble.TIMER}


@dataclass(frozen=True)
class Repair:
    """One generator run again on one host.

    Attributes:
        host: where.
        generator: which.
        why: what is wrong, a clause each.
        hangs: a run is stuck: it is looked into, then ended.
        harmed: known addresses are refused now, as the file is not whole.
        arm: the timer is enabled and not armed: it is started.
        donor: the MX whose whole file serves until a run here ended well; empty where there is none.
    """

    host: str
    generator: AliasGenerator
    why: tuple[str, ...]
    hangs: bool = False
    harmed: bool = False
    arm: bool = False
    donor: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Host and generator: a repair is done once."""
        return self.host, self.generator.name


def plan(
    states: Sequence[AliasState],
    hosts: Collection[str],
    refused: Mapping[str, Collection[str]],
    done: Collection[tuple[str, str]] = (),
) -> tuple[Repair, ...]:
    """Decide what to do; the same states always give the same plan, and healthy ones an empty one.

    Arguments:
        states: each generator on every MX.
        hosts: MXs that may be changed.
        refused: addresses the operator asked about that an MX refuses, by its name.
        done: host and generator of repairs that were done already; none is done twice.

    Returns:
        The repairs, one after the other: first where mail is refused now, then what hangs.
    """
    pairs = [(state, host) for state in states for host in sorted(hosts)]
    wanted = [
        repair
        for state, host in pairs
        if host in state.facts and (repair := _repair(state, host, refused.get(host, ()))) and repair.key not in done
    ]
    return tuple(sorted(wanted, key=lambda one: (not one.harmed, not one.hangs, one.host, one.generator.name)))


def _repair(state: AliasState, host: str, refused: Collection[str]) -> Repair | None:
    found = problems(state.generator, state.facts[host])
    why = tuple(_reasons(state, host, found, refused))
    if not why:
        return None
    return Repair(
        host=host,
        generator=state.generator,
        why=why,
        hangs=any(one.trouble is Trouble.STUCK for one in found),
        harmed=state.harmed(host),
        arm=_can_be_armed(state, host),
        donor=_donor(state, host),
    )


def _donor(state: AliasState, host: str) -> str:
    """The MX whose file serves on a host meanwhile; none that knows far less than the broken file there still does."""
    reference = state.reference
    if reference is None or not state.harmed(host):
        return ""
    return "" if state.is_far_below(state.entry_count(reference), state.entry_count(host)) else reference


def _reasons(state: AliasState, host: str, found: Sequence[Problem], refused: Collection[str]) -> Iterator[str]:
    """Why a run is wanted; nothing for a host where the unit is not there."""
    if any(one.trouble is Trouble.ABSENT for one in found):
        return
    yield from (one.why for one in found if one.trouble in _A_RUN_HELPS)
    if _can_be_armed(state, host):
        yield from (one.why for one in found if one.trouble is Trouble.TIMER)
    reference = state.reference
    if far := state.far_from_fullest(host):
        yield far
    elif reference and state.digest(host) not in (None, state.digest(reference)):
        yield f"its file differs from that of {reference}, which counts"
    yield from (f"{address} is refused here" for address in sorted(refused))


def _can_be_armed(state: AliasState, host: str) -> bool:
    """Whether the timer is meant to run and does not; one that somebody has disabled is theirs to enable."""
    timer = state.facts[host].timer
    return timer is not None and timer.load == "loaded" and timer.file_state == "enabled" and timer.active != "active"


def concerned(looks: Sequence[Sequence[AliasState]], asked: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses that some MX answered wrongly, or may have.

    Arguments:
        looks: each generator on every MX, before, between and after the repairs.
        asked: addresses the operator named.

    Returns:
        The targets of each address, as far as the files that were read have them.
    """
    states = [state for look in looks for state in look]
    addresses = dict.fromkeys((*asked, *(address for state in states for address in state.differing)))
    return {address: tuple(dict.fromkeys(_targets(states, address.lower()))) for address in addresses}


def _targets(states: Sequence[AliasState], address: str) -> Iterator[str]:
    for state in states:
        for entries in state.entries.values():
            yield from (one for one in map(str.strip, entries.get(address, "").split(",")) if "@" in one)
