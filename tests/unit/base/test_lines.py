"""A line that is not understood is shown, wherever it stands."""

import pytest

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of, refuse_unknown


def known(line):
    return line.startswith("name ")


def test_an_answer_of_known_and_empty_lines_is_taken():
    refuse_unknown(["name a", "", "  ", "name b"], known, "names")
    refuse_unknown([], known, "names")


@pytest.mark.parametrize("before", [[], ["name a"], [""]])
def test_the_first_unknown_line_is_shown_also_behind_an_empty_one(before):
    with pytest.raises(ParseError, match=r"^names: 'nom \\x1b b'$"):
        refuse_unknown([*before, "nom \x1b b", "nom c"], known, "names")


def test_of_a_long_line_the_beginning_is_shown():
    with pytest.raises(ParseError) as error:
        refuse_unknown(["x" * 500], known, "names")
    assert str(error.value) == f"names: {'x' * 100!r}"


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\n\n", ["a", ""]),
     ("a\u2028b\x0c\r\nc", ["a\u2028b\x0c\r", "c"])],
)  # fmt: skip
def test_only_a_line_feed_ends_a_line(text, lines):
    assert lines_of(text) == lines
