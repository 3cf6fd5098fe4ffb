import re

import pytest

from mxlib.base.verdict import Status
from mxlib.checks.conntrack import CHECK
from tests.unit.support.healthy import POLICY, host


def verdict(policy=POLICY, **changed):
    return CHECK.verdict(host(**changed), policy)


@pytest.mark.parametrize(("count", "status"), [(4800, Status.OK), (4801, Status.FAILED)])
def test_the_site_decides_how_full_is_full(count, status):
    found = verdict(conntrack=lambda text: re.sub("count .*\nmax .*", f"count {count}\nmax 6000", text))
    assert found.status is status, found.why
    assert found.why.startswith(f"{count} of 6000 connections, 80 %")


def test_a_host_that_tracks_nothing_loses_nothing():
    assert verdict(conntrack="absent\n").why == "connections are not tracked"
