from types import SimpleNamespace

import pytest

from mxlib.config.values import ADDRESS_PATTERN, HOST_PATTERN, NAME_PATTERN, counts, must, ports, positive


def test_an_error_has_the_key_and_what_was_expected():
    with pytest.raises(ValueError, match="times") as caught:
        must(False, "times", "1 to 10")
    assert caught.value.args == ("times", "1 to 10")
    must(True, "times", "1 to 10")


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_what_is_not_above_0(value):
    positive(0.001, "timeout")
    with pytest.raises(ValueError, match="timeout"):
        positive(value, "timeout")


def test_each_count_is_0_or_more():
    counts(SimpleNamespace(a=0, b=5), "a", "b")
    with pytest.raises(ValueError, match="'b'"):
        counts(SimpleNamespace(a=0, b=-1), "a", "b")


@pytest.mark.parametrize("wrong", [0, -25, 65536])
def test_what_is_no_port(wrong):
    ports((1, 25, 65535), "ports")
    with pytest.raises(ValueError, match="1 to 65535"):
        ports((25, wrong), "ports")


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (HOST_PATTERN, ["mx1001.lab.test", "a-b.c"], ["mx1001", "MX1.lab.test", "-a.b", "a-.b", "a..b", "a.b;c"]),
        (ADDRESS_PATTERN, ["a.b+c@lab.test"], ["a", "a@", "@b", "a b@c", "a'b@c", "a@b@c"]),
        (NAME_PATTERN, ["smtp", "a_b.c-1"], ["", "a|b", "a b", "a*"]),
    ],
)
def test_names(pattern, good, bad):
    assert [one for one in good if not pattern.fullmatch(one)] == []
    assert [one for one in bad if pattern.fullmatch(one)] == []
