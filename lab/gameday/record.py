"""A game on disk: what was drawn, when its clock began, what was typed, and what of it is mended."""

import json
import re
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.gameday.draw import Breakage, Drawn
from lab.gameday.monitoring import FiredAlert
from lab.place import Lab
from lab.shell import LabError

# As the player's shell writes it: exit code, then the line of the history: its number, when it was entered, the words.
_TYPED = re.compile(r"(?P<code>\d+)\t *\d+ +(?P<at>\d+(?:\.\d+)?) (?P<command>.*)")


@dataclass(frozen=True)
class Typed:
    """A command that was typed.

    Attributes:
        at: POSIX timestamp.
        code: its exit code.
    """

    at: float
    code: int
    command: str


@dataclass
class GameRecord:
    """A game.

    Attributes:
        kernels: the release that each fault was put on, by its name.
        since: when it was broken (ISO 8601, UTC): mails from then on count.
        began: when its clock began (POSIX timestamp).
        alerts: what fired then, and tickets.
        mended: when each fault was first seen mended, by its name (POSIX timestamp).
        contained: when its host was first seen out of service by a run.
        needless: short names of the exchangers that a run was seen to have out of service with nothing wrong on them.
        herring_touched: what became of the thing that only looked wrong, where it was not left alone; empty: it was.
        stopped: when its clock stopped (POSIX timestamp); 0: it runs.
    """

    drawn: Drawn
    kernels: dict[str, str]
    since: str
    began: float = 0.0
    alerts: list[FiredAlert] = field(default_factory=list)
    mended: dict[str, float] = field(default_factory=dict)
    contained: dict[str, float] = field(default_factory=dict)
    needless: list[str] = field(default_factory=list)
    herring_touched: str = ""
    stopped: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        drawn = {**vars(self.drawn), "breakages": [vars(one) for one in self.drawn.breakages]}
        alerts = [{"labels": dict(one.labels), "annotations": dict(one.annotations)} for one in self.alerts]
        return {**vars(self), "drawn": drawn, "alerts": alerts}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> "GameRecord":
        """Return the game of plain values."""
        drawn = dict(raw["drawn"])
        drawn["breakages"] = tuple(Breakage(**one) for one in drawn["breakages"])
        alerts = [FiredAlert(one["labels"], one["annotations"]) for one in raw["alerts"]]
        return GameRecord(**{**raw, "drawn": Drawn(**drawn), "alerts": alerts})

    def is_whole(self) -> bool:
        """Whether each fault is mended, or its host out of service."""
        return all({*self.mended, *self.contained} >= {one.fault} for one in self.drawn.breakages)


def folder(lab: Lab) -> Path:
    """Return where a lab's game is kept."""
    return lab.state / "gameday"


def begin(lab: Lab, game: GameRecord) -> None:
    """Begin a game, with nothing typed."""
    shutil.rmtree(folder(lab), ignore_errors=True)
    folder(lab).mkdir(parents=True)
    (folder(lab) / "typed").touch()
    save(lab, game)


def save(lab: Lab, game: GameRecord) -> None:
    """Write a game down, whole or not at all."""
    new = folder(lab) / "game.json.new"
    new.write_text(json.dumps(game.as_json(), indent=1) + "\n")
    new.replace(folder(lab) / "game.json")


def is_under_way(lab: Lab) -> bool:
    """Whether a game has begun and was not ended."""
    return (folder(lab) / "game.json").exists()


def load(lab: Lab) -> GameRecord:
    """Return the game that is under way.

    Raises:
        LabError: there is none.
    """
    if not is_under_way(lab):
        raise LabError(f"lab {lab.name}: no game is under way: `lab/mxlab gameday` begins one")
    return GameRecord.from_json(json.loads((folder(lab) / "game.json").read_text()))


def has_stopped(lab: Lab) -> bool:
    """Whether the clock of a lab's game does not run: the player, or somebody in another shell, has ended it."""
    return not is_under_way(lab) or bool(load(lab).stopped)


def end(lab: Lab) -> None:
    """Forget that a game is under way; what was typed and printed stays until the next one."""
    (folder(lab) / "game.json").replace(folder(lab) / "ended.json")


def typed(lab: Lab) -> list[Typed]:
    """Return what was typed, in order; of a command over several lines the first."""
    lines = (folder(lab) / "typed").read_text(errors="replace").splitlines()
    matches = (match for line in lines if (match := _TYPED.fullmatch(line)))
    return [Typed(float(match["at"]), int(match["code"]), match["command"]) for match in matches]


def note(lab: Lab, command: str, code: int, at: float | None = None) -> None:
    """Enter a command that was typed outside the player's shell.

    Arguments:
        at: POSIX timestamp of when it was typed; None: now.
    """
    with (folder(lab) / "typed").open("a") as log:
        log.write(f"{code}\t0 {time.time() if at is None else at:.1f} {' '.join(command.split())}\n")


def names(entries: list[Typed]) -> list[tuple[float, str, str]]:
    """Return what the player has named: when, what is at fault, and in which words."""
    found = []
    for one in entries:
        match = re.fullmatch(r"gameday named (\S+) (.+)", one.command.strip())
        if match:
            found.append((one.at, match[1].removesuffix(".lab.test"), unquoted(match[2])))
    return found


def unquoted(words: str) -> str:
    """Return words without the quotes of a shell; as they are where these do not pair."""
    try:
        return " ".join(shlex.split(words))
    except ValueError:
        return words
