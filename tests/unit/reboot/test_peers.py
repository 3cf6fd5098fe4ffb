"""The other MXs: each is asked, once more where it could not be, and one that is not well does not count."""

from dataclasses import replace
from threading import Barrier, Event, Timer
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import HostUnreachableError, InterruptedRunError, PoolError, StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.model.goal import Goal
from mxlib.model.state import MtaState, Pool, Ports, Slot, State, Step, View
from mxlib.mta.find import find
from mxlib.reboot import peers
from mxlib.reboot.progress import Progress
from tests.unit.support.fakes import FakeClock
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD

PEER: Any = SimpleNamespace(name="mx1001")


def asked(
    monkeypatch: pytest.MonkeyPatch,
    *answers: Any,
    judged: tuple[Verdict, ...] = (),
    pool: tuple[Any, ...] = (),
    accepted: frozenset[str] = frozenset({"log"}),
    target: Any = None,
    prior: Any = None,
    **changed: Any,
) -> tuple[Any, list[float]]:
    """The verdict about a peer that answers so, one answer a look, and the pauses in between.

    Arguments:
        judged: its other checks.
        pool: what its pool says, reading by reading; empty: no pool is in front of it.
        target: what the pool of the run's own host says; None: it cannot be read.
        prior: what the record has kept of that; None: there is no record.
        changed: what the run makes of a look, for the site's ports.
    """
    pauses: list[float] = []
    left, pooled = list(answers), list(pool)

    def next_of(given: list[Any]) -> Any:
        answer = given.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read(*_: Any) -> Any:
        view = next_of(left)
        return SimpleNamespace(get=lambda _source: SimpleNamespace(view=view))

    monkeypatch.setattr(peers, "read_facts", read)
    verifier = SimpleNamespace(sources=lambda: (), judged=lambda _facts: judged)
    context: Any = SimpleNamespace(
        clock=SimpleNamespace(sleep=pauses.append, monotonic=lambda: 7.0 + len(pauses)),
        progress=Progress(Goal(), record=prior and replace(RECORD, prior=replace(RECORD.prior, pool=prior))),
        mta=find("exim"),
        adapters=SimpleNamespace(
            verifier=verifier,
            pool=SimpleNamespace(read=lambda: next_of([target])),
            pools={PEER.name: SimpleNamespace(read=lambda: next_of(pooled))} if pool else {},
        ),
        accepted=accepted,
        view=lambda found: SimpleNamespace(**{**vars(found.view), **changed}),
        peers=(PEER,),
        site=SimpleNamespace(min_in_service=1),
    )
    (verdict,) = peers.others(context)
    assert left == pooled == []
    assert context.progress.heard == (7.0 if verdict.passed else None), "an answer ages from the question"
    return verdict, pauses


SERVES = SimpleNamespace(ports=Ports.OPEN, mta=MtaState.SERVING)
SLOW = HostUnreachableError("mx1001: no session: timed out during banner exchange")


def test_one_that_serves_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, pauses = asked(monkeypatch, SERVES)
    assert (verdict.status, pauses) == (Status.OK, [])


def test_a_slow_login_is_no_reason_not_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, pauses = asked(monkeypatch, SLOW, SERVES)
    assert (verdict.status, len(pauses)) == (Status.OK, 1)


