"""Exim behind the protocol of an MTA: each question and each script is the right one."""

import subprocess
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.source import Source
from mxlib.mta.backlog import Try
from mxlib.mta.exim import names, runners
from mxlib.mta.exim.adapter import ADAPTER
from mxlib.mta.protocol import Mta
from tests.unit.support.facts import facts_of, output

SOCKETS = {"sockets-listening", "sockets-established"}
SINCE = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def members() -> list[str]:
    """What the protocol asks of an MTA."""
    return sorted(name for name in vars(Mta) if not name.startswith("_"))


def test_it_has_all_that_the_protocol_names() -> None:
    assert len(members()) > 25
    assert [name for name in members() if not hasattr(ADAPTER, name)] == []


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("service", {f"mta-{one}" for one in ("unit", "hold", "version", "processes")} | SOCKETS),
        ("version", {"mta-version"}),
        ("queue", {"queue-count", "queue-ages", "queue-headers"}),
        ("length", {"queue-count"}),
        ("deadlines", {"queue-headers", "retry-rules", "queue-routes"}),
        ("recent", {"maillog-recent"}),
        ("relay", {"relay"}),
        ("mark", {"maillog-mark"}),
        ("give_up", {"retry-rules"}),
        ("hints", {"retry-hints"}),
        ("remembered_refusals", {"callout"}),
    ],
)
def test_what_each_question_asks(name: str, sections: set[str]) -> None:
    source = getattr(ADAPTER, name)
    assert isinstance(source, Source)
    assert {section.name for section in source.sections} == sections


def test_questions_since_a_mark_or_a_time() -> None:
    growth, flow = ADAPTER.growth("7:8:9"), ADAPTER.flow("7:8:9")
    for source in (growth, flow):
        assert source.sections[0].script.startswith("inode=7; offset=8; sum=9\n")
    assert growth.name != flow.name
    assert f"{SINCE.timestamp():.0f}" in ADAPTER.arrivals(SINCE).sections[0].script
    assert "<a@x.test>" in ADAPTER.refusals(["a@x.test"], SINCE).sections[0].script
    for source in (ADAPTER.growth, ADAPTER.flow, ADAPTER.ledger_functions):
        with pytest.raises(ParseError):
            source("no mark")  # type: ignore[operator]


def test_what_waits_is_asked_by_the_classes_of_the_rules() -> None:
    source = ADAPTER.waiting(["wiki@lab.test"])
    (section,) = source.sections
    assert "patterns='wiki@lab.test'" in section.script
    answer = "zone +0000\nnow 1763690850\ntotal 1 0\ndest x.test 1 1 0 1xUaVg-00006Y-1v 1xUaVg-00006Y-1v\nend\n"
    found = facts_of({section: output(section, answer)}).get(source)
    assert [(heap.domain, heap.senders, heap.count) for heap in found.heaps] == [("x.test", "1", 1)]


def test_an_attempt_stops_the_runners_before_it_starts_new_ones() -> None:
    script = ADAPTER.attempt_script([Try("x.test", "-", None, 9)], ["a@x.test"], [], 3, 60)
    assert script.startswith(runners.STOP)
    assert "try x.test - - 9\nspare a@x.test\n" in script
    assert "-P 3 " in script
    assert "+ 60))" in script
    assert subprocess.run(["/bin/sh", "-n", "-c", script], check=False).returncode == 0


def test_it_is_stopped_and_started_by_its_unit_and_parks_nothing() -> None:
    assert ADAPTER.units == (names.UNIT,)
    assert ADAPTER.stop_script == "systemctl stop exim4.service"
    assert ADAPTER.start_script == "systemctl start exim4.service"
    assert ADAPTER.can.stop_spares
    assert (ADAPTER.quiet_script, ADAPTER.let_go_script) == (":", ":")
    assert ADAPTER.stop_attempts_script == runners.STOP


def test_keys_and_what_is_cleared() -> None:
    assert ADAPTER.is_key("1xUaVg-00006Y-1v")
    assert not ADAPTER.is_key("1xUaVg")
    assert "exim_fixdb /var/spool/exim4 retry" in ADAPTER.forget_script(["T:mx.x.test:192.0.2.7"])
    assert "exim_fixdb /var/spool/exim4 callout" in ADAPTER.drop_refusals_script(["a@x.test"])
    assert ADAPTER.paths == ("/var/spool/exim4", "/var/log/exim4")


def test_test_mails_are_forced_only_where_that_is_asked() -> None:
    plain, forced = (ADAPTER.probe([], "probe@world.test", "r1", 5, force=force) for force in (False, True))
    assert "how=-odb;" in plain.sections[0].script
    assert "how=-odq;" in forced.sections[0].script
