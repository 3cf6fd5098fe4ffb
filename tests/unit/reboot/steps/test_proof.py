"""A proof ends with what it rests on: noted before it is made, compared by the act itself, dropped once."""

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mxlib.base.errors import HostUnreachableError, StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.facts.depool import HOLD
from mxlib.facts.source import FactUnknownError
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import Judgement, Record
from mxlib.model.state import Do, MtaState, Pool, Ports, Puppet, Slot, State, Step, View
from mxlib.mta import configuration
from mxlib.mta.configuration import CHECK, UNREAD
from mxlib.mta.find import find
from mxlib.reboot.looking import LookingHost
from mxlib.reboot.plan import decide
from mxlib.reboot.progress import Progress
from mxlib.reboot.steps import guard, ports, proof, prove
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_mx import MemoryMx, Process
from tests.unit.support.memory_run import MemoryRun
from tests.unit.support.records import RECORD

PROVEN = "mta=0000000000000001 firewall=0000000000000002 packages=0000000000000003"
OTHER = PROVEN.replace("1 ", "9 ")
CHANGED = "changed since the host was proven: configuration of the MTA"
BOOT = RECORD.boot
TRUSTED = replace(RECORD.with_judgement(BOOT, serving=Judgement.PASSED), configured={BOOT: PROVEN})
FINE = Verdict("fine", Status.OK, "well")


class Facts:
    """What the host said of its configuration; None: nothing that can be understood."""

    when = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self, digests: str | None) -> None:
        self.digests = digests

    def get(self, source: Any) -> str:
        if self.digests is None:
            raise FactUnknownError(f"{source.name}: nft is gone")
        return self.digests


class World:
    """Notes what is sent to the host and what is remembered."""

    def __init__(self, goal: Goal | None = None, said: str = "") -> None:
        self.sent: list[str] = []
        self.given: list[dict[str, object]] = []
        self.kept: list[Record] = []
        self.noted: list[Record] = []
        self.said, self.mta, self.accepted = said, find("exim"), frozenset[str]()
        self.progress = Progress(goal or Goal())
        self.clock, self.operator, self.run = FakeClock(), Tell(), "run-2"
        self.site: Any = SimpleNamespace(boot=SimpleNamespace(proof_holds=3600.0))
        self.target, self.peers = SimpleNamespace(name="mx2001.lab.test"), ()
        self.options: Any = SimpleNamespace(who="op", why="because", prevention="none")
        self.adapters: Any = SimpleNamespace(
            verifier=SimpleNamespace(sources=lambda: ("the host's",), judged=self.judged, outbound=None),
            slot=SimpleNamespace(token=9),
            pool=SimpleNamespace(read=dict),
        )

    def judged(self, facts: Any) -> tuple[Verdict, ...]:
        assert isinstance(facts, Facts)
        return (FINE,)

    def act(self, script: str, **given: object) -> SimpleNamespace:
        self.sent.append(script)
        self.given.append(given)
        return SimpleNamespace(output=self.said)

    def remember(self, record: Record) -> None:
        self.kept.append(record)

    def note(self, record: Record) -> None:
        self.noted.append(record)


def state(record: Record = TRUSTED, changed: str = "", ports: Ports = Ports.CLOSED) -> Any:
    return SimpleNamespace(record=record, host=SimpleNamespace(boot=record.boot, ports=ports), changed=changed)


# --- the act itself compares


@pytest.mark.parametrize(("step", "word"), [(ports.open_, "opened"), (prove.start, "started")])
def test_what_has_changed_keeps_the_act_from_being_done_and_the_planner_decides(step: Any, word: str) -> None:
    world: Any = World(said=f"a warning\nconfiguration is {OTHER}\n")
    assert step(world, state()).note == f"not {word}: {CHANGED}"
    assert world.progress.changed == (BOOT, CHANGED)
    assert len(world.sent) == 1


