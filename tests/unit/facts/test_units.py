"""Units of systemd: what its own tool shows, and failures in the journal, read by the section itself."""

import os
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.base.verdict import Status
from mxlib.facts import units
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, fixture, output
from tests.unit.support.healthy import host, judge

# As journalctl of systemd 252 prints them with -o export: values as they are; in another form it escapes backslashes.
ENTRY = "__CURSOR=s=1f557c93\n__REALTIME_TIMESTAMP={at}000000\n__MONOTONIC_TIMESTAMP=1\nUNIT={unit}\n\n"
FAILED, STARTED = "MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c", "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"
MOUNT = r"mnt-mail\x2dbackup.mount"
# Answers like journalctl: entries/<MESSAGE_ID>/<UNIT> holds those of one unit, of all units with a glob.
JOURNALCTL = """\
#!/bin/sh
case "$*" in *"$FAILS"*) echo 'Failed to iterate through journal: Bad message' >&2; exit 1 ;; esac
case "$*" in *'-n 0'*) [ ! -e "$JOURNAL.damaged" ] || cat "$JOURNAL.damaged" >&2; exit ;; esac
unit='*' message= last= form=short
while [ $# -gt 0 ]; do
case $1 in UNIT=*) unit=${1#UNIT=} ;; MESSAGE_ID=*) message=$1 ;; -n) last=1 ;; export) form=export ;; esac
shift
done
[ "$form" = export ] || exec sed 's/\\\\/&&/g' "$JOURNAL"/*/*
[ -n "$message" ] || { cat "$JOURNAL"/*/* 2>/dev/null; exit 0; }
[ "$unit" != '*' ] || { cat "$JOURNAL/$message"/* 2>/dev/null; exit 0; }
[ ! -e "$JOURNAL/$message/$unit" ] || cat "$JOURNAL/$message/$unit"
"""
# Answers what a test has put beside it; a mount has no restarts.
SYSTEMCTL = """\
#!/bin/sh
[ "$*" = "show -p NRestarts --value -- $6" ] || exit 2
[ ! -e "${0%/*}/restarts" ] || cat "${0%/*}/restarts"
[ ! -e "${0%/*}/no-bus" ]
"""


def section(folder: Path, *entries: tuple[str, str, int]) -> str:
    """What the section prints on a host whose journal has these entries: message, unit, second."""
    done = run(folder, entries)
    done.check_returncode()
    return done.stdout


def run(
    folder: Path, entries: Sequence[tuple[str, str, int]], fails: str = "nothing"
) -> subprocess.CompletedProcess[str]:
    """Run the section where a query of the journal fails."""
    program = folder / "journalctl"
    program.write_text(JOURNALCTL, encoding="utf-8")
    program.chmod(0o755)
    systemctl = folder / "systemctl"
    systemctl.write_text(SYSTEMCTL, encoding="utf-8")
    systemctl.chmod(0o755)
    for message in (FAILED, STARTED):
        (folder / "journal" / message).mkdir(parents=True, exist_ok=True)
    for message, unit, at in entries:
        with (folder / "journal" / message / unit).open("a", encoding="utf-8") as known:
            known.write(ENTRY.format(at=at, unit=unit))
    found = {"PATH": f"{folder}:{os.environ['PATH']}", "JOURNAL": str(folder / "journal"), "FAILS": fails}
    script = units.JOURNAL.script.replace(units.CLEARED, str(folder / "cleared"))
    argv = ["sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, **found})


def test_a_name_with_a_backslash_is_looked_up(tmp_path: Path) -> None:
    shown = section(tmp_path, (FAILED, MOUNT, 1763690781), (STARTED, MOUNT, 1763690790))
    assert shown == f"{MOUNT} failed=1763690781000000 started=1763690790000000\nend\n"
    found = host(unit_failures=shown).get(units.source(["exim4.service"]))
    assert [(failure.unit, failure.recovered) for failure in found.past_failures] == [(MOUNT, True)]
    assert found.unread == ()
    assert judge("units", host(unit_failures=shown)).status is Status.OK


def test_a_cleared_failure_with_a_backslash_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "cleared").write_text(f"{MOUNT} op@cumin1001: gone since the move\n", encoding="utf-8")
    shown = section(tmp_path, (FAILED, MOUNT, 1763690781))
    assert judge("units", host(unit_failures=shown)).status is Status.OK
    line = shown.splitlines()[0]
    uncleared = judge("units", host(unit_failures=f"{line}\nend\n"))
    assert uncleared.status is not Status.OK


@pytest.mark.parametrize("line", [r"mnt-mail\\x2dbackup.mount failed= started=", "21 more", "x.service failed=soon"])
def test_a_line_that_cannot_be_read_costs_the_line_and_not_the_fact(line: str) -> None:
    known = "ifup@ens5.service failed=1795234781000000 started=\n"
    found = host(unit_failures=f"{known}{line}\nend\n").get(units.source(["exim4.service"]))
    assert ([failure.unit for failure in found.past_failures], found.unread) == (["ifup@ens5.service"], (line,))
    assert judge("units", host(unit_failures=f"{known}{line}\nend\n")).status is Status.FAILED
    alone = judge("units", host(unit_failures=f"{line}\nend\n"))
    assert alone.status is Status.UNKNOWN
    assert line.split()[0] in alone.why


