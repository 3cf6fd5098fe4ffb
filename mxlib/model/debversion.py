"""Debian versions, compared as dpkg does.

The rules are those of deb-version(7): the epoch as a number; then upstream version and revision, each cut into
alternating parts without and with digits; ``~`` sorts before everything, even the end; letters sort before other
characters.
"""

import operator
import re
from collections.abc import Callable
from functools import total_ordering
from itertools import zip_longest
from typing import Any

from mxlib.base.errors import ParseError

_VERSION = re.compile(
    r"(?!.*-$)(?:(?P<epoch>\d+):)?(?P<upstream>\d[A-Za-z0-9.+~:-]*?)(?:-(?P<revision>[A-Za-z0-9.+~]+))?"
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<<": operator.lt,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    ">>": operator.gt,
}
_CONDITION = re.compile(r"\s*(?P<operator><<|>>|<=|>=|<|>|=)\s*(?P<version>\S+)\s*")

_Pair = tuple[tuple[int, ...], int]
_Key = tuple[_Pair, ...]
_END: _Pair = ((0,), 0)


def _weight(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _key(text: str) -> _Key:
    """Return pairs of a part without digits and a number, without empty pairs at the end.

    The end of a part without digits weighs 0, more than ``~``; a shorter version is padded with empty pairs.
    """
    parts = re.findall(r"(\D*)(\d*)", text)
    pairs = [((*map(_weight, letters), 0), int(digits or 0)) for letters, digits in parts]
    while pairs and pairs[-1] == _END:
        pairs.pop()
    return tuple(pairs)


@total_ordering
class DebianVersion:
    """A version of a Debian package.

    Arguments:
        text: the version, such as ``5.10.70-1`` or ``1:4.96-15+deb12u10``.

    Raises:
        mxlib.base.errors.ParseError: it is not a version.
    """

    def __init__(self, text: str) -> None:
        found = _VERSION.fullmatch(text)
        if found is None:
            raise ParseError(f"not a Debian version: {text[:80]!r}")
        self.text = text
        self.epoch = int(found["epoch"] or 0)
        self.upstream = found["upstream"]
        self.revision = found["revision"] or ""

    @property
    def _order(self) -> tuple[int, _Key, _Key]:
        # a missing revision counts as 0, like an empty part
        return self.epoch, _key(self.upstream), _key(self.revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DebianVersion) and self._order == other._order

    def __lt__(self, other: "DebianVersion") -> bool:
        if self.epoch != other.epoch:
            return self.epoch < other.epoch
        pairs = ((self.upstream, other.upstream), (self.revision, other.revision))
        left, right = next(((_key(a), _key(b)) for a, b in pairs if _key(a) != _key(b)), ((), ()))
        return next((a < b for a, b in zip_longest(left, right, fillvalue=_END) if a != b), False)

    def __hash__(self) -> int:
        return hash(self._order)

    def __repr__(self) -> str:
        return f"DebianVersion({self.text!r})"


def satisfies(version: str, condition: str) -> bool:
    """Whether a version lies in a range.

    Arguments:
        condition: one or several comparisons, all of which must hold: ``>=5.10.54, <5.18``.

    Raises:
        mxlib.base.errors.ParseError: not a version, or not a condition.
    """
    return all(_compare(version, part) for part in condition.split(","))


def _compare(version: str, part: str) -> bool:
    found = _CONDITION.fullmatch(part)
    if found is None:
        raise ParseError(f"not a condition on a version: {part[:80]!r}")
    return _OPERATORS[found["operator"]](DebianVersion(version), DebianVersion(found["version"]))
