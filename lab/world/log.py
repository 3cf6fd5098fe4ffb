"""One short line for each event, on standard error."""

import sys
from datetime import UTC, datetime


def say(text: str) -> None:
    """Write one line with the time; control characters of whatever came over the wire are made visible."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    print(f"{datetime.now(UTC):%H:%M:%S} {shown}", file=sys.stderr, flush=True)