@pytest.mark.parametrize("step", [ports.open_, prove.start])
def test_the_act_is_sent_with_what_was_proven_and_compares_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, step: Any
) -> None:
    monkeypatch.setattr(prove, "_listens", lambda _world: True)
    world: Any = World()
    step(world, state())
    (script,) = world.sent
    assert script.startswith(("# open the mail ports\n", "# let the MTA start\n"))
    assert f"[ \"$now\" = '{PROVEN}' ] || {{ echo" in script
    acts = min(script.index(one) for one in ("rm -f /var", "systemctl") if one in script)
    assert script.index(PROVEN) < acts
    assert world.progress.changed is None


@pytest.mark.parametrize(
    ("goal", "record", "compared"),
    [
        (Goal(stay=True), TRUSTED, False),
        (Goal(stay=True), replace(RECORD, configured={BOOT: PROVEN}), True),
        (Goal(adopt=True, serve=True), replace(TRUSTED, stay=True), True),
        (Goal(), TRUSTED, True),
    ],
)
def test_a_host_that_stays_out_delivers_what_it_has_whatever_has_changed(
    monkeypatch: pytest.MonkeyPatch, goal: Goal, record: Record, compared: bool
) -> None:
    monkeypatch.setattr(prove, "_listens", lambda _world: True)
    world: Any = World(goal)
    prove.start(world, state(record))
    assert (PROVEN in world.sent[0]) is compared


@pytest.mark.parametrize(("unit", "listeners", "looks"), [("active", 2, 0), ("active", 0, 2), ("activating", 2, 2)])
def test_an_mta_that_listens_by_the_answer_to_its_start_is_not_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, unit: str, listeners: int, looks: int
) -> None:
    taken = [SimpleNamespace(mta_unit=unit, listeners=listeners), SimpleNamespace(mta_unit="active", listeners=1)]
    read = iter(taken)
    world: Any = World()
    kept: list[Any] = []

    def look(host: Any, mta: Any) -> Any:
        assert (host, mta) == (world.target, world.mta)
        taken.append("look")
        return next(read)

    monkeypatch.setattr(prove, "read_standing", look)
    world.looked = kept.append
    world.progress.look = (taken[0], 0.0)
    assert prove.start(world, state()).note == "exim4.service runs and listens"
    assert taken.count("look") == looks
    assert kept == taken[:looks], "each look serves the next decision"
    assert world.clock.seconds == (0.25 if looks else 0.0)
    assert world.given == [{"timeout": 90}], "seconds: a stop that is under way is waited for"


def test_that_an_mta_had_died_in_service_is_said_where_it_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World()
    monkeypatch.setattr(prove, "_listens", lambda _world: True)
    said = prove.start(world, state(ports=Ports.OPEN)).note
    assert said == "exim4.service runs and listens; it did not, although the mail ports were open"


def test_an_mta_that_never_listens_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World()
    monkeypatch.setattr(prove, "_listens", lambda _world: False)
    with pytest.raises(StepError, match=r"^exim4.service was started and does not listen$"):
        prove.start(world, state())
    assert world.clock.seconds == 60.0


def test_a_queue_that_was_parked_is_let_go_once_the_mta_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World(Goal(stay=True))
    world.mta = SimpleNamespace(
        units=("toy.service",),
        stop_script="stop",
        start_script="start",
        let_go_script="let go",
        can=SimpleNamespace(stop_spares=False),
    )
    monkeypatch.setattr(prove, "_listens", lambda _world: bool(world.sent))
    prove.start(world, state())
    started, gone = world.sent
    assert started.startswith(f"# let the MTA start\nrm -f {HOLD}\nif systemctl -q is-active toy.service && ")
    assert started.endswith("; then\nstop\nfi\nstart"), "the unit of an init script is active without a daemon"
    assert gone == "# let the queue go\nlet go"
    assert world.given == [{"timeout": 90}, {"timeout": 90, "look": False}]


# --- what is noted with a proof


