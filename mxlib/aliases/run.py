"""The loop of refresh-aliases: look at every MX, repair one generator at a time, look again, tidy up, report."""

from collections.abc import Callable
from typing import TypeVar

from mxlib.aliases.aftermath import Aftermath
from mxlib.aliases.found import Found, HungRun, RefreshWorld, Wanted
from mxlib.aliases.judge import AliasState, answers_of
from mxlib.aliases.look import AliasLook, look
from mxlib.aliases.plan import Repair, concerned, plan
from mxlib.aliases.report import describe, rehearse, verdicts
from mxlib.aliases.rerun import Ending, RunResult, donation_of, rerun
from mxlib.aliases.start_timeout import apply_pin, plan_pin
from mxlib.base.errors import HostError, HostUnreachableError, MxlibError, ParseError
from mxlib.base.parallel import with_progress
from mxlib.base.text import duration, one_line
from mxlib.base.verdict import Status
from mxlib.config.aliases import AliasGenerator
from mxlib.facts import alias_hang
from mxlib.facts.source import read_facts
from mxlib.model.outcome import Outcome
from mxlib.protocols.host import Host

T = TypeVar("T")
_SAID = {
    Ending.FAILED: "the run failed",
    Ending.REJECTED: "the file it wrote is cut short, malformed or below its floor, and was not left in place",
}
_PASSES = 3
"""The first mends what is stale; the next what now differs from it; the last finds nothing left."""


