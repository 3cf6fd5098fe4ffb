"""The loop of a roll: read how all hosts stand, decide, reboot one host or watch, write that down, and again."""

import dataclasses
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mxlib.base.clock import Clock, wait_for
from mxlib.base.errors import InterruptedRunError, MxlibError, SlotError, SlotTakenError
from mxlib.base.journal import EventLog
from mxlib.base.text import duration, one_line
from mxlib.base.windows import Window, closing
from mxlib.model.outcome import Outcome
from mxlib.protocols.operator import Operator
from mxlib.roll.plan import decide
from mxlib.roll.protocols import Fleet, Memory, RollSlot
from mxlib.roll.soak import SoakState
from mxlib.roll.state import (
    REMEMBERED,
    TOLERABLE,
    Decision,
    Failure,
    Finish,
    RollGoal,
    RollState,
    Seen,
    Soak,
    Take,
    end_of,
)

_WRITE_S, _EVERY_S = 60.0, 10.0
"""For how long, and how often, a roll that has ended still tries to write down what has failed."""


@dataclass(frozen=True)
class Limits:
    """What bounds a roll beside its goal.

    Attributes:
        windows: when hosts may be begun; none: always.
        soak_s: the least a soak takes.
        slack: by how much the expected time of a host is multiplied before it has to fit.
    """

    windows: tuple[Window, ...] = ()
    soak_s: float = 0.0
    slack: float = 1.5


