"""A table fits its terminal, and loses nothing by it."""

import pytest

from mxlib.commands.grid import fitted

HEADS = ("", "host", "queue")
THINGS = [("OK", "mx1", "12"), ("FAILED", "mx2", "unknown"), ("OK", "mx3", "0")]
WIDE = ["        host  queue", "OK      mx1   12", "FAILED  mx2   unknown", "OK      mx3   0"]


@pytest.mark.parametrize("room", [None, 21, 200])
def test_a_line_for_each_where_there_is_room(room):
    assert fitted(HEADS, THINGS, room) == WIDE


@pytest.mark.parametrize(
    ("room", "lines"),
    [
        (20, ["       OK   FAILED", "host   mx1  mx2", "queue  12   unknown", "",
              "       OK", "host   mx3", "queue  0"]),
        (0, ["       OK", "host   mx1", "queue  12", "", "       FAILED", "host   mx2", "queue  unknown", "",
             "       OK", "host   mx3", "queue  0"]),
    ],
)  # fmt: skip
def test_side_by_side_where_there_is_not_and_one_below_the_other_in_the_end(room, lines):
    assert fitted(HEADS, THINGS, room) == lines
