"""The file of the timer's last verification: read whole, or unknown."""

import json
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.base.verdict import Status
from mxlib.commands.last_verification import Verified, parse_verified

MX = "mx1001.lab.test"
NOW = datetime(2026, 11, 21, 4, 47, tzinfo=UTC)


HOST = '{"host": "a", "status": "OK", "checks": [], "when": "2026-11-21T04:47:00+00:00"}'
TEXTS = ["", "[]", "{}", '{"hosts": [{"ho', "[" * 100000, f'{{"hosts": [{HOST}]}}']
TEXTS += [f'{{"hosts": [{HOST}], "left_out": 1}}']
TEXTS += [f'{{"hosts": [{one}], "left_out": []}}' for one in ("{}", '{"host": "a", "checks": []}')]
LAST = HOST.replace("2026-11-21T04:47:00+00:00", "9999-12-31T23:59:00-23:59")
AT_THE_END_OF_TIME = f'{{"hosts": [{LAST}], "left_out": []}}'


@pytest.mark.parametrize("text", [*TEXTS, AT_THE_END_OF_TIME])
def test_a_file_that_is_no_verification_is_unknown(text):
    with pytest.raises(ParseError, match="not what verify-mx --json writes"):
        parse_verified(text)


def test_the_file_of_the_timer_is_read():
    raw = {"host": MX, "status": "FAILED", "when": NOW.isoformat()}
    checks = [{"check": "disk", "status": "FAILED"}, {"check": "mta", "status": "OK"}]
    text = json.dumps({"hosts": [{**raw, "checks": checks}], "left_out": []})
    assert parse_verified(text) == {MX: Verified(Status.FAILED, NOW, ("disk",), ("disk", "mta"), ())}
    elsewhere = parse_verified(text.replace("04:47:00+00:00", "06:47:00+02:00"))[MX].when
    assert f"{elsewhere:%H:%M}" == "04:47", "the table shows it as UTC"
    with pytest.raises(ParseError):
        parse_verified(text.replace("+00:00", ""))
