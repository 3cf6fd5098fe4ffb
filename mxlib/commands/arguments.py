"""What an option may be: each is checked as it is typed, before any host or service is asked."""

import argparse
import ipaddress
import re
from collections.abc import Callable, Iterable

from wmflib.phabricator import validate_task_id

from mxlib.base.errors import ConfigError
from mxlib.base.windows import WindowError, parse
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.facts.kernel import RELEASE

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_DAY_S = 86_400
_CHECK = re.compile(r"[a-z0-9][a-z0-9:./@_-]*", re.IGNORECASE)
_KNOWN = re.compile(r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})=(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,14})", re.IGNORECASE)


def wrong(expected: str, text: str) -> argparse.ArgumentTypeError:
    """Return the error for a value that is not what was expected."""
    return argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")


def count(text: str) -> int:
    """Return a number of things: 0 or more."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise wrong("a number, 0 or more", text)
    return int(text)


def seconds(least: float, most: float = _DAY_S) -> Callable[[str], float]:
    """Return the reader of a time such as ``90``, ``90s``, ``30m`` or ``2h``.

    Arguments:
        least: seconds, the least that makes sense.
        most: seconds, the most.
    """

    def read(text: str) -> float:
        found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)", text)
        value = float(found[1]) * _UNITS[found[2]] if found else -1.0
        if not least <= value <= most:
            raise wrong(f"a time of {least:g} to {most:g} seconds such as 90, 30m or 2h", text)
        return value

    return read


def kernel(*words: str) -> Callable[[str], str]:
    """Return the reader of a kernel's release.

    Arguments:
        words: what may stand for one, such as ``newest``.
    """

    def read(text: str) -> str:
        if text not in words and not re.fullmatch(RELEASE, text):
            also = f", or {' or '.join(words)}" if words else ""
            raise wrong(f"a release as uname -r prints it, such as 6.1.0-30-amd64{also}", text)
        return text

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Return the reader of one of some words.

    Arguments:
        words: what it may be.
    """

    def read(text: str) -> str:
        if text not in words:
            raise wrong(f"one of {', '.join(words)}", text)
        return text

    return read


def task(text: str) -> str:
    """Return the id of a task in Phabricator; empty: none."""
    try:
        return validate_task_id(text, allow_empty_identifiers=True)
    except ValueError:
        raise wrong("the id of a task such as T123456", text) from None


def window(text: str) -> str:
    """Return the text of a maintenance window, once it is known to be one."""
    try:
        parse(text)
    except WindowError as error:
        if ", got " in str(error):
            raise argparse.ArgumentTypeError(f"expected {error}, in {text!r}") from None
        raise wrong(str(error), text) from None
    return text


def check_name(text: str) -> str:
    """Return the name of a check; whether the site has it is known only with its configuration."""
    if not _CHECK.fullmatch(text):
        raise wrong("the name of a check such as alerts", text)
    return text


def mail_address(text: str) -> str:
    """Return a mail address."""
    if not ADDRESS_PATTERN.fullmatch(text):
        raise wrong("a mail address such as user@example.org", text)
    return text


def network(text: str) -> str:
    """Return an address or a network."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise wrong("an address or a network such as 192.0.2.7 or 2001:db8:51::/64", text) from None
    return text


def mac_and_name(text: str) -> tuple[str, str]:
    """Return a card's MAC address, in lower case, and its network name, from ``MAC=NAME``."""
    found = _KNOWN.fullmatch(text)
    if found is None:
        raise wrong("MAC=NAME such as aa:00:00:77:00:21=ens5", text)
    return found["mac"].lower(), found["name"]


def run_id(text: str) -> str:
    """Return the id of a run."""
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}(-[a-z]+)?", text):
        raise wrong("the id of a run such as 20261121T021200Z-0a1b2c", text)
    return text


def refuse_given(args: argparse.Namespace, names: Iterable[str], beside: str) -> None:
    """Refuse options that would say nothing, rather than ignore them.

    Arguments:
        names: of the options, as they are in ``args``; None, False or no list where one was not given.
        beside: what they cannot stand beside, in words.

    Raises:
        mxlib.base.errors.ConfigError: one was given.
    """
    # by identity: a time of 0 equals False, and was given
    values = {name: getattr(args, name) for name in names}
    given = [f"--{n.replace('_', '-')}" for n, v in values.items() if not (v is None or v is False or v == [])]
    if given:
        raise ConfigError(f"{', '.join(given)}: not expected beside {beside}")
