import dataclasses
import json
import re
from datetime import datetime

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.checks import disk
from mxlib.checks.check import Outside, failed
from mxlib.config.probes import InboundProbe, OutboundProbe, ProbeSection
from mxlib.config.verify import QueuePolicy, VerifyPolicy
from mxlib.facts import depool
from mxlib.facts.section import build_script
from mxlib.facts.source import Source
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.model.on_host import Kept
from mxlib.model.outcome import Outcome
from mxlib.model.record import Boot
from mxlib.probes import verdicts as probe
from mxlib.protocols.host import CommandResult
from mxlib.verify import request as verify
from mxlib.verify.fleet import compare, peers_of, verify_hosts
from mxlib.verify.metrics import metrics
from mxlib.verify.report import as_json, outcome_of, table
from mxlib.verify.request import HostReport, Request, condition
from tests.unit.support.facts import NOW, facts_of, fixture
from tests.unit.support.records import RECORD

POLICY = VerifyPolicy(
    required_units=("exim4.service", "ssh.service", "ferm.service|nftables.service", "spamd.service"),
    listeners=(25, 465, 587),
)
PROBES = ProbeSection(
    "probe@world.test",
    (OutboundProbe("provider", "u@provider.test"), OutboundProbe("lists", "l@lists.test")),
    InboundProbe(("user1@lab.test",)),
)


class Recorded:
    """A host that answers each section as a real one did."""

    def __init__(self, name="mx1001.lab.test", recording="mx1001", error=None, hears="250"):
        self.name = name
        self._hears = hears
        self._data = json.loads(fixture(f"healthy/{recording}.json"))
        self._error = error
        self.asked = 0

    def read(self, script, *, timeout):
        if self._error:
            raise self._error
        self.asked += 1
        mark = script.partition("\n")[0].removeprefix("mark=")
        names = re.findall(r"^section ([a-z0-9-]+) [\d.]+ ", script, re.MULTILINE)
        targets = re.findall(r"(mx\d+\.lab\.test)/([46])", script)
        self._data["outputs"]["peer-sessions"] = (
            "".join(
                f"said {name} {family} 192.0.2.1 rcpt user1@lab.test {self._hears} text\n" for name, family in targets
            )
            + "end"
        )
        text = "".join(
            f"{mark} begin {name}\n{self._data['outputs'].get(name, '')}\n{mark} errors {name}\n\n{mark} end {name} 0\n"
            for name in names
        )
        when = datetime.fromisoformat(self._data["when"])
        return CommandResult(script, 0, text, when, self._data["seconds"])

    def act(self, script, *, timeout, ok_codes=(0,)):
        raise AssertionError("verifying changes nothing without test mails")


def verdict(check, status, why="because"):
    return Verdict(check, status, why, (Evidence("\x1b[1mcommand", "output\x07", NOW),))


def report(host, *verdicts):
    return HostReport(host, verdicts, NOW, 1.0)


def said(host, family, codes):
    answers = tuple(Answer(InboundStage.ACCEPTED, subject, code, "", code == 250) for subject, code in codes.items())
    return InboundResult(host, "192.0.2.1", family, answers, None, NOW)


class World:
    """Test mails and sessions that give what they are told."""

    def __init__(self):
        self.mails = []
        self.sessions = []
        self.failing = set()
        self.codes = {}

    def outbound(self, host, section, run_tag, policy):
        self.mails.append((host.name, [one.name for one in section.outbound], run_tag))
        bad = [one.name for one in section.outbound if (host.name, one.name) in self.failing]
        return (
            *(verdict(f"outbound-{x.name}", Status.FAILED if x.name in bad else Status.OK) for x in section.outbound),
            verdict("conntrack-growth", Status.OK),
            verdict("fastopen-growth", Status.OK),
        )

    def ask(self, name, section, policy):
        self.sessions.append(name)
        return tuple(said(name, family, self.codes.get(name, {"user1@lab.test": 250})) for family in policy.families)


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(probe, "outbound", world.outbound)
    monkeypatch.setattr(probe, "sessions", world.ask)
    return world


