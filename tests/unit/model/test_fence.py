"""The fence before each act: who may write to the host, and what is written first."""

import subprocess

import pytest

from mxlib.model.on_host import DIRECTORY, FENCED, fenced
from mxlib.model.record import from_json
from tests.unit.support.records import RECORD


def run(place, script, token=7, record=None):
    text = fenced(script, token, record).replace(DIRECTORY, str(place / "state"))
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=30, check=False)


def token_of(place):
    return (place / "state" / "token").read_text()


@pytest.mark.parametrize(("there", "acts"), [(None, True), ("6\n", True), ("7\n", True), ("", True), ("8\n", False)])
def test_only_a_newer_token_keeps_from_acting(tmp_path, there, acts):
    if there is not None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "token").write_text(there)
    done = run(tmp_path, "echo acted", record=RECORD)
    assert (done.returncode, "acted" in done.stdout) == ((0, True) if acts else (FENCED, False))
    assert token_of(tmp_path) == ("7\n" if acts else there)
    assert (tmp_path / "state" / "run.json").exists() is acts


def test_the_record_is_there_before_the_act_as_it_was_given(tmp_path):
    record = RECORD.__class__(**{**RECORD.__dict__, "why": "it's \\ $HOME `x` %s\n\u00fc"})
    done = run(tmp_path, f"cat {DIRECTORY}/run.json; false", record=record)
    assert done.returncode != 0
    assert from_json(done.stdout) == record


def test_a_record_that_cannot_be_written_keeps_from_acting(tmp_path):
    (tmp_path / "state" / "run.json.new").mkdir(parents=True)
    done = run(tmp_path, "echo acted", record=RECORD)
    assert done.returncode not in (0, FENCED)
    assert "acted" not in done.stdout
