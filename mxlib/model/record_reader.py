"""Reading a record: what is missing in an older one has its default, what is unknown in a newer one is kept."""

import dataclasses
import json
import re
from typing import Any, TypeVar

from mxlib.base.errors import ParseError
from mxlib.model.record import VERSION, Boot, Judgement, Judgements, Kernel, Level, Prior, Record

T = TypeVar("T", Boot, Kernel, Prior, Record)
_RUN = re.compile(r"[A-Za-z0-9-]{1,64}")
"""A run's id becomes part of a file's name."""


def from_json(text: str) -> Record:
    """Read a record.

    Arguments:
        text: what :meth:`Record.to_json` wrote.

    Raises:
        mxlib.base.errors.ParseError: it is not a record.
    """
    try:
        return _decode(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError(f"the run's record cannot be read: {error!r}") from None


def _decode(raw: dict[str, Any]) -> Record:
    values = dict(raw)
    if (version := int(values.pop("version", VERSION))) > VERSION:
        raise ParseError(f"the run's record has version {version}, these cookbooks know {VERSION}: use the newer ones")
    if not _RUN.fullmatch(raw["run"]):
        raise ValueError(f"run: expected letters, digits and dashes, got {raw['run']!r}")
    values["target"], values["fallback"] = _made(Kernel, raw["target"]), _made(Kernel, raw["fallback"])
    values["prior"] = _made(Prior, raw["prior"])
    # older releases wrote a pair of numbers
    mark = raw["log_mark"]
    values["log_mark"] = ":".join(str(int(one)) for one in mark) if isinstance(mark, list) else str(mark)
    values["boots"] = tuple(_boot(boot) for boot in raw["boots"])
    values["judged"] = {boot: _judgements(stages) for boot, stages in raw["judged"].items()}
    values["accepted"] = tuple(raw.get("accepted", ()))
    values["silences"] = tuple(raw["silences"])
    values["level"] = Level(raw.get("level", Level.GUEST.value))
    values["pinned"] = tuple(raw.get("pinned", ()))
    record = _made(Record, {name: value for name, value in values.items() if name != "unknown"})
    written = {name: value for name, value in raw.items() if name != "version"}
    return dataclasses.replace(record, unknown=_beyond(written, json.loads(record.to_json())))


def _made(kind: type[T], raw: dict[str, Any]) -> T:
    """Make one part of those of its fields that this release knows."""
    known = {one.name for one in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in raw.items() if name in known})


def _beyond(written: Any, known: Any) -> Any:
    """Return what of a part is not known here, in the same form; empty where all of it is."""
    if isinstance(written, dict) and isinstance(known, dict):
        found = {name: _beyond(one, known[name]) if name in known else one for name, one in written.items()}
        return {name: one for name, one in found.items() if one or name not in known}
    if isinstance(written, list) and isinstance(known, list):
        each = enumerate(zip(written, known, strict=False))
        return {place: found for place, pair in each if (found := _beyond(*pair))}
    return {}


def _boot(raw: dict[str, Any]) -> Boot:
    return _made(Boot, {**raw, "level": Level(raw.get("level", Level.GUEST.value))})


def _judgements(raw: dict[str, str | None]) -> Judgements:
    # a stage that is not known may be one that has failed: its record is refused
    return Judgements(**{stage: Judgement(value) if value else None for stage, value in raw.items()})
