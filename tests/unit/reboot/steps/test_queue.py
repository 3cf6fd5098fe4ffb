"""Bringing the MTA to rest: deliveries are waited for, open SMTP sessions get a deadline."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import ParseError, StepError
from mxlib.facts.depool import HOLD
from mxlib.model.state import MtaState, Pool, Slot, State, Step
from mxlib.mta.find import find
from mxlib.mta.service import MtaProcess, Role
from mxlib.protocols.world import Done
from mxlib.reboot.steps import queue
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_run import MemoryJournal
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD
from tests.unit.support.step_world import World, state

BEGIN = 1000.0
SESSION = MtaProcess(41, 1, "/usr/sbin/exim4 -bd -q30m", Role.SESSION)
DELIVERY = MtaProcess(42, 1, "/usr/sbin/exim4 -Mc 1xUeoW-00005z-0A", Role.DELIVERY)


OTHER_SESSION = MtaProcess(43, 1, "/usr/sbin/exim4 -bd -q30m", Role.SESSION)
LISTENER = MtaProcess(40, 1, "/usr/sbin/exim4 -bd -q30m", Role.DAEMON)
STATE = SimpleNamespace(record=RECORD)


class Facts:
    def __init__(self, *processes):
        self.processes = processes
        self.still = not processes

    def role(self, role):
        return tuple(one for one in self.processes if one.role is role)


@pytest.fixture
def world(monkeypatch):
    def make(at, look=None):
        """``at``: what runs after so many seconds, and after sessions were asked to end or not."""
        clock, tell, done, sent, looks = FakeClock(), Tell(), [], [], []
        clock.sleep(BEGIN)

        def act(script, timeout=30, look=True, **_given):
            done.append(script)
            sent.append((timeout, look))

        def kept(facts):
            assert facts is looks[-1]
            done.append(f"keeps the look at {clock.seconds - BEGIN:.0f} s")

        context = SimpleNamespace(
            clock=clock, operator=tell, target="host", site=SimpleNamespace(drain=SimpleNamespace(still_timeout=120.0)),
            act=act, mta=find("exim"), keep_look=kept, progress=SimpleNamespace(look=look),
        )  # fmt: skip

        def read(host, sources):
            asked = any("kill -TERM" in script for script in done)
            assert host == "host"
            assert [one.name for one in sources] == ["mta", "standing"]
            mta = sources[0]
            looks.append(SimpleNamespace(get={mta: Facts(*at(clock.seconds - BEGIN, asked))}.__getitem__))
            return looks[-1]

        monkeypatch.setattr(queue, "read_facts", read)
        return SimpleNamespace(context=context, clock=clock, operator=tell, done=done, sent=sent, reads=looks)

    return make


def test_nothing_is_left(world):
    found = world(lambda seconds, asked: ())
    note = queue.hold(found.context, STATE).note
    assert note == "exim4.service is stopped, held, and at rest after 0.0 s"
    first = found.done[0]
    assert first.index("# stop our queue runners") < first.index("touch ") < first.index("systemctl stop exim4")
    assert found.sent == [(120, True)], "its answer may show that it is at rest"
    assert not [script for script in found.done if "kill" in script]


@pytest.mark.parametrize(
    ("mta", "asked", "note"),
    [(MtaState.HELD, 0, "at rest at once"), (MtaState.OTHER, 1, "rest after 0.0 s"), (None, 1, "rest after 0.0 s")],
)
def test_whoever_is_at_rest_in_the_answer_to_the_stop_is_not_asked_again(world, mta, asked, note):
    look = None if mta is None else (SimpleNamespace(view=SimpleNamespace(mta=mta)), 0.0)
    found = world(lambda seconds, asked: (), look)
    assert queue.hold(found.context, STATE).note.endswith(note)
    assert len(found.reads) == asked


def test_a_session_gets_half_the_time_then_it_is_asked_to_end(world):
    found = world(lambda seconds, asked: () if asked else (SESSION, OTHER_SESSION))
    note = queue.hold(found.context, STATE).note
    assert note.endswith("after 1 min 2 s; 2 SMTP sessions had to be ended, the senders keep what was not taken")
    assert found.done[-2].endswith("\nkill -TERM 41 43 || true")
    assert found.done[-1] == "keeps the look at 62 s"
    assert found.sent[1:] == [(30, False)]
    assert found.operator.lines == ["2 SMTP sessions still open: asked to end"]
    waits = "waiting for the MTA to come to rest, 2 x SMTP session left after"
    shown = [text for text, _share in found.operator.shown]
    assert shown[0] == f"{waits} 0.0 s, the wait ends within 2 min 0 s; open SMTP sessions are ended in 1 min 0 s"
    assert shown[32].endswith("; open SMTP sessions are ended in 30 s")
    assert shown[62] == f"{waits} 1 min 0 s, the wait ends within 1 min 0 s"
    assert shown[63:] == [f"{waits} 1 min 1 s, the wait ends within 59 s"]


def test_a_session_that_does_not_end_is_named_with_what_was_tried(world):
    found = world(lambda seconds, asked: (SESSION, DELIVERY))
    with pytest.raises(StepError) as caught:
        queue.hold(found.context, STATE)
    assert str(caught.value) == (
        "the MTA did not come to rest within 2 min 1 s: 41 (SMTP session), 42 (delivery)"
        "; 1 SMTP session had to be ended, the senders keep what was not taken"
    )
    shown = [text for text, _share in found.operator.shown]
    assert "1 x SMTP session, 1 x delivery left" in shown[0]
    assert "the wait ends within 0.0 s" in shown[-1]


def test_where_only_a_listener_is_left_nothing_is_ended(world):
    found = world(lambda seconds, asked: (LISTENER,) if seconds < 70 else ())
    assert "at rest after 1 min 10 s" in queue.hold(found.context, STATE).note
    assert found.operator.lines == []
    assert len(found.sent) == 1


class Parks:
    """The MTA, as if its stop cut deliveries."""

    units, quiet_script, stop_script = ("toy.service",), "park", "stop"
    can = SimpleNamespace(stop_spares=False)

    def __init__(self, mta):
        self.mta = mta

    def __getattr__(self, name):
        return getattr(self.mta, name)


def test_an_mta_whose_stop_cuts_deliveries_is_made_quiet_and_waited_for_before_it_is_stopped(world):
    found = world(lambda seconds, asked: (DELIVERY,) if seconds < 5 else (SESSION,) if seconds < 10 else ())
    found.context.mta = Parks(found.context.mta)
    note = queue.hold(found.context, STATE).note
    assert note == "toy.service is stopped, held, and at rest after 5.0 s"
    quiet, looked, stop = found.done[:3]
    assert quiet.startswith("# let the MTA begin no delivery\n{\n# stop our queue runners\n")
    assert (quiet.splitlines()[-1], looked) == ("park", "keeps the look at 5 s")
    assert stop.endswith("\nstop")
    assert "runners" not in stop
    assert found.sent == [(120, False), (120, True)]
    assert "to come to the end of its deliveries, 1 x delivery" in found.operator.shown[0][0]


def test_a_delivery_is_never_ended(world):
    found = world(lambda seconds, asked: (DELIVERY,))
    with pytest.raises(StepError, match=r"did not come to rest within 2 min 1 s: 42 \(delivery\)$"):
        queue.hold(found.context, STATE)
    assert not [script for script in found.done if "kill" in script]


def test_a_delivery_that_ends_in_time_is_waited_for(world):
    found = world(lambda seconds, asked: (DELIVERY,) if seconds < 100 else ())
    assert "at rest after 1 min 40 s" in queue.hold(found.context, STATE).note
    assert found.done[-1] == "keeps the look at 100 s", "and not one of while it was not at rest"


def test_once_the_mta_is_stopped_again_the_ledger_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_until", lambda *_: "at rest")
    world: Any = World()
    queue.hold(world, state(replace(RECORD, ledger="b1")))
    assert world.sent[0][1] == replace(RECORD, ledger="")


class Full(World):
    """A queue that is not empty enough for so many tries, and an operator with answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str, evidence: Any = None) -> None:
        super().__init__()
        self.answers, self.tries = list(answers), 0
        self.evidence = {"left": ["lists.test"]} if evidence is None else evidence
        monkeypatch.setattr(queue.emptying, "empty", self.empty)
        monkeypatch.setattr(queue.clients, "ClientWatch", self.watching)
        self.glance: Any = lambda: None
        self.clock.sleep(30.0)
        self.begin = self.clock.now()

    def watching(self, world: Any, record: Any, since: Any) -> Any:
        assert (world, record, since) == (self, RECORD, self.begin), "clients are counted from before the drain"
        return SimpleNamespace(
            glance=lambda: self.glance(), settled=self.settled, sources=lambda also: ("who comes", *also), take="take"
        )

    def settled(self, also: Any, keep: Any) -> Done:
        assert [one.name for one in also] == ["standing"]
        keep(None)
        return Done("2 clients still came", {"clients": ["a", "b"]})

    def empty(self, world: Any, meanwhile: Any, also: Any, keep: Any, *, mine: Any) -> Done:
        assert (world, also[0], also[1].name, keep, mine) == (self, "who comes", "standing", "take", RECORD)
        self.tries += 1
        meanwhile()
        self.clock.sleep(60.0)
        if self.answers:
            raise StepError("200 messages left", self.evidence)
        return Done("empty", {"left": []})

    def ask(self, question: str, answers: Any, safe: str) -> str:
        assert answers.keys() == {"wait", "back", "on"}
        assert question == "The queue is not empty enough: 200 messages left."
        assert safe == "back"
        return self.answers.pop(0)


