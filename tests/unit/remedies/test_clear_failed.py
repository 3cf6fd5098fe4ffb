"""The failure of a unit that is over, cleared: noted on the host first, and only where it is one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.units import CLEARED
from mxlib.remedies import clear_failed
from mxlib.remedies.bounds import Order
from tests.unit.support.remedy_host import SITE, called, sh

UNIT = "ifup@ens5.service"


def run(tmp_path: Path, systemctl: str = "exit 0") -> Any:
    folder, _, name = CLEARED.rpartition("/")
    assert name == "cleared-units"
    script = clear_failed.script(UNIT, "op@cumin1001: it's over").replace(folder, str(tmp_path / "run"))
    return sh(f"set -eu\n{script}", tmp_path, systemctl=systemctl)


def test_who_cleared_it_is_noted_for_the_check_before_it_is_cleared(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 0
    assert (tmp_path / "run/cleared-units").read_text() == f"{UNIT} op@cumin1001: it's over\n"
    assert called(tmp_path)[-1] == f"systemctl reset-failed {UNIT}"


def test_where_the_note_cannot_be_written_the_failure_stays(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    assert run(tmp_path).returncode != 0
    assert not [line for line in called(tmp_path) if "reset-failed" in line]


def test_what_is_not_failed_is_left_alone(tmp_path: Path) -> None:
    done = run(tmp_path, '[ "$1 $2" != "-q is-failed" ]')
    assert (done.returncode, done.stdout) == (1, "it is not failed\n")
    assert not (tmp_path / "run").exists()


def test_what_is_no_unit_never_reaches_a_command() -> None:
    with pytest.raises(ParseError):
        clear_failed.script("x; reboot", "op")


def test_what_it_was_is_kept_in_one_line() -> None:
    acts: list[str] = []

    def act(script: str, _timeout: float) -> Any:
        acts.append(script)
        return SimpleNamespace(output="SubState=failed\nifup: no such device\n")

    bench: Any = SimpleNamespace(act=act, who="op@cumin1001", why="it's over")
    said = clear_failed.apply(bench, Order("clear-failed", UNIT))
    assert said == f"the failure of {UNIT} is cleared; it was: SubState=failed ifup: no such device"
    assert "op@cumin1001: its over" in acts[0]


def test_only_what_the_site_counts_among_the_leftovers() -> None:
    assert clear_failed.refuse(SITE, Order("clear-failed", UNIT)) == ""
    assert "backup.service" in clear_failed.refuse(SITE, Order("clear-failed", "backup.service"))
    assert "no unit" in clear_failed.refuse(SITE, Order("clear-failed"))
