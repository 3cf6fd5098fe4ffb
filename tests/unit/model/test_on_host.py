"""The transaction around each act: what it compares, what is on the disk before it, and its answer. In a real sh."""

import dataclasses
import re
import subprocess
import time
from pathlib import Path

import pytest

from mxlib.base.errors import FencedError, ParseError
from mxlib.model.on_host import DIRECTORY, FENCED, PUT, Basis, Kept, answer, refusal, transaction
from mxlib.model.record_reader import from_json
from tests.unit.support.records import RECORD

BOOT = "6a2c0a9e-0000-4000-8000-000000000001"
JSON = RECORD.to_json().encode()
NOTHING = Kept()
TAKEN = Kept(b"7\n", JSON)


class Place:
    """A folder that stands for a host."""

    def __init__(self, folder):
        self.state, self.boot = folder / "state", folder / "boot_id"
        self.boot.write_text(f"{BOOT}\n")

    def holds(self, kept):
        self.state.mkdir(exist_ok=True)
        for name, data in (("token", kept.token), ("run.json", kept.record)):
            if data is not None:
                (self.state / name).write_bytes(data)

    def kept(self):
        found = [self.state / name for name in ("token", "run.json")]
        return Kept(*(one.read_bytes() if one.is_file() else None for one in found))

    def text(self, script, basis, token=7, **given):
        text = transaction(script, basis, token, "mark", **given)
        return text.replace(DIRECTORY, str(self.state)).replace("/proc/sys/kernel/random/boot_id", str(self.boot))

    def run(self, *args, **given):
        return subprocess.run(["sh", "-c", self.text(*args, **given)], capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.mark.parametrize("kept", [NOTHING, Kept(b"6\n"), Kept(b"6\n", JSON), TAKEN])
def test_where_all_is_as_it_was_seen_it_acts(place, kept):
    place.holds(kept)
    done = place.run("echo acted", Basis(BOOT, kept), record=RECORD)
    assert done.returncode == 0
    assert answer(done.stdout, "mark").output.strip() == "acted"
    assert place.kept() == TAKEN


@pytest.mark.parametrize(
    ("there", "seen"),
    [
        (Kept(b"8\n", JSON), TAKEN),
        (Kept(b"", JSON), TAKEN),
        (Kept(b"\0\0", JSON), TAKEN),
        (Kept(b"7\n\0", JSON), TAKEN),
        (Kept(b"garbage\n", JSON), TAKEN),
        (Kept(None, JSON), TAKEN),
        (Kept(b"7\n", JSON[:-1]), TAKEN),
        (Kept(b"7\n", b""), TAKEN),
        (Kept(b"7\n", None), TAKEN),
        (TAKEN, Kept(b"7\n")),
        (TAKEN, NOTHING),
    ],
)
def test_other_files_than_were_seen_are_never_overwritten(place, there, seen):
    place.holds(there)
    done = place.run("echo acted", Basis(BOOT, seen), token=9, record=RECORD)
    assert (done.returncode, refusal(done.stdout)[0]) == (FENCED, "kept")
    assert "acted" not in done.stdout
    assert place.kept() == there


def test_another_boot_than_was_seen_is_left_alone_and_named(place):
    place.holds(TAKEN)
    place.boot.write_text("another\n")
    done = place.run("echo acted", Basis(BOOT, TAKEN), record=dataclasses.replace(RECORD, why="new"))
    assert (done.returncode, refusal(done.stdout)) == (FENCED, ("boot", "another"))
    assert place.kept() == TAKEN


def test_while_another_command_is_at_work_nothing_is_done_and_that_is_no_operator(place, monkeypatch):
    monkeypatch.setattr("mxlib.model.on_host._FENCE", _fence_that_waits_a_second())
    place.holds(TAKEN)
    with subprocess.Popen(["sh", "-c", place.text("sleep 3", Basis(BOOT, TAKEN))], stdout=subprocess.DEVNULL) as first:
        while not (place.state / "lock").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        done = place.run("echo acted", Basis(BOOT, TAKEN))
        first.wait()
    assert (done.returncode, refusal(done.stdout)[0]) == (FENCED, "busy")


def _fence_that_waits_a_second():
    from mxlib.model import on_host

    return on_host._FENCE.replace(f"flock -w {on_host.LOCK_S}", "flock -w 1")


def test_the_lock_is_not_kept_by_what_an_act_leaves_running(place):
    place.holds(TAKEN)
    left = place.run("sleep 6 >/dev/null 2>&1 &", Basis(BOOT, TAKEN))
    assert answer(left.stdout, "mark").code == 0
    begin = time.monotonic()
    assert place.run("echo acted", Basis(BOOT, TAKEN)).returncode == 0
    assert time.monotonic() - begin < 4


def test_the_record_is_there_before_the_act_as_it_was_given_and_the_one_before_it_is_kept(place):
    place.holds(TAKEN)
    record = dataclasses.replace(RECORD, why="it's \\ $HOME `x` %s\nü")
    done = place.run(f"cat {DIRECTORY}/run.json; false", Basis(BOOT, TAKEN), record=record)
    found = answer(done.stdout, "mark")
    assert found.code == 1
    assert from_json(found.output) == record
    assert (place.state / "run.json.old").read_bytes() == JSON


def test_a_record_that_cannot_be_written_keeps_from_acting(place):
    (place.state / "run.json.new").mkdir(parents=True)
    done = place.run("echo acted", Basis(BOOT, NOTHING), record=RECORD)
    assert done.returncode not in (0, FENCED)
    assert answer(done.stdout, "mark") is None
    assert "acted" not in done.stdout


def test_token_and_record_are_on_the_disk_before_the_act(place, tmp_path):
    """Each file, then its folder: the order of what is synced, moved and done."""
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    for name in ("sync", "mv"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{log}\nexec /bin/{name} "$@"\n')
        (tools / name).chmod(0o755)
    text = place.text(f"echo act >>{log}", Basis(BOOT, NOTHING), record=RECORD)
    subprocess.run(["sh", "-c", f"PATH={tools}:$PATH\n{text}"], check=True, capture_output=True)
    state = place.state
    assert log.read_text().splitlines() == [
        *(f"sync {state}/token.new", f"mv -f {state}/token.new {state}/token", f"sync {state}"),
        *(f"sync {state}/run.json.new", f"mv -f {state}/run.json.new {state}/run.json", f"sync {state}"),
        "act",
    ]


def test_the_look_comes_with_the_answer_also_after_an_act_that_failed(place):
    done = place.run("echo half; exit 4", Basis(BOOT, NOTHING), look="echo where it stands")
    found = answer(done.stdout, "mark")
    assert (done.returncode, found.code, found.output, found.look) == (0, 4, "half\n", "where it stands\n")


def test_a_command_that_fails_ends_the_act(place):
    found = answer(place.run("false\necho went on", Basis(BOOT, NOTHING)).stdout, "mark")
    assert (found.code, found.output) == (1, "")


def test_an_answer_that_ends_early_is_none(place):
    done = place.run("echo acted", Basis(BOOT, NOTHING))
    assert answer(done.stdout[:-4], "mark") is None


@pytest.mark.parametrize(
    ("token", "record", "number"),
    [(None, None, 0), (b"0\n", None, 0), (b"205\n", JSON, 205), (b"205\n", None, 205)],
)
def test_the_token_is_a_number(token, record, number):
    assert Kept(token, record).number() == number


@pytest.mark.parametrize(
    "token", [b"", b"\n", b"7", b"7\n\0", b"\0\0\0\0", b"-1\n", b"7 8\n", b"x\n", b"9" * 30 + b"\n"]
)
def test_any_other_token_is_damaged_and_the_error_says_how_to_mend_it(token):
    with pytest.raises(ParseError, match=f"{DIRECTORY}/token is damaged.*write what"):
        Kept(token, None).number()


def test_a_token_that_is_missing_beside_a_record_is_damaged():
    with pytest.raises(ParseError, match="missing beside a record"):
        Kept(None, JSON).number()


@pytest.mark.parametrize(
    ("kept", "record"), [(Kept(b"8\n", JSON), RECORD), (TAKEN, dataclasses.replace(RECORD, token=8))]
)
def test_a_newer_token_in_the_file_or_in_the_record_is_another_operator(kept, record):
    with pytest.raises(FencedError, match="token 8 on the host is newer than ours, 7"):
        Basis(BOOT, kept).check(7, record)
    Basis(BOOT, kept).check(8, record)


def test_a_file_is_put_as_a_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    script = f"set -eu\n{PUT}put {path} 'new % \\n'"
    subprocess.run(["sh", "-c", script], check=True)
    assert path.read_text() == "new % \\n"
    (tmp_path / "file.new").mkdir()
    assert subprocess.run(["sh", "-c", script], check=False, capture_output=True).returncode != 0
    assert path.read_text() == "new % \\n"


def test_a_file_that_cannot_be_written_whole_does_not_take_the_place_of_the_old_one(tmp_path):
    """Not even where the shell does not end at a failed command: in a condition."""
    kept = tmp_path / "kept"
    kept.write_text("old\n")
    (tmp_path / "kept.new").symlink_to("/dev/full")
    done = subprocess.run(["sh", "-c", f"set -e\n{PUT}put {kept} new || echo refused"], capture_output=True, text=True)
    assert done.stdout == "refused\n"
    assert kept.read_text() == "old\n"


def test_there_is_one_way_to_replace_a_file_on_a_host():
    """What keeps a file's owner and mode has its own, in nic/files and aliases/rerun."""
    root = Path(__file__).resolve().parents[3] / "mxlib"
    own = [path for path in root.rglob("*.py") if re.search(r"^mv\b.*\.new\b", path.read_text("utf-8"), re.MULTILINE)]
    assert own == []
