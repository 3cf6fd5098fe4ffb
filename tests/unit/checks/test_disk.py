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


def test_a_file_system_is_named_once_with_all_that_lies_on_it():
    found = verdict(disk=lambda text: re.sub(r"(?m) / .*$", " / 100 0 100 50", text))
    assert found.why.count("0 % free") == 1
    assert "/var/spool/exim4, /var/log/exim4" in found.why