class Refresh:
    """One run."""

    def __init__(self, world: RefreshWorld, wanted: Wanted) -> None:
        """Touch nothing yet."""
        self._world = world
        self._wanted = wanted
        self._say = world.operator.line
        self._nobody = False
        self.found = Found()

    def execute(self) -> Outcome:
        """Do it; an error of a host leaves what concerns it unknown, and keeps nothing else from being done."""
        if self._wanted.unpin:
            self._nobody = not self._pins(seconds=False)
            return self._exit()
        planned = self._look()
        self._nobody = all(name in state.silent for state in self._states for name in self._wanted.targets)
        if not planned:
            self._say(self._no_run())
        if self._wanted.check or self._world.dry_run:
            return self._rehearse(planned)
        self._repair_all(planned)
        aftermath = Aftermath(self._world, self._wanted, self.found)
        if not self._nobody:
            aftermath.forget()
        aftermath.list_refusals()
        if self._wanted.pin and not self._nobody:
            self._pins(seconds=True)
        return self._judge()

    def _no_run(self) -> str:
        """Say that no generator needs a run, as far as that is known."""
        targets = self._wanted.targets
        unread = [name for name in targets if any(name in state.unread for state in self._states)]
        if not unread:
            return "no generator needs a run"
        read = ", ".join(name for name in targets if name not in unread)
        known = f"; none does on {read}" if read else ""
        return f"whether a generator needs a run on {', '.join(unread)} is not known{known}"

    @property
    def _states(self) -> tuple[AliasState, ...]:
        """Each generator, as last seen."""
        return self.found.looks[-1].states

    # --- looking

    def _look(self) -> tuple[Repair, ...]:
        """Look at every MX from inside and outside, say what is wrong, and decide."""
        known = tuple(concerned(self.found.states, self._wanted.addresses)) if self.found.looks else ()
        asked = tuple(dict.fromkeys((*self._wanted.addresses, *known)))
        world = self._world
        seen = look(tuple(world.hosts.values()), world.generators, {}, world.probes, world.policy, asked)
        self.found.looks.append(seen)
        lines = describe(seen, tuple(world.hosts), warned=len(self.found.looks) > 1)
        for line in lines:
            self._say(line)
        self._world.journal.write("look", lines=lines)
        return plan(seen.states, self._wanted.targets, self._refused(seen), self.found.endings)

    def _refused(self, seen: AliasLook) -> dict[str, list[str]]:
        """Addresses the operator named that an MX refuses for good."""
        named = {address.lower() for address in self._wanted.addresses}
        return {
            host: [a for a, one in answers_of(result).items() if a.lower() in named and (one.code or 0) // 100 == 5]
            for host, result in seen.results.items()
        }

    def _rehearse(self, planned: tuple[Repair, ...]) -> Outcome:
        for repair in planned:
            for line in rehearse(repair, self._limit(repair.generator)):
                self._say(line)
        if self._wanted.pin:
            self._pins(seconds=True)
        Aftermath(self._world, self._wanted, self.found).list_refusals()
        self._note_what_is_left()
        return self._exit()

    # --- repairing

    def _repair_all(self, planned: tuple[Repair, ...]) -> None:
        for _ in range(_PASSES):
            if not planned:
                break
            for repair in planned:
                try:
                    self._repair(repair)
                except MxlibError as error:
                    self._note_error(repair, error)
            planned = self._look()

    def _note_error(self, repair: Repair, error: MxlibError) -> None:
        """Keep that it is not known how a run ended; nothing of what is known of the others gets lost."""
        self.found.endings.setdefault(repair.key, Ending.UNKNOWN)
        self._unknown(repair.host, repair.generator.unit, error)

    def _unknown(self, host: str, what: str, error: MxlibError) -> None:
        why = one_line(str(error).removeprefix(f"{host}: "))
        self._say(f"{host}: {what}: {why}")
        self._world.journal.write("unknown", host=host, what=what, why=why)
        self.found.unknown.append(f"{host}: {what}: {why}")

    def _repair(self, repair: Repair) -> None:
        if self._hopeless(repair):
            self._say(
                f"{repair.host}: {repair.generator.unit} is left alone: it has just hung elsewhere; its file serves"
            )
            self.found.endings[repair.key] = Ending.FAILED
            return
        host = self._world.hosts[repair.host]
        if repair.hangs:
            self._look_into(host, repair.generator)
        donation = self._donation(repair)
        limit = self._limit(repair.generator)
        self._say(
            f"{repair.host}: {'ends' if repair.hangs else 'runs'} {repair.generator.unit}"
            f"{' and runs it again' if repair.hangs else ''}, at most {duration(limit)}"
            f"{'' if repair.hangs else ', and as long for a run that is under way'}"
        )
        result = self._with_progress(
            lambda: rerun(host, repair, limit, donation), f"{repair.host}: {repair.generator.unit} runs"
        )
        self._note_run(repair, result)

    def _hopeless(self, repair: Repair) -> bool:
        """Whether a run would hang as on another host, where nothing is gained: a whole file serves here."""
        same = [end for (_, name), end in self.found.endings.items() if name == repair.generator.name]
        return Ending.HUNG in same and not repair.hangs and not repair.harmed

    def _look_into(self, host: Host, generator: AliasGenerator) -> None:
        """Why it hangs, before that is ended: nothing of it is left afterwards."""
        source = alias_hang.source(generator)
        try:
            self._note_hang(host.name, generator, read_facts(host, (source,)).get(source))
        except (HostError, ParseError) as error:
            self._say(f"{host.name}: why {generator.unit} hangs could not be read: {one_line(str(error))}")

    def _note_hang(self, host: str, generator: AliasGenerator, hang: alias_hang.Hang) -> None:
        self._say(f"{host}: why it hangs: {hang.why}")
        self.found.hung.append(HungRun(host, generator.unit, hang.why, hang.lines))
        self._world.journal.write("hang", host=host, unit=generator.unit, why=hang.why, lines=list(hang.lines))

    def _donation(self, repair: Repair) -> str:
        if not repair.donor:
            return ""
        try:
            return donation_of(self._world.hosts[repair.donor], repair.generator)
        except HostError as error:
            self._say(f"{repair.donor}: its file could not be read: {one_line(str(error))}")
            return ""

    def _note_run(self, repair: Repair, result: RunResult) -> None:
        self.found.endings[repair.key] = result.ending
        for line in result.said:
            self._say(f"{repair.host}: {line}")
        self._say(
            f"{repair.host}: {repair.generator.unit} {result.ending.value} after {result.seconds} s; "
            f"{result.entries if result.entries is not None else 'no whole file'} entries serve ({result.served})"
        )
        self._world.journal.write(
            "run", host=repair.host, unit=repair.generator.unit, why=list(repair.why), ending=result.ending.value,
            said=list(result.said), entries=result.entries, served=result.served, seconds=result.seconds,
        )  # fmt: skip
        if result.ending in _SAID:
            self.found.wrong.append(f"{repair.host}: {repair.generator.unit}: {_SAID[result.ending]}; see its journal")
        if result.hang:
            try:
                self._note_hang(repair.host, repair.generator, alias_hang.parse(result.hang))
            except ParseError as error:
                self._say(f"{repair.host}: why it hung again could not be read: {one_line(str(error))}")

    def _limit(self, generator: AliasGenerator) -> float:
        return self._wanted.limit or generator.bound

    def _with_progress(self, work: Callable[[], T], what: str) -> T:
        """Work in a thread while the operator sees that time passes."""
        clock, began = self._world.clock, self._world.clock.monotonic()

        def show() -> None:
            self._world.operator.live(f"{what}: {duration(clock.monotonic() - began)}")
            clock.sleep(0.5)

        return with_progress(work, show)

    def _pins(self, *, seconds: bool) -> bool:
        """Set or take away the start timeouts, each shown as a difference; return whether any host answered."""
        answered = False
        for name in self._wanted.targets:
            for generator in self._world.generators:
                try:
                    self._pin(self._world.hosts[name], generator, generator.start_timeout if seconds else None)
                except MxlibError as error:
                    self._unknown(name, f"start timeout of {generator.unit}", error)
                    answered |= not isinstance(error, HostUnreachableError)
                else:
                    answered = True
        return answered

    def _pin(self, host: Host, generator: AliasGenerator, seconds: int | None) -> None:
        if self.found.endings.get((host.name, generator.name)) in (Ending.HUNG, Ending.UNKNOWN):
            self._say(f"{host.name}: the start timeout of {generator.unit} is left as it is: a run of it may hang")
            return
        pin = plan_pin(host, generator, seconds)
        if not pin.diff:
            self._say(f"{host.name}: {pin.path}: nothing to change")
            return
        for line in pin.diff:
            self._say(f"{host.name}: | {line}")
        if self._wanted.check:
            return
        apply_pin(host, pin)
        self._world.journal.write("pin", host=host.name, path=pin.path, diff=list(pin.diff))
        self._say(f"{host.name}: {'would be ' if self._world.dry_run else ''}{'written' if seconds else 'removed'}")

    # --- the end

    def _judge(self) -> Outcome:
        if self.found.cleared:
            self._look()
        self._note_what_is_left()
        return self._exit()

    def _note_what_is_left(self) -> None:
        last = self.found.looks[-1]
        for verdict in verdicts(last, tuple(self._world.hosts)):
            if verdict.status is Status.FAILED:
                self.found.wrong.append(verdict.why)
            elif verdict.status is Status.UNKNOWN:
                self.found.unknown.append(verdict.why)

    def _exit(self) -> Outcome:
        if self._nobody:
            return Outcome.NO_ANSWER
        if Ending.HUNG in self.found.endings.values():
            return Outcome.HUNG_AGAIN
        # a dry run says what it would mend; what it could not read is as unknown to it as to any run
        if self.found.wrong and (self._wanted.check or not self._world.dry_run):
            return Outcome.FAILED
        return Outcome.UNKNOWN if self.found.unknown else Outcome.DONE