def found_on(report, name):
    return next(one for one in report.verdicts if one.check == name)


MX1, MX2, MX3 = "mx1001.lab.test", "mx2001.lab.test", "mx3001.lab.test"


def test_all_checks_take_one_round_trip():
    host = Recorded()
    (found,) = verify_hosts([host], Request(POLICY))
    assert host.asked == 1
    assert found.status is Status.OK, [v.why for v in found.verdicts if not v.passed]
    assert {one.check for one in found.verdicts} == set(Request(POLICY).names)
    assert len(found.verdicts) == 18


def test_the_condition_is_read_in_one_round_trip_and_leaves_the_mta_out():
    host = Recorded()
    verdicts = condition(host, POLICY)
    assert host.asked == 1
    assert {one.status for one in verdicts} == {Status.OK}
    assert not {"mta", "queue", "queue-trend", "log", "puppet", "depool"} & {one.check for one in verdicts}


def test_a_host_that_cannot_be_reached_is_unknown(world):
    (found,) = verify_hosts([Recorded(error=HostUnreachableError("no session"))], Request(POLICY))
    assert {one.status for one in found.verdicts} == {Status.UNKNOWN}
    assert "no session" in found.verdicts[0].why


def test_where_no_host_answers_the_verification_itself_has_failed(world):
    gone = HostUnreachableError("no session")
    here, there = Recorded("mx1001.lab.test", error=gone), Recorded("mx2001.lab.test", "mx2001", gone)
    assert outcome_of(verify_hosts([here, there], Request(POLICY))) is Outcome.NO_ANSWER
    assert outcome_of(verify_hosts([Recorded(), there], Request(POLICY))) is Outcome.UNKNOWN
    assert outcome_of(verify_hosts([Recorded()], Request(POLICY, only=("outbound-none",)))) is Outcome.UNKNOWN


def test_everything_that_was_asked_for_has_one_verdict(world):
    request = Request(POLICY, probes=PROBES)
    for report in verify_hosts([Recorded(), Recorded(MX2, "mx2001")], request):
        assert sorted(one.check for one in report.verdicts) == sorted(request.names)


def test_facts_and_sessions_with_others_take_one_round_trip(world):
    one, other = Recorded(), Recorded(MX2, "mx2001")
    first, second = verify_hosts([one, other], Request(POLICY, probes=PROBES))
    assert (one.asked, other.asked) == (1, 1)
    assert found_on(first, "inbound-peers").passed
    assert MX1 in found_on(second, "inbound-peers").why


def test_only_what_was_asked_for_is_sent_and_read(world):
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES, only=("outbound-lists", "disk")))
    assert [one.check for one in found.verdicts] == ["disk", "outbound-lists"]
    assert world.mails == [(MX1, ["lists"], "verify")]
    assert world.sessions == []
    (skipped,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES, skip=("certificate", "queue")))
    assert not {"certificate", "queue"} & {one.check for one in skipped.verdicts}


def test_the_counters_alone_can_be_asked_for(world):
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES, only=("fastopen-growth",)))
    assert [one.check for one in found.verdicts] == ["fastopen-growth"]
    assert world.mails == [(MX1, ["provider", "lists"], "verify")]


def test_a_neighbour_asks_and_is_no_report_of_its_own(world):
    neighbour = Recorded(MX2, "mx2001")
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES), [neighbour])
    assert found.host == MX1
    assert neighbour.asked == 1
    assert found_on(found, "inbound-peers").passed
    assert world.mails == [(MX1, ["provider", "lists"], "verify")]


def test_a_peer_that_is_refused_is_told_beside_the_management_host(world):
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES), [Recorded(MX2, "mx2001", hears="550")])
    told = found_on(found, "inbound-peers")
    assert told.status is Status.FAILED
    assert "from mx2001.lab.test over IPv4" in told.why
    assert "the way between the two?" in told.why


