from datetime import UTC, datetime

import pytest

from mxlib.base.verdict import Evidence, Status, Verdict


def test_the_worst_comes_first():
    order = sorted([Status.OK, Status.UNKNOWN, Status.FAILED], key=lambda status: status.severity)
    assert order == [Status.FAILED, Status.UNKNOWN, Status.OK]


@pytest.mark.parametrize(("status", "passed"), [(Status.OK, True), (Status.FAILED, False), (Status.UNKNOWN, False)])
def test_only_ok_passes(status, passed):
    assert Verdict("disk", status, "why").passed is passed


def test_a_report_keeps_what_can_go_wrong_and_no_evidence():
    evidence = (Evidence("df", "secret", datetime(2026, 1, 1, tzinfo=UTC)),)
    verdict = Verdict("disk", Status.FAILED, "0 % free", evidence, ("soon",))
    assert verdict.values == {"check": "disk", "status": "FAILED", "why": "0 % free; soon"}
    assert Verdict("disk", Status.OK, "9 % free", (), ("soon",)).said == "9 % free; but soon"
