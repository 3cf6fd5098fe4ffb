"""The ledger's shell scripts, run for real on a made-up spool and log."""

import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mxlib.base.errors import StepError
from mxlib.model.on_host import REPLACE
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.adapter import ADAPTER
from mxlib.reboot.steps import ledger
from mxlib.reboot.steps.ledger import check_script, close_script, untraced_script
from tests.unit.support.records import RECORD

OLD, NEW = "1rABCD-0000aB-2z", "1rABCD-0000000aBcD-12xY"
IDS = [f"1rABC{n}-0000aB-2z" for n in range(5)]


class Mta:
    def __init__(self, directory):
        self.spool = directory / "spool"
        (self.spool / "input" / "3").mkdir(parents=True)
        self.log = directory / "mainlog"
        self.log.write_text("")
        self.ledger = directory / "ledger"
        self.mark = f"{self.log.stat().st_ino}:0"

    def arrive(self, message_id):
        (self.spool / "input" / "3" / f"{message_id}-H").touch()
        (self.spool / "input" / "3" / f"{message_id}-D").touch()
        self.write(f"{message_id} <= a@b H=x [192.0.2.1] P=esmtp S=1 for c@d")

    def complete(self, message_id):
        self.remove(message_id)
        self.write(f'{message_id} => c@d R=r T=t H=x [198.51.100.1] C="250 OK id={OLD}"')
        self.write(f"{message_id} Completed QT=1s")

    def remove(self, message_id):
        for kind in "HD":
            (self.spool / "input" / "3" / f"{message_id}-{kind}").unlink()

    def write(self, line):
        with self.log.open("a") as file:
            file.write(f"2026-01-01 00:00:00 {line}\n")

    def run(self, make):
        script = make(ADAPTER, self.mark, str(self.ledger))
        script = script.replace(exim.SPOOL, str(self.spool)).replace(exim.MAINLOG, str(self.log))
        done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        return {key: int(n) for key, n in (line.split() for line in lines if " " in line)}, [
            line for line in lines if " " not in line
        ]


@pytest.fixture
def mta(tmp_path):
    return Mta(tmp_path)


@pytest.mark.parametrize("message_id", [OLD, NEW])
def test_what_lies_in_the_spool_is_in_the_ledger_and_found_again(mta, message_id):
    mta.arrive(message_id)
    assert mta.run(close_script)[0] == {"ledger": 1, "spool": 1, "holes": 0}
    assert mta.ledger.read_text() == f"{message_id}\n"
    assert mta.run(check_script) == ({"must": 1, "spool": 1, "missing": 0, "untraced": 0, "holes": 0}, [])


def test_what_is_completed_is_accounted_for(mta):
    for message_id in IDS:
        mta.arrive(message_id)
    mta.complete(IDS[0])
    mta.run(close_script)
    mta.complete(IDS[1])
    assert mta.run(check_script) == ({"must": 5, "spool": 3, "missing": 0, "untraced": 0, "holes": 0}, [])


def test_what_is_neither_is_missing(mta):
    for message_id in IDS:
        mta.arrive(message_id)
    mta.run(close_script)
    mta.remove(IDS[3])
    assert mta.run(check_script) == ({"must": 5, "spool": 4, "missing": 1, "untraced": 0, "holes": 0}, [IDS[3]])


def test_what_a_power_cut_has_left_without_a_trace_is_set_apart_and_nothing_else_is(mta):
    for message_id in IDS:
        mta.arrive(message_id)
    mta.run(close_script)
    mta.complete(IDS[0])
    mta.remove(IDS[1])  # delivered, and the end of the log went with the power
    assert mta.run(untraced_script) == ({"untraced": 1}, [IDS[1]])
    assert mta.run(check_script) == ({"must": 4, "spool": 3, "missing": 0, "untraced": 1, "holes": 0}, [])
    mta.run(close_script)
    mta.remove(IDS[2])
    assert mta.run(check_script) == ({"must": 4, "spool": 2, "missing": 1, "untraced": 1, "holes": 0}, [IDS[2]])
    assert mta.run(untraced_script) == ({"untraced": 1}, [IDS[2]])
    assert mta.run(check_script)[0] == {"must": 3, "spool": 2, "missing": 0, "untraced": 2, "holes": 0}


