import re

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.disk import CHECK
from tests.unit.support.healthy import POLICY, host


def verdict(policy=POLICY, **changed):
    return CHECK.verdict(host(**changed), policy)


@pytest.mark.parametrize(
    ("free", "inodes", "status"),
    [(10, 50, Status.OK), (9, 50, Status.FAILED), (50, 10, Status.OK), (50, 9, Status.FAILED)],
)
def test_the_fuller_of_space_and_inodes_decides(free, inodes, status):
    found = verdict(disk=lambda text: re.sub(r"(?m) / .*$", f" / 100 {free} 100 {inodes}", text))
    assert found.status is status, found.why
