import pytest

from mxlib.base.text import duration, label_value, one_line, plural, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m \x1b[2Jgone", "red gone"),
        ("\x1b]0;a title\x07text \x1b]0;another\x1b\\end", "text end"),
        ("one\rtwo\x00\x7f\x9b3", "onetwo3"),
        ("mx\u202e1002\u2066\u200b\ufeff\u061c", "mx1002"),
        ("größer ✓", "größer ✓"),
    ],
)
def test_what_a_terminal_would_act_on_is_taken_out(text, shown):
    assert printable(text) == shown


def test_one_line_has_no_more_than_its_limit():
    assert one_line(" a\n\tb \x1b[1mc ") == "a b c"
    assert one_line("x" * 10, 10) == "x" * 10
    assert one_line("x" * 11, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (3 * 3600 + 125, "3 h 2 min"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_one_is_singular():
    assert [plural(count, "message") for count in (0, 1, 2)] == ["0 messages", "1 message", "2 messages"]


def test_a_label_value_ends_neither_its_quotes_nor_its_line():
    assert label_value('a\\b "c"\nd\x1b[31m') == 'a\\\\b \\"c\\" d'
