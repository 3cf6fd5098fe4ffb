"""The report of one repair: what was found, what was done, what is left to do. Pure."""

from dataclasses import dataclass, field

from mxlib.base.text import duration, one_line, printable
from mxlib.nic.cause import Diagnosis, Outage
from mxlib.nic.repair import GuestRepair


@dataclass
class RepairReport:
    """One repair, from "unreachable" to its end.

    Attributes:
        host: fully qualified name.
        ok: whether the host answers now, over every family it should.
        diagnosis: what kept it from answering.
        story: what happened, in order.
        answers: whether it answers, by address family.
        inside: what was done in the guest, also where an error ended that; None if the repair did not get in.
        seconds: duration of the repair.
        screen: the last lines of the console; empty if there are none.
        transcript: file with the whole output of the console; empty if there is none.
    """

    host: str
    ok: bool = False
    diagnosis: Diagnosis = field(default_factory=lambda: Diagnosis(Outage.UNKNOWN, "not examined"))
    story: list[str] = field(default_factory=list)
    answers: dict[int, bool] = field(default_factory=dict)
    inside: GuestRepair | None = None
    seconds: float = 0.0
    screen: str = ""
    transcript: str = ""

    @property
    def acted(self) -> bool:
        """Whether anything in the guest was, or may have been, changed."""
        return self.inside is not None and self.inside.acted

    @property
    def headline(self) -> str:
        """The outcome in one line."""
        return f"{self.host} {self.state}"

    @property
    def state(self) -> str:
        """Whether the host answers, and what was wrong; without its name."""
        state = "answers over SSH" if self.ok else "does NOT answer over SSH"
        took = f" after {duration(self.seconds)}"
        if self.diagnosis.cause is Outage.NONE:
            return f"{state}: nothing to repair" if self.ok else f"{state}{took}"
        return f"{state}{took}: {self.diagnosis.cause.value}"

    @property
    def next(self) -> str:
        """What a person should do next; empty where nothing is left to do."""
        if self.ok:
            return ""
        return printable(self.diagnosis.advice or f"look at the console: gnt-instance console {self.host}")

    @property
    def sentence(self) -> str:
        """The outcome, its reason, and what a person should do next."""
        if self.ok:
            return self.headline
        why = f" ({one_line(self.diagnosis.why, 300)})" if self.diagnosis.why else ""
        return f"{self.headline}{why}. {self.diagnosis.advice}".rstrip()

    def lines(self) -> list[str]:
        """Return the report as text: the outcome first, what to do next last."""
        ended = [f"next: {self.next}"] if self.next else []
        told = [f"  {line}" for line in self.story]
        return [printable(self.headline), *map(printable, told), *self.details(), *ended]

    def details(self) -> list[str]:
        """Return what was found, between outcome and next command."""
        text = [
            f"  IPv{family}: {'answers' if good else 'NO answer'}" for family, good in sorted(self.answers.items())
        ]
        if self.inside is not None:
            text += [f"  | {line}" for line in self.inside.diff.splitlines()]
            text += [f"  still has the old name, check it: {place}" for place in self.inside.places]
        if not self.ok and self.diagnosis.why:
            text.append(f"  why: {self.diagnosis.why}")
        if not self.ok and self.screen:
            text += ["  last seen on the console:", *(f"  > {line}" for line in self.screen.splitlines())]
        text += [f"  transcript: {self.transcript}"] if self.transcript else []
        return [printable(line) for line in text]
