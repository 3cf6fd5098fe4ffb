"""A unit restarted, and seen to stay up."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import ParseError
from mxlib.remedies import restart_unit
from mxlib.remedies.bounds import Order
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.remedy_host import SITE, called, sh

UNIT = "spamd.service"
STAYS_UP = '[ "$1 $2" != "-q is-failed" ]'


def run(tmp_path: Path, systemctl: str) -> Any:
    return sh(f"set -eu\n{restart_unit.script(UNIT, 5)}", tmp_path, systemctl=systemctl, journalctl="echo its words")


def test_how_it_failed_is_shown_before_it_is_restarted(tmp_path: Path) -> None:
    assert run(tmp_path, STAYS_UP).returncode == 0
    lines = called(tmp_path)
    assert [line.split()[1] for line in lines] == ["show", "-b", "reset-failed", "restart", "-q"]
    assert lines[0].endswith(f" -- {UNIT}")


@pytest.mark.parametrize(
    ("journalctl", "words"),
    [
        (
            'case "$*" in *_SYSTEMD_UNIT=spamd.service) echo no space left ;; *) echo Failed with a result ;; esac',
            "no space left",
        ),
        ('case "$*" in *_SYSTEMD_UNIT=*) exit 1 ;; *) echo Main process exited ;; esac', "Main process exited"),
    ],
    ids=["its own words", "it said nothing: systemd's"],
)
def test_how_it_ended_stands_before_its_words(tmp_path: Path, journalctl: str, words: str) -> None:
    ended = '[ "$1" != show ] || printf "Result=exit-code\\nExecMainStatus=28\\n"; ' + STAYS_UP
    done = sh(f"set -eu\n{restart_unit.script(UNIT, 5)}", tmp_path, systemctl=ended, journalctl=journalctl)
    assert (done.returncode, done.stdout) == (0, f"exit-code 28\n{words}\n")


@pytest.mark.parametrize(
    ("systemctl", "word"),
    [('[ "$1" != restart ]', ""), (":", "it has failed again")],
    ids=["it does not start", "it starts, and fails"],
)
def test_a_unit_that_fails_again_is_no_success(tmp_path: Path, systemctl: str, word: str) -> None:
    done = run(tmp_path, systemctl)
    assert done.returncode == 1
    assert word in done.stdout


def test_a_unit_that_hangs_costs_its_limit(tmp_path: Path) -> None:
    script = restart_unit.script(UNIT, 0.2)
    done = sh(f"set -eu\n{script}", tmp_path, systemctl='case $1 in restart) exec sleep 5 ;; -q) exit 1 ;; esac')
    assert done.returncode == 1, "it is not waited for, and that it did not start is no success"
    assert "it has not started within 0.2 s" in done.stdout


def test_what_is_no_unit_never_reaches_a_command() -> None:
    with pytest.raises(ParseError):
        restart_unit.script("x; reboot", 90)


def test_the_session_lasts_longer_than_the_unit_may() -> None:
    acts: list[float] = []

    def act(_script: str, timeout: float) -> Any:
        acts.append(timeout)
        return SimpleNamespace(output="exit-code 28\nno space left\n")

    site = replace(SITE, remedy=replace(SITE.remedy, unit_timeout=45.0))
    bench: Any = SimpleNamespace(site=site, act=act)
    said = restart_unit.apply(bench, Order("restart-unit", UNIT))
    assert said == f"{UNIT} restarted; before: exit-code 28: no space left"
    assert acts == [105.0]


def test_only_what_the_site_names_and_no_firewall() -> None:
    site = replace(SITE, aliases=(GENERATOR,))
    assert restart_unit.refuse(site, Order("restart-unit", UNIT)) == ""
    assert restart_unit.refuse(site, Order("restart-unit", GENERATOR.unit)) == ""
    assert "use reload-firewall" in restart_unit.refuse(site, Order("restart-unit", "nftables.service"))
    assert GENERATOR.unit in restart_unit.refuse(site, Order("restart-unit", "cron.service"))


def test_the_mta_is_judged_where_its_own_unit_was_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def by_checks(*names: str) -> Any:
        asked.append(names)
        return lambda _bench, _order: ()

    monkeypatch.setattr(restart_unit, "by_checks", by_checks)
    bench: Any = SimpleNamespace(site=SITE)
    for unit in ("exim4.service", "spamd.service"):
        assert restart_unit.judge(bench, Order("restart-unit", unit)) == ()
    assert asked == [("units", "mta"), ("units",)]
