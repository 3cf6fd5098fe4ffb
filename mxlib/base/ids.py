"""Names that nobody else has: of a run, and between the parts of an output."""

import secrets
from datetime import UTC, datetime


def new_run() -> str:
    """The id of a run: when, and something that nobody else has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def mark() -> str:
    """A token that no output can hold by chance."""
    return secrets.token_hex(8)
