import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import mta, sockets, units
from mxlib.facts.mta import Role
from mxlib.facts.source import FactUnknownError
from mxlib.model import exim
from tests.unit.support.facts import ShellHost, fact, fixture, output

SHOW = fixture("exim/systemctl-show-exim4.txt")
VERSION = fixture("exim/exim-bV.txt")
LISTENING = "".join(
    f"{line.removeprefix('LISTEN')}\n" for line in fixture("host/ss-tanp.txt").splitlines() if line.startswith("LISTEN")
)
DAEMON = "400 1 /usr/sbin/exim4 -bd -q30m \n"


def read_mta(show=SHOW, hold="no\n", version=VERSION, processes=DAEMON, listening=LISTENING, established=""):
    return fact(mta.SOURCE, show, hold, version, processes + "end\n", listening, established)


def test_a_running_mta():
    facts = read_mta()
    assert facts.version == "4.96"
    assert [(socket.local, socket.port) for socket in facts.listeners] == [("0.0.0.0", 25), ("::", 25)]
    assert [(process.pid, process.role) for process in facts.processes] == [(400, Role.DAEMON)]
    assert (facts.enabled, facts.masked, facts.held, facts.still) == (True, False, False, False)
    assert facts.unit.active == "active"


def test_an_mta_at_rest_and_held():
    masked = SHOW.replace("LoadState=loaded", "LoadState=masked").replace("ActiveState=active", "ActiveState=inactive")
    facts = read_mta(show=masked, processes="", listening="")
    assert facts.still
    assert facts.masked
    assert facts.held
    dropped = SHOW.replace("LoadState=loaded", f"LoadState=loaded\nDropInPaths={exim.HOLD_DROP_IN}")
    assert read_mta(show=dropped, hold="yes\n").held
    assert not read_mta(show=dropped).held
    assert not read_mta(hold="yes\n").held


def test_a_process_that_outlives_the_stop_is_not_stillness():
    assert not read_mta(processes="514 1 /usr/sbin/exim4 -q \n", listening="").still


@pytest.mark.parametrize(
    ("command", "parent", "role"),
    [
        ("/usr/sbin/exim4 -oP /run/exim4/exim.pid -q1m", 1, Role.DAEMON),
        ("/usr/sbin/exim4 -bd -q30m", 400, Role.CHILD),
        ("/usr/sbin/exim4 -q", 400, Role.RUNNER),
        ("/usr/sbin/exim4 -qff", 1, Role.RUNNER),
        ("/usr/sbin/exim4 -Mc 1xUaVg-00006Y-1v", 600, Role.DELIVERY),
        ("/usr/sbin/exim4 -t -oi", 700, Role.OTHER),
    ],
)
def test_roles_by_the_command_line(command, parent, role):
    facts = read_mta(processes=f"{DAEMON}514 {parent} {command} \n")
    assert facts.processes[1].role is role


def test_roles_by_sockets():
    established = (
        '0 0 192.0.2.11:25 198.51.100.9:40000 users:(("exim4",pid=501,fd=0))\n'
        '0 0 [2001:db8:77::11]:40001 [2001:db8:51::10]:25 users:(("exim4",pid=502,fd=7))\n'
    )
    processes = DAEMON + "501 400 /usr/sbin/exim4 -bd -q30m \n502 400 /usr/sbin/exim4 -bd -q30m \n"
    facts = read_mta(processes=processes, established=established)
    assert [process.role for process in facts.processes] == [Role.DAEMON, Role.SESSION, Role.DELIVERY]
    assert len(facts.role(Role.DELIVERY)) == 1


@pytest.mark.parametrize(
    "answer", [{"version": ""}, {"show": ""}, {"hold": ""}, {"processes": "x"}, {"listening": "nonsense\n"}]
)
def test_an_mta_that_cannot_be_told_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        read_mta(**answer)


def test_the_processes_of_this_machine_can_be_listed():
    sleep = str(Path(shutil.which("sleep")).resolve())
    started = f'sleep 5 & pid=$!\nuntil [ "$(readlink /proc/$pid/exe)" = {sleep} ]; do :; done\n'
    script = started + mta.PROCESSES.script.replace(exim.BINARY, sleep) + "kill $pid"
    answer = ShellHost().read(script, timeout=10).output
    lines = [line for line in answer.splitlines() if line.endswith("sleep 5 ")]
    assert len(lines) == 1
    assert answer.rstrip().endswith("end")


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


@pytest.mark.parametrize(
    ("shown", "failures"), [("", "end\n"), (show("a.service"), ""), (show("a.service"), "x\nend\n")]
)
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
