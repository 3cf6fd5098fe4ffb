"""What the site says: one YAML file turned into frozen dataclasses, every key validated."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mxlib.base.errors import ConfigError
from mxlib.config.sections import Site
from mxlib.config.values import DERIVED

_MISSING = dataclasses.MISSING


def load(path: Path) -> Site:
    """Read the site's configuration.

    Arguments:
        path: the YAML file, ``cookbooks/sre.mail.yaml`` in Spicerack's configuration directory.

    Raises:
        mxlib.base.errors.ConfigError: names the file, the key, its value and what was expected.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    return parse(raw, str(path))


def parse(raw: Any, source: str) -> Site:
    """Turn a loaded YAML document into the site's configuration.

    Arguments:
        raw: the document.
        source: the name of the file, for errors.

    Raises:
        mxlib.base.errors.ConfigError: as :func:`load`.
    """
    try:
        site = _build(Site, raw, "")
    except _WrongValueError as wrong:
        raise ConfigError(f"{source}: {wrong}") from wrong
    assert isinstance(site, Site)
    return site


class _WrongValueError(Exception):
    """A value that is not what its key expects."""

    def __init__(self, key: str, value: Any, expected: str):
        super().__init__(f"{key or 'the document'}: expected {expected}, got {value!r}")


def _build(cls: type, raw: Any, key: str) -> Any:
    """Make one dataclass of one mapping."""
    if not isinstance(raw, Mapping):
        raise _WrongValueError(key, raw, "a mapping")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if not field.metadata.get(DERIVED)}
    _refuse_unknown(raw, fields, key)
    values = {name: _convert(hints[name], raw[name], _join(key, name)) for name in fields if name in raw}
    for name, field in fields.items():
        if name not in raw and field.default is _MISSING and field.default_factory is _MISSING:
            raise _WrongValueError(_join(key, name), None, "a value: the key is missing")
    try:
        return cls(**values)
    except ValueError as error:
        name, expected = error.args
        raise _WrongValueError(_join(key, name), raw.get(name), expected) from error


def _refuse_unknown(raw: Mapping[Any, Any], fields: Mapping[str, Any], key: str) -> None:
    for name in raw:
        if name not in fields:
            # the value is not shown: it may be a password that somebody put into the wrong place
            raise _WrongValueError(key, name, f"one of the keys {', '.join(sorted(fields))}")


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _convert(hint: Any, raw: Any, key: str) -> Any:
    """Turn one value into what the annotation says."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _convert_tuple(typing.get_args(hint), raw, key)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(typing.get_args(hint), raw, key)
    if origin is dict:
        return _convert_dict(typing.get_args(hint), raw, key)
    if origin is typing.Literal:
        return _convert_literal(typing.get_args(hint), raw, key)
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _build(hint, raw, key)
    return _convert_scalar(hint, raw, key)


def _convert_tuple(args: tuple[Any, ...], raw: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise _WrongValueError(key, raw, "a list")
    if args[-1] is Ellipsis:
        return tuple(_convert(args[0], item, f"{key}[{index}]") for index, item in enumerate(raw))
    if len(raw) != len(args):
        raise _WrongValueError(key, raw, f"a list of {len(args)}")
    return tuple(
        _convert(hint, item, f"{key}[{index}]") for index, (hint, item) in enumerate(zip(args, raw, strict=True))
    )


def _convert_dict(args: tuple[Any, ...], raw: Any, key: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise _WrongValueError(key, raw, "a mapping")
    return {_convert(args[0], name, key): _convert(args[1], value, f"{key}.{name}") for name, value in raw.items()}


def _convert_union(args: tuple[Any, ...], raw: Any, key: str) -> Any:
    """Of the forms a key may take, the one whose shape the value has."""
    if raw is None and types.NoneType in args:
        return None
    options = [hint for hint in args if hint is not types.NoneType]
    for hint in options[:-1]:
        if _has_shape(hint, raw):
            return _convert(hint, raw, key)
    return _convert(options[-1], raw, key)


def _has_shape(hint: Any, raw: Any) -> bool:
    """Whether a value can be meant as this form: mappings are dataclasses, lists are tuples."""
    if typing.get_origin(hint) is typing.Literal:
        return raw in typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return isinstance(raw, list)
    return isinstance(raw, Mapping) if dataclasses.is_dataclass(hint) else isinstance(raw, hint)


def _convert_literal(args: tuple[Any, ...], raw: Any, key: str) -> Any:
    # True == 1 in Python: the type has to match as well
    if not any(raw == arg and type(raw) is type(arg) for arg in args):
        raise _WrongValueError(key, raw, "one of " + ", ".join(str(arg) for arg in args))
    return raw


def _convert_scalar(hint: Any, raw: Any, key: str) -> Any:
    names = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a file name"}
    if hint is Path and isinstance(raw, str):
        return Path(raw)
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
        raise _WrongValueError(key, raw, names.get(hint, str(hint)))
    return raw
