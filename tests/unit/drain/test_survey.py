"""One look at the whole queue of a host."""

from dataclasses import replace

import pytest

from mxlib.base.errors import CommandTimeoutError, HostUnreachableError
from mxlib.drain import loop as drain
from mxlib.drain import runners
from mxlib.drain.judge import Destination, Way
from mxlib.drain.survey import by_destination, first_survey, patiently, what_is_left
from mxlib.mta.find import find
from tests.unit.support.memory_queue import world


def test_a_host_that_is_silent_for_a_while_is_asked_again(monkeypatch):
    found = world({"x.test": 100})
    answers, silent = runners.look, [HostUnreachableError("banner"), CommandTimeoutError("slow")]

    def look(world, mark):
        if silent:
            raise silent.pop()
        return answers(world, mark)

    monkeypatch.setattr(runners, "look", look)
    assert drain.empty(found.world).evidence["after"] == 0


def test_a_host_that_stays_silent_is_given_up_after_two_minutes():
    found = world({})

    def ask():
        raise HostUnreachableError("no session")

    with pytest.raises(HostUnreachableError):
        patiently(found.world, ask)
    assert 120 <= found.clock.monotonic() < 130


def test_only_what_is_tried_counts_as_triable():
    found = world({"x.test": 100, "y.test": 30}, down=["y.test"])
    found.target.tried.append("y.test")
    seen = first_survey(found.world)[1]
    assert (seen.total, seen.triable) == (130, 100)


@pytest.mark.parametrize(("waiting", "trips"), [({}, 1), ({"x.test": 1}, 2)])
def test_only_messages_are_told_apart_by_their_senders(waiting, trips):
    """The rules name senders, so a queue is read once more with them; an empty one has none to tell apart."""
    found = world(waiting)
    answer, asked = found.target.read, []

    def read(script, *, timeout):
        asked.append(script)
        said = answer(script, timeout=timeout)
        return replace(said, output=said.output.replace("* * F,4d,6h", "* * senders=a@x.test F,1d,6h\n* * F,4d,6h"))

    found.target.read = read
    rules, seen = first_survey(found.world)
    assert (len(rules.classes), len(asked), seen.total) == (1, trips, sum(waiting.values()))


@pytest.mark.parametrize(("waiting", "kept"), [({}, 1), ({"x.test": 1}, 0)])
def test_what_is_read_beside_the_queue_is_kept_where_nothing_comes_of_it(waiting, kept):
    found, mta, facts = world(waiting), find("exim"), []
    drain.empty(found.world, also=(mta.length,), keep=facts.append)
    assert len(facts) == kept
    assert all(mta.length.sections[0].name in one.outputs for one in facts)


def test_of_many_destinations_the_rest_is_counted():
    found = world({f"d{number}.test": 10 for number in range(9)})
    lines = what_is_left(first_survey(found.world)[1])
    assert (len(lines), lines[-1]) == (7, "3 more destinations, 30 messages")


def test_a_queue_to_very_many_is_noted_in_bounds():
    many = [Destination(f"{number}.{'x' * 300}.test", 1, 1, None, Way.UNTRIED, "", None) for number in range(90)]
    noted = by_destination(many)
    assert (noted["84 others"], min(noted.values())) == (168, 2)
    assert max(map(len, noted)) <= 80
