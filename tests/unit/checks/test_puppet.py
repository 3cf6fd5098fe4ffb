import dataclasses

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.puppet import CHECK
from tests.unit.support.healthy import POLICY, host


def verdict(policy=POLICY, **changed):
    return CHECK.verdict(host(**changed), policy)


def test_a_site_without_puppet():
    assert verdict(dataclasses.replace(POLICY, puppet=False), puppet="absent\n").status is Status.OK


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        ("enabled\nage 7200\nfailed 0\n", Status.OK, "enabled, ran 2 h 0 min ago"),
        ("enabled\nage 7201\nfailed 0\n", Status.FAILED, "last ran 2 h 0 min ago"),
        ("enabled\nage 60\n", Status.UNKNOWN, "its summary has no result"),
        ("enabled\nage -60\nfailed 0\n", Status.UNKNOWN, "1 min 0 s in the future"),
        ("enabled\n", Status.UNKNOWN, "when it last ran is unknown"),
    ],
)
def test_when_it_last_ran_and_how(answer, status, why):
    found = verdict(puppet=answer)
    assert (found.status, why in found.why) == (status, True), found.why
