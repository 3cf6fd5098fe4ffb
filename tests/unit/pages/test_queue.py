import pytest

from mxlib.pages import queue
from tests.unit.support.journals import Writer, recorded, whole


def test_a_journal_without_counts_has_no_chart():
    assert queue.drawn(recorded()) is None


def chart():
    write = Writer("2026-01-01T00:00:00+00:00")
    return queue.drawn((
        write.event("queue", left=100, by={"a.test": 90, "b.test": 10}),
        write.event("queue", 10.0, left=60, completed=40),
        write.event("queue", 10.0, left=50, completed=50),
        write.event("queue", 20.0, left=0, by={"b.test": 0}),
        write.event("done", step="drain", seconds=40.0, before=100, completed=100, after=0),
    ))  # fmt: skip


def test_lines_are_to_scale_and_a_destination_that_is_gone_is_at_zero():
    found = chart()
    assert (found.top, found.axis.seconds) == (100, 40)
    every, first, second = found.lines
    assert every.points == "0,0 250,40 500,50 1000,100"
    assert (first.name, first.points, first.last) == ("a.test", "0,10 1000,100", 0)
    assert (second.name, second.first, second.number) == ("b.test", 10, 2)


def test_the_rate_is_told():
    assert chart().rates == (
        "100 messages of 100 completed in 40 s, 2.5/s on average, 1.0/s at its fastest; 0 left",
    )


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (9, 10), (10, 10), (11, 20), (101, 200), (950, 1000)]
)
def test_the_upper_edge_is_a_round_number(most, top):
    write = Writer("2026-01-01T00:00:00+00:00")
    found = queue.drawn((write.event("queue", left=0), write.event("queue", 1.0, left=most)))
    assert found.top == top


def test_a_whole_run_is_drawn_with_its_soak():
    found = queue.drawn(whole())
    assert [line.name for line in found.lines] == ["all messages", "provider.test", "lists.test"]
    assert found.lines[0].last == 2
    assert len(found.lines[0].points.split()) == 4 + 36 + 12
