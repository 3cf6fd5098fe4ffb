import json
import re
from datetime import datetime

import pytest

from mxlib import probe, verify
from mxlib.config_probes import InboundProbe, OutboundProbe, ProbeSection
from mxlib.errors import HostUnreachableError
from mxlib.facts.section import build_script
from mxlib.host import CommandResult
from mxlib.policy import VerifyPolicy
from mxlib.verdict import Evidence, Status, Verdict
from mxlib.verify import HostReport, Request, compare, condition, verify_host, verify_hosts
from mxlib.verify_metrics import metrics
from mxlib.verify_report import VerifyExit, as_json, exit_code, table
from tests.unit.facts_support import NOW, fixture

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

    def __init__(self, name="mx1001.lab.test", recording="mx1001", error=None):
        self.name = name
        self._data = json.loads(fixture(f"healthy/{recording}.json"))
        self._error = error
        self.asked = 0

    def read(self, script, *, timeout):
        if self._error:
            raise self._error
        self.asked += 1
        mark = script.partition("\n")[0].removeprefix("mark=")
        names = re.findall(r"^section ([a-z0-9-]+) [\d.]+ ", script, re.MULTILINE)
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


@pytest.fixture
def probed(monkeypatch):
    """Test mails and sessions that give what they are told."""
    calls = []

    def outbound(host, section, run_tag, policy):
        calls.append((host.name, [one.name for one in section.outbound], run_tag))
        return tuple(verdict(f"outbound-{one.name}", Status.OK) for one in section.outbound)

    def inbound(name, section, policy):
        calls.append((name, "inbound", ""))
        return (verdict("inbound-v4", Status.OK), verdict("inbound-v6", Status.OK), verdict("certificate", Status.OK))

    monkeypatch.setattr(probe, "outbound", outbound)
    monkeypatch.setattr(probe, "inbound", inbound)
    return calls


def test_all_checks_take_one_round_trip():
    host = Recorded()
    found = verify_host(host, Request(POLICY))
    assert host.asked == 1
    assert found.status is Status.OK, [v.why for v in found.verdicts if not v.passed]
    assert len(found.verdicts) == 15


def test_the_condition_is_read_in_one_round_trip_and_leaves_the_mta_out():
    host = Recorded()
    verdicts = condition(host, POLICY)
    assert host.asked == 1
    assert {one.status for one in verdicts} == {Status.OK}
    assert not {"mta", "queue", "log", "puppet", "depool"} & {one.check for one in verdicts}


def test_a_host_that_cannot_be_reached_is_unknown(probed):
    found = verify_host(Recorded(error=HostUnreachableError("no session")), Request(POLICY))
    assert {one.status for one in found.verdicts} == {Status.UNKNOWN}
    assert found.status is Status.UNKNOWN


def test_test_mails_are_part_of_it(probed):
    found = verify_host(Recorded(), Request(POLICY, probes=PROBES, run_tag="r7"))
    assert probed == [("mx1001.lab.test", ["provider", "lists"], "r7"), ("mx1001.lab.test", "inbound", "")]
    assert {"outbound-provider", "inbound-v6", "certificate"} <= {one.check for one in found.verdicts}


def test_only_what_was_asked_for_is_sent_and_read(probed):
    host = Recorded()
    found = verify_host(host, Request(POLICY, probes=PROBES, only=("outbound-lists", "disk")))
    assert [one.check for one in found.verdicts] == ["disk", "outbound-lists"]
    assert probed == [("mx1001.lab.test", ["lists"], "verify")]
    skipped = verify_host(Recorded(), Request(POLICY, probes=PROBES, skip=("certificate", "queue")))
    assert not {"certificate", "queue"} & {one.check for one in skipped.verdicts}


def test_names_that_can_be_asked_for():
    names = Request(POLICY, probes=PROBES).names
    assert {"firewall", "kernel", "outbound-lists", "conntrack-growth", "inbound-v4", "certificate"} <= set(names)
    assert "certificate" not in Request(POLICY).names


def test_hosts_are_told_worst_first():
    hosts = [Recorded("mx1001.lab.test"), Recorded("mx2001.lab.test", "mx2001", HostUnreachableError("no session"))]
    found = verify_hosts(hosts, Request(POLICY))
    assert [(one.host, one.status) for one in found] == [
        ("mx2001.lab.test", Status.UNKNOWN),
        ("mx1001.lab.test", Status.OK),
    ]


def test_a_control_tells_the_world_from_the_host():
    bad, good = verdict("outbound-x", Status.FAILED), verdict("outbound-x", Status.OK)
    here, there = compare([report("a", bad), report("b", good)])
    assert "passes on b: this host is at fault" in here.verdicts[0].why
    assert there.verdicts[0].why == "because"
    both = compare([report("a", bad), report("b", bad)])
    assert "the remote end?" in both[0].verdicts[0].why
    alone = compare([report("a", bad)])
    assert alone[0].verdicts[0].why == "because"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([Status.OK], VerifyExit.OK),
        ([Status.OK, Status.UNKNOWN], VerifyExit.UNKNOWN),
        ([Status.FAILED, Status.UNKNOWN], VerifyExit.FAILED),
        ([], VerifyExit.UNKNOWN),
    ],
)
def test_exit_codes(statuses, expected):
    assert exit_code([report("a", *(verdict(f"c{n}", s) for n, s in enumerate(statuses)))]) is expected


def test_no_exit_code_is_one_of_spicerack():
    assert not {one.value for one in VerifyExit} & {1, 2, *range(90, 100)}


def test_without_hosts_nothing_is_known():
    assert exit_code([]) is VerifyExit.UNKNOWN


REPORTS = (
    report("a.lab.test", verdict("x", Status.FAILED, "broken\x1b[31m"), verdict("y", Status.UNKNOWN, "gone"),
           verdict("z", Status.UNKNOWN, "gone"), verdict("ok", Status.OK)),
    report("b.lab.test", verdict("x", Status.OK)),
)  # fmt: skip


def test_the_table():
    assert table(REPORTS).splitlines() == [
        "FAILED  a.lab.test  (1.0 s)",
        "  FAILED   x                      broken",
        "  UNKNOWN  y, z                   gone",
        "  OK       ok",
        "OK      b.lab.test  (1.0 s)",
        "  OK       x",
    ]
    assert "because" in table(REPORTS, verbose=True)


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


def test_the_script_fits_one_command():
    sections = [s for c in verify.all_checks(()) for source in c.sources(POLICY) for s in source.sections]
    script = build_script(list(dict.fromkeys(sections)), "@@0123456789abcdef")
    assert len(script) < 30_000
