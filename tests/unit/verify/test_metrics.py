"""What verify-mx found, as metrics."""

import dataclasses

import pytest

from mxlib.base.verdict import Status
from mxlib.config.verify import QueuePolicy, VerifyPolicy
from mxlib.facts import aliases, depool
from mxlib.facts.source import Source
from mxlib.model.on_host import Kept
from mxlib.model.record import Boot
from mxlib.verify import metrics as written
from mxlib.verify.fleet import verify_hosts
from mxlib.verify.request import HostReport, VerificationScope
from tests.unit.support.aliases import GENERATOR, STUCK, B
from tests.unit.support.facts import NOW, facts_of
from tests.unit.support.records import RECORD
from tests.unit.support.verifying import REPORTS, Recorded, report, verdict


def metrics(*what, verifier="cumin1001"):
    return written.metrics(*what, verifier=verifier)


def test_two_management_hosts_share_no_series():
    mute = HostReport("m.lab.test", (), NOW, 1.0, facts_of({}, "m.lab.test"), answered=True)
    one, other = (
        {line.rpartition(" ")[0] for line in metrics([mute, *REPORTS], verifier=name).splitlines() if line[0] != "#"}
        for name in ("cumin1001", "cumin2001")
    )
    assert len(one) == len(other) > len(REPORTS)
    assert not one & other


def test_metrics():
    lines = metrics(REPORTS).splitlines()
    assert 'mx_verify_status{instance="a.lab.test",verifier="cumin1001",check="x"} 2' in lines
    assert 'mx_verify_status{instance="a.lab.test",verifier="cumin1001",check="y"} 1' in lines
    assert 'mx_verify_status{instance="b.lab.test",verifier="cumin1001",check="x"} 0' in lines
    assert f'mx_verify_time_seconds{{instance="b.lab.test",verifier="cumin1001"}} {NOW.timestamp():.0f}' in lines
    odd = report('a"b\\', verdict("x", Status.OK))
    assert 'instance="a\\"b\\\\"' in metrics([odd])


def test_metrics_show_who_did_not_answer():
    mute = HostReport("m.lab.test", (), NOW, 1.0, None, answered=False)
    lines = metrics([mute, *REPORTS]).splitlines()
    assert 'mx_verify_answered{instance="m.lab.test",verifier="cumin1001"} 0' in lines
    assert 'mx_verify_answered{instance="a.lab.test",verifier="cumin1001"} 1' in lines
    assert not [line for line in lines if line.startswith("mx_out_of_service")]


STAYS = dataclasses.replace(RECORD, stay=True, baseline=True, boots=(), undoing="")
ORDERED = Boot(before=RECORD.boot_before, wanted="6.1.0-56")


@pytest.mark.parametrize(
    ("record", "closed", "value"),
    [
        (None, None, 0),
        (None, (25,), 2),
        (STAYS, (25,), 1),
        (dataclasses.replace(STAYS, stay=False), (25,), 2),
        (dataclasses.replace(STAYS, baseline=False), (25,), 2),
        (dataclasses.replace(STAYS, undoing="asked for"), (25,), 2),
        (dataclasses.replace(STAYS, boots=(ORDERED,)), (25,), 2),
    ],
    ids=["in service", "closed by nobody", "as asked", "a run has it", "not proven", "being undone", "on its way up"],
)
def test_metrics_show_a_host_that_was_taken_out_on_purpose_from_one_that_was_left(monkeypatch, record, closed, value):
    found = depool.DepoolFacts(record, Kept(None, None), 3, closed is not None, closed is not None, closed)
    monkeypatch.setattr(depool, "SOURCE", Source("depool", (depool.SECTION,), lambda outputs: found))
    facts = facts_of({depool.SECTION: "x"}, "a.lab.test")
    lines = metrics([HostReport("a.lab.test", (), NOW, 1.0, facts)]).splitlines()
    assert f'mx_out_of_service{{instance="a.lab.test",verifier="cumin1001"}} {value}' in lines


def test_metrics_show_the_limit_of_frozen_messages(monkeypatch):
    report, *_ = verify_hosts([Recorded()], VerificationScope(VerifyPolicy(queue=QueuePolicy(frozen=7))))
    lines = metrics([report], VerifyPolicy(queue=QueuePolicy(frozen=7))).splitlines()
    assert 'mx_queue_limit_messages{instance="mx1001.lab.test",verifier="cumin1001",level="frozen"} 7' in lines


def test_metrics_show_ages_limits_and_nothing_that_is_not_known(monkeypatch):
    monkeypatch.setattr(aliases, "parse", lambda text, generator: STUCK)
    known = facts_of({aliases.section(GENERATOR): "x"}, B)
    lines = metrics([HostReport(B, (), NOW, 1.0, known)], VerifyPolicy(), [GENERATOR]).splitlines()
    labels = 'instance="mx2001.lab.test",verifier="cumin1001",generator="vrts"'
    assert f"mx_aliases_running_seconds{{{labels}}} 43200" in lines
    assert f"mx_aliases_bound_seconds{{{labels}}} 900" in lines
    assert f"mx_aliases_start_timeout{{{labels}}} 0" in lines
    assert f"mx_aliases_file_whole{{{labels}}} 1" in lines
    assert f"mx_aliases_timer_armed{{{labels}}} 1" in lines
    assert f"mx_aliases_success_time_seconds{{{labels}}} {STUCK.last_success.timestamp():.0f}" in lines
    assert not [line for line in lines if line.startswith("mx_queue_messages")]
    unread = metrics([HostReport(B, (), NOW, 1.0, facts_of({}, B))], VerifyPolicy(), [GENERATOR])
    assert "mx_aliases" not in unread


@pytest.mark.parametrize(
    ("file", "timer", "whole", "armed"),
    [
        ({"malformed": 2}, {}, 0, 1),
        ({"terminated": False}, {}, 0, 1),
        ({}, {"active": "inactive"}, 1, 0),
        ({}, {"file_state": "disabled"}, 1, 0),
    ],
)
def test_metrics_show_a_broken_file_and_a_timer_that_is_not_armed(monkeypatch, file, timer, whole, armed):
    found = dataclasses.replace(
        STUCK, file=dataclasses.replace(STUCK.file, **file), timer=dataclasses.replace(STUCK.timer, **timer)
    )
    monkeypatch.setattr(aliases, "parse", lambda text, generator: found)
    known = facts_of({aliases.section(GENERATOR): "x"}, B)
    lines = metrics([HostReport(B, (), NOW, 1.0, known)], VerifyPolicy(), [GENERATOR]).splitlines()
    labels = 'instance="mx2001.lab.test",verifier="cumin1001",generator="vrts"'
    assert f"mx_aliases_file_whole{{{labels}}} {whole}" in lines
    assert f"mx_aliases_timer_armed{{{labels}}} {armed}" in lines