def test_a_log_that_has_become_shorter_is_read_as_a_whole(mta):
    mta.arrive(IDS[0])
    mta.write("a line that goes with the power " + "." * 200)
    mta.mark = f"{mta.log.stat().st_ino}:{mta.log.stat().st_size}"
    mta.run(close_script)
    with mta.log.open("r+") as file:
        file.truncate(0)
    mta.complete(IDS[0])
    assert mta.run(check_script)[0]["missing"] == 0


def test_an_arrival_after_the_ledger_is_accounted_for_too(mta):
    mta.run(close_script)
    mta.arrive(IDS[0])
    mta.remove(IDS[0])
    assert mta.run(check_script) == ({"must": 1, "spool": 0, "missing": 1, "untraced": 0, "holes": 0}, [IDS[0]])


def test_closing_again_forgets_nothing(mta):
    mta.arrive(IDS[0])
    mta.run(close_script)
    mta.complete(IDS[0])
    mta.arrive(IDS[1])
    assert mta.run(close_script)[0] == {"ledger": 2, "spool": 1, "holes": 0}


def test_a_rotated_log_is_read_on(mta):
    mta.arrive(IDS[0])
    mta.run(close_script)
    mta.log.rename(f"{mta.log}.1")
    mta.log.write_text("")
    mta.complete(IDS[0])
    assert mta.run(check_script)[0]["missing"] == 0


def test_a_log_rotated_out_of_sight_is_read_as_a_whole(mta):
    mta.arrive(IDS[0])
    mta.run(close_script)
    mta.complete(IDS[0])
    subprocess.run(["gzip", "-k", str(mta.log)], check=True)
    mta.log.with_name("mainlog.gz").rename(mta.log.with_name("mainlog.2.gz"))
    mta.log.unlink()
    mta.log.write_text("")
    (mta.log.parent / "mainlog.1").write_text("")
    mta.mark = f"{mta.log.stat().st_ino + 1_000_000}:0"
    assert mta.run(check_script)[0]["missing"] == 0


def test_lines_with_zone_and_pid(mta):
    mta.run(close_script)
    mta.log.write_text(f"2026-01-01 00:00:00 +0000 [12] {IDS[0]} <= a@b P=local S=1\n")
    assert mta.run(check_script) == ({"must": 1, "spool": 0, "missing": 1, "untraced": 0, "holes": 0}, [IDS[0]])


def test_a_script_that_cannot_read_says_so(mta):
    mta.log.unlink()
    with pytest.raises(AssertionError):
        mta.run(close_script)


@pytest.mark.parametrize(("accept", "lost"), [((), 21), (("ledger",), 0)])
def test_missing_messages_that_were_found_are_accepted_by_name(accept, lost):
    ids = "\n".join(f"1rABC{n:02}-0000aB-2z"[:16] for n in range(20))
    said = f"must 30\nspool 9\nmissing 21\nuntraced 0\nholes 0\n{ids}"
    context = SimpleNamespace(accepted=frozenset(accept), progress=SimpleNamespace(lost=0), mta=ADAPTER)
    context.act = lambda _script, timeout, look: SimpleNamespace(output=said)
    done = ledger.check(context, RECORD)
    assert context.progress.lost == lost
    assert "MISSING 21" in done.note
    assert done.evidence["missing"] == 21


def test_a_hole_in_the_log_is_unknown_and_never_missing():
    said = f"must 30\nspool 9\nmissing 1\nuntraced 0\nholes 1\n{IDS[0]}"
    context = SimpleNamespace(accepted=frozenset(), progress=SimpleNamespace(lost=0), mta=ADAPTER)
    context.act = lambda _script, timeout, look: SimpleNamespace(output=said)
    done = ledger.check(context, RECORD)
    assert context.progress.lost == 0
    assert f"UNKNOWN 1: {IDS[0]}; THE LOG HAS A HOLE" in done.note