def test_two_are(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, _ = asked(monkeypatch, SLOW, SLOW)
    assert verdict.status is Status.UNKNOWN
    assert "banner exchange" in verdict.why


def test_what_it_says_stands_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict, pauses = asked(monkeypatch, SimpleNamespace(ports=Ports.CLOSED, mta=MtaState.SERVING))
    assert (verdict.status, pauses) == (Status.FAILED, [])


def test_its_ports_are_those_that_the_site_names(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = SimpleNamespace(ports=Ports.CLOSED, mta=MtaState.SERVING)
    verdict, _ = asked(monkeypatch, closed, ports=Ports.PARTLY)
    assert verdict.why == "mx1001: ports partly, MTA serving"


LOST = PoolError("conftool: no etcd")


@pytest.mark.parametrize(
    ("pool", "status", "why"),
    [
        (({},), Status.OK, "in service"),
        (({"smtp": "yes", "submission": "yes"},), Status.OK, "in service"),
        (({"smtp": "yes", "submission": "no"},), Status.FAILED, "out of the pool (submission=no)"),
        (({"smtp": "inactive"},), Status.FAILED, "out of the pool (smtp=inactive)"),
        ((LOST, {"smtp": "yes"}), Status.OK, "in service"),
        ((LOST, LOST), Status.UNKNOWN, "conftool: no etcd"),
    ],
)
def test_one_that_somebody_has_taken_out_of_the_pool_does_not_count(
    monkeypatch: pytest.MonkeyPatch, pool: tuple[Any, ...], status: Status, why: str
) -> None:
    """Its ports are open and its MTA runs, and no client is sent there: the last pooled one would be taken out."""
    verdict, _ = asked(monkeypatch, *[SERVES] * len(pool), pool=pool)
    assert (verdict.status, verdict.why) == (status, f"mx1001: {why}")


BY_DESIGN = {"smtp": "yes", "submission": "inactive"}
OUT = {"smtp": "no", "submission": "no"}


@pytest.mark.parametrize(
    ("found", "target", "prior", "out"),
    [
        (BY_DESIGN, BY_DESIGN, None, ""),
        (BY_DESIGN, OUT, BY_DESIGN, ""),  # resumed: the run has taken the rest out itself
        (BY_DESIGN, {"smtp": "yes", "submission": "yes"}, None, "submission=inactive"),
        (BY_DESIGN, {"smtp": "yes"}, None, "submission=inactive"),
        (BY_DESIGN, LOST, None, "submission=inactive"),
        (BY_DESIGN, None, None, "submission=inactive"),
        (OUT, OUT, None, "smtp=no, submission=no"),
    ],
)
def test_a_service_that_is_out_by_design_is_out_on_the_target_too(
    monkeypatch: pytest.MonkeyPatch, found: Any, target: Any, prior: Any, out: str
) -> None:
    verdict, _ = asked(monkeypatch, SERVES, pool=(found,), target=target, prior=prior)
    assert verdict.why == f"mx1001: {f'out of the pool ({out})' if out else 'in service'}"


@pytest.mark.parametrize(("found", "status"), [(LOST, Status.OK), ({"smtp": "no"}, Status.FAILED)])
def test_where_etcd_is_the_incident_what_the_pool_still_says_counts(
    monkeypatch: pytest.MonkeyPatch, found: Any, status: Status
) -> None:
    verdict, pauses = asked(monkeypatch, SERVES, pool=(found,), accepted=frozenset({"pool-unread"}))
    assert (verdict.status, pauses) == (status, [])


BAD, UNSURE = Verdict("disk", Status.FAILED, "/var is full"), Verdict("clock", Status.UNKNOWN, "no answer")


@pytest.mark.parametrize(
    ("judged", "status", "why"),
    [
        ((BAD,), Status.FAILED, "mx1001: disk: /var is full"),
        ((UNSURE, BAD), Status.FAILED, "mx1001: disk: /var is full"),
        ((UNSURE,), Status.UNKNOWN, "mx1001: clock: no answer"),
        ((Verdict("log", Status.FAILED, "accepted"),), Status.OK, "mx1001: in service"),
    ],
)
def test_one_that_is_not_well_does_not_count_and_the_worst_is_named(
    monkeypatch: pytest.MonkeyPatch, judged: tuple[Verdict, ...], status: Status, why: str
) -> None:
    verdict, _ = asked(monkeypatch, SERVES, judged=judged)
    assert (verdict.status, verdict.why) == (status, why)


WELL = Verdict("peer-mx1001", Status.OK, "mx1001: in service")
ILL = Verdict("peer-mx1002", Status.FAILED, "mx1002: disk: /var is full")


class Near:
    """A world in which others are asked beside something, or just now; each answers so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Verdict, needed: int = 1) -> None:
        self.clock, self.progress, self.shown = FakeClock(), Progress(Goal()), list[str]()
        self.operator = SimpleNamespace(busy=self.shown.append)
        self.site, self.accepted = SimpleNamespace(min_in_service=needed), frozenset[str]()
        self.answers = {one.check.removeprefix("peer-"): one for one in answers}
        self.peers = [SimpleNamespace(name=name) for name in self.answers]
        self.asked: list[str] = []
        monkeypatch.setattr(peers, "_judge", self.judge)

    def judge(self, world: Any, peer: Any) -> Verdict:
        assert world is self
        self.asked.append(peer.name)
        return self.answers[peer.name]


@pytest.mark.parametrize(
    ("answers", "needed", "lacks"),
    [
        ((WELL, replace(WELL, check="peer-mx1003"), ILL), 2, []),
        ((WELL, ILL), 1, []),
        ((WELL, ILL), 2, ["only 1 other MX in service and well, 2 needed (mx1002: disk: /var is full)"]),
    ],
)
def test_a_reboot_waits_until_enough_others_serve(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[Verdict, ...], needed: int, lacks: list[str]
) -> None:
    world: Any = Near(monkeypatch, *answers, needed=needed)
    assert peers.lacking_just_now(world) == lacks


def test_they_are_asked_beside_what_the_run_does_next(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Near(monkeypatch, ILL)
    together = Barrier(2, timeout=5)

    def judge(*_: Any) -> Verdict:
        together.wait()  # what asks does not wait for the answer
        return ILL

    monkeypatch.setattr(peers, "_judge", judge)
    world.clock.sleep(7.0)
    peers.begin_to_ask(world)
    assert world.progress.others[1] == 7.0, "an answer ages from the question"
    together.wait()
    assert "/var is full" in peers.lacking_just_now(world)[0]


@pytest.mark.parametrize(("age", "asked"), [(10.0, 1), (10.1, 2), (None, 1)])
def test_an_answer_serves_one_order_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch, age: float | None, asked: int
) -> None:
    world: Any = Near(monkeypatch, WELL)
    if age is not None:
        peers.begin_to_ask(world)
        world.clock.sleep(age)
    assert peers.lacking_just_now(world) == []
    assert (len(world.asked), world.progress.others) == (asked, None)


def test_who_accepts_that_there_are_too_few_others_is_not_turned_back_after_the_drain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world: Any = Near(monkeypatch, ILL)
    assert peers.lacking_just_now(world) != []
    world.accepted = frozenset({"others"})
    assert peers.lacking_just_now(world) == []


def test_what_was_accepted_when_the_run_began_holds_for_whoever_resumes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Near(monkeypatch, ILL)
    world.progress.record = replace(RECORD, accepted=("log",))
    assert peers.lacking_just_now(world) != []
    world.progress.record = replace(RECORD, accepted=("others",))
    assert peers.lacking_just_now(world) == []
    peers.ask_before_out(world, SERVING, Step.CLOSE)


def test_a_slow_answer_to_a_question_of_just_now_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once more, an MX that is slow would have two questions to answer."""
    world, late, asked = Near(monkeypatch, WELL), Event(), list[str]()

    def judge(_world: Any, peer: Any) -> Verdict:
        asked.append(peer.name)
        return WELL if late.wait(5.0) else ILL

    monkeypatch.setattr(peers, "_judge", judge)
    peers.begin_to_ask(world)  # type: ignore[arg-type]
    world.clock.sleep(10.0)
    Timer(0.1, late.set).start()
    assert peers.lacking_just_now(world) == []  # type: ignore[arg-type]
    assert asked == ["mx1001"]


@pytest.mark.parametrize("needed", [1, 2])
def test_one_that_is_too_busy_to_answer_is_shown_and_not_waited_for_any_longer(
    monkeypatch: pytest.MonkeyPatch, needed: int
) -> None:
    """An overloaded machine may take minutes: nobody saw for whom the reboot waited."""
    world, never = Near(monkeypatch, replace(ILL, check="peer-mx1000"), WELL, needed=needed), Event()

    def judge(_world: Any, peer: Any) -> Verdict:
        return WELL if peer.name == "mx1001" or never.wait(20.0) else ILL

    monkeypatch.setattr(peers, "_judge", judge)
    monkeypatch.setattr(peers, "_LONGEST_S", 0.2)
    said = peers.lacking_just_now(world)  # type: ignore[arg-type]
    never.set()
    why = "only 1 other MX in service and well, 2 needed (mx1000: no answer within 0 s)"
    assert said == ([why] if needed == 2 else [])
    assert world.shown == [
        f"reboot: {name} is asked whether it serves, for 0 s at most" for name in ("mx1000", "mx1001")
    ]


def test_a_signal_during_the_question_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Near(monkeypatch, WELL)

    def stopped(*_: Any) -> Verdict:
        raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(peers, "_judge", stopped)
    peers.begin_to_ask(world)
    with pytest.raises(InterruptedRunError):
        peers.lacking_just_now(world)


SERVING = State(RECORD, view(boot=RECORD.boot_before), Pool.IN, Slot.MINE)


@pytest.mark.parametrize(("age", "asked"), [(0.0, 0), (60.0, 0), (60.1, 1), (None, 1)])
def test_a_host_is_taken_out_by_what_the_others_said_a_minute_ago_at_most(
    monkeypatch: pytest.MonkeyPatch, age: float | None, asked: int
) -> None:
    """A question may wait for its answer for minutes, and a run that died is resumed hours later."""
    world: Any = Near(monkeypatch, WELL)
    if age is not None:
        world.progress.heard = world.clock.monotonic()
        world.clock.sleep(age)
    for _ in range(2):
        peers.ask_before_out(world, SERVING, Step.POOL_OUT)
    assert len(world.asked) == asked
    assert world.shown == ["pool out: mx1001 is asked whether it serves, for 120 s at most"] * asked


def test_a_host_stays_in_service_where_the_others_are_not_there_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Near(monkeypatch, ILL)
    for _ in range(2):
        with pytest.raises(StepError, match=r"not taken out: only 0 other MXs .*mx1002: disk: /var is full"):
            peers.ask_before_out(world, SERVING, Step.CLOSE)
    assert len(world.asked) == 2
    world.accepted = frozenset({"others"})
    peers.ask_before_out(world, SERVING, Step.CLOSE)
    assert len(world.asked) == 2, "the operator knows better"


@pytest.mark.parametrize(
    "host",
    [
        view(boot=RECORD.boot_before, ports=Ports.CLOSED),
        view(boot=RECORD.boot_before, ports=Ports.PARTLY),
        view(boot=RECORD.boot_before, mta=MtaState.OTHER),
        view(boot="a boot that nobody has verified"),
    ],
)
def test_nobody_is_asked_before_clients_are_kept_from_a_host_that_must_not_or_does_not_serve(
    monkeypatch: pytest.MonkeyPatch, host: View
) -> None:
    world: Any = Near(monkeypatch, ILL)
    peers.ask_before_out(world, replace(SERVING, host=host), Step.CLOSE)
    assert world.asked == []
