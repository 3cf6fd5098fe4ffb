"""Reading a record: what is missing in an older one has its default, what is unknown in a newer one is kept."""

import dataclasses
import json
import re
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.model.record import VERSION, Boot, Judgement, Judgements, Kernel, Level, Prior, Record

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
    values["target"], values["fallback"] = Kernel(**raw["target"]), Kernel(**raw["fallback"])
    values["prior"] = Prior(**raw["prior"])
    # older releases wrote a pair of numbers
    mark = raw["log_mark"]
    values["log_mark"] = ":".join(str(int(one)) for one in mark) if isinstance(mark, list) else str(mark)
    values["boots"] = tuple(_boot(boot) for boot in raw["boots"])
    values["judged"] = {boot: _judgements(stages) for boot, stages in raw["judged"].items()}
    values["accepted"] = tuple(raw.get("accepted", ()))
    values["silences"] = tuple(raw["silences"])
    values["level"] = Level(raw.get("level", Level.GUEST.value))
    values["pinned"] = tuple(raw.get("pinned", ()))
    known = {one.name for one in dataclasses.fields(Record)} - {"unknown"}
    unknown = {name: value for name, value in values.items() if name not in known}
    return Record(**{name: value for name, value in values.items() if name in known}, unknown=unknown)


def _boot(raw: dict[str, Any]) -> Boot:
    return Boot(**{**raw, "level": Level(raw.get("level", Level.GUEST.value))})


def _judgements(raw: dict[str, str | None]) -> Judgements:
    return Judgements(**{stage: Judgement(value) if value else None for stage, value in raw.items()})
