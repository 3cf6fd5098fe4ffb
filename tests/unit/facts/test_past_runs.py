"""How long reboots took, as a host keeps it: read back as written, by a real shell."""

import subprocess

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import past_runs
from tests.unit.support.facts import fact, output


def test_what_was_added_is_read_oldest_first_and_no_more_than_is_kept(tmp_path, monkeypatch):
    for seconds in range(100, 125):
        script = past_runs.add_script(seconds).replace(past_runs.DIRECTORY, str(tmp_path))
        subprocess.run(["/bin/sh", "-euc", script], check=True)
    text = (tmp_path / "reboot-seconds").read_text()
    assert fact(past_runs.SOURCE, text) == tuple(float(seconds) for seconds in range(105, 125))


def test_a_line_that_is_no_time_is_left_out():
    assert fact(past_runs.SOURCE, "612\n\nnonsense\n-3\n0\n99999999\n640\n") == (612.0, 640.0)
    assert fact(past_runs.SOURCE, "") == ()


def test_a_list_that_cannot_be_read_is_an_error():
    with pytest.raises(ParseError):
        fact(past_runs.SOURCE, output(past_runs.SECTION, "", code=1, errors="cat: Input/output error"))
