import errno
import os

import pytest

from mxlib.base.errors import JournalError
from mxlib.base.journal import Journal, KeptJournal, NoJournal, SparingJournal, read
from tests.unit.support.fakes import FakeClock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "run.jsonl"


def test_what_is_written_is_read(path):
    journal = Journal(path, FakeClock())
    journal.write("begin", step="drain", why="")
    journal.close()
    (event,) = read(path)
    assert (event.name, event.values) == ("begin", {"step": "drain", "why": ""})


def test_a_torn_line_costs_only_itself(path):
    journal = Journal(path, FakeClock())
    journal.write("one")
    journal.close()
    with path.open("a") as file:
        file.write('{"event": "torn", "at": "20')
    again = Journal(path, FakeClock())
    again.write("two")
    again.close()
    assert [event.name for event in read(path)] == ["one", "two"]


class Disk:
    """A disk with room for so many bytes, whatever is asked for; writes like os.write."""

    def __init__(self, room):
        self.room, self.write = room, os.write

    def __call__(self, file, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= (done := self.write(file, data[: self.room]))
        return done


def test_a_line_that_a_full_disk_cuts_is_an_error_and_costs_only_itself(path, monkeypatch):
    journal = Journal(path, FakeClock())
    journal.write("one")
    disk = Disk(room=20)
    monkeypatch.setattr(os, "write", disk)
    for _ in range(2):
        with pytest.raises(JournalError, match="No space left on device"):
            journal.write("two")
    disk.room = 10_000
    journal.write("three")
    assert [event.name for event in read(path)] == ["one", "three"]
    assert len(path.read_text().splitlines()) == 3, "no empty line, and none that holds two"


def test_a_line_is_written_in_as_many_pieces_as_the_kernel_takes(path, monkeypatch):
    journal, write = Journal(path, FakeClock()), os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    journal.write("one", why="ä" * 20)
    journal.write("two")
    assert [(event.name, event.values) for event in read(path)] == [("one", {"why": "ä" * 20}), ("two", {})]


@pytest.mark.parametrize(
    "line", ["", "null", "[]", "{}", '{"event": "x"}', "\udce4".encode("utf-8", "replace").decode()]
)
def test_lines_of_another_form_are_left_out(path, line):
    path.parent.mkdir()
    path.write_text(f"{line}\n")
    assert list(read(path)) == []


def test_a_journal_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JournalError):
        Journal(tmp_path / "file" / "run.jsonl", FakeClock())
    with pytest.raises(JournalError):
        list(read(tmp_path / "nowhere"))


def test_writing_after_the_end_is_an_error(path):
    journal = Journal(path, FakeClock())
    journal.close()
    with pytest.raises(JournalError):
        journal.write("late")


def test_each_event_has_its_time(path):
    clock = FakeClock()
    journal = Journal(path, clock)
    clock.sleep(5)
    journal.write("begin")
    journal.close()
    assert [event.at for event in read(path)] == ["2026-01-01T00:00:05+00:00"]


def test_no_journal_takes_everything_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = NoJournal()
    journal.write("begin", step="drain")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_said_once_and_tried_again():
    said, written, full = [], [], [False]

    class Disk:
        def write(self, event, **values):
            if full[0]:
                raise JournalError("x.jsonl: No space left on device")
            written.append((event, values))

    journal = SparingJournal(Disk(), said.append)
    journal.write("one", host="mx")
    full[0] = True
    journal.write("two")
    journal.write("three")
    full[0] = False
    journal.write("four")
    assert written == [("one", {"host": "mx"}), ("four", {})]
    assert said == ["NOT in the journal from here on, the run goes on without: x.jsonl: No space left on device"]


def test_what_is_kept_is_what_would_be_read(path):
    journal = Journal(path, FakeClock())
    journal.write("start", run="r1")
    kept = KeptJournal(journal, FakeClock(), read(path))
    kept.write("end", hosts=("mx1", "mx2"), folder=path.parent)
    journal.close()
    assert kept.events == list(read(path))


def test_an_event_that_is_kept_does_not_need_the_disk():
    class Full:
        def write(self, event, **values):
            raise JournalError("x.jsonl: No space left on device")

    kept = KeptJournal(Full(), FakeClock())
    with pytest.raises(JournalError):
        kept.write("end", code=22)
    assert [(event.name, event.values) for event in kept.events] == [("end", {"code": 22})]