@pytest.mark.parametrize(("make", "file"), [(close_script, "ledger"), (untraced_script, "ledger-untraced")])
def test_the_ledger_is_on_the_disk_before_anything_follows(make, file):
    text = make(ADAPTER, RECORD.log_mark, "/state/ledger")
    assert REPLACE in text
    assert f"\nreplace /state/{file}\n" in text


class World:
    """A host that answers one text; notes what was sent to it and what was remembered."""

    def __init__(self, said):
        self.said, self.sent, self.kept, self.mta, self.accepted = said, [], [], ADAPTER, frozenset()
        self.progress = SimpleNamespace(lost=0)
        self.note = self.kept.append

    def act(self, script, **given):
        self.sent.append((script, given))
        return SimpleNamespace(output=self.said)


@pytest.fixture
def others_asked(monkeypatch):
    """How much was sent when somebody began to ask the other MXs."""
    asked = []
    monkeypatch.setattr(ledger, "begin_to_ask", lambda world: asked.append(len(world.sent)))
    return asked


def test_a_ledger_is_remembered_once_it_is_closed(others_asked):
    world = World("ledger 30\nspool 9\nholes 0\n")
    done = ledger.close(world, SimpleNamespace(record=RECORD))
    assert done.note == "30 messages to account for, 9 of them on disk"
    assert done.evidence == {"ledger": 30, "spool": 9, "holes": 0}
    assert world.sent == [(close_script(ADAPTER, RECORD.log_mark), {"timeout": 120})]
    assert world.kept == [replace(RECORD, ledger=RECORD.boot)]
    assert others_asked == [0], "not after it"


@pytest.mark.parametrize("said", ["", "find: denied"])
@pytest.mark.usefixtures("others_asked")
def test_a_ledger_that_cannot_be_read_is_not_remembered(said):
    world = World(said)
    with pytest.raises(StepError, match=f"the ledger cannot be read: {said}"):
        ledger.close(world, SimpleNamespace(record=RECORD))
    assert world.kept == []


@pytest.mark.parametrize(("ids", "shown"), [(IDS[:3], ", ".join(IDS[:3])), (IDS[:4], f"{', '.join(IDS[:3])}, ...")])
def test_what_a_boot_has_left_without_a_trace_is_named(ids, shown):
    world = World("\n".join((f"untraced {len(ids)}", *ids)))
    done = ledger.set_apart_untraced(world, RECORD)
    why = "left the spool, as after a delivery, but the end of the log is lost that would prove it"
    assert done.note == f"; {len(ids)} messages {why} ({shown})"
    assert done.evidence == {"untraced": len(ids), "untraced_ids": ids}
    assert world.sent == [(untraced_script(ADAPTER, RECORD.log_mark), {"timeout": 120, "look": False})]


def test_a_boot_that_left_none_says_nothing():
    done = ledger.set_apart_untraced(World("untraced 0\n"), RECORD)
    assert (done.note, done.evidence) == ("", {})


def test_what_became_of_every_message_is_said():
    found = ledger.check(World("must 30\nspool 9\nmissing 0\nuntraced 2\nholes 0\n"), RECORD)
    told = "ledger: 30 messages, 9 on disk, the others delivered, none missing"
    assert found.note == f"{told}; 2 more not traceable, see found boot"
    lost = World(f"must 30\nspool 9\nmissing 2\nuntraced 0\nholes 0\n{IDS[0]}\n{IDS[1]}")
    assert f"MISSING 2: {IDS[0]}, {IDS[1]}" in ledger.check(lost, RECORD).note
    lost.accepted = frozenset({"ledger"})
    assert ledger.check(lost, RECORD).evidence["accepted"] == 2
    with pytest.raises(StepError, match="the ledger's answer cannot be understood: must 30 spool 9 missing 20"):
        ledger.check(World(f"must 30\nspool 9\nmissing 20\nuntraced 0\nholes 0\n{IDS[0]}"), RECORD)