def test_a_queue_that_was_emptied_is_noted_with_its_boot_and_the_clients_that_still_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world: Any = Full(monkeypatch)
    done = queue.drain(world, state())
    assert (done.note, done.evidence) == ("empty; 2 clients still came", {"left": [], "clients": ["a", "b"]})
    assert [record.drained for record in world.noted] == [RECORD.boot]
    assert (world.sent, world.done) == ([], ["keeps the look"])


@pytest.mark.parametrize(
    ("answers", "tries", "note"),
    [
        (("on",), 1, "continues with what is left, as the operator decided: 200 messages left; 2 clients still came"),
        (("wait", "wait"), 3, "empty; 2 clients still came"),
        (("back",), 1, None),
        (("wait", "back"), 2, None),
    ],
)
def test_a_queue_that_stays_too_long_is_the_operators_decision(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...], tries: int, note: str | None
) -> None:
    world: Any = Full(monkeypatch, *answers)
    if note is None:
        with pytest.raises(StepError, match="200 messages left"):
            queue.drain(world, state())
        assert (world.sent, world.noted) == ([], []), "nothing says that it was drained"
    else:
        assert queue.drain(world, state()).note == note
    assert world.tries == tries


def test_what_was_left_by_decision_is_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Full(monkeypatch, "on")
    assert queue.drain(world, state()).evidence == {"left": ["lists.test"], "clients": ["a", "b"]}


