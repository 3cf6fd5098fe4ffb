"""The file of the timer's last verification: read whole, or unknown."""

import json
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.base.verdict import Status
from mxlib.commands.last_verification import Verified, parse_verified

MX = "mx1001.lab.test"
NOW = datetime(2026, 11, 21, 4, 47, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "[]", '{"hosts": [{}]}', '{"hosts": [{"host": "a", "checks": []}]}'])
def test_a_file_that_is_no_verification_is_unknown(text):
    with pytest.raises(ParseError, match="not what verify-mx --json writes"):
        parse_verified(text)


def test_the_file_of_the_timer_is_read():
    raw = {"host": MX, "status": "FAILED", "when": NOW.isoformat()}
    checks = [{"check": "disk", "status": "FAILED"}, {"check": "mta", "status": "OK"}]
    text = json.dumps({"hosts": [{**raw, "checks": checks}]})
    assert parse_verified(text) == {MX: Verified(Status.FAILED, NOW, ("disk",))}
    with pytest.raises(ParseError):
        parse_verified(text.replace("+00:00", ""))
