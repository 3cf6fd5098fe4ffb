"""The command `mxlab gameday`."""

import argparse
import json
import secrets
import shlex
import sys
import time
from dataclasses import dataclass

from lab import demo, programs
from lab.faults import catalogue
from lab.gameday import game, judge, player, record, runbook
from lab.gameday.draw import LEVELS, draw
from lab.gameday.monitoring import shown
from lab.gameday.operator import RunbookOperator
from lab.gameday.record import GameRecord
from lab.lifecycle import ProgressLog, Stations
from lab.place import MANAGEMENT
from lab.shell import LabError

ACTIONS = ("begin", "shell", "alerts", "hint", "named", "done", "abandon")
_COMMAND_S = 1500.0
_PAUSE_S = 20.0


def options(command: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = command.add_argument
    add("action", nargs="?", choices=ACTIONS, default=ACTIONS[0], help="what to do (default begin)")
    add("words", nargs="*", metavar="WORD", help="for `named`: what is at fault, and in your words why")
    add("--seed", type=int, help="the same seed, the same choices (default: a new one)")
    add("--level", type=int, choices=LEVELS, default=LEVELS[0], help="1: one fault; 2: two; 3: and what is none")
    add("--only", default="", metavar="FAULT,...", help="of these faults only, see `mxlab faults`")
    add("--by-runbook", action="store_true", help="let the scripted operator play, which follows docs/runbook.md alone")
    names = [station.name for station in MANAGEMENT]
    add("--on", choices=names, default=names[0], help=f"management host of the shell (default {names[0]})")


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked.

    Returns:
        0; of `done`: 0 if everything was named and dealt with and no mail was lost, else 1.
    """
    place = programs.running_stations(arguments)
    if arguments.words and arguments.action != "named":
        raise LabError(f"gameday {arguments.action}: no more words are expected, there is {arguments.words[0]!r}")
    if arguments.action == "begin":
        return _begin(place, arguments)
    if arguments.action == "shell":
        return _shell(place, record.load(place.lab), arguments.on)
    if arguments.action == "alerts":
        print(shown(record.load(place.lab).alerts), end="")
    elif arguments.action == "hint":
        _hint(place)
    elif arguments.action == "named":
        _named(place, arguments.words)
    elif arguments.action == "abandon":
        print(game.abandon(place))
    else:
        return _done(place)
    return 0


def _begin(place: Stations, arguments: argparse.Namespace) -> int:
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(10**6)
    only = [name for name in arguments.only.split(",") if name]
    say = ProgressLog()
    drawn = draw(seed, arguments.level, only)
    say(f"game day, seed {seed}, level {arguments.level}")
    begun = game.begin(place, drawn, say)
    say("the clock runs")
    if arguments.by_runbook:
        print(shown(begun.alerts), end="")
        play_by_runbook(place, begun)
        return _done(place)
    if not sys.stdin.isatty():
        print(shown(begun.alerts), end="")
        print("a shell: `lab/mxlab gameday shell`; then `gameday hint`, `named WHERE WHAT`, `done`, `abandon`")
        return 0
    return _shell(place, begun, arguments.on)


def _shell(place: Stations, begun: GameRecord, on: str) -> int:
    host = next(box for box in place.management if box.name == on)
    with game.watched(place, begun):
        code = player.shell(place, host)
    if code == player.ENDED:
        return _done(place)
    print("the clock runs on: `lab/mxlab gameday shell`, `done` or `abandon`")
    return 0


def _hint(place: Stations) -> None:
    begun = record.load(place.lab)
    known = player.hints(begun.drawn.breakages, begun)
    asked = sum(one.command.strip() == "gameday hint" for one in record.typed(place.lab))
    record.note(place.lab, "gameday hint", 0)
    print(known[asked] if asked < len(known) else "that was all")


def _named(place: Stations, words: list[str]) -> None:
    begun = record.load(place.lab)
    if len(words) < 2:
        raise LabError("gameday named: expected what is at fault, and why: named mx2001 'its disk is full'")
    record.note(place.lab, shlex.join(["gameday", "named", *words]), 0)
    game.look(place, begun)
    print("noted")


def _done(place: Stations) -> int:
    score = game.done(place, ProgressLog())
    (record.folder(place.lab) / "result.json").write_text(json.dumps(score.as_json(), indent=1) + "\n")
    print(judge.page_of(score, {name: fault.summary for name, fault in catalogue.FAULTS.items()}), end="")
    return 0 if score.good else 1


@dataclass
class LabHands:
    """The scripted operator's hands: what it types is run in the lab, and kept as a player's is."""

    place: Stations
    game: GameRecord

    def type(self, command: str) -> tuple[int, str]:
        """Type a command on a management host, or on the cluster's master, and return exit code and output."""
        # what was named until now is mended by its owner before anybody looks again
        game.look(self.place, self.game)
        at = time.time()
        print(f"# {command}", flush=True)
        words = shlex.split(command.partition(" && ")[0])
        code, said = demo.type_in(self.place, self.place.operator, words, _COMMAND_S)
        print(f"{said}exit code {code}", flush=True)
        record.note(self.place.lab, command, code, at)
        return code, said

    def name(self, where: str, said: str) -> None:
        """Say what is at fault."""
        print(f"# gameday named {where} {said}", flush=True)
        record.note(self.place.lab, shlex.join(["gameday", "named", where, said]), 0)

    def wait(self) -> None:
        """Let a while pass."""
        time.sleep(_PAUSE_S)


def play_by_runbook(place: Stations, begun: GameRecord) -> RunbookOperator:
    """Let the scripted operator play a game that has begun."""
    operator = RunbookOperator(runbook.read(), LabHands(place, begun))
    operator.play(begun.alerts)
    return operator
