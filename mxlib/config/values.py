"""How a section of the site's configuration checks its own values.

A wrong value raises ``ValueError(key, expected)``; :mod:`mxlib.config.load` adds the file and the value.
"""

import math
import re
from collections.abc import Iterable

HOST_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
ADDRESS_PATTERN = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,253}")
NAME_PATTERN = re.compile(r"[A-Za-z0-9._-]+")
DERIVED = "derived"
"""Marks a field that is derived from another key, so that its own name is no key."""
REPEATS = "repeats"
"""Marks a list that may repeat a value."""


def must(condition: bool, key: str, expected: str) -> None:
    """Refuse a value that is not what it should be.

    Arguments:
        expected: what it should be, in words.

    Raises:
        ValueError: with the key and what was expected.
    """
    if not condition:
        raise ValueError(key, expected)


def positive(value: float, key: str) -> None:
    """Refuse a number that is not above 0.

    Raises:
        ValueError: with the key and what was expected.
    """
    must(math.isfinite(value) and value > 0, key, "a number above 0")


def counts(section: object, *keys: str) -> None:
    """Refuse counts below 0.

    Raises:
        ValueError: with the key and what was expected.
    """
    for key in keys:
        must(getattr(section, key) >= 0, key, "0 or more")


def ports(values: Iterable[int], key: str) -> None:
    """Refuse values that are no TCP ports.

    Raises:
        ValueError: with the key and what was expected.
    """
    must(all(0 < port < 65536 for port in values), key, "ports, 1 to 65535")
