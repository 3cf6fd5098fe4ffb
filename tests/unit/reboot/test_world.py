"""The one way to write to the host: refused, unknown and failed are three things, and the answer has the next look."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mxlib.base.errors import (
    CommandFailedError,
    CommandTimeoutError,
    FencedError,
    HostUnreachableError,
    LockedError,
    MovedError,
    ParseError,
)
from mxlib.facts.depool import DepoolFacts
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.model.goal import Goal
from mxlib.model.on_host import DIRECTORY, FENCED, Basis, Kept
from mxlib.model.state import MtaState, Ports, View
from mxlib.protocols.host import CommandResult
from mxlib.reboot import world as module
from mxlib.reboot.progress import Progress
from mxlib.reboot.world import Adapters, RebootWorld
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.records import RECORD

BOOT = "6a2c0a9e-0000-4000-8000-000000000001"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = Source("standing", (Section("here", f"cat {DIRECTORY}/place"),), lambda outputs: outputs["here"].text().strip())


class ShellHost:
    """A host that is a folder here: what is sent is run by a real sh."""

    name = "mx2001.lab.test"

    def __init__(self, folder):
        self.folder, self.state, self.sent, self.fate = folder, folder / "state", [], None
        self.state.mkdir()
        (folder / "boot_id").write_text(f"{BOOT}\n")
        (self.state / "place").write_text("as before\n")

    def act(self, script, *, timeout, ok_codes=(0,)):
        self.sent.append(script)
        here = script.replace(DIRECTORY, str(self.state)).replace("/proc/sys/kernel/random", str(self.folder))
        done = subprocess.run(["sh", "-c", here], capture_output=True, text=True, check=False)
        if self.fate is not None:
            raise self.fate
        assert done.returncode in ok_codes, done
        return CommandResult(script, done.returncode, done.stdout, NOW, 0.1)

    def kept(self):
        files = (self.state / "token", self.state / "run.json")
        return Kept(*(one.read_bytes() if one.exists() else None for one in files))


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "source", lambda _mta: LOOK)
    monkeypatch.setattr(RebootWorld, "mta", None)
    return ShellHost(tmp_path)


def world(host, token=7):
    adapters = Adapters(SimpleNamespace(token=token), None, None, None, None)
    made = RebootWorld(None, host, (), FakeClock(), Tell(), None, "run-1", adapters, Progress(Goal()))
    made.progress.basis = Basis(BOOT, host.kept())
    return made


def test_an_act_answers_with_where_things_stand_then(host):
    run = world(host)
    said = run.act(f"echo done; echo elsewhere >{DIRECTORY}/place", record=RECORD)
    assert (said.output, run.progress.look, run.progress.record) == ("done\n", ("elsewhere", 0.0), RECORD)
    assert len(host.sent) == 1
    run.act("true")
    assert host.kept() == Kept(b"7\n", RECORD.to_json().encode()) == run.progress.basis.kept


def test_without_a_look_the_next_decision_has_to_look_itself(host):
    run = world(host)
    run.act("true")
    run.act("true", look=False)
    assert run.progress.look is None


def test_an_act_that_failed_is_known_with_its_record_and_its_look(host):
    run = world(host)
    with pytest.raises(CommandFailedError, match="exit code 3: no space"):
        run.act(f"echo half >{DIRECTORY}/place; echo no space; exit 3", record=RECORD)
    assert (run.progress.look[0], run.progress.record) == ("half", RECORD)
    assert run.progress.basis.kept == host.kept()


@pytest.mark.parametrize("error", [HostUnreachableError("broke"), CommandTimeoutError("no end")])
def test_an_answer_that_does_not_come_leaves_nothing_known_until_the_next_look(host, error):
    run = world(host)
    host.fate = error
    with pytest.raises(type(error)):
        run.act("true", record=RECORD)
    host.fate = None
    assert (run.progress.basis, run.progress.record) == (None, None)
    with pytest.raises(MovedError, match="not answered"):
        run.act("echo blindly")
    assert len(host.sent) == 1


def test_another_boot_is_named_and_nothing_is_done(host):
    run = world(host)
    (host.folder / "boot_id").write_text("another\n")
    with pytest.raises(MovedError, match="has booted meanwhile, into another") as caught:
        run.act(f"echo acted >{DIRECTORY}/place", record=RECORD)
    assert not isinstance(caught.value, LockedError)
    assert (host.state / "place").read_text() == "as before\n"
    assert run.progress.record is None


def test_a_changed_record_is_named_and_nothing_is_done(host):
    run = world(host)
    (host.state / "run.json").write_text("another")
    with pytest.raises(MovedError, match="changed record or token"):
        run.act("true", record=RECORD)
    assert (host.state / "run.json").read_text() == "another"


def test_a_lock_that_is_held_is_no_other_operator(host, monkeypatch):
    run = world(host)
    monkeypatch.setattr(host, "act", lambda *_, **__: CommandResult("", FENCED, "refused busy another\n", NOW, 0.1))
    with pytest.raises(LockedError):
        run.act("true")
    assert run.progress.basis is not None


def test_a_newer_token_on_the_host_ends_it_before_anything_is_sent(host):
    (host.state / "token").write_text("8\n")
    with pytest.raises(FencedError):
        world(host).act("true")
    assert host.sent == []


def test_an_answer_without_its_end_is_not_known(host, monkeypatch):
    run = world(host)
    monkeypatch.setattr(host, "act", lambda *_, **__: CommandResult("", 0, "done\n", NOW, 0.1))
    with pytest.raises(CommandTimeoutError, match="whether it acted is not known"):
        run.act("true")


def test_a_record_of_another_host_is_not_taken_for_ours(host):
    record = RECORD.__class__(**{**RECORD.__dict__, "host": "mx1001.lab.test"})
    depool = SimpleNamespace(record=record, kept=Kept())
    with pytest.raises(ParseError, match=r"is of mx1001\.lab\.test, as on a cloned disk"):
        world(host).decide_on(SimpleNamespace(view=SimpleNamespace(boot=BOOT), depool=depool))


def test_what_is_done_elsewhere_is_done_only_where_the_host_is_as_it_was_seen(host, monkeypatch):
    run, seen = world(host), SimpleNamespace(boot=BOOT)
    standing = SimpleNamespace(view=seen, depool=SimpleNamespace(kept=host.kept()))
    monkeypatch.setattr(module, "read_standing", lambda _host, _mta: standing)
    run.still()
    assert run.progress.look[0] is standing
    seen.boot = "another"
    run.still()  # it was looked at just now
    assert run.standing_now() is standing
    run.clock.sleep(1.5)
    with pytest.raises(MovedError):
        run.still()


def test_a_look_before_something_else_was_done_is_not_one_of_just_now(host, monkeypatch):
    run = world(host)
    monkeypatch.setattr(module, "read_standing", lambda _host, _mta: "read")
    run.looked("kept")
    assert run.standing_now() == "kept"
    run.progress.just = False
    assert (run.standing_now(), run.fresh_look(0.0)) == ("read", "kept")


def standing_of(host, record, boot=BOOT):
    return SimpleNamespace(view=SimpleNamespace(boot=boot), depool=SimpleNamespace(record=record, kept=host.kept()))


def test_what_is_noted_is_on_disk_before_the_next_act_and_in_its_own_round_trip(host):
    run = world(host)
    run.act("true", record=RECORD)
    noted = replace(RECORD, drained="b1")
    run.note(noted)
    assert (len(host.sent), run.progress.record) == (1, noted)
    assert host.kept().record == RECORD.to_json().encode()
    said = run.act(f"cat {DIRECTORY}/run.json")
    assert (said.output, len(host.sent)) == (noted.to_json(), 2)
    assert run.progress.unwritten is None
    assert run.progress.basis.kept == host.kept()
    run.act("true")
    assert "run.json.new" not in host.sent[-1].partition("flock")[2].replace("put()", ""), "it is written once"


def test_a_note_outlasts_looks_at_the_record_that_it_rests_on_and_no_others(host):
    run = world(host)
    run.act("true", record=RECORD)
    noted = replace(RECORD, drained="b1")
    run.note(noted)
    run.decide_on(standing_of(host, RECORD, boot="another"))
    assert run.progress.record == noted, "whatever boot it is in: what a note says names its own"
    assert run.progress.basis.boot == "another"
    theirs = replace(RECORD, who="another")
    (host.state / "run.json").write_bytes(theirs.to_json().encode())
    run.decide_on(standing_of(host, theirs))
    assert (run.progress.record, run.progress.unwritten) == (theirs, None)


def test_a_note_that_an_act_did_not_bring_home_is_sent_again(host):
    run = world(host)
    run.act("true", record=RECORD)
    noted = replace(RECORD, drained="b1")
    run.note(noted)
    (host.folder / "boot_id").write_text("another\n")
    with pytest.raises(MovedError):
        run.act("true")
    assert run.progress.record == noted
    (host.folder / "boot_id").write_text(f"{BOOT}\n")
    run.remember(noted)
    assert host.kept().record == noted.to_json().encode()
    run.remember(noted)
    assert len(host.sent) == 3


def test_nothing_is_noted_of_a_host_whose_last_act_was_not_answered(host):
    run = world(host)
    run.progress.basis = None
    with pytest.raises(MovedError):
        run.note(RECORD)
    assert run.progress.record is None


@pytest.mark.parametrize(("closed", "ports"), [((25, 465, 587), Ports.CLOSED), ((25,), Ports.PARTLY)])
def test_the_ports_are_closed_where_all_are_that_the_site_names(host, closed, ports):
    run = replace(world(host), site=SimpleNamespace(ports=(25, 465, 587)))
    seen = View("b", "k", Ports.CLOSED, MtaState.HELD, "", "", False)
    depool = DepoolFacts(None, Kept(), 0, persisted=True, traces=True, closed_ports=closed)
    assert run.view(SimpleNamespace(view=seen, depool=depool)).ports is ports