def outbound(monkeypatch: pytest.MonkeyPatch, world: Any, digests: str | None, record: Record = TRUSTED) -> Record:
    order: list[Any] = []
    monkeypatch.setattr(prove.drain, "forget_stale", lambda *given, mine: order.append(("forget", *given, mine)))
    facts = Facts(digests)

    def read(host: Any, sources: Any) -> Facts:
        assert sources[0] == "the host's"
        assert [one.sections for one in sources[1:]] == [
            configuration.source(world.mta).sections,
            world.mta.hints.sections,
        ]
        order.append(("read", host))
        return facts

    monkeypatch.setattr(prove, "read_facts", read)
    world.adapters.verifier.outbound = lambda host: order.append(("mail", type(host), host.name)) or (FINE,)
    prove.outbound(world, state(record))
    mailed = ("mail", LookingHost, world.target.name)
    known = digests or "configuration" in record.accepted
    reads = [("read", world.target)] * (1 if known else 2)
    assert order == [*reads, ("forget", world, facts, record), mailed], "what is unknown is read once more"
    (kept,) = [*world.kept, *world.noted]
    return cast(Record, kept)


def test_the_digests_are_read_before_the_mails_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World()
    world.progress.changed = (BOOT, "something")
    kept = outbound(monkeypatch, world, OTHER)
    assert kept.configured == {BOOT: OTHER}
    assert kept.judgements(BOOT).held is Judgement.PASSED
    assert (world.kept, world.noted) == ([], [kept]), "the start of the MTA writes it first"
    assert world.progress.changed is None


def test_without_digests_nothing_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World()
    kept = outbound(monkeypatch, world, None)
    assert (world.kept, world.noted) == ([kept], []), "nothing that follows would write it"
    assert (kept.configured, kept.judgements(BOOT).held) == ({BOOT: ""}, Judgement.INCONCLUSIVE)


def test_a_person_may_accept_that_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = outbound(monkeypatch, World(), None, replace(TRUSTED, accepted=(CHECK,)))
    assert (kept.configured, kept.judgements(BOOT).held) == ({BOOT: UNREAD}, Judgement.PASSED)


def test_a_host_that_does_not_answer_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_host: Any, _sources: Any) -> None:
        raise HostUnreachableError("no session")

    world: Any = World()
    known: list[Any] = []
    monkeypatch.setattr(prove.drain, "forget_stale", lambda _world, facts, mine: known.append(facts))
    monkeypatch.setattr(prove, "read_facts", silent)
    world.adapters.verifier.outbound = lambda _host: (FINE,)
    assert prove.outbound(world, state()).note == "host UNKNOWN: no session"
    assert known == [None], "what was not read shows no missing hint"
    assert world.kept[0].judgements(BOOT).held is Judgement.INCONCLUSIVE
    assert world.kept[0].configured == {BOOT: ""}


def test_the_claim_notes_what_the_guard_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = World(Goal(stay=True))
    view = SimpleNamespace(boot="b0", kernel="6.1.0-55", saved="", puppet=Puppet.ON)
    world.progress.standing = SimpleNamespace(view=view)
    world.progress.facts = Facts(PROVEN)
    later: Any = Facts(OTHER)
    assert guard.first_record(world, later).configured == {"b0": PROVEN}
    world.progress.facts = None
    assert guard.first_record(world, later).configured == {"b0": ""}


# --- a proof is dropped


def test_a_proof_that_does_not_hold_is_dropped_with_its_digests() -> None:
    world: Any = World()
    world.progress.changed = (BOOT, CHANGED)
    assert proof.doubt(world, state(changed=CHANGED)).note == f"{CHANGED}: the host is verified again before it serves"
    assert world.kept == [TRUSTED.without_proof(BOOT)]
    assert (world.kept[0].configured, world.kept[0].trusted(BOOT), world.progress.changed) == ({}, False, None)


