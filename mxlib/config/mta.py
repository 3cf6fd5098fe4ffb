"""Which mail transfer agent (MTA) the mail exchangers run."""

from pathlib import Path

MTA = "exim"
"""The default."""


def known() -> tuple[str, ...]:
    """Return the names of all MTAs that have an adapter: a folder of ``mxlib/mta`` each."""
    return tuple(sorted(path.parent.name for path in (Path(__file__).parents[1] / "mta").glob("*/adapter.py")))
