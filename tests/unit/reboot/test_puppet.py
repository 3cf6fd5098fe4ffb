"""Puppet off and on: the scripts, run for real beside stand-ins of the site's commands."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.mta.standing import PUPPET
from mxlib.reboot.steps import service
from tests.unit.support.records import RECORD


class Machine:
    """A place where the site's commands keep a lock with a reason, as Wikimedia's do."""

    def __init__(self, folder: Path) -> None:
        self.lock, self.folder = folder / "lock", folder
        self.library = folder / "puppet-common.sh"
        self.library.write_text(f"PUPPET_DISABLEDLOCK={self.lock}\n")
        self.program("disable-puppet", f'[ -e {self.lock} ] || printf %s "$1" >{self.lock}')
        keep = f'echo "Puppet stays disabled: $(cat {self.lock})"; exit 0'
        self.program("enable-puppet", f'[ "$(cat {self.lock})" = "$1" ] || {{ {keep}; }}\nrm {self.lock}')
        self.program("sync", f"echo synced >>{folder}/told")

    def program(self, name: str, body: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.folder / name).chmod(0o755)

    def act(self, script: str, timeout: float) -> None:
        del timeout
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        text = f"set -eu\n{script.replace(PUPPET, str(self.library))}"
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise ValueError(done.stdout)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


STATE: Any = SimpleNamespace(record=RECORD)


def test_disabled_it_is_enabled_again_by_the_same_reason(machine: Any) -> None:
    service.puppet_off(machine, STATE)
    assert machine.lock.read_text() == service.puppet_reason(RECORD)
    service.puppet_on(machine, STATE)
    assert not machine.lock.exists()


def test_the_lock_is_on_the_disk_before_the_run_goes_on(machine: Any) -> None:
    service.puppet_off(machine, STATE)
    assert (machine.folder / "told").read_text() == "synced\n"


@pytest.mark.parametrize("reason", ["somebody else's", ""])
def test_a_lock_that_stays_is_no_success_and_its_reason_is_told(machine: Any, reason: str) -> None:
    machine.lock.write_text(reason)
    with pytest.raises(ValueError, match=f"stays disabled: {reason}"):
        service.puppet_on(machine, STATE)
    assert machine.lock.read_text() == reason


def test_a_site_without_that_library_is_believed(machine: Any) -> None:
    machine.library.unlink()
    service.puppet_off(machine, STATE)
    service.puppet_on(machine, STATE)
    assert not machine.lock.exists()