def test_a_rehearsal_drops_what_was_verified_in_the_boot_that_runs_and_goes_on() -> None:
    (action,) = (one for one in proof.ACTIONS if one.step is Step.DOUBT)
    host = View(BOOT, "6.1.0-55", Ports.CLOSED, MtaState.HELD, "m>a", "", False)
    found = State(TRUSTED, host, Pool.OUT, Slot.MINE, stale=True, changed=CHANGED)
    after = replace(found, record=TRUSTED.without_proof(BOOT), stale=False, changed="")
    assert action.rehearse(SimpleNamespace(), found) == after  # type: ignore[arg-type]


def test_an_old_one_says_its_age() -> None:
    world: Any = World()
    kept = replace(TRUSTED, proven={BOOT: world.clock.now().isoformat()})
    world.clock.sleep(7200)
    assert proof.doubt(world, state(kept)).note.startswith("proven 2 h 0 min ago, a proof holds for 1 h 0 min")


def test_a_host_that_somebody_keeps_changing_is_not_verified_for_ever() -> None:
    world: Any = World()
    for _ in range(3):
        proof.doubt(world, state(changed=CHANGED))
    with pytest.raises(StepError, match=r"changed since .* 3 times in this run: somebody is at work on the host"):
        proof.doubt(world, state(changed=CHANGED))
    assert len(world.kept) == 3


# --- the whole way, in memory


@pytest.mark.parametrize(
    ("goal", "steps"),
    [
        (Goal(adopt=True, serve=True), [Step.DOUBT, Step.HOLD, Step.PROVE_OUT, Step.START, Step.PROVE_IN, Step.OPEN]),
        (Goal(adopt=True), []),
    ],
    ids=["pool-mx", "--resume of who stays out"],
)
def test_what_changed_while_a_host_was_out_is_verified_before_it_serves(goal: Goal, steps: list[Step]) -> None:
    mx = MemoryMx()
    Process(mx, Goal(stay=True), "one").run()
    mx.configuration = "another"
    process = Process(mx, goal, "two")
    process.run()
    assert [one for one in process.steps if one in steps] == ([Step.OPEN, *steps] if steps else [])
    assert (not mx.loaded) is bool(steps)


def test_a_record_from_before_this_was_kept_is_verified_again() -> None:
    mx = MemoryMx()
    Process(mx, Goal(stay=True), "one").run()
    assert mx.record is not None
    mx.record = replace(mx.record, configured={})
    process = Process(mx, Goal(adopt=True, serve=True), "two")
    process.run()
    assert Step.DOUBT in process.steps
    assert not mx.loaded


@pytest.mark.parametrize("doubt", [{"changed": CHANGED}, {"stale": True}])
def test_a_host_whose_mta_is_held_is_not_served_though_its_ports_are_open(doubt: Any) -> None:
    """Somebody has opened them; the start of the MTA would give it to clients."""
    record = replace(TRUSTED, target=TRUSTED.fallback)
    host = View(BOOT, "6.1.0-55", Ports.OPEN, MtaState.HELD, "m>a", "", False)
    held = State(record, host, Pool.IN, Slot.MINE, token=record.token, **doubt)
    decision = decide(Goal(), held)
    assert isinstance(decision, Do)
    assert decision.step is Step.DOUBT
    serving = decide(Goal(), replace(held, host=replace(host, mta=MtaState.SERVING)))
    assert isinstance(serving, Do)
    assert serving.step is not Step.DOUBT


def test_what_changes_between_two_proofs_makes_both_worthless(monkeypatch: pytest.MonkeyPatch) -> None:
    found = MemoryRun(monkeypatch)
    found.moves[Step.START] = [lambda mx: setattr(mx, "configuration", "another")]
    assert found.execute().outcome is Outcome.DONE
    wanted = ("prove outbound", "doubt proof", "start MTA", "prove inbound", "open ports")
    assert [one for one in found.journal.steps() if one in wanted] == [
        "prove outbound", "start MTA", "doubt proof", "prove outbound", "start MTA", "prove inbound", "open ports"
    ]  # fmt: skip
