"""What several tests of names stand on."""

from pathlib import Path

import pytest

from tests.unit.support.fake_guest import FakeGuest
from tests.unit.support.nics import MAC


@pytest.fixture
def guest(tmp_path: Path) -> FakeGuest:
    """A guest whose card has another name than its files say."""
    return FakeGuest(tmp_path, {"ens13": MAC})
