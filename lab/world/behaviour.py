"""How each place of the outside world behaves at the moment: one JSON file, read again whenever it changes."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.world.places import FAMILIES, WorldError

FILE_NAME = "behaviour.json"
STAGES = ("connect", "mail", "rcpt", "data")
_DEFAULT_STAGE = {"tempfail": "rcpt", "reject": "rcpt", "stall": "data", "drop": "data"}
MODES = ("accept", "slow", "tempfail", "reject", "refuse", "stall", "drop", "chunking", "hang")
SLOW_MS = 1000


class BehaviourError(WorldError):
    """A behaviour that does not exist: names the place, the key, the value and what was expected."""


@dataclass(frozen=True)
class Behaviour:
    """What a place does.

    Attributes:
        mode: accept; slow (accepts, late); tempfail (4xx); reject (5xx); refuse (no listener); stall (never answers);
            drop (keeps the message and drops the connection before the 250); chunking (offers CHUNKING, and
            answers BDAT and what follows it with 503); hang (the alias peer only: falls silent).
        family: the connections it applies to: v4, v6 or both. The others are accepted.
        above_bytes: at stage data: only messages with a body larger than this, in bytes.
        stage: where it happens: connect, mail, rcpt or data (after the final dot).
        recipient: at stage rcpt: only this address; empty: every one.
        after: the alias peer only: lines sent before it hangs.
        delay_ms: mode slow only: milliseconds before each answer.
    """

    mode: str = "accept"
    family: str = "both"
    above_bytes: int = 0
    stage: str = "data"
    recipient: str = ""
    after: int = 0
    delay_ms: int = SLOW_MS

    def at(self, stage: str, family: str, size: int = 0, recipient: str = "") -> str:
        """Return the mode that applies at a stage, to a connection of a family.

        Arguments:
            stage: what the client does.
            family: v4 or v6.
            size: of the body, in bytes, at stage data.
            recipient: address, at stage rcpt.
        """
        hit = self.stage == stage and self.covers(family) and (stage != "data" or size > self.above_bytes)
        hit = hit and self.recipient in ("", recipient.lower())
        return self.mode if hit and self.mode != "refuse" else "accept"

    def refuses(self, family: str) -> bool:
        """Say whether connections of a family are refused."""
        return self.mode == "refuse" and self.covers(family)

    def misleads(self, family: str) -> bool:
        """Say whether CHUNKING is offered to connections of a family, and BDAT refused."""
        return self.mode == "chunking" and self.covers(family)

    def covers(self, family: str) -> bool:
        """Say whether connections of a family are concerned."""
        return self.family in ("both", family)


ACCEPT = Behaviour()


def parse_behaviour(name: str, value: Mapping[str, Any]) -> Behaviour:
    """Turn one entry of the file into a behaviour.

    Raises:
        BehaviourError: an unknown key, or a value that is not one of those expected.
    """
    mode = _one_of(name, "mode", value.get("mode", "accept"), MODES)
    unknown = set(value) - {"mode", "family", "above_bytes", "stage", "recipient", "after", "delay_ms"}
    if unknown:
        raise BehaviourError(f"{name}: unknown key: {', '.join(sorted(unknown))}")
    stage = _one_of(name, "stage", value.get("stage") or _DEFAULT_STAGE.get(mode, "data"), STAGES)
    return Behaviour(
        mode,
        _one_of(name, "family", value.get("family", "both"), (*FAMILIES, "both")),
        _count(name, "above_bytes", value.get("above_bytes", 0)),
        stage,
        _recipient(name, value.get("recipient", ""), stage),
        _count(name, "after", value.get("after", 0)),
        _count(name, "delay_ms", value.get("delay_ms", SLOW_MS)),
    )


def _one_of(name: str, key: str, value: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise BehaviourError(f"{name}: {key}: {value!r}: expected one of {', '.join(allowed)}")
    return value


def _recipient(name: str, value: object, stage: str) -> str:
    if value != "" and (not isinstance(value, str) or value.count("@") != 1 or value != value.lower()):
        raise BehaviourError(f"{name}: recipient: {value!r}: expected an address in lower case")
    if value and stage != "rcpt":
        raise BehaviourError(f"{name}: recipient: {value!r}: expected stage rcpt with it, not {stage}")
    return str(value)


def _count(name: str, key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BehaviourError(f"{name}: {key}: {value!r}: expected a number from 0")
    return value


class BehaviourFile:
    """The file as it is now; if it cannot be read, the last good version stays in force, which is logged once."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        """Keep the path; `say` takes one line for the log."""
        self._path = path
        self._say = say
        self._stamp: tuple[int, int, int] | None = None
        self._behaviours: dict[str, Behaviour] = {}

    def of(self, name: str) -> Behaviour:
        """Return how a place behaves now; a place the file does not name accepts everything."""
        stamp = self._stat()
        if stamp != self._stamp:
            self._stamp = stamp
            self._reread()
        return self._behaviours.get(name, ACCEPT)

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _reread(self) -> None:
        try:
            self._behaviours = {name: parse_behaviour(name, value) for name, value in load(self._path).items()}
        except BehaviourError as error:
            self._say(f"behaviour kept as it was: {error}")
        else:
            shown = ", ".join(f"{name} {it.mode}" for name, it in sorted(self._behaviours.items()))
            self._say(f"behaviour: {shown or 'all accept'}")


def load(path: Path) -> dict[str, dict[str, Any]]:
    """Read the file as plain values; a file that is not there is empty.

    Raises:
        BehaviourError: not a JSON object of objects.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BehaviourError(f"{path}: {error}") from error
    if not isinstance(table, dict) or not all(isinstance(value, dict) for value in table.values()):
        raise BehaviourError(f"{path}: expected an object of objects")
    return table


def change(path: Path, name: str, value: Mapping[str, Any] | None) -> None:
    """Change the behaviour of one place, atomically; None mends it.

    Raises:
        BehaviourError: the new behaviour, or the file as it stands, is not one.
    """
    table = load(path)
    table.pop(name, None)
    if value is not None:
        parse_behaviour(name, value)
        table[name] = dict(value)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(table, file)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)
