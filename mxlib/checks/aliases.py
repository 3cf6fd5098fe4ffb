"""Alias generators on one host: none hangs, each has recently succeeded, and its file is whole and new enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mxlib.base.text import duration
from mxlib.base.verdict import Status
from mxlib.checks.check import Check, Finding, Scope, unknown, worst
from mxlib.config.aliases import AliasGenerator
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import aliases
from mxlib.facts.aliases import AliasFacts, TimerState
from mxlib.facts.source import Facts, FactUnknownError

NAME = "aliases"
_UNLIMITED = frozenset({"infinity", ""})
_SKEW_S = 5.0
"""The journal and the file are read a moment before the clock, in other units."""
_NEVER_FIRES = frozenset({"disabled", "masked", "masked-runtime", "bad"})


class Trouble(Enum):
    """What can be wrong with a generator or its file."""

    ABSENT = "not there"
    STUCK = "hangs"
    RUN_FAILED = "last run failed"
    STALE = "no run ended well for too long"
    TIMER = "timer"
    FILE_MISSING = "file missing"
    FILE_EMPTY = "file empty"
    FILE_CUT = "file cut short"
    FILE_MALFORMED = "file malformed"
    FILE_FLOOR = "too few entries"
    FILE_OLD = "file too old"

    @property
    def harms(self) -> bool:
        """Whether the state of the file makes the MTA refuse known addresses now."""
        return self in (self.FILE_MISSING, self.FILE_EMPTY, self.FILE_CUT, self.FILE_MALFORMED, self.FILE_FLOOR)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        why: a clause that names the unit or the file.
    """

    trouble: Trouble
    why: str


def problems(generator: AliasGenerator, found: AliasFacts) -> tuple[Problem, ...]:
    """Return what is wrong with a generator on one host."""
    if found.load != "loaded":
        there = "but its file is there" if found.file else "nor is its file"
        return (Problem(Trouble.ABSENT, f"{generator.unit} is {found.load} on this host, {there}"),)
    return (*_of_the_run(generator, found), *_of_the_timer(found.timer), *file_problems(generator, found))


def _of_the_run(generator: AliasGenerator, found: AliasFacts) -> Iterator[Problem]:
    stuck = found.running_s is not None and found.running_s > generator.bound
    if stuck:
        taken = duration(found.running_s or 0.0)
        yield Problem(
            Trouble.STUCK,
            f"{generator.unit} hangs: activating for {taken}, bound {duration(generator.bound)}; {_success(found)}",
        )
    if found.active == "failed":
        when = f" at {_at(found.last_failure, found.now)}" if found.last_failure else ""
        yield Problem(Trouble.RUN_FAILED, f"the last run of {generator.unit} failed{when} ({found.result})")
    age = found.success_age_s
    if age is not None and age > generator.success_age and not stuck:
        yield Problem(
            Trouble.STALE, f"{generator.unit}: {_success(found)}, and it is to run every {duration(generator.interval)}"
        )


def _success(found: AliasFacts) -> str:
    if found.last_success is None or found.success_age_s is None:
        return "no run is known to have ended well"
    return f"last ended well {duration(max(0.0, found.success_age_s))} ago ({_at(found.last_success, found.now)})"


def _at(when: datetime, now: datetime) -> str:
    return f"{when:%H:%M:%S} UTC" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M} UTC"


def _of_the_timer(timer: TimerState | None) -> Iterator[Problem]:
    if timer is None:
        return
    if timer.load != "loaded":
        yield Problem(Trouble.TIMER, f"{timer.name} is {timer.load}: nothing starts the generator")
    elif timer.active != "active":
        yield Problem(Trouble.TIMER, f"{timer.name} is not armed ({timer.active}): nothing starts the generator")
    elif timer.sub != "running" and not timer.due:
        yield Problem(Trouble.TIMER, f"{timer.name} never fires again ({timer.sub})")
    if timer.load == "loaded" and timer.file_state in _NEVER_FIRES:
        yield Problem(Trouble.TIMER, f"{timer.name} is {timer.file_state}: it will not come up at the next boot")


