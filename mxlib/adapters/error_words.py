"""Why a library failed, in one line, without what stands in a configuration file.

PyYAML and configparser quote the line that they do not understand, and such a line may be a password: of etcd, of
Netbox, of Alertmanager, of a bot. wmflib, Spicerack and conftool hand these words on, in errors and in logs.
"""

import configparser
import logging
from collections.abc import Iterator

from yaml import YAMLError

from mxlib.base.text import one_line

_LOGGERS = ("conftool", "wmflib.config")
"""They log the error of a file that they go on without."""


def words_of(error: BaseException, limit: int = 200) -> str:
    """Return the words of an error; where a configuration file is to blame, its name and its line instead.

    Arguments:
        limit: characters.
    """
    for one in _chain(error):
        if isinstance(one, YAMLError):
            return _no_yaml(one)
        if isinstance(one, configparser.Error):
            return _no_ini(one)
        if isinstance(one, OSError) and one.strerror and str(error) == repr(one):
            return one_line(f"{one.filename}: {one.strerror}" if one.filename else one.strerror, limit)
    return one_line(str(error), limit)


def keep_configuration_out_of_logs() -> None:
    """Have libraries that read configuration log :func:`words_of` an error in the place of the parser's words."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_without_quotes)


def _without_quotes(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(words_of(one) if isinstance(one, Exception) else one for one in record.args)
    return True


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made from."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__ or one.__context__


def _no_yaml(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    file = f"{mark.name}: " if mark is not None else ""
    where = f" from line {mark.line + 1}, column {mark.column + 1} on" if mark is not None else ""
    return f"{file}it is not YAML{where}: a value with a character such as ! * {{ or a colon stands in quotes"


def _no_ini(error: configparser.Error) -> str:
    if isinstance(error, configparser.InterpolationError):
        return f"option {error.option} in section {error.section}: it cannot be read: a % stands there as %%"
    file = getattr(error, "source", None)
    lines = [line for line, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", None)]
    where = f": look at line {', '.join(map(str, lines))}" if lines[0] is not None else ""
    return f"{f'{file}: ' if file else ''}it is no INI file that can be read ({type(error).__name__}){where}"
