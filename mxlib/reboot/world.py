"""What a step works with: what it is given, the few values a run changes, and the one way to write to the host."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mxlib.base import ids
from mxlib.base.errors import (
    CommandFailedError,
    CommandTimeoutError,
    InterruptedRunError,
    LockedError,
    MovedError,
    MxlibError,
    ParseError,
    StepError,
)
from mxlib.base.meter import Meter
from mxlib.base.text import one_line
from mxlib.base.verdict import Verdict
from mxlib.facts.section import build_script, split_output
from mxlib.facts.source import Facts, Source, sections_of
from mxlib.model.on_host import FENCED, RECORD, Basis, answer, refusal, transaction
from mxlib.model.record import Record
from mxlib.model.state import State, View
from mxlib.mta.find import find
from mxlib.mta.protocol import Mta
from mxlib.mta.standing import Standing, read_standing, source
from mxlib.protocols.host import CommandResult, Host
from mxlib.protocols.machine import Machine
from mxlib.protocols.operator import Prompt, Reply
from mxlib.protocols.service import AlertSource, NoAlerts, PoolState, ServiceSlot, Silencer
from mxlib.protocols.world import World
from mxlib.reboot.progress import Progress

NOW_S = 1.0
"""Seconds for which a look is as good as another one right before something irrevocable."""
LOOK_S = 50.0
"""Seconds for the look that follows an act, beyond those for the act."""


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
        silencer: sets silences for the alerts of the target.
        rescue: the machine from outside.
        alerts: what fires.
        asker: asks the operator; None: there is nobody, and the safe answer is taken.
        meter: what the round trips to the hosts cost.
        greets: whether an SSH server greets a new connection to the target within so many seconds.
        pools: the pool state of each other MX, by its name; without those that no pool is in front of.
    """

    slot: ServiceSlot
    pool: PoolState
    silencer: Silencer
    verifier: Verifier
    rescue: Machine
    alerts: AlertSource = field(default_factory=NoAlerts)
    asker: Prompt | None = None
    meter: Meter = field(default_factory=Meter)
    greets: Callable[[float], bool] = lambda _seconds: False
    pools: Mapping[str, PoolState] = field(default_factory=dict)


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

    @property
    def newest(self) -> int:
        """The newest fencing token on the host, as last seen; 0 where there is none, or the host has not answered."""
        basis, record = self.progress.basis, self.progress.record
        return 0 if basis is None else basis.newest(record)

    def view(self, standing: Standing) -> View:
        """Return what the planner sees of a look: closed are the mail ports only where all are that the site names."""
        return dataclasses.replace(standing.view, ports=standing.depool.ports_of(self.site.ports))

    def decide_on(self, standing: Standing) -> None:
        """Take a look at the host as what the next acts are decided on, until the next look is.

        Raises:
            mxlib.base.errors.ParseError: the record is of another host.
        """
        record = standing.depool.record
        if record is not None and record.host not in ("", self.target.name):
            raise ParseError(
                f"{RECORD} on {self.target.name} is of {record.host}, as on a cloned disk. Look who has taken this host"
                f" out; if nobody has: rm {RECORD}, then look at its ports and its MTA"
            )
        kept = standing.depool.kept
        self.progress.basis = Basis(standing.view.boot, kept)
        if self.progress.unwritten != kept:
            # whoever has written since has not seen what was noted
            self.progress.unwritten, self.progress.record = None, record

    def fresh_look(self, within_s: float) -> Standing | None:
        """Return the newest look at the host, if it is not older than so many seconds."""
        look = self.progress.look
        return look[0] if look is not None and self.clock.monotonic() - look[1] <= within_s else None

    def standing_now(self) -> Standing:
        """Return where the host stands now: a look of just now, with the answer to our own act, needs no other.

        Raises:
            mxlib.base.errors.HostError: it does not answer.
        """
        return self._just_looked() or read_standing(self.target, self.mta)

    def _just_looked(self) -> Standing | None:
        return self.fresh_look(NOW_S) if self.progress.just else None

    def still(self) -> None:
        """Check that the host is as it was when this was decided, before something is done elsewhere.

        Raises:
            mxlib.base.errors.MovedError: it has rebooted, or its record was changed.
            mxlib.base.errors.HostError: it does not answer.
        """
        if self._just_looked() is not None:
            return
        standing, basis = read_standing(self.target, self.mta), self._basis()
        if Basis(standing.view.boot, standing.depool.kept) != basis:
            raise MovedError(f"{self.target.name} has booted, or its record was changed; nothing was done")
        self.looked(standing)

    def looked(self, standing: Standing | None) -> None:
        """Keep a look at the host for the next decisions, which then need none of their own; None: they need one."""
        self.progress.look = None if standing is None else (standing, self.clock.monotonic())
        self.progress.just = True

    def act(
        self, script: str, *, record: Record | None = None, timeout: float = 30.0, look: bool = True
    ) -> CommandResult:
        """Change the target, where it is still as it was when that was decided; the record is written before the act.

        Arguments:
            script: what acts; POSIX sh under ``set -eu``; may be empty, to write only the record.
            record: the record to write; None writes what was noted, if anything was.
            timeout: seconds for the script.
            look: read in the same round trip where the host stands then; not where a later act or wait follows.

        Returns:
            What the script printed.

        Raises:
            mxlib.base.errors.MovedError: the host has rebooted, its record was changed, or another command is still at
                work there: nothing was done.
            mxlib.base.errors.FencedError: another operator has taken over; nothing was done.
            mxlib.base.errors.CommandFailedError: the script failed.
            mxlib.base.errors.HostError: there was no answer; whether it acted is not known.
        """
        basis, token, mark = self._basis(), self.adapters.slot.token, ids.mark()
        if record is None and self.progress.unwritten is not None:
            record = self.progress.record
        sections = sections_of([source(self.mta)]) if look else ()
        after = build_script(sections, mark) if look else ""
        whole = transaction(script, basis, token, mark, record=record, look=after)
        self.progress.basis = self.progress.look = None
        result = self.target.act(whole, timeout=timeout + (LOOK_S if look else 0.0), ok_codes=(0, FENCED))
        if result.exit_code == FENCED:
            self.progress.basis = basis
            raise self._refused(result.output)
        found = answer(result.output, mark)
        if found is None:
            raise CommandTimeoutError(f"{self.target.name}: the answer ends early; whether it acted is not known")
        self.progress.basis = basis.after(token, record)
        if record is not None:
            self.progress.unwritten, self.progress.record = None, record
        if look:
            looked = split_output(dataclasses.replace(result, output=found.look), sections, mark)
            self.keep_look(Facts(self.target.name, result.started, looked))
        if found.code:
            said = one_line(found.output) or one_line(script, 80)
            raise CommandFailedError(f"{self.target.name}: exit code {found.code}: {said}")
        return dataclasses.replace(result, output=found.output)

    def _basis(self) -> Basis:
        if self.progress.basis is None:
            raise MovedError(f"{self.target.name}: the last act was not answered: it is looked at before the next one")
        self.progress.basis.check(self.adapters.slot.token, self.progress.record)
        return self.progress.basis

    def _refused(self, printed: str) -> MovedError:
        what, found = refusal(printed)
        if what == "busy":
            return LockedError(f"{self.target.name}: another command is still at work there; nothing was done")
        changed = f"has booted meanwhile, into {one_line(found)}" if what == "boot" else "has a changed record or token"
        return MovedError(f"{self.target.name} {changed}; nothing was done")

    def keep_look(self, facts: Facts) -> None:
        """Keep where the host stands, as read together with something else, for the next decision."""
        try:
            self.looked(facts.get(source(self.mta)))
        except ParseError:
            self.looked(None)  # the next decision looks itself

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
        if record != self.progress.record or self.progress.unwritten is not None:
            self.act("", record=record)

    def note(self, record: Record) -> None:
        """Note a record that the next act writes before it acts, so that whatever is done has its grounds on disk.

        Only for what may be lost with this process, as it is then done or found again.

        Raises:
            mxlib.base.errors.MovedError: the host has to be looked at first.
        """
        if record != self.progress.record:
            self.progress.unwritten = self.progress.unwritten or self._basis().kept
            self.progress.record = record

    def write_down(self) -> None:
        """Write what was only noted, where the record stays; if it cannot be written, say so."""
        if self.progress.unwritten is None or self.progress.record is None:
            return
        try:
            self.remember(self.progress.record)
        except (MxlibError, InterruptedRunError) as error:
            # a run that is over ends as it has, and leaves a request to stop to whoever began it
            self.operator.line(f"the end of the record was not written: {one_line(str(error))}")


def record_of(state: State) -> Record:
    """Return the run's record, for steps that are taken only where there is one.

    Raises:
        mxlib.base.errors.StepError: there is none.
    """
    if state.record is None:
        raise StepError("the run has no record on the host")
    return state.record
