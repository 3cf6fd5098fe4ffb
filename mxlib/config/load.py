"""The site's configuration: one YAML file turned into frozen dataclasses, every key validated."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mxlib.base.errors import ConfigError
from mxlib.config.document import read
from mxlib.config.sections import Site
from mxlib.config.values import DERIVED, REPEATS

_MISSING = dataclasses.MISSING
_SCALARS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a file name"}
_SHOWN = 200
"""How many characters of a wrong value an error shows."""


def load(path: Path) -> Site:
    """Read the site's configuration.

    Arguments:
        path: the YAML file, ``cookbooks/sre.mail.yaml`` in Spicerack's configuration directory.

    Raises:
        mxlib.base.errors.ConfigError: names the file, the key, its value and what was expected.
    """
    return parse(read(path), str(path))


def parse(raw: Any, source: str) -> Site:
    """Turn a loaded YAML document into the site's configuration.

    Raises:
        mxlib.base.errors.ConfigError: as :func:`load`.
    """
    try:
        site = _build(Site, raw, "")
    except _WrongValueError as wrong:
        raise ConfigError(f"{source}: {wrong}") from None
    assert isinstance(site, Site)
    return site


class _WrongValueError(Exception):
    """A value is not what its key expects."""

    def __init__(self, key: str, expected: str, found: str):
        super().__init__(f"{key or 'the document'}: expected {expected}, {found}")


def _got(value: Any) -> str:
    if value is None:
        return "got nothing"
    shown = repr(value)
    return f"got {shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + '…'}"


def _build(cls: type, raw: Any, key: str) -> Any:
    """Turn a mapping into a dataclass."""
    if not isinstance(raw, Mapping):
        raise _WrongValueError(key, "a mapping", _got(raw))
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if not field.metadata.get(DERIVED)}
    _refuse_unknown(raw, fields, key)
    for name, field in fields.items():
        if name not in raw and field.default is _MISSING and field.default_factory is _MISSING:
            raise _WrongValueError(_join(key, name), _words(hints[name]), "but the key is missing")
    values = {name: _convert(hints[name], raw[name], _join(key, name)) for name in fields if name in raw}
    for name, value in values.items():
        if not fields[name].metadata.get(REPEATS):
            _refuse_repeated(value, _join(key, name))
    try:
        return cls(**values)
    except ValueError as error:
        name, expected = error.args
        raise _WrongValueError(_join(key, name), expected, _found(fields, raw, name)) from None


def _found(fields: Mapping[str, Any], raw: Any, name: str) -> str:
    """Return the value of a key that a section has refused; if the key is not set, its default was refused."""
    value, first = raw, name.partition(".")[0]
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            default = fields[first].default
            return f"and its default is {default!r}" if default is not _MISSING else "and it is not set"
        value = value[part]
    return _got(value)


def _refuse_unknown(raw: Mapping[Any, Any], fields: Mapping[str, Any], key: str) -> None:
    for name in raw:
        if name not in fields:
            # the value is not shown: it may be a password in the wrong place
            near = difflib.get_close_matches(str(name), fields, n=1)
            meant = f" (is {near[0]} meant?)" if near else ""
            raise _WrongValueError(key, f"one of the keys {', '.join(sorted(fields))}", f"got {name!r}{meant}")


def _refuse_repeated(value: Any, key: str) -> None:
    for values in value.values() if isinstance(value, dict) else [value]:
        again = _repeated(values) if isinstance(values, tuple) else []
        if again:
            raise _WrongValueError(key, "each value once", f"got {again[0]!r} again")


def _repeated(values: Iterable[Any]) -> list[Any]:
    seen: list[Any] = []
    return [value for value in values if value in seen or seen.append(value)]  # type: ignore[func-returns-value]


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _words(hint: Any) -> str:
    """Return what a value of this type is called in a message."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return "a list"
    if origin is dict:
        return "a mapping or a list of names" if _may_be_empty(args[1]) else "a mapping"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_words(one) for one in args if one is not types.NoneType)
    if origin is typing.Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(str(arg) for arg in args)
    return "a mapping" if dataclasses.is_dataclass(hint) else _SCALARS.get(hint, str(hint))


def _may_be_empty(hint: Any) -> bool:
    """Whether every key of a mapping is optional: then a list of names may replace a mapping by name."""
    return dataclasses.is_dataclass(hint) and all(
        one.default is not _MISSING or one.default_factory is not _MISSING for one in dataclasses.fields(hint)
    )


def _convert(hint: Any, raw: Any, key: str) -> Any:
    """Turn a value into the annotated type."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _convert_tuple(typing.get_args(hint), raw, key)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(hint, raw, key)
    if origin is dict:
        return _convert_dict(hint, raw, key)
    if origin is typing.Literal:
        return _convert_literal(hint, raw, key)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _build(hint, raw, key)
    return _convert_scalar(hint, raw, key)


def _convert_tuple(args: tuple[Any, ...], raw: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise _WrongValueError(key, "a list", _got(raw))
    if args[-1] is Ellipsis:
        return tuple(_convert(args[0], item, f"{key}[{index}]") for index, item in enumerate(raw))
    if len(raw) != len(args):
        raise _WrongValueError(key, f"a list of {len(args)}", _got(raw))
    return tuple(
        _convert(hint, item, f"{key}[{index}]") for index, (hint, item) in enumerate(zip(args, raw, strict=True))
    )


def _convert_dict(hint: Any, raw: Any, key: str) -> dict[str, Any]:
    name_hint, value_hint = typing.get_args(hint)
    if isinstance(raw, list) and _may_be_empty(value_hint):
        names = tuple(_convert(name_hint, name, f"{key}[{index}]") for index, name in enumerate(raw))
        _refuse_repeated(names, key)
        return {name: value_hint() for name in names}
    if not isinstance(raw, Mapping):
        raise _WrongValueError(key, _words(hint), _got(raw))
    return {
        _convert(name_hint, name, f"{key}: the name {name!r}"): _convert(value_hint, value, f"{key}.{name}")
        for name, value in raw.items()
    }


def _convert_union(hint: Any, raw: Any, key: str) -> Any:
    """Turn a value into the one of several types whose shape it has."""
    args = typing.get_args(hint)
    if raw is None and types.NoneType in args:
        return None
    forms = [form for form in args if form is not types.NoneType]
    fitting = [form for form in forms if _has_shape(form, raw)]
    if not fitting and len(forms) > 1:
        raise _WrongValueError(key, _words(hint), _got(raw))
    return _convert((fitting or forms)[0], raw, key)


def _has_shape(hint: Any, raw: Any) -> bool:
    """Whether a value has the shape of a type: mappings are dataclasses, lists are tuples."""
    if typing.get_origin(hint) is typing.Literal:
        return raw in typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return isinstance(raw, list)
    return isinstance(raw, Mapping) if dataclasses.is_dataclass(hint) else isinstance(raw, hint)


def _convert_literal(hint: Any, raw: Any, key: str) -> Any:
    # True == 1 in Python: the type has to match as well
    if not any(raw == arg and type(raw) is type(arg) for arg in typing.get_args(hint)):
        raise _WrongValueError(key, _words(hint), _got(raw))
    return raw


def _convert_scalar(hint: Any, raw: Any, key: str) -> Any:
    if hint is Path and isinstance(raw, str):
        return Path(raw)
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
        raise _WrongValueError(key, _words(hint), _got(raw))
    return raw