def test_a_peer_that_cannot_ask_proves_nothing(world):
    dead = Recorded(MX2, "mx2001", HostUnreachableError("no session"))
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES), [dead])
    assert found_on(found, "inbound-peers").status is Status.UNKNOWN
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES), [dead, Recorded(MX3, "mx2001")])
    assert found_on(found, "inbound-peers").passed


def test_without_another_mx_there_is_nothing_to_compare(world):
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES))
    assert found_on(found, "inbound-peers").passed
    assert "no other MX" in found_on(found, "same-answers").why


@pytest.mark.parametrize(
    ("codes", "wrong"),
    [
        ({MX1: 250, MX2: 250, MX3: 250}, set()),
        ({MX1: 250, MX2: 550, MX3: 250}, {MX2}),
        ({MX1: 250, MX2: 550}, {MX1, MX2}),
    ],
)
def test_the_odd_answer_is_named(world, codes, wrong):
    world.codes = {name: {"new-queue@lab.test": code} for name, code in codes.items()}
    reports = verify_hosts([Recorded(name) for name in codes], Request(POLICY, probes=PROBES))
    told = {report.host: found_on(report, "same-answers") for report in reports}
    assert {name for name, one in told.items() if one.status is Status.FAILED} == wrong
    assert all("new-queue@lab.test: " in told[name].why for name in wrong)


def test_where_the_site_says_what_is_right_only_the_wrong_one_is_named(world):
    world.codes = {MX1: {"user1@lab.test": 250}, MX2: {"user1@lab.test": 550}}
    reports = verify_hosts([Recorded(), Recorded(MX2, "mx2001")], Request(POLICY, probes=PROBES))
    assert [report.host for report in reports if not found_on(report, "same-answers").passed] == [MX2]


def test_an_mx_that_answers_nothing_cannot_be_compared(world):
    world.codes = {MX1: {}}
    first, second = verify_hosts([Recorded(), Recorded(MX2, "mx2001")], Request(POLICY, probes=PROBES))
    assert {found_on(first, "same-answers").status, found_on(second, "same-answers").status} == {Status.UNKNOWN}


def test_peers_share_the_work():
    assert peers_of("b", ["a", "b", "c", "d"], 2) == ("c", "d")
    assert peers_of("d", ["a", "b", "c", "d"], 2) == ("a", "b")
    assert peers_of("a", ["a"], 2) == ()
    assert peers_of("a", ["a", "b"], 5) == ("b",)


def test_a_budget_that_is_used_up_is_unknown(world):
    def reserve(host, mails):
        return {"lists": "the budget is 3"} if host == MX1 else {one.name: "no budget" for one in mails}

    request = Request(POLICY, probes=PROBES, reserve=reserve)
    reports = {one.host: one for one in verify_hosts([Recorded(), Recorded(MX2, "mx2001")], request)}
    assert world.mails == [(MX1, ["provider"], "verify")]
    assert (found_on(reports[MX1], "outbound-lists").status, found_on(reports[MX1], "outbound-lists").why) == (
        Status.UNKNOWN,
        "the budget is 3",
    )
    assert found_on(reports[MX2], "conntrack-growth").why == "no test mail was sent"


def test_names_that_can_be_asked_for():
    names = Request(POLICY, probes=PROBES).names
    assert {"firewall", "kernel", "outbound-lists", "conntrack-growth", "inbound-v4", "certificate"} <= set(names)
    assert "certificate" not in Request(POLICY).names


