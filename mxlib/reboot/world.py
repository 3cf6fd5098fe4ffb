"""What a step works with: the world as given, the few values a run changes, and the one way to write to the host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mxlib.base.errors import FencedError, StepError
from mxlib.base.meter import Meter
from mxlib.base.verdict import Verdict
from mxlib.facts.source import Facts, Source
from mxlib.model.goal import Goal
from mxlib.model.on_host import FENCED, fenced
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import State, Step, Waited
from mxlib.mta.find import find
from mxlib.mta.protocol import Mta
from mxlib.mta.standing import Standing
from mxlib.protocols.host import CommandResult, Host
from mxlib.protocols.machine import Machine
from mxlib.protocols.operator import Prompt, Reply
from mxlib.protocols.service import AlertSource, NoAlerts, PoolState, ServiceSlot, Silencer
from mxlib.protocols.world import World


class Verifier(Protocol):
    """What proves that a host is well."""

    def condition(self, host: Host) -> tuple[Verdict, ...]:
        """Judge the host itself, read only: units, firewall, conntrack, addresses, disk, clock."""

    def sources(self) -> tuple[Source[Any], ...]:
        """Return what :meth:`judged` and :meth:`known_bad` have to know, to be read together with something else."""

    def judged(self, facts: Facts) -> tuple[Verdict, ...]:
        """Judge the same as :meth:`condition`, from facts that are known."""

    def known_bad(self, facts: Facts, release: str) -> Verdict:
        """Judge whether an installed kernel is known to be bad under what holds on its host."""

    def outbound(self, host: Host) -> tuple[Verdict, ...]:
        """Send test mails through the host's MTA, also while it is held."""

    def inbound(self, host: Host) -> tuple[Verdict, ...]:
        """Hold SMTP sessions from here, from the prober's source ports."""


@dataclass(frozen=True)
class Adapters:
    """The world around the target.

    Attributes:
        slot: the slot of the service.
        pool: the pool state of the target.
        silencer: alerts of the target.
        rescue: the machine from outside.
        alerts: what fires.
        asker: who is asked; None: nobody, the safe answer is taken.
        meter: what the round trips to the hosts cost.
    """

    slot: ServiceSlot
    pool: PoolState
    silencer: Silencer
    verifier: Verifier
    rescue: Machine
    alerts: AlertSource = field(default_factory=NoAlerts)
    asker: Prompt | None = None
    meter: Meter = field(default_factory=Meter)


@dataclass
class Progress:
    """What a run changes as it goes; all else it remembers is on the host.

    Attributes:
        goal: what the run is after; turns back when it has to.
        guard: whether the guard has passed; None: not asked yet.
        released: how the run ended, once its record is gone.
        accepted: names of findings that the operator has accepted so far.
        asked: what was asked and not yet written down.
        record: the run's memory on the host as last read or written.
        facts: what the guard has read of the target, for the claim that follows it.
        standing: where the target stood when it was read last.
        waited: how the last wait for a boot ended.
        reordered: whether a reboot was ordered once more.
        lost: how many messages the ledger misses.
        turning: why the run turns back.
        cures: what was tried on a host that did not come back.
        diagnosis: why it did not come back, as far as that was found out.
        probed_s: seconds that the guard's test mails and sessions took.
    """

    goal: Goal
    guard: bool | None = None
    released: Outcome | None = None
    accepted: frozenset[str] = frozenset()
    asked: list[Reply] = field(default_factory=list)
    record: Record | None = None
    facts: Facts | None = None
    standing: Standing | None = None
    waited: Waited = Waited.NO
    reordered: bool = False
    lost: int = 0
    turning: str = ""
    cures: set[Step] = field(default_factory=set)
    diagnosis: str = ""
    probed_s: float = 0.0


@dataclass(frozen=True)
class RebootWorld(World):
    """What a run is given, with its adapters, and its own progress."""

    adapters: Adapters
    progress: Progress

    @property
    def mta(self) -> Mta:
        """The MTA of the site."""
        return find(self.site.mta)

    @property
    def accepted(self) -> frozenset[str]:
        """The names of all findings that the operator has accepted."""
        return self.options.accept | self.progress.accepted

    def act(self, script: str, *, record: Record | None = None, timeout: float = 30.0) -> CommandResult:
        """Change the target, behind the fence; the record is written before the act.

        Arguments:
            script: what acts; POSIX sh under ``set -eu``; may be empty, to write only the record.
            record: the memory to write; None leaves it.
            timeout: seconds.

        Raises:
            mxlib.base.errors.FencedError: another operator has taken over.
            mxlib.base.errors.HostError: it could not be done.
        """
        text = fenced(script, self.adapters.slot.token, record)
        result = self.target.act(text, timeout=timeout, ok_codes=(0, FENCED))
        if result.exit_code == FENCED:
            raise FencedError(f"{self.target.name}: {result.output.strip()}")
        if record is not None:
            self.progress.record = record
        return result

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> str:
        """Ask the operator; it is written down with the answer.

        Arguments:
            question: one sentence.
            answers: what each word does.
            safe: the word that is taken where nobody answers.

        Raises:
            mxlib.base.errors.InterruptedRunError: the run is to stop.
        """
        nobody = Reply(question, safe, answers[safe], "nobody to ask")
        asker = self.adapters.asker
        found = asker.ask(question, answers, safe) if asker is not None else nobody
        self.progress.asked.append(found)
        return found.answer

    def remember(self, record: Record) -> None:
        """Write the record and nothing else."""
        if record != self.progress.record:
            self.act("", record=record)


def record_of(state: State) -> Record:
    """Return the run's record, for steps that are taken only where there is one.

    Raises:
        mxlib.base.errors.StepError: there is none.
    """
    if state.record is None:
        raise StepError("the run has no record on the host")
    return state.record