def test_a_rehearsal_notes_the_boot_in_which_the_queue_was_drained() -> None:
    (action,) = (one for one in queue.ACTIONS if one.step is Step.DRAIN)
    found = State(RECORD, view(boot="b7"), Pool.OUT, Slot.MINE)
    world: Any = World()
    assert action.rehearse(world, found) == replace(found, record=replace(RECORD, drained="b7"))


@pytest.mark.parametrize(
    ("stop_spares", "first"), [(True, []), (False, ["park the queue; wait until no delivery is under way"])]
)
def test_a_plan_shows_how_the_queue_is_drained_and_the_mta_held(stop_spares: bool, first: list[str]) -> None:
    world: Any = World()
    world.options.max_residual = 50
    world.site.drain = SimpleNamespace(runners=4)
    world.mta = SimpleNamespace(
        attempt_words="exim4 -Mc ID", stop_script="stop it", can=SimpleNamespace(stop_spares=stop_spares)
    )
    assert queue._how(world, state()) == [
        "a small test mail to each destination that has one; stale retry hints of what delivers are cleared",
        "4 x exim4 -Mc ID; 50 may be left",
    ]
    assert queue._how_held(world, state()) == [
        *first,
        f"touch {HOLD}; stop it; wait until no process of it is left",
    ]


def test_clients_without_another_mx_end_a_drain_that_still_has_much_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Full(monkeypatch, "on")

    def stuck() -> None:
        raise queue.clients.ClientsStuckError("client1001 is stuck", {"clients": ["client1001"]})

    world.glance = stuck
    with pytest.raises(StepError, match="client1001 is stuck"):
        queue.drain(world, state())
    assert (world.answers, world.tries, world.sent) == (["on"], 1, [])


def test_a_drain_that_could_not_work_is_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Full(monkeypatch, "on", evidence={})
    with pytest.raises(StepError):
        queue.drain(world, state())
    assert world.answers == ["on"]


def test_a_queue_that_cannot_be_counted_is_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = SimpleNamespace(target="the host", clock=FakeClock(), mta=find("exim"), events=MemoryJournal())

    def unread(_source: object) -> int:
        raise ParseError("find: permission denied")

    def read(host: str, sources: Any) -> Any:
        (length,) = sources
        assert (host, length.sections) == ("the host", world.mta.length.sections)
        return SimpleNamespace(get={length: 7}.__getitem__)

    monkeypatch.setattr(queue, "read_facts", read)
    assert queue.sample(world) == queue.QueueSample(7, 0.0)
    monkeypatch.setattr(queue, "read_facts", lambda *_: SimpleNamespace(get=unread))
    with pytest.raises(StepError, match="the queue cannot be counted: find: permission denied"):
        queue.sample(world)
    assert world.events.events == [("queue", {"left": 7})]
