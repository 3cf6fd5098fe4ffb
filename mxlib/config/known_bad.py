"""Kernels that are known to be bad: versions, conditions, and what makes them harmless; never versions alone."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from mxlib.base.errors import ConfigError, ParseError
from mxlib.config.document import read
from mxlib.config.mta import known
from mxlib.model.debversion import DebianVersion, satisfies

SHIPPED = tuple(sorted((Path(__file__).parents[1] / "mta").glob("*/known-bad-kernels.yaml")))
"""The lists that come with the MTAs' adapters."""
STALE = timedelta(days=365)
_KEYS = frozenset({"id", "affects", "when", "unless", "symptom", "action", "reason", "reviewed"})
_REQUIRED = ("id", "affects", "action", "reason", "reviewed")
_AFFECTS = frozenset({"release", "package", "abi"})


class KnownBadAction(Enum):
    """What to do about a known-bad kernel."""

    REFUSE = "refuse"
    TRIAL = "trial"
    """Boot it once, and verify it with every test mail."""
    WARN = "warn"


class Applies(Enum):
    """Whether an entry applies to a kernel as it would run on a host."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class KnownBad:
    """An entry of the list.

    Attributes:
        entry_id: stable id, for logs and options.
        release: range of upstream versions; empty if any.
        package: name of the image package; empty if any.
        abi: beginning of the ABI name, such as ``5.10.0-9``; empty if any.
        mta: the affected MTA and the range of its upstream version, such as ``NAME>=4.93``; empty if every MTA is.
        unless: kernel parameters with values; each pair alone makes the kernel harmless.
        symptom: how the fault shows.
        reason: URL that describes the fault.
        reviewed: when somebody last checked that the entry still holds.
    """

    entry_id: str
    release: str
    package: str
    abi: str
    mta: str
    unless: tuple[tuple[str, str], ...]
    symptom: str
    action: KnownBadAction
    reason: str
    reviewed: date

    def stale(self, today: date) -> bool:
        """Whether its last review is too long ago."""
        return today - self.reviewed > STALE


@dataclass(frozen=True)
class Candidate:
    """A kernel as it would run on a host.

    Attributes:
        abi: its ABI name, as ``uname -r`` would print it.
        version: version of its package; empty if unknown.
        mta: name of the MTA, as in the configuration.
        mta_version: its upstream version; empty if unknown.
        sysctls: kernel parameters of the host; a missing one is not set.
    """

    abi: str
    version: str
    mta: str
    mta_version: str
    sysctls: Mapping[str, str]


def _affected(entry: KnownBad, kernel: Candidate) -> Applies:
    if entry.abi and not re.match(rf"{re.escape(entry.abi)}(?![0-9])", kernel.abi):
        return Applies.NO
    if entry.package and entry.package != f"linux-image-{kernel.abi}":
        return Applies.NO
    if not entry.release:
        return Applies.YES
    if not kernel.version:
        return Applies.UNKNOWN
    return Applies.YES if satisfies(DebianVersion(kernel.version).upstream, entry.release) else Applies.NO


def applies(entry: KnownBad, kernel: Candidate) -> Applies:
    """Whether an entry applies to a kernel, under the conditions of the host."""
    affected = _affected(entry, kernel)
    if affected is Applies.NO or any(kernel.sysctls.get(key) == value for key, value in entry.unless):
        return Applies.NO
    if not entry.mta:
        return affected
    name, versions = _split(entry.mta)
    if name != kernel.mta:
        return Applies.NO
    if not versions:
        return affected
    if not kernel.mta_version:
        return Applies.UNKNOWN
    return affected if satisfies(kernel.mta_version, versions) else Applies.NO


def _split(mta: str) -> tuple[str, str]:
    """Return the name of an MTA and its range of versions."""
    name = re.match(r"[a-z]*", mta)
    assert name is not None
    return name[0], mta[name.end() :]


def about(entries: Iterable[KnownBad], kernel: Candidate, allowed: Iterable[str] = ()) -> dict[Applies, list[KnownBad]]:
    """Return the entries by whether they apply to a kernel."""
    found: dict[Applies, list[KnownBad]] = {state: [] for state in Applies}
    skipped = frozenset(allowed)
    for entry in entries:
        if entry.entry_id not in skipped:
            found[applies(entry, kernel)].append(entry)
    return found


def parse_entries(raw: Any, source: str) -> tuple[KnownBad, ...]:
    """Turn a loaded YAML document into entries.

    Raises:
        mxlib.base.errors.ConfigError: names the file, the entry, the key, the value and what was expected.
    """
    if not isinstance(raw, list):
        raise ConfigError(f"{source}: expected a list of entries, got {type(raw).__name__}")
    entries = tuple(_entry(item, f"{source}: entry {number}") for number, item in enumerate(raw, start=1))
    ids = [entry.entry_id for entry in entries]
    if len(set(ids)) != len(ids):
        raise ConfigError(f"{source}: id: expected each id once, got {', '.join(ids)}")
    return entries


def _entry(item: Any, where: str) -> KnownBad:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: expected a mapping, got {item!r}")
    _must(item.keys() <= _KEYS, where, "keys", sorted(map(str, item)), f"some of {', '.join(sorted(_KEYS))}")
    for key in _REQUIRED:
        _must(bool(item.get(key)), where, key, item.get(key), "a value")
    affects, when = item["affects"], item.get("when") or {}
    _must(isinstance(affects, dict) and set(affects) <= _AFFECTS and bool(affects), where, "affects", affects,
          "release, package or abi")  # fmt: skip
    _must(isinstance(when, dict) and set(when) <= {"mta"}, where, "when", when, "mta")
    _must(item["action"] in {a.value for a in KnownBadAction}, where, "action", item["action"], "refuse, trial or warn")
    _must(re.match(r"https?://", str(item["reason"])) is not None, where, "reason", item["reason"], "a URL")
    _must(isinstance(item["reviewed"], date), where, "reviewed", item["reviewed"], "a date such as 2026-11-21")
    return KnownBad(
        entry_id=str(item["id"]),
        release=_range(str(affects.get("release", "")), where, "affects.release"),
        package=str(affects.get("package", "")),
        abi=str(affects.get("abi", "")),
        mta=_mta(str(when.get("mta", "")), where),
        unless=tuple(_unless(one, where) for one in item.get("unless") or []),
        symptom=str(item.get("symptom", "")),
        action=KnownBadAction(item["action"]),
        reason=str(item["reason"]),
        reviewed=item["reviewed"],
    )


def _must(condition: bool, where: str, key: str, value: Any, expected: str) -> None:
    if not condition:
        raise ConfigError(f"{where}: {key}: expected {expected}, got {value!r}")


def _mta(text: str, where: str) -> str:
    name, versions = _split(text)
    expected = f"one of {', '.join(known())}, and a range such as >=4.93"
    _must(not text or name in known(), where, "when.mta", text, expected)
    _range(versions, where, "when.mta")
    return text


def _range(text: str, where: str, key: str) -> str:
    try:
        if text:
            satisfies("1", text)
    except ParseError:
        raise ConfigError(f"{where}: {key}: expected a range such as >=5.10.54, <5.18, got {text!r}") from None
    return text


def _unless(one: Any, where: str) -> tuple[str, str]:
    right = isinstance(one, dict) and set(one) == {"sysctl", "equals"}
    _must(right, where, "unless", one, "entries with sysctl and equals")
    return str(one["sysctl"]), str(one["equals"])


def load(files: Iterable[str | Path] = ()) -> tuple[KnownBad, ...]:
    """Return all entries; one in the site's files replaces a shipped one of the same id.

    Raises:
        mxlib.base.errors.ConfigError: names the file, the entry, the key, the value and what was expected.
    """
    found: dict[str, KnownBad] = {}
    for path in (*SHIPPED, *map(Path, files)):
        for entry in parse_entries(read(path), str(path)):
            found[entry.entry_id] = entry
    return tuple(found.values())


def overdue(entries: Iterable[KnownBad], today: date) -> tuple[str, ...]:
    """Return a warning for each entry whose review is overdue; such an entry still holds."""
    return tuple(
        f"known-bad kernel {entry.entry_id}: last reviewed on {entry.reviewed}; check whether it still holds, "
        "then renew the date"
        for entry in entries
        if entry.stale(today)
    )
