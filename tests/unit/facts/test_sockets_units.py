from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import sockets, units
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, fixture, output

SHOW = fixture("exim/systemctl-show-exim4.txt")
LISTENING = "".join(
    f"{line.removeprefix('LISTEN')}\n" for line in fixture("host/ss-tanp.txt").splitlines() if line.startswith("LISTEN")
)


def test_sockets():
    facts = fact(sockets.SOURCE, LISTENING, "0 0 10.77.0.10:25 10.77.0.1:42250\n0 0 127.0.0.1:25 127.0.0.1:9\n")
    assert {family for socket in facts.listeners(25) for family in socket.families} == {4, 6}
    assert [client.peer for client in facts.clients((25, 587))] == ["10.77.0.1"]
    assert sockets.parse_ss('0 128 *:25 *:* users:(("x",pid=1,fd=3))\n')[0].families == {4, 6}
    assert sockets.parse_ss("0 0 [fe80::1]%ens5:22 [fe80::2]:40000\n")[0].local == "fe80::1"
    assert not sockets.parse_ss("0 128 [::1]:25 [::]:*\n")[0].public


UNIT = (
    "Id={name}\nLoadState={load}\nActiveState={active}\nSubState=running\nUnitFileState=enabled\n"
    "Result=success\nInactiveExitTimestampMonotonic=100000000\n"
)


def show(name, active="active", load="loaded"):
    return UNIT.format(name=name, active=active, load=load)


def read_units(shown, failures="end\n"):
    return fact(units.source(["exim4.service", "ferm.service"]), f"250.50\n{shown}", failures)


def test_units():
    text = "\n".join([show("exim4.service"), show("ferm.service", "failed"), show("gen.service", "activating")])
    facts = read_units(text + "\n" + show("ferm.service", "failed"))
    assert [unit.name for unit in facts.units] == ["exim4.service", "ferm.service", "gen.service"]
    assert [unit.name for unit in facts.failed] == ["ferm.service"]
    assert facts.find("gen.service").left_inactive_s == pytest.approx(150.5)
    assert facts.find("nothing.service") is None


def test_failures_in_the_journal():
    failures = (
        "ifup@ens5.service failed=1763690781000000 started=\n"
        "spamd.service failed=1763690781000000 started=1763690790000000\nend\n"
    )
    past = read_units(show("exim4.service"), failures).past_failures
    assert [(failure.unit, failure.recovered) for failure in past] == [
        ("ifup@ens5.service", False),
        ("spamd.service", True),
    ]
    assert past[0].failed == datetime(2025, 11, 21, 2, 6, 21, tzinfo=UTC)


@pytest.mark.parametrize(("shown", "failures"), [("", "end\n"), (show("a.service"), ""), (show("a.service"), "x\n")])
def test_units_that_cannot_be_told_are_unknown(shown, failures):
    with pytest.raises(FactUnknownError):
        read_units(shown, failures)


@pytest.mark.parametrize("name", ["exim4", "a;reboot.service", "$(x).service", "-x .service"])
def test_unit_names_are_checked_before_they_are_used(name):
    with pytest.raises(ParseError):
        units.source([name])


def test_an_unknown_unit_file_state_of_a_generated_unit_is_decided_by_its_wants():
    assert units.parse_show(SHOW)[0].enabled
    assert not units.parse_show(SHOW.replace("WantedBy=", "NotWantedBy="))[0].enabled


def test_a_missing_systemd_is_unknown():
    source = units.source(["exim4.service"])
    with pytest.raises(FactUnknownError, match="exit code 1"):
        fact(source, output(source.sections[0], "250.5\n", code=1, errors="Failed to connect to bus"), "end\n")