class Roll:
    """One run of a roll."""

    def __init__(
        self,
        fleet: Fleet,
        memory: Memory,
        slot: RollSlot,
        goal: RollGoal,
        limits: Limits,
        *,
        wanted: Sequence[str],
        again: bool = False,
        run: str,
        journal: EventLog,
        clock: Clock,
        operator: Operator,
    ):
        """Begin nothing yet.

        Arguments:
            wanted: names of the hosts of the roll; the other MXs only count.
            again: forget which hosts have failed with the kernel, once this run has the right to roll.
            run: id of this run.
        """
        self._fleet, self._memory, self._slot = fleet, memory, slot
        self._goal, self._limits, self._wanted = goal, limits, frozenset(wanted)
        self._run, self._journal, self._clock, self._operator = run, journal, clock, operator
        self._again = again
        self._failed: dict[str, Failure] = {}
        self._unwritten: dict[str, dict[str, Failure]] = {}
        """What has failed and etcd has not taken yet, by kernel."""
        self._untaken = ""
        """Why it has not."""
        self._soaked: frozenset[str] = frozenset()
        self._taken: set[Take] = set()

    def execute(self) -> Finish:
        """Roll the kernel out, as far as it is safe and the window lasts, and return how that ended."""
        if self._left() == 0.0:
            # before anything is asked of anybody
            return self._finish(Finish(Outcome.OUTSIDE, "no window is open now"))
        try:
            self._slot.take()
        except SlotTakenError as error:
            return self._finish(Finish(Outcome.TAKEN, str(error)))
        except SlotError as error:
            return self._finish(Finish(Outcome.BLOCKED, f"whether another roll is under way is unknown: {error}"))
        try:
            return self._finish(self._remembered(self._until_the_end()))
        finally:
            self._give_up()

    def _until_the_end(self) -> Finish:
        try:
            while (end := self._once()) is None:
                pass
        except InterruptedRunError as error:
            return Finish(Outcome.INTERRUPTED, f"stopped by {error}")
        except MxlibError as error:
            return Finish(Outcome.BLOCKED, f"how the hosts stand is unknown: {one_line(str(error), 400)}")
        return end

    def _once(self) -> Finish | None:
        if said := self._fleet.at_work():
            return Finish(Outcome.TAKEN if not self._taken else Outcome.INTERRUPTED, said)
        if self._again:
            self._memory.remember(self._goal.kernel, {})
            self._again = False
        if self._unwritten:
            self._keep()
        decision = self.decision(self.state())
        if not self._slot.mine():
            return Finish(Outcome.INTERRUPTED, "whether this roll still has the right to roll is unknown")
        if isinstance(decision, Take):
            return self._take(decision)
        return self._watch(decision) if isinstance(decision, Soak) else self._finished(decision)

    def state(self) -> RollState:
        """Read where things stand now.

        Raises:
            mxlib.base.errors.MxlibError: that cannot be read.
        """
        hosts = self._fleet.look()
        self._journal.write("seen", hosts=[{**dataclasses.asdict(one), "stand": one.stand.value} for one in hosts])
        self._failed = {**self._memory.failed(self._goal.kernel), **self._failed}
        return RollState(
            hosts=hosts,
            wanted=self._wanted,
            failed={**self._left_by_others(hosts), **self._failed},
            soaked=self._soaked,
            left_s=self._left(),
            soak_s=self._limits.soak_s,
            slack=self._limits.slack,
            blockers=self._fleet.blockers(),
            changed=bool(self._taken),
            resumed=frozenset(one.host for one in self._taken if one.resume),
        )

    def _left_by_others(self, hosts: Sequence[Seen]) -> dict[str, Failure]:
        """Return the failures for which a person has to look at a host that the run of another kernel has left out."""
        found = {}
        for one in hosts:
            if one.target in ("", self._goal.kernel):
                continue
            bad = self._memory.failed(one.target).get(one.host)
            if bad is not None and bad.outcome not in TOLERABLE | {Outcome.UNPROVEN}:
                found[one.host] = dataclasses.replace(bad, why=self._named(one.target, bad.why))
        return found

    def _named(self, kernel: str, why: str) -> str:
        """Return why a kernel has failed, and which one, where it is not that of the roll."""
        return why if kernel == self._goal.kernel else f"{kernel} was on trial there: {why}"

    def decision(self, state: RollState) -> Decision:
        """Return what is done next."""
        return decide(self._goal, state)

    def _left(self) -> float | None:
        """Seconds until the window closes; None: it never does."""
        if not self._limits.windows:
            return None
        now = self._clock.now()
        end = closing(self._limits.windows, now)
        return 0.0 if end is None else (end - now).total_seconds()

    # --- acting

    def _take(self, take: Take) -> Finish | None:
        if take in self._taken:
            return Finish(Outcome.BLOCKED, f"{take.host} was rebooted in this run, and still is not done")
        self._taken.add(take)
        self._journal.write("take", host=take.host, resume=take.resume)
        self._operator.line(f"--- {take.host}: {'resuming what an earlier run left' if take.resume else 'next'}")
        end = self._fleet.reboot(take.host, resume=take.resume)
        kernel = end.kernel or self._goal.kernel
        why = self._named(kernel, end.why)
        self._journal.write("host", **{**dataclasses.asdict(end), "outcome": end.outcome.name, "why": why})
        self._operator.line(f"--- {take.host}: {end.outcome.phrase} ({duration(end.seconds)})")
        self._soaked -= {take.host}
        if end.outcome is Outcome.DONE:
            return None
        self._note(kernel, (end.host,), end.outcome, end.why, silent=end.silent)
        # how many may fail is said of the kernel of the roll: a failure of another one a person should hear of
        goes_on = end.outcome in TOLERABLE and kernel == self._goal.kernel
        return None if goes_on else Finish(end_of(end.outcome), f"{end.host}: {why}")

    def _note(self, kernel: str, hosts: Sequence[str], outcome: Outcome, why: str, *, silent: bool = False) -> None:
        """Remember a failure of hosts or their kernel; a refusal or a signal is none, a host that stays silent is."""
        lasting = silent or outcome in REMEMBERED
        if not lasting and outcome not in TOLERABLE:
            return
        at = self._clock.now().isoformat(timespec="seconds")
        found = dict.fromkeys(hosts, Failure(outcome, why, at, self._run))
        if kernel == self._goal.kernel:
            self._failed.update(found)
        if lasting:
            self._unwritten.setdefault(kernel, {}).update(found)
            self._keep()

    def _keep(self) -> bool:
        """Write down what has failed, and return whether etcd has taken it; where it has not, that is tried again."""
        for kernel, found in tuple(self._unwritten.items()):
            try:
                self._memory.remember(kernel, {**self._memory.failed(kernel), **found})
            except SlotError as error:
                self._untaken = str(error)
                self._operator.line(f"later runs do not know yet what has failed: {error}")
            else:
                del self._unwritten[kernel]
        return not self._unwritten

    def _remembered(self, finish: Finish) -> Finish:
        """Write down what etcd has not taken yet; where it is lost, the end says so and what to do about it."""
        if not self._unwritten:
            return finish
        with suppress(InterruptedRunError):
            wait_for(self._keep, deadline_s=_WRITE_S, every_s=_EVERY_S, clock=self._clock)
        if not self._unwritten:
            return finish
        for kernel, found in self._unwritten.items():
            self._journal.write("forgotten", kernel=kernel, hosts=sorted(found), why=self._untaken)
        failed = " and ".join(f"{kernel} has failed on {', '.join(found)}" for kernel, found in self._unwritten.items())
        # the act first: the subject of a mail is short
        lost = (
            f"STOP mx-roll-kernel.timer on every management host: etcd ({self._untaken}) has not taken that"
            f" {failed}, and the next run would go on as if it had not"
        )
        return dataclasses.replace(finish, why=f"{lost}; {finish.why}")

    def _watch(self, soak: Soak) -> Finish | None:
        self._operator.line(f"--- soak: {', '.join(soak.hosts)} under real mail")
        begin = self._clock.monotonic()
        proof, why = self._fleet.soak(soak.hosts, self._left())
        seconds = self._clock.monotonic() - begin
        self._journal.write("soak", hosts=soak.hosts, proof=proof.value, why=why, seconds=seconds)
        self._operator.line(f"--- soak {proof.value}: {why}")
        if proof is SoakState.PASSED:
            self._soaked |= frozenset(soak.hosts)
            return None
        if proof is SoakState.WAIT:
            return Finish(Outcome.PAUSED, f"the window closes before the soak has ended: {why}")
        if proof is SoakState.FAILED:
            self._note(self._goal.kernel, soak.hosts, Outcome.UNPROVEN, why)
        else:
            why = f"{why}; the next run makes this soak again"
        return Finish(Outcome.UNPROVEN, f"{', '.join(soak.hosts)}: {why}")

    # --- ending

    def _finished(self, finish: Finish) -> Finish:
        """Forget what has failed on the way of a roll that is done, of its own hosts."""
        if finish.end is Outcome.DONE and self._failed.keys() & self._wanted:
            lasting = {host: one for host, one in self._failed.items() if one.outcome is not Outcome.UNDONE}
            others = {host: one for host, one in lasting.items() if host not in self._wanted}
            try:
                self._memory.remember(self._goal.kernel, others)
            except SlotError as error:
                self._operator.line(f"what has failed on the way is not forgotten: {error}")
        return finish

    def _finish(self, finish: Finish) -> Finish:
        self._journal.write("end", end=finish.end.name, why=finish.why, code=finish.end.value, again=finish.again)
        return finish

    def _give_up(self) -> None:
        try:
            self._slot.release()
        except SlotError as error:
            self._operator.line(f"the right to roll was not given up, it expires by itself: {error}")
