"""How a game was played: what was found and mended, when, and what became of the mail. Pure."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from lab.gameday import record
from lab.gameday.draw import Breakage
from lab.gameday.monitoring import FiredAlert
from lab.gameday.record import GameRecord, Typed
from lab.gameday.runbook import RunbookSection, would_type
from lab.place import exchanger

LATE_S = 60.0
"""A mail that took longer was delayed."""
_COUNTED = ("sent", "missing", "in_spool", "altered", "duplicates", "bounced", "refused", "unsent")
_ALWAYS_RIGHT = ("cookbook sre.mail.status", "cookbook sre.mail.verify-mx")
"""Where the runbook begins, whatever has happened."""
_ACTIONS = frozenset(
    f"--{name}" for name in (
        "abort", "again", "check", "console", "forecast", "kernel", "level", "pin", "pin-timeout", "plan", "repair",
        "resume", "settle", "status", "suggest", "unpin-timeout",
    )
)  # fmt: skip
"""Options that say what a cookbook does; the others say how."""
_DRY_RUN = frozenset({"-d", "--dry-run"})


@dataclass(frozen=True)
class FaultScore:
    """How one fault was dealt with; times in seconds since the clock began, None: not at all.

    Attributes:
        where: what is at fault.
        named: when it was named.
        mended: when it was first seen mended.
        contained: when its host was first seen out of service by a run, where it was not mended.
    """

    fault: str
    where: str
    named: float | None
    mended: float | None
    contained: float | None

    @property
    def good(self) -> bool:
        """Whether it was named, and is mended or meets no mail."""
        return self.named is not None and (self.mended is not None or self.contained is not None)


@dataclass(frozen=True)
class Mails:
    """What became of the mail that was sent meanwhile, in messages; delays from when a sender first had one.

    Attributes:
        sent: those that an exchanger took.
        missing: of these, those that arrived nowhere, and came back to nobody.
        in_spool: those that still lie in an exchanger's spool.
        altered: those that arrived with another body.
        duplicates: those that arrived twice, with no reason that the ledger knows.
        bounced: those that came back.
        refused: those that an exchanger refused for good; their senders know.
        unsent: those that their sender gave up.
        delayed: those that took longer than ``LATE_S``.
        longest: seconds, of the slowest.
    """

    sent: int = 0
    missing: int = 0
    in_spool: int = 0
    altered: int = 0
    duplicates: int = 0
    bounced: int = 0
    refused: int = 0
    unsent: int = 0
    delayed: int = 0
    longest: float = 0.0

    @property
    def lost(self) -> int:
        """How many were taken and did not arrive as they were, nor came back."""
        return self.missing + self.in_spool + self.altered


@dataclass(frozen=True)
class Score:
    """How a game was played.

    Attributes:
        first_right: seconds until the first command that the runbook types for one of its alerts; None: there was none.
        wrong_names: how often something was named that is not at fault.
        hints: how many were asked for.
        commands: how many commands were typed.
        runbook: what the runbook would have typed.
        needless: exchangers that were taken out of service with nothing wrong on them.
        herring_touched: what became of the thing that only looked wrong, where it was not left alone.
    """

    findings: tuple[FaultScore, ...]
    first_right: float | None
    wrong_names: int
    hints: int
    commands: int
    mails: Mails
    runbook: tuple[str, ...] = field(default=())
    needless: tuple[str, ...] = ()
    herring_touched: str = ""

    @property
    def good(self) -> bool:
        """Whether all faults were named and dealt with, mail was taken and none lost, and what is sound left alone."""
        well = self.mails.sent > 0 and not self.mails.lost
        return well and all(one.good for one in self.findings) and not self.needless and not self.herring_touched

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "good": self.good}


def is_named(breakage: Breakage, where: str, said: str) -> bool:
    """Whether somebody who says this knows the fault."""
    return breakage.riddle.is_named(where, said, exchanger(breakage.mx))


def judge(game: GameRecord, entries: Sequence[Typed], page: Mapping[str, RunbookSection], mails: Mails) -> Score:
    """Judge a game.

    Arguments:
        entries: what was typed.
        page: the runbook.
    """
    said = record.names(list(entries))
    runbook = from_runbook(game.alerts, page)
    mine = [one for one in entries if not one.command.startswith("gameday ")]
    return Score(
        tuple(_fault_score(game, one, said) for one in game.drawn.breakages),
        _first_right(mine, runbook, game.began),
        sum(not any(is_named(one, where, words) for one in game.drawn.breakages) for _, where, words in said),
        sum(one.command.strip() == "gameday hint" for one in entries),
        len(mine),
        mails,
        tuple(runbook),
        tuple(game.needless),
        game.herring_touched,
    )


def _fault_score(game: GameRecord, one: Breakage, said: Iterable[tuple[float, str, str]]) -> FaultScore:
    def since(at: float | None) -> float | None:
        return None if at is None else round(max(0.0, at - game.began), 1)

    named = next((at for at, where, words in said if is_named(one, where, words)), None)
    mended, contained = game.mended.get(one.fault), game.contained.get(one.fault)
    return FaultScore(one.fault, one.where, since(named), since(mended), since(contained))


def from_runbook(alerts: Iterable[FiredAlert], page: Mapping[str, RunbookSection]) -> list[str]:
    """Return what the runbook would have typed for some alerts: their sections, and those that these lead to."""
    return list(dict.fromkeys(word for one in alerts for word in would_type(page, one.anchor, one.host)))


def _first_right(entries: Iterable[Typed], runbook: Iterable[str], began: float) -> float | None:
    asked = {_aim(command) for command in (*runbook, *_ALWAYS_RIGHT)}
    # a dry run of what is right is right; what is to be tried dry is not to be done
    right = (one.at - began for one in entries if {_aim(one.command), _aim(one.command)._replace(dry=False)} & asked)
    return next((round(max(0.0, seconds), 1) for seconds in right), None)


class _Aim(NamedTuple):
    """What a command does to whom: the cookbook, the host, and which of its actions; else the line itself."""

    command: str
    host: str = ""
    actions: frozenset[str] = frozenset()
    dry: bool = False


def _aim(command: str) -> _Aim:
    try:
        words = shlex.split(command)
    except ValueError:
        return _Aim(command)
    cookbook = next((word for word in words if word.startswith("sre.mail.")), "")
    if not cookbook:
        return _Aim(" ".join(words))
    host = next((word for word in words if re.fullmatch(r"mx\d+(\.[\w.]+)?", word)), "")
    options = {word.partition("=")[0] for word in words}
    return _Aim(cookbook, host.partition(".")[0], _ACTIONS & options, bool(_DRY_RUN & options))


def mails(counts: Mapping[str, Any], sent: Iterable[Mapping[str, Any]], inbox: Iterable[Mapping[str, Any]]) -> Mails:
    """Return what became of the mail.

    Arguments:
        counts: the outside ledger's, as numbers.
        sent: lines of what the outside world sent since the game was broken.
        inbox: lines of what arrived.
    """
    began: dict[str, float] = {}
    for line in sent:
        began.setdefault(line["id"], _seconds(line["time"]) - line["waited"])
    took: dict[str, float] = {}
    for line in inbox:
        name = line.get("lab_id")
        if name in began:
            took[name] = max(took.get(name, 0.0), _seconds(line["time"]) - began[name])
    late = [seconds for seconds in took.values() if seconds > LATE_S]
    longest = round(max(took.values(), default=0.0), 1)
    return Mails(**{name: counts[name] for name in _COUNTED}, delayed=len(late), longest=longest)


def _seconds(when: str) -> float:
    return datetime.fromisoformat(when).timestamp()


def page_of(score: Score, summaries: Mapping[str, str]) -> str:
    """Return the verdict as it is printed.

    Arguments:
        summaries: of the faults, by their names.
    """
    lines = []
    for one in score.findings:
        ended = f"mended after {_shown(one.mended)}"
        if one.mended is None and one.contained is not None:
            ended = f"not mended, but out of service after {_shown(one.contained)}"
        elif one.mended is None:
            ended = "NOT mended"
        named = f"named after {_shown(one.named)}" if one.named is not None else "NOT named"
        lines += [f"{one.where}: {one.fault}: {named}, {ended}", f"    {summaries[one.fault]}"]
    right = f"after {_shown(score.first_right)}" if score.first_right is not None else "never"
    mail = score.mails
    fates = ", ".join(f"{getattr(mail, name)} {name.replace('_', ' ')}" for name in _COUNTED)
    lines += [
        f"first right command: {right}; {score.commands} commands, {score.wrong_names} wrong names, "
        f"{score.hints} hints",
        f"mails: {fates}, {mail.delayed} took longer than {LATE_S:.0f} s (at most {mail.longest:.0f} s)",
        *([] if mail.sent else ["no exchanger took a mail: whether one would have been lost is not known"]),
        *(f"taken out of service with nothing wrong on it: {name}" for name in score.needless),
        *([f"to be left alone: {score.herring_touched}"] if score.herring_touched else []),
        "the runbook would have typed:",
        *(f"    {command}" for command in score.runbook),
        "well played" if score.good else "NOT well played",
    ]
    return "\n".join(lines) + "\n"


def _shown(seconds: float | None) -> str:
    whole = round(seconds or 0)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
