"""A start timeout for an alias generator, by a drop-in of our own."""

import subprocess

import pytest

from mxlib.aliases.start_timeout import Pin, apply_pin, plan_pin, text_of
from mxlib.base.errors import CommandFailedError, StepError
from mxlib.config.aliases import AliasGenerator
from mxlib.protocols.host import CommandResult
from tests.unit.support.facts import NOW


class Reads:
    name = "mx1001.lab.test"

    def __init__(self, text, code=0):
        self._text, self._code = text, code

    def read(self, script, *, timeout):
        return CommandResult(script, self._code, self._text, NOW, 0.1)


KNOWN = AliasGenerator("vrts", "g.service", "/etc/file")


def test_a_pin_is_shown_as_a_difference_and_can_be_undone():
    pin = plan_pin(Reads(""), KNOWN, 1800)
    assert "+TimeoutStartSec=1800" in pin.diff
    assert pin.path == "/etc/systemd/system/g.service.d/90-mx-start-timeout.conf"
    assert plan_pin(Reads(text_of(1800)), KNOWN, 1800).diff == ()
    assert "-TimeoutStartSec=1800" in plan_pin(Reads(text_of(1800)), KNOWN, None).diff
    assert plan_pin(Reads(""), KNOWN, None) == Pin(pin.path, "", "")


def test_a_drop_in_of_somebody_else_is_left():
    with pytest.raises(StepError):
        plan_pin(Reads("[Service]\nTimeoutStartSec=5\n"), KNOWN, 1800)


def test_a_drop_in_that_cannot_be_read_is_not_taken_for_none():
    with pytest.raises(CommandFailedError, match=r"exit code 1 of read /etc/systemd/system/g\.service\.d/90-mx"):
        plan_pin(Reads("", 1), KNOWN, 1800)


# --- written for real, in a folder


def change(tmp_path, pin):
    """What the host's script does, with a systemd that only notes what it is asked."""

    class Runs:
        def act(self, script, *, timeout, ok_codes=(0,)):
            (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n')
            (tmp_path / "systemctl").chmod(0o755)
            words = ["sh", "-c", "umask 077\n" + script.replace("/etc/systemd", f"{tmp_path}/etc/systemd")]
            subprocess.run(words, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    apply_pin(Runs(), pin)
    assert (tmp_path / "calls").read_text().split() == ["daemon-reload"]
    (tmp_path / "calls").unlink()


def test_it_is_written_and_removed_with_its_folder(tmp_path):
    folder = tmp_path / "etc/systemd/system/g.service.d"
    change(tmp_path, plan_pin(Reads(""), KNOWN, 1800))
    (drop_in,) = folder.iterdir()
    assert drop_in.read_text() == text_of(1800)
    assert drop_in.stat().st_mode & 0o777 == 0o644
    change(tmp_path, plan_pin(Reads(text_of(1800)), KNOWN, None))
    assert not folder.exists()


def test_a_folder_with_another_drop_in_stays(tmp_path):
    folder = tmp_path / "etc/systemd/system/g.service.d"
    change(tmp_path, plan_pin(Reads(""), KNOWN, 1800))
    (folder / "override.conf").touch()
    change(tmp_path, plan_pin(Reads(text_of(1800)), KNOWN, None))
    assert [one.name for one in folder.iterdir()] == ["override.conf"]