def test_a_check_from_outside(world):
    seen = []

    def judge(host, facts):
        seen.append((host, facts.get(disk.source(POLICY))[0].path))
        return failed("the hypervisor says so", "a line")

    outside = Outside("hypervisor", "asks it", (disk.source(POLICY),), judge)
    request = Request(POLICY, outside=(outside,), only=("hypervisor",))
    (found,) = verify_hosts([Recorded()], request)
    assert [(one.check, one.status, one.why) for one in found.verdicts] == [
        ("hypervisor", Status.FAILED, "the hypervisor says so")
    ]
    assert "a line" in found.verdicts[0].evidence[0].output
    assert seen == [(MX1, "/var/spool/exim4")]
    (silent,) = verify_hosts([Recorded(error=HostUnreachableError("no session"))], request)
    assert silent.status is Status.UNKNOWN


def test_hosts_are_told_worst_first():
    hosts = [Recorded("mx1001.lab.test"), Recorded("mx2001.lab.test", "mx2001", HostUnreachableError("no session"))]
    found = verify_hosts(hosts, Request(POLICY))
    assert [(one.host, one.status) for one in found] == [
        ("mx2001.lab.test", Status.UNKNOWN),
        ("mx1001.lab.test", Status.OK),
    ]


def test_a_control_tells_the_world_from_the_host():
    bad, good = verdict("outbound-x", Status.FAILED), verdict("outbound-x", Status.OK)
    blind = verdict("outbound-x", Status.UNKNOWN)
    here, there = compare([report("a", bad), report("b", good)])
    assert here.verdicts[0].why == "THIS HOST is at fault, it passes on b: because"
    assert there.verdicts[0].why == "because"
    both = compare([report("a", bad), report("b", bad)])
    assert "REMOTE END or the way to it, it fails on b too" in both[0].verdicts[0].why
    assert "b could not tell" in compare([report("a", bad), report("b", blind)])[0].verdicts[0].why
    alone = compare([report("a", bad)])
    assert alone[0].verdicts[0].why == "because"


def test_what_fails_on_one_host_is_repeated_on_a_neighbour(world):
    world.failing = {(MX1, "provider")}
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES), [Recorded(MX2, "mx2001")])
    assert world.mails == [(MX1, ["provider", "lists"], "verify"), (MX2, ["provider"], "verify")]
    assert "THIS HOST is at fault, it passes on mx2001.lab.test" in found_on(found, "outbound-provider").why
    world.failing.add((MX2, "provider"))
    (found,) = verify_hosts([Recorded()], Request(POLICY, probes=PROBES), [Recorded(MX2, "mx2001")])
    assert "REMOTE END" in found_on(found, "outbound-provider").why


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([Status.OK], Outcome.DONE),
        ([Status.OK, Status.UNKNOWN], Outcome.UNKNOWN),
        ([Status.FAILED, Status.UNKNOWN], Outcome.FAILED),
        ([], Outcome.UNKNOWN),
    ],
)
def test_exit_codes(statuses, expected):
    assert outcome_of([report("a", *(verdict(f"c{n}", s) for n, s in enumerate(statuses)))]) is expected


@pytest.mark.parametrize("status", Status)
def test_a_run_that_reached_nobody_says_so_whatever_it_found(status):
    silent = dataclasses.replace(report("a", verdict("inbound-v4", status)), answered=False)
    assert outcome_of([silent, dataclasses.replace(silent, host="b")]) is Outcome.NO_ANSWER
    assert outcome_of([silent, report("b")]) is not Outcome.NO_ANSWER


def test_no_exit_code_is_one_of_spicerack():
    assert not {one.value for one in Outcome} & {1, 2, *range(90, 100)}


def test_without_hosts_nothing_is_known():
    assert outcome_of([]) is Outcome.UNKNOWN


REPORTS = (
    report("a.lab.test", verdict("x", Status.FAILED, "broken\x1b[31m"), verdict("y", Status.UNKNOWN, "gone"),
           verdict("z", Status.UNKNOWN, "gone"), verdict("ok", Status.OK)),
    report("b.lab.test", verdict("x", Status.OK)),
)  # fmt: skip


