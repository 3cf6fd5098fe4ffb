import threading

import pytest

from mxlib.base.errors import ParseError, SlotError
from mxlib.base.parallel import Outstanding, UnderWay, at_once, once, side_by_side, with_progress


def test_several_are_asked_at_the_same_time_and_answer_in_order():
    together = threading.Barrier(3)

    def ask(number):
        together.wait(timeout=10)
        return number * 10

    assert at_once(ask, (3, 1, 2)) == (30, 10, 20)


def test_one_question_needs_no_thread():
    assert at_once(lambda number: (number, threading.current_thread()), [5]) == ((5, threading.current_thread()),)
    assert at_once(str, []) == ()


def test_what_a_question_raises_is_raised():
    def ask(number):
        if number:
            raise SlotError(f"no {number}")
        return number

    with pytest.raises(SlotError, match="no 1"):
        at_once(ask, (0, 1, 2))


def test_two_of_different_kinds_side_by_side():
    together = threading.Barrier(2)

    def ask(answer):
        together.wait(timeout=10)
        return answer

    assert side_by_side(lambda: ask("first"), lambda: ask(2)) == ("first", 2)


def test_work_ends_when_it_is_done_and_not_before():
    shown, done = [], threading.Event()

    def work():
        assert done.wait(timeout=10)
        return "worked"

    def tell():
        shown.append(1)
        if len(shown) == 3:
            done.set()
        done.wait(timeout=0.01)

    assert with_progress(work, tell) == "worked"
    assert len(shown) >= 3


def test_a_question_is_asked_once_from_whichever_thread():
    asked = []
    answer = once(lambda: asked.append(1) or len(asked))
    assert at_once(lambda _: answer(), range(8)) == (1,) * 8
    assert len(asked) == 1


def test_only_an_error_that_is_an_answer_is_kept():
    raised = iter([ParseError("one"), SlotError("two"), SlotError("three")])

    def ask():
        raise next(raised)

    answer = once(ask, keep=(SlotError,))
    with pytest.raises(ParseError, match="one"):
        answer()
    for _ in range(2):
        with pytest.raises(SlotError, match="two"):
            answer()


def test_an_answer_that_comes_is_given_and_what_it_raises_is_raised():
    assert UnderWay(lambda: 5).answer(10) == 5

    def fails():
        raise SlotError("no")

    with pytest.raises(SlotError, match="no"):
        UnderWay(fails).answer(10)


def test_an_answer_that_does_not_come_is_not_waited_for_and_keeps_no_process_alive():
    never = threading.Event()
    asked = UnderWay(lambda: never.wait(30))
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        asked.answer(0.01)
    assert [one.daemon for one in threading.enumerate() if one.name == "asking"] == [True]
    never.set()
    assert asked.answer(10)


def test_who_has_answered_and_who_has_not_is_told_each_time():
    told = []
    waits = Outstanding(["a", "b", "c"], lambda *said: told.append(said))

    def fails():
        raise SlotError("no")

    assert waits.watched("b", lambda: 5)() == 5
    with pytest.raises(SlotError):
        waits.watched("a", fails)()
    assert told == [(0, 3, ("a", "b", "c")), (1, 3, ("a", "c")), (2, 3, ("c",))]


def test_it_is_told_by_one_at_a_time():
    inside, most = [], []

    def tell(*_):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.01)
        inside.pop()

    waits = Outstanding("abcdef", tell)
    at_once(lambda name: waits.watched(name, lambda: name)(), "abcdef")
    assert (len(most), set(most)) == (7, {1})
