import base64

from mxlib.base.verdict import Status
from mxlib.checks.depool import CHECK
from tests.unit.support.healthy import POLICY, host
from tests.unit.support.records import RECORD


def verdict(policy=POLICY, **changed):
    return CHECK.verdict(host(**changed), policy)


def test_a_claim_is_a_leftover_and_says_whose():
    record = base64.b64encode(RECORD.to_json().encode()).decode()
    found = verdict(depool=lambda text: f"kept-token Nwo=\nrecord {record}\n{text}")  # 7 and a newline
    assert (found.status, found.why) == (Status.FAILED, "claimed by op@cumin1001 since now, run run-1: because")


def test_closed_ports_that_no_run_explains():
    found = verdict(depool=lambda text: "file yes\nunit enabled\n" + text)
    assert (found.status, "and no run says why" in found.why) == (Status.FAILED, True), found.why
