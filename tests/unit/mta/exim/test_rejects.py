"""The reject log, from what a real host wrote."""

import subprocess
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import rejects
from tests.unit.support.facts import fixture


def test_whose_mail_was_refused(tmp_path, monkeypatch):
    log = tmp_path / "rejectlog"
    log.write_text(fixture("aliases/rejectlog.txt"))
    monkeypatch.setattr(rejects, "REJECTLOG", str(log))
    since = datetime(2026, 11, 21, 6, 59, tzinfo=UTC)
    section = rejects.section(["NewQueue@lab.test"], since)
    done = subprocess.run(["/bin/sh", "-c", section.script], capture_output=True, text=True, check=True)
    found = rejects.parse(done.stdout)
    assert [(one.sender, one.recipient, one.why) for one in found] == [
        ("user9@world.test", "newqueue@lab.test", "Unrouteable address")
    ] * 2
    assert found[0].host == "cumin1001.lab.test [2001:db8:77::31]"
    none = rejects.section(["newqueue@lab.test"], datetime(2026, 11, 21, 8, 0, tzinfo=UTC))
    done = subprocess.run(["/bin/sh", "-c", none.script], capture_output=True, text=True, check=True)
    assert rejects.parse(done.stdout) == ()


def test_what_is_no_address_is_never_asked_for():
    with pytest.raises(ParseError):
        rejects.section(["a b'@x"], datetime(2026, 11, 21, tzinfo=UTC))
    with pytest.raises(ParseError):
        rejects.parse("zone +0000\n")
