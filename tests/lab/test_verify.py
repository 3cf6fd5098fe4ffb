"""verify-mx on the real hosts: all is well where all is well, and the budget of test mails holds over the fleet."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.lifecycle import Stations
from lab.stations import infra
from mxlib.model.outcome import Outcome
from tests.lab.verification import verify

SITE = "/etc/spicerack/cookbooks/sre.mail.yaml"


def test_healthy_hosts_are_all_ok(place: Stations) -> None:
    found = verify(place)
    assert (found.outcome, found.wrong) == (Outcome.DONE, {}), found.said
    assert set(found.checks) == {"mx1001", "mx2001"}
    for checks in found.checks.values():
        assert {"firewall", "kernel", "nic", "alerts", "outbound-provider-v6", "inbound-peers"} <= checks.keys()


def test_mail_that_stale_hints_bounce_has_failed_on_this_host(place: Stations, broken) -> None:
    with broken("stale-hints", "mx1001"):
        found = verify(place, "mx1001.lab.test", "--only", "outbound-provider-v4")
    assert found.outcome is Outcome.FAILED
    assert found.wrong == {"mx1001": {"outbound-provider-v4": "FAILED"}}
    assert "THIS HOST" in found.said


@contextmanager
def budget(place: Stations, per_hour: int) -> Iterator[None]:
    """Set another budget of test mails, with nothing spent of it."""
    spent = f"{infra.ETCD}/v2/keys/mx-cookbooks/mail/test-mails?recursive=true"
    forget = f"curl -s --noproxy '*' -X DELETE '{spent}' >/dev/null"
    for station in (place.operator, place.management[1]):
        station.sh(f"sed -i.before 's/probes_per_hour: .*/probes_per_hour: {per_hour}/' {SITE}")
    place.operator.sh(forget)
    try:
        yield
    finally:
        place.operator.sh(forget)
        for station in (place.operator, place.management[1]):
            station.sh(f"mv {SITE}.before {SITE}")


@pytest.mark.nightly
def test_the_budget_is_one_for_the_fleet(place: Stations) -> None:
    words = ("--only", "outbound-provider-v4")
    with budget(place, 4):
        first = verify(place, "mx1001.lab.test", *words)
        second = verify(place, "mx2001.lab.test", *words)
        anyway = verify(place, "mx2001.lab.test", *words, "--over-budget")
    assert (first.outcome, anyway.outcome) == (Outcome.DONE, Outcome.DONE)
    assert second.wrong == {"mx2001": {"outbound-provider-v4": "UNKNOWN"}}
    assert "with these 4 there would be 8 in an hour, the budget is 4" in second.said


@pytest.mark.nightly
def test_the_metrics_name_every_check(place: Stations) -> None:
    found = verify(place, "--no-probes", "--metrics", "/tmp/mx_verify.prom")
    told = place.operator.sh("cat /tmp/mx_verify.prom")
    me = place.operator.sh("hostname").strip()
    for host, checks in found.checks.items():
        for check in checks:
            assert f'mx_verify_status{{instance="{host}.lab.test",verifier="{me}",check="{check}"}} 0' in told
