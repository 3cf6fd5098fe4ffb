"""How verify-mx ends, beside its table."""

import dataclasses
import logging
from datetime import UTC, datetime
from unittest.mock import MagicMock

import pytest

from mxlib.base.verdict import Status, Verdict
from mxlib.commands.verify import Verify, VerifyRequest
from mxlib.model.outcome import Outcome
from mxlib.verify.request import HostReport
from tests.unit.commands.test_metrics_folder import SITE

MX = HostReport("mx1001.example.org", (Verdict("mta", Status.OK, "well"),), datetime(2026, 1, 1, tzinfo=UTC), 1.0)


@pytest.mark.parametrize("answered", [True, False])
def test_where_no_host_answers_the_last_line_points_at_this_side(
    answered: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = dataclasses.replace(MX, answered=answered)
    monkeypatch.setattr("mxlib.commands.verify.verify_hosts", lambda *_: (report,))
    ended = Verify(MagicMock(dry_run=False), SITE, VerifyRequest(query="")).execute()
    assert ended is (Outcome.DONE if answered else Outcome.NO_ANSWER)
    assert ("look at this side first" in caplog.messages[-1]) is not answered
