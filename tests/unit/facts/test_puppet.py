"""Puppet wherever a host keeps its state: the section, run on folders laid out as the packages lay them out."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mxlib.base.verdict import Status
from mxlib.facts import puppet
from tests.unit.support.facts import fact
from tests.unit.support.healthy import host, judge

SUMMARY = "---\nversion:\n  config: 1700000000\n  puppet: 7.23.0\nresources:\n  changed: 0\n  failed: {failed}\n"
NO_CATALOGUE = "---\nversion:\n  config:\n  puppet: 7.23.0\ntime:\n  last_run: 1700000000\n"
# what `puppet agent --disable "maintenance by somebody"` of Puppet 7 writes
LOCK = '{"disabled_message":"maintenance by somebody"}'
DEBIAN, VENDOR, OLD = "/var/cache/puppet", "/opt/puppetlabs/puppet/cache", "/var/lib/puppet"


class Machine:
    """A root folder with Puppet's files in it, and perhaps a command ``puppet``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()

    def write(self, path: str, text: str, age: int = 0) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        stamp = file.stat().st_mtime - age
        os.utime(file, (stamp, stamp))

    def command(self, body: str) -> None:
        self.write("/bin/puppet", f"#!/bin/sh\n{body}\n")
        (self.root / "bin" / "puppet").chmod(0o755)

    def said(self) -> str:
        script = puppet.SECTION.script
        for place in ("/usr/local/share", "/etc/puppet", "/var/lib", "/var/cache", "/opt/puppetlabs"):
            script = script.replace(place, f"{self.root}{place}")
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin"}
        argv = ["sh", "-c", script]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True, env=environment).stdout

    def read(self) -> Any:
        return fact(puppet.SOURCE, self.said())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("vardir", [DEBIAN, VENDOR, OLD])
def test_disabled_by_somebody_with_a_reason(machine: Machine, vardir: str) -> None:
    machine.command("exit 1")
    machine.write(f"{vardir}/state/agent_disabled.lock", LOCK)
    found = machine.read()
    assert (found.present, found.enabled, found.message) == (True, False, "maintenance by somebody")
    verdict = judge("puppet", host(puppet=machine.said()))
    assert verdict.status is Status.FAILED
    assert "maintenance by somebody" in verdict.why


@pytest.mark.parametrize(
    "summary",
    [f"{DEBIAN}/public", f"{DEBIAN}/state", "/opt/puppetlabs/puppet/public", f"{VENDOR}/state", f"{OLD}/state"],
)
def test_the_last_run_of_each_package(machine: Machine, summary: str) -> None:
    machine.command("exit 1")
    machine.write(f"{summary}/last_run_summary.yaml", SUMMARY.format(failed=3), age=600)
    found = machine.read()
    assert (found.enabled, found.failed) == (True, 3)
    assert 600 <= found.age_s < 620


def test_the_newest_run_counts_where_an_older_puppet_left_its_own(machine: Machine) -> None:
    machine.write(f"{OLD}/state/last_run_summary.yaml", SUMMARY.format(failed=9), age=90000)
    machine.write(f"{DEBIAN}/public/last_run_summary.yaml", SUMMARY.format(failed=0), age=60)
    assert machine.read().failed == 0


def test_a_moved_state_is_where_puppet_says(machine: Machine) -> None:
    machine.write("/etc/puppet/puppet.conf", "[main]\nvardir = /srv/puppet\n")
    state = machine.root / "srv/puppet/state"
    machine.command(f"echo 'agent_disabled_lockfile = {state}/off'; echo 'lastrunfile = {state}/run.yaml'")
    machine.write("/srv/puppet/state/off", LOCK)
    machine.write(f"{DEBIAN}/state/other", "")
    assert machine.read().message == "maintenance by somebody"


def test_a_moved_state_that_puppet_does_not_tell_is_no_answer(machine: Machine) -> None:
    machine.write("/etc/puppet/puppet.conf", "[main]\nvardir = /srv/puppet\n")
    machine.command("echo 'undefined method'")
    with pytest.raises(subprocess.CalledProcessError):
        machine.said()


def test_without_any_puppet_there_is_none(machine: Machine) -> None:
    assert machine.said() == "absent\n"
    machine.command("exit 1")
    assert machine.said() == "enabled\n"


def test_a_run_that_got_no_catalogue_is_no_success(machine: Machine) -> None:
    machine.write(f"{DEBIAN}/public/last_run_summary.yaml", NO_CATALOGUE)
    verdict = judge("puppet", host(puppet=machine.said()))
    assert verdict.status is Status.UNKNOWN
    assert "catalogue" in verdict.why


def test_a_run_in_the_future_proves_that_something_is_wrong(machine: Machine) -> None:
    machine.write(f"{DEBIAN}/public/last_run_summary.yaml", SUMMARY.format(failed=0), age=-7230)
    verdict = judge("puppet", host(puppet=machine.said()))
    assert verdict.status is Status.UNKNOWN
    assert "by the host's own clock its last run lies 2 h 0 min in the future" in verdict.why


def test_a_failure_on_a_line_that_ends_with_a_carriage_return_is_one() -> None:
    assert fact(puppet.SOURCE, "enabled\r\nage 60\r\nfailed 3\r\nfailed 0\r\n").failed == 3
