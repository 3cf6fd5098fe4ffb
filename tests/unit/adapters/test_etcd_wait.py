from mxlib.adapters.etcd_slot import SlotView
from mxlib.adapters.etcd_wait import wait_for_silence
from mxlib.base.errors import SlotError
from tests.unit.support.fakes import FakeClock


def outcome(*views, left_s=20):
    """What comes of these looks, the last of them for ever; with the seconds it took and what was said."""
    clock, said, looks = FakeClock(), [], list(views)
    begin = clock.monotonic()

    def look():
        view = looks.pop(0) if len(looks) > 1 else looks[0]
        if isinstance(view, Exception):
            raise view
        return view

    return wait_for_silence(look, clock, said.append), clock.monotonic() - begin, said


def lease(beat, alive="op@cumin1001 pid 7 abcd"):
    return SlotView(None, 0, alive, beat, 20)


def test_nobody_alive_is_not_waited_for() -> None:
    assert outcome(SlotView(None, 0, "")) == (True, 0.0, [])


def test_a_dead_run_is_waited_out() -> None:
    silent, took, said = outcome(*[lease(5)] * 18, SlotView(None, 0, ""))
    assert (silent, took) == (True, 18.0)
    assert said == ["the last sign of life of op@cumin1001 pid 7 abcd is fresh: waiting up to 20 s for another"]


def test_a_living_run_is_known_by_its_next_renewal() -> None:
    assert outcome(lease(5), lease(5), lease(6))[:2] == (False, 2.0)


def test_a_lease_taken_over_meanwhile_is_alive() -> None:
    assert outcome(lease(5), lease(9, "somebody else"))[0] is False


def test_a_lease_that_stays_though_nobody_renews_it_ends_the_wait() -> None:
    assert outcome(lease(5))[:2] == (False, 25.0)


def test_what_cannot_be_asked_is_left_to_the_planner() -> None:
    assert outcome(SlotError("etcd: refused"))[0] is True
