"""Alias generators for tests: what hosts say of them."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from mxlib.aliases.judge import AliasState
from mxlib.base.errors import HostUnreachableError
from mxlib.config.aliases import AliasGenerator
from mxlib.config.probes import InboundProbe, OutboundProbe, ProbeSection
from mxlib.facts.aliases import AliasFacts, AliasFile, TimerState
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.mta.refusal import Refusal
from mxlib.protocols.host import CommandResult

NOW = datetime(2026, 11, 21, 6, 0, 0, tzinfo=UTC)
GENERATOR = AliasGenerator(
    "vrts",
    "generate_vrts_aliases.service",
    "/etc/exim4/aliases/vrts_aliases",
    timer="generate_vrts_aliases.timer",
    floor=2,
    samples=("support@lab.test",),
)
TIMER = TimerState("generate_vrts_aliases.timer", "loaded", "active", "waiting", "enabled", due=True)
A, B, C = "mx1001.lab.test", "mx2001.lab.test", "mx3001.lab.test"
ENTRIES = {"press@lab.test": "press@tickets.test", "support@lab.test": "support@tickets.test"}


def minutes(number: float) -> datetime:
    """That many minutes ago."""
    return NOW - timedelta(minutes=number)


def file(**values: Any) -> AliasFile:
    whole = AliasFile(minutes(30), 80, 2, 0, "", terminated=True, digest="a" * 64)
    return dataclasses.replace(whole, **values)


def facts(**values: Any) -> AliasFacts:
    well = AliasFacts(
        now=NOW,
        load="loaded",
        active="inactive",
        result="success",
        running_s=None,
        start_timeout="30min",
        last_success=minutes(30),
        last_failure=None,
        timer=TIMER,
        file=file(),
    )
    return dataclasses.replace(well, **values)


STUCK = facts(active="activating", running_s=43200.0, last_success=minutes(720), start_timeout="infinity",
              file=file(written=minutes(720)), timer=dataclasses.replace(TIMER, sub="running", due=False))  # fmt: skip
NEWER = facts(last_success=minutes(10), file=file(written=minutes(10), entries=3, digest="b" * 64))
NEW_ENTRIES = {**ENTRIES, "newqueue@lab.test": "newqueue@tickets.test"}


def state(**by_host: Any) -> AliasState:
    """One host a keyword: ``a=``, ``b=`` and ``c=``; a text is why it could not be read."""
    names = {"a": A, "b": B, "c": C}
    known = {names[key]: value for key, value in by_host.items() if isinstance(value, AliasFacts)}
    unread = {names[key]: value for key, value in by_host.items() if isinstance(value, str)}
    return AliasState(GENERATOR, known, unread, silent=frozenset(unread))


def counted(entries: int, ago: float) -> AliasFacts:
    """A whole file of so many entries, of a run that ended well so many minutes ago."""
    return facts(last_success=minutes(ago), file=file(written=minutes(ago), entries=entries, digest=f"{entries:064}"))


INCIDENT = dataclasses.replace(state(a=NEWER, b=STUCK), entries={A: NEW_ENTRIES, B: ENTRIES})


def session(name: str, **codes: Any) -> InboundResult:
    """What an MX answered: code, or code and text, by local part; None for no answer."""
    answers = []
    for local, said in codes.items():
        code, text = said if isinstance(said, tuple) else (said, "said")
        answers.append(Answer(InboundStage.ACCEPTED, f"{local}@lab.test", code, text, right=None))
    return InboundResult(name, "192.0.2.1", 4, tuple(answers), None, NOW)


REFUSAL = Refusal(minutes(30), "user9@world.test", "newqueue@lab.test", "mx.world.test [198.51.100.1]", "unknown user")
PROBES = ProbeSection(
    "probe@world.test", (OutboundProbe("p", "u@provider.test"),), InboundProbe(("user1@lab.test",), relay="a@b.test")
)


@dataclasses.dataclass
class Named:
    """A host that only has a name."""

    name: str


HOSTS = [Named(A), Named(B)]


@dataclasses.dataclass
class Acts:
    """A host that remembers what was done to it; what is read there is a text."""

    name: str
    done: list[str] = dataclasses.field(default_factory=list)
    text: str = ""
    silent: bool = False

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        self.done.append(script)
        return CommandResult(script, 0, "cleared 1\n", NOW, 0.1)

    def read(self, script: str, *, timeout: float) -> CommandResult:
        if self.silent:
            raise HostUnreachableError("no session")
        return CommandResult(script, 0, self.text, NOW, 0.1)
