"""Unique names: ids of runs, and marks between the parts of an output."""

import secrets
from datetime import UTC, datetime


def new_run() -> str:
    """Return the id of a new run: the time, and random digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def mark() -> str:
    """Return a token that no output contains by chance."""
    return secrets.token_hex(8)
