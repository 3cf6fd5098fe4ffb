"""The other MXs: each is asked, once more where it could not be, and one that is not well does not count."""

from threading import Barrier, Event, Timer
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import HostUnreachableError, InterruptedRunError
from mxlib.base.parallel import UnderWay
from mxlib.base.verdict import Status, Verdict
from mxlib.model.goal import Goal
from mxlib.model.state import MtaState, Ports
from mxlib.mta.find import find
from mxlib.reboot import peers
from mxlib.reboot.progress import Progress
from tests.unit.support.fakes import FakeClock

PEER: Any = SimpleNamespace(name="mx1001")


def asked(
    monkeypatch: pytest.MonkeyPatch, *answers: Any, judged: tuple[Verdict, ...] = (), **changed: Any
) -> tuple[Any, list[float]]:
    """The verdict about a peer that answers so, one answer a look, and the pauses in between.

    Arguments:
        judged: its other checks.
        changed: what the run makes of a look, for the site's ports.
    """
    pauses: list[float] = []
    left = list(answers)

    def read(*_: Any) -> Any:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(get=lambda _source: SimpleNamespace(view=answer))

    monkeypatch.setattr(peers, "read_facts", read)
    verifier = SimpleNamespace(sources=lambda: (), judged=lambda _facts: judged)
    context: Any = SimpleNamespace(
        clock=SimpleNamespace(sleep=pauses.append),
        mta=find("exim"),
        adapters=SimpleNamespace(verifier=verifier),
        accepted=frozenset({"log"}),
        view=lambda found: SimpleNamespace(**{**vars(found.view), **changed}),
        peers=(PEER,),
        site=SimpleNamespace(min_in_service=1),
    )
    (verdict,) = peers.others(context)
    assert left == []
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


@pytest.mark.parametrize(
    ("passed", "needed", "lacks"),
    [(2, 2, []), (1, 1, []), (1, 2, ["only 1 other MX in service and well, 2 needed (mx1001: disk: /var is full)"])],
)
def test_a_reboot_waits_until_enough_others_serve(
    monkeypatch: pytest.MonkeyPatch, passed: int, needed: int, lacks: list[str]
) -> None:
    well = Verdict("peer-mx", Status.OK, "in service")
    bad = Verdict("peer-mx1001", Status.FAILED, "mx1001: disk: /var is full")
    monkeypatch.setattr(peers, "others", lambda _world: (*[well] * passed, bad))
    world: Any = SimpleNamespace(site=SimpleNamespace(min_in_service=needed))
    assert peers.lacking_others(world) == lacks


class Near:
    """A world in which others are asked beside something, or just now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *lacks: str) -> None:
        self.clock, self.progress, self.lacks, self.asked = FakeClock(), Progress(Goal()), list(lacks), 0
        monkeypatch.setattr(peers, "lacking_others", self.lacking)

    def lacking(self, world: Any) -> list[str]:
        assert world is self
        self.asked += 1
        return self.lacks


def test_they_are_asked_beside_what_the_run_does_next(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Near(monkeypatch)
    together = Barrier(2, timeout=5)

    def lacking(_world: Any) -> list[str]:
        together.wait()  # what asks does not wait for the answer
        return ["only 0 other MXs"]

    monkeypatch.setattr(peers, "lacking_others", lacking)
    world.clock.sleep(7.0)
    peers.begin_to_ask(world)
    assert world.progress.lacking[1] == 7.0, "an answer ages from the question"
    together.wait()
    assert peers.lacking_just_now(world) == ["only 0 other MXs"]


@pytest.mark.parametrize(
    ("age", "lacks", "asked"), [(10.0, [], 0), (9.0, ["only 0"], 0), (10.1, [], 1), (None, [], 1)]
)
def test_an_answer_serves_one_order_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch, age: float | None, lacks: list[str], asked: int
) -> None:
    world: Any = Near(monkeypatch, "as asked again")
    if age is not None:
        known = UnderWay(lambda: lacks)
        known.answer(5.0)
        world.progress.lacking = known, world.clock.monotonic()
        world.clock.sleep(age)
    assert peers.lacking_just_now(world) == (["as asked again"] if asked else lacks)
    assert (world.asked, world.progress.lacking) == (asked, None)


def test_a_slow_answer_to_a_question_of_just_now_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked once more, an MX that is slow would have two questions to answer."""
    world, late = Near(monkeypatch, "as asked again"), Event()
    world.progress.lacking = UnderWay(lambda: [f"late: {late.wait(5.0)}"]), 0.0
    world.clock.sleep(10.0)
    Timer(0.1, late.set).start()
    assert peers.lacking_just_now(world) == ["late: True"]  # type: ignore[arg-type]
    assert world.asked == 0


def test_a_signal_during_the_question_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    world: Any = Near(monkeypatch)

    def stopped(_world: Any) -> list[str]:
        raise InterruptedRunError("SIGTERM")

    monkeypatch.setattr(peers, "lacking_others", stopped)
    peers.begin_to_ask(world)
    with pytest.raises(InterruptedRunError):
        peers.lacking_just_now(world)