GEN = [(FAILED, "gen.service", 1763690781), (FAILED, "gen.service", 1763690791), (STARTED, "gen.service", 1763690796)]


def test_a_unit_that_failed_more_than_once_is_shown_with_its_restarts(tmp_path: Path) -> None:
    (tmp_path / "restarts").write_text("57\n", encoding="utf-8")
    shown = section(tmp_path, *GEN)
    now = re.search(r"now=(\d+)", shown)
    assert now is not None
    assert shown == (
        "gen.service failed=1763690791000000 started=1763690796000000\n"
        f"again gen.service restarts=57 now={now[1]} failed=1763690781000000,1763690791000000\nend\n"
    )
    (again,) = host(unit_failures=shown).get(units.source(["exim4.service"])).restarts
    assert (again.unit, again.count) == ("gen.service", 57)
    assert [f"{one:%H:%M:%S}" for one in again.failures] == ["02:06:21", "02:06:31"]
    assert abs(again.now - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("restarts", [None, "0\n"], ids=["of a kind that has none", "by hand"])
def test_a_unit_that_systemd_did_not_start_again_is_in_no_loop(tmp_path: Path, restarts: str | None) -> None:
    if restarts is not None:
        (tmp_path / "restarts").write_text(restarts, encoding="utf-8")
    assert "again" not in section(tmp_path, *GEN)


def test_one_failure_is_no_loop(tmp_path: Path) -> None:
    (tmp_path / "restarts").write_text("1\n", encoding="utf-8")
    assert "again" not in section(tmp_path, *GEN[1:])


def test_restarts_that_systemd_does_not_say_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "no-bus").touch()
    shown = section(tmp_path, *GEN)
    assert "restarts=unread" in shown
    assert judge("units", host(unit_failures=shown)).status is Status.UNKNOWN


def test_failures_beyond_those_that_are_looked_up_are_not_forgotten(tmp_path: Path) -> None:
    names = [f"job@{number:02d}.service" for number in range(23)]
    entries = [(message, name, 1763690781 + (message == STARTED)) for name in names for message in (FAILED, STARTED)]
    found = host(unit_failures=section(tmp_path, *entries)).get(units.source(["exim4.service"]))
    assert len(found.past_failures) == 20
    assert found.unread == tuple(names[20:])


@pytest.mark.parametrize("fails", ["-n 1", f"UNIT {FAILED}"])
def test_a_journal_that_cannot_be_read_is_not_one_without_failures(tmp_path: Path, fails: str) -> None:
    done = run(tmp_path, [(FAILED, MOUNT, 1763690781)], fails)
    shown = "9.0\nId=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=\n"
    asked = units.source(["a.service"])
    journal = output(units.JOURNAL, done.stdout, code=done.returncode, errors=done.stderr)
    with pytest.raises(FactUnknownError, match="Bad message"):
        fact(asked, f"{shown}InactiveExitTimestampMonotonic=1\n", journal)


def test_a_start_that_cannot_be_looked_up_is_unknown(tmp_path: Path) -> None:
    done = run(tmp_path, [(FAILED, MOUNT, 1763690781)], STARTED)
    assert judge("units", host(unit_failures=done.stdout)).status is Status.UNKNOWN


def test_a_journal_with_a_file_that_is_left_out_is_not_one_without_failures(tmp_path: Path) -> None:
    said = f"Journal file {tmp_path}/journalctl corrupted, ignoring file."
    (tmp_path / "journal.damaged").write_text(f"{said}\n")
    recovered = [(FAILED, MOUNT, 1763690781), (STARTED, MOUNT, 1763690790)]
    verdict = judge("units", host(unit_failures=section(tmp_path, *recovered)))
    assert verdict.status is Status.UNKNOWN
    assert said in verdict.why
    failing = section(tmp_path, (FAILED, "x.service", 1763690799))
    assert judge("units", host(unit_failures=failing)).status is Status.FAILED, "what is known counts"


def test_an_empty_journal_is_not_one_without_failures(tmp_path: Path) -> None:
    shown = section(tmp_path)
    assert shown == "journal empty\nend\n"
    with pytest.raises(FactUnknownError, match="nothing of this boot"):
        host(unit_failures=shown).get(units.source(["exim4.service"]))


@pytest.mark.parametrize("odd", ["Result of nothing", "ActiveState: active"])
def test_a_line_that_is_no_property_makes_the_states_unknown(odd: str) -> None:
    shown = host(unit_states=lambda text: text.replace("SubState=", f"{odd}\nSubState=", 1))
    verdict = judge("units", shown)
    assert verdict.status is Status.UNKNOWN
    assert odd in verdict.why


@pytest.mark.parametrize("state", ["reloading", "refreshing"])
def test_a_unit_that_reloads_its_configuration_runs(state: str) -> None:
    changed = host(unit_states=lambda text: text.replace("ActiveState=active", f"ActiveState={state}"))
    assert judge("units", changed).status is Status.OK

SHOW = fixture("exim/systemctl-show-exim4.txt")

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
def test_units_that_cannot_be_read_are_unknown(shown, failures):
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