def file_problems(generator: AliasGenerator, found: AliasFacts) -> Iterator[Problem]:
    """Yield what is wrong with the file of a generator."""
    file = found.file
    if file is None:
        yield Problem(Trouble.FILE_MISSING, f"{generator.file} is missing")
        return
    if not file.entries:
        yield Problem(Trouble.FILE_EMPTY, f"{generator.file} {'has no entry' if file.size else 'is empty'}")
    elif file.entries < generator.floor:
        yield Problem(Trouble.FILE_FLOOR, f"{generator.file}: {file.entries} entries, floor {generator.floor}")
    if not file.terminated:
        yield Problem(Trouble.FILE_CUT, f"{generator.file} ends within a line: its writer was cut off")
    if file.malformed:
        what = f"malformed lines: {file.malformed}, first {file.first_malformed!r}"
        yield Problem(Trouble.FILE_MALFORMED, f"{generator.file}: {what}")
    age = found.file_age_s or 0.0
    if age > generator.allowed_age:
        yield Problem(
            Trouble.FILE_OLD,
            f"{generator.file} was last written {duration(age)} ago, allowed {duration(generator.allowed_age)}",
        )


def warnings(generator: AliasGenerator, found: AliasFacts) -> tuple[str, ...]:
    """Return what is not wrong yet but can go wrong."""
    return tuple(_warnings(generator, found)) if found.load == "loaded" else ()


def _warnings(generator: AliasGenerator, found: AliasFacts) -> Iterator[str]:
    if found.start_timeout in _UNLIMITED:
        yield f"{generator.unit} has no start timeout: it can hang for ever (refresh-aliases --pin-timeout sets one)"
    file = found.file
    # A new file that is renamed into place is about as old as its contents.
    if file and file.born and (file.written - file.born).total_seconds() > generator.bound:
        yield f"{generator.file} is written in place: meanwhile its addresses bounce (write a new file, then rename it)"


def _writing(generator: AliasGenerator, found: AliasFacts) -> Iterator[str]:
    if found.running_s is not None and found.running_s <= generator.bound:
        yield f"{generator.unit} has been running for {duration(found.running_s)} and may be writing the file now"


def _judge_one(generator: AliasGenerator, found: AliasFacts) -> Finding:
    wrong = problems(generator, found)
    noted = warnings(generator, found)
    if wrong:
        return Finding(Status.FAILED, "; ".join((*(one.why for one in wrong), *_writing(generator, found))), (), noted)
    if found.last_success is None and found.file_age_s is None:
        return unknown(f"{generator.unit}: when it last ended well is not known")
    ahead = max(-age for age in (found.success_age_s, found.file_age_s) if age is not None)
    if ahead > _SKEW_S:
        when = f"{duration(ahead)} in the future, by the host's own clock"
        return unknown(f"{generator.unit}: its last run, or the last change of its file, lies {when}")
    entries = found.file.entries if found.file else 0
    ended = _success(found) if found.last_success else f"file written {duration(max(0.0, found.file_age_s or 0.0))} ago"
    return Finding(Status.OK, f"{generator.name}: {entries} entries, {ended}", (), noted)


def check(generators: Sequence[AliasGenerator]) -> Check:
    """Return the check of all generators of a site.

    Arguments:
        generators: at least one.
    """

    def judge(facts: Facts, _: VerifyPolicy) -> Finding:
        findings = []
        for generator in generators:
            try:
                findings.append(_judge_one(generator, facts.get(aliases.source(generator))))
            except FactUnknownError as error:
                findings.append(unknown(str(error)))
        return worst(findings)

    sources = tuple(aliases.source(generator) for generator in generators)
    return Check(NAME, "alias generators run, their files are whole and new", Scope.SERVICE, lambda _: sources, judge)
