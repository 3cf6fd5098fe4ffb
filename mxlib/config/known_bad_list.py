"""Loading the lists of known-bad kernels: the shipped one and the site's own."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import yaml

from mxlib.base.errors import ConfigError
from mxlib.config.known_bad import KnownBad, parse_entries

SHIPPED = Path(__file__).with_name("known-bad-kernels.yaml")


def load(files: Iterable[str | Path] = ()) -> tuple[KnownBad, ...]:
    """All entries; one of the site's own replaces a shipped one of the same id.

    Arguments:
        files: the site's lists.

    Raises:
        mxlib.base.errors.ConfigError: names the file, the entry, the key, the value and what was expected.
    """
    found: dict[str, KnownBad] = {}
    for path in (SHIPPED, *map(Path, files)):
        for entry in parse_entries(_read(path), str(path)):
            found[entry.entry_id] = entry
    return tuple(found.values())


def _read(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error


def overdue(entries: Iterable[KnownBad], today: date) -> tuple[str, ...]:
    """What to say of entries that nobody has looked at for too long; they still hold.

    Arguments:
        entries: the list.
        today: the date.
    """
    return tuple(
        f"known-bad kernel {entry.entry_id}: last reviewed on {entry.reviewed}; look whether it still holds, "
        "then renew the date"
        for entry in entries
        if entry.stale(today)
    )