def test_the_table():
    assert table(REPORTS).splitlines() == [
        "2 hosts: 1 FAILED, 1 OK  (1.0 s)",
        "FAILED  a.lab.test  (1.0 s)",
        "  FAILED   x                      broken",
        "  UNKNOWN  y, z                   gone",
        "  OK       1 other check",
        "OK      b.lab.test: 1 check, all OK",
    ]
    assert "because" in table(REPORTS, verbose=True)


def test_a_hundred_hosts_that_are_well_are_one_line():
    well = [report(f"mx{number:03d}.lab.test", verdict("x", Status.OK)) for number in range(100)]
    lines = table([REPORTS[0], *well]).splitlines()
    assert len(lines) == 6
    assert lines[0] == "101 hosts: 1 FAILED, 100 OK  (1.0 s)"
    assert lines[-1].startswith("OK      mx000.lab.test, mx001.lab.test")


def test_warnings_are_shown_also_where_all_is_well():
    warned = report("a.lab.test", dataclasses.replace(verdict("x", Status.OK), warnings=("look at it",)))
    assert table([warned]).splitlines() == [
        "OK      a.lab.test  (1.0 s)",
        "  warning  x                      look at it",
        "  OK       1 check",
    ]


def test_notes_are_part_of_the_json():
    assert json.loads(as_json([], ["an old entry"]))["notes"] == ["an old entry"]


def test_json_carries_the_evidence():
    data = json.loads(as_json(REPORTS))
    first = data["hosts"][0]
    assert (first["host"], first["status"]) == ("a.lab.test", "FAILED")
    assert first["checks"][0]["evidence"] == [{"command": "command", "output": "output", "when": NOW.isoformat()}]


def test_metrics():
    lines = metrics(REPORTS).splitlines()
    assert 'mx_verify_status{instance="a.lab.test",check="x"} 2' in lines
    assert 'mx_verify_status{instance="a.lab.test",check="y"} 1' in lines
    assert 'mx_verify_status{instance="b.lab.test",check="x"} 0' in lines
    assert f'mx_verify_time_seconds{{instance="b.lab.test"}} {NOW.timestamp():.0f}' in lines
    odd = report('a"b\\', verdict("x", Status.OK))
    assert 'instance="a\\"b\\\\"' in metrics([odd])


def test_metrics_tell_who_did_not_answer():
    mute = HostReport("m.lab.test", (), NOW, 1.0, None, answered=False)
    lines = metrics([mute, *REPORTS]).splitlines()
    assert 'mx_verify_answered{instance="m.lab.test"} 0' in lines
    assert 'mx_verify_answered{instance="a.lab.test"} 1' in lines
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
def test_metrics_tell_a_host_that_was_taken_out_on_purpose_from_one_that_was_left(monkeypatch, record, closed, value):
    found = depool.DepoolFacts(record, Kept(None, None), 3, closed is not None, closed is not None, closed)
    monkeypatch.setattr(depool, "SOURCE", Source("depool", (depool.SECTION,), lambda outputs: found))
    facts = facts_of({depool.SECTION: "x"}, "a.lab.test")
    lines = metrics([HostReport("a.lab.test", (), NOW, 1.0, facts)]).splitlines()
    assert f'mx_out_of_service{{instance="a.lab.test"}} {value}' in lines


def test_metrics_tell_the_limit_of_frozen_messages(monkeypatch):
    report, *_ = verify_hosts([Recorded()], Request(VerifyPolicy(queue=QueuePolicy(frozen=7))))
    lines = metrics([report], VerifyPolicy(queue=QueuePolicy(frozen=7))).splitlines()
    assert 'mx_queue_limit_messages{instance="mx1001.lab.test",level="frozen"} 7' in lines


def test_the_script_fits_one_command():
    sections = [s for c in verify.all_checks(()) for source in c.sources(POLICY) for s in source.sections]
    script = build_script(list(dict.fromkeys(sections)), "@@0123456789abcdef")
    assert len(script) < 30_000
