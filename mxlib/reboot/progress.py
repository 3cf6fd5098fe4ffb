"""What a run changes as it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mxlib.base.parallel import UnderWay
from mxlib.base.verdict import Verdict
from mxlib.facts.source import Facts
from mxlib.model.goal import Goal
from mxlib.model.on_host import Basis, Kept
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import Step, Waited
from mxlib.mta.standing import Standing
from mxlib.protocols.operator import Reply


@dataclass
class Progress:
    """What a run changes as it goes; all else it remembers is on the host.

    Attributes:
        goal: what the run is after; turns back when it has to.
        guard: whether the guard has passed; None: not asked yet.
        blocks: names of the checks for which it has not.
        released: how the run ended, once its record is gone.
        accepted: names of findings that the operator has accepted so far.
        asked: what was asked and not yet written down.
        record: the run's record on the host, as last read or written.
        basis: what the next act is decided on; None: the host has to be looked at first.
        blind: whether the slot was taken before the host had answered, so that its newest token was not known.
        unwritten: the run's files on the host, where the record has notes that are not in them yet; None: it has none.
        look: the newest look at the host, and when it was taken (monotonic seconds); None where something has happened
            since.
        just: whether the run has done nothing since that look.
        facts: what the guard has read of the target, for the claim that follows it.
        condition: what the repair has read of the target where there was nothing to repair, for the verification that
            follows it, and when that was (monotonic seconds).
        others: the questions to the other MXs whether they serve, by name, under way since before the reboot order, and
            when they were asked (monotonic seconds).
        heard: when the other MXs were asked of whom there were enough (monotonic seconds); None: there were not.
        standing: where the target stood when it was read last.
        greeted: whether its SSH server greeted a connection from here right before the reboot order: once it does not,
            the host is down. By some sites' networks only ssh with its own options reaches it.
        waited: how the last wait for a boot ended.
        reordered: whether a reboot was ordered once more.
        lost: how many messages the ledger misses.
        turning: why the run turns back.
        cures: what was tried on a host that did not come back.
        diagnosis: why it did not come back, as far as that was found out.
        probed_s: seconds that the guard's test mails and sessions took.
        changed: boot id of a host whose configuration an act has found changed, and what has; None: none has.
        silenced_again: silences that were set in place of one of the record that has expired, by its id; they are not
            in the record, and expire where this process dies.
        doubts: how often a proof was dropped.
    """

    goal: Goal
    guard: bool | None = None
    blocks: tuple[str, ...] = ()
    released: Outcome | None = None
    accepted: frozenset[str] = frozenset()
    asked: list[Reply] = field(default_factory=list)
    record: Record | None = None
    basis: Basis | None = None
    blind: bool = False
    unwritten: Kept | None = None
    look: tuple[Standing, float] | None = None
    just: bool = False
    facts: Facts | None = None
    condition: tuple[Facts, float] | None = None
    others: tuple[Mapping[str, UnderWay[Verdict]], float] | None = None
    heard: float | None = None
    standing: Standing | None = None
    greeted: bool = False
    waited: Waited = Waited.NO
    reordered: bool = False
    lost: int = 0
    turning: str = ""
    cures: set[Step] = field(default_factory=set)
    diagnosis: str = ""
    probed_s: float = 0.0
    changed: tuple[str, str] | None = None
    silenced_again: dict[str, tuple[str, ...]] = field(default_factory=dict)
    doubts: int = 0
