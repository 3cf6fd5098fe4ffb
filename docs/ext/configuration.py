"""The reference of the site's configuration, from the dataclasses that read it."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mxlib.config.sections import Site
from mxlib.config.values import DERIVED

HEAD = """# Configuration reference

Every key of `/etc/spicerack/cookbooks/sre.mail.yaml`, from the code that reads it. A key that is unknown, wrong or
written twice is refused before anything is done. {download}`sre.mail.example.yaml <../sre.mail.example.yaml>` shows
them in use.
"""
_ATTRIBUTES = re.compile(r"^Attributes:\n(?P<entries>(?:[ ]{4}.*\n?|\n)+)", re.MULTILINE)
_SCALARS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "file name"}
MISSING = dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        name: its name in its section.
        kind: what its value is, in words.
        default: the value where it is left out; empty where it has to be set.
        text: what it means; empty where the code does not say.
    """

    name: str
    kind: str
    default: str
    text: str


@dataclasses.dataclass(frozen=True)
class Section:
    """One mapping of the file.

    Attributes:
        path: where it is, such as ``verify.queue``; empty for the whole file.
        text: what it is.
        keys: its keys, in the order of the code.
    """

    path: str
    text: str
    keys: tuple[Key, ...]


def sections(cls: type = Site, path: str = "") -> Iterator[Section]:
    """Each section of the file, a section before those in it."""
    hints = typing.get_type_hints(cls)
    fields = [one for one in dataclasses.fields(cls) if not one.metadata.get(DERIVED)]
    described = descriptions(cls)
    keys = tuple(Key(one.name, words(hints[one.name]), default(one), described.get(one.name, "")) for one in fields)
    yield Section(path, summary(cls), keys)
    for one in fields:
        for inner, suffix in nested(hints[one.name]):
            yield from sections(inner, f"{path}.{one.name}{suffix}".lstrip("."))


def summary(cls: type) -> str:
    """The words of a docstring before its first list."""
    return (inspect.getdoc(cls) or "").partition("\nAttributes:")[0].strip()


def descriptions(cls: type) -> dict[str, str]:
    """What a docstring says of each attribute."""
    found = _ATTRIBUTES.search(inspect.getdoc(cls) or "")
    entries = re.split(r"^ {4}(?=\S)", found["entries"] if found else "", flags=re.MULTILINE)
    pairs = (entry.partition(":") for entry in entries if entry.strip())
    return {name: " ".join(text.split()) for name, _, text in pairs}


def nested(hint: Any) -> list[tuple[type, str]]:
    """The sections in a value of this type, each with what follows the key's name in its path."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return [(typing.cast(type, hint), "")]
    if origin is dict:
        return [(inner, f".NAME{suffix}") for inner, suffix in nested(args[1])]
    if origin is tuple:
        return [(inner, f"[]{suffix}") for one in args if one is not Ellipsis for inner, suffix in nested(one)]
    if origin in (types.UnionType, typing.Union):
        return [found for one in args for found in nested(one)]
    return []


def words(hint: Any) -> str:
    """What a value of this type is called.

    Raises:
        ValueError: a type that no words are known for.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(words(one) for one in args if one is not types.NoneType)
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in args)
    if origin is tuple:
        return f"list of: {words(args[0])}"
    if origin is dict:
        return f"mapping of names to: {words(args[1])}"
    if dataclasses.is_dataclass(hint):
        return "section"
    if hint not in _SCALARS:
        raise ValueError(f"{hint!r}: no words for values of this type")
    return _SCALARS[hint]


def default(field: "dataclasses.Field[Any]") -> str:
    """The value of a key that is left out, as YAML would have it."""
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if value is MISSING:
        return ""
    if dataclasses.is_dataclass(value):
        return "its own defaults"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{int(value) if isinstance(value, float) and value.is_integer() else value}`"


def markdown() -> str:
    """The page."""
    lines = [HEAD]
    for section in sections():
        lines.append(f"\n## {f'`{section.path}`' if section.path else 'The file'}\n\n{_code(section.text)}\n")
        lines.append("\n| key | value | default | |\n| --- | --- | --- | --- |\n")
        for key in section.keys:
            lines.append(f"| `{key.name}` | {key.kind} | {key.default or 'must be set'} | {_code(key.text)} |\n")
    return "".join(lines)


def _code(text: str) -> str:
    """Markdown of a docstring: code has one backtick there, and a bar ends a cell of a table."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`")).replace("|", "\\|")
