"""What tests of several commands share."""

import logging
from collections.abc import Callable
from unittest.mock import MagicMock

import pytest


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Returns what the operator has read so far, without the time of each line."""
    caplog.set_level(logging.INFO, logger="mx-cookbooks")
    return lambda: [record.getMessage()[9:] for record in caplog.records if record.name == "mx-cookbooks"]


@pytest.fixture
def spicerack() -> MagicMock:
    """One that asks no host."""
    made = MagicMock(dry_run=False)
    made.remote.side_effect = AssertionError("a host was asked")
    return made
