"""A password is taken out of what a console shows, however it is cut, wrapped or interrupted there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.adapters.redact import Redactor, redact
from mxlib.adapters.secret import Secret


@given(
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    cuts=st.lists(st.integers(min_value=1, max_value=7), max_size=40),
)
def test_the_redactor_finds_a_secret_cut_anywhere(before: bytes, after: bytes, cuts: list[int]) -> None:
    stream = before + b"s3cr3t-s3cr" + b"et" + after + b"s3cr3t-s3cret" + before
    redactor, shown = Redactor(Secret("s3cr3t-s3cret")), b""
    for cut in cuts:
        shown, stream = shown + redactor.feed(stream[:cut]), stream[cut:]
    shown += redactor.feed(stream) + redactor.flush()
    assert b"s3cr3t-s3cret" not in shown


@given(pieces=st.lists(st.binary(max_size=9), max_size=20))
def test_the_redactor_loses_nothing_else(pieces: list[bytes]) -> None:
    redactor = Redactor(Secret("\N{SNOWMAN}zz"))
    assert b"".join(map(redactor.feed, pieces)) + redactor.flush() == b"".join(pieces)


def test_redact() -> None:
    assert redact("login: hunter2x", Secret("hunter2")) == "login: ***x"
    assert redact("as is", None) == "as is"


@pytest.mark.parametrize(
    "between",
    [
        b"\r\n",
        b"\n",
        b"\r\r\n",
        b" \r",  # bash behind a full line
        b"\x08 \x08",
        b"\x1b[K",
        b"\x1b[31m",
        b"\x00",
        b"[   91.123456] virtio_net virtio2 ens13: renamed from eth0\r\n",
        b"\r\n[    1.000000] one\r\n[    1.000001] two\r\n",
    ],
)
@given(place=st.integers(1, 12), cut=st.integers(0, 90))
def test_a_password_that_the_line_broke_up_is_masked(between: bytes, place: int, cut: int) -> None:
    stream = b"login: s3cr3t-s3cret"
    stream = stream[: 7 + place] + between + stream[7 + place :] + b" and more"
    redactor = Redactor(Secret("s3cr3t-s3cret"))
    shown = redactor.feed(stream[:cut]) + redactor.feed(stream[cut:]) + redactor.flush()
    assert shown == b"login: *** and more"


@given(between=st.lists(st.sampled_from([b"", b"\r\n", b" \r", b" ", b"\x1b[0m"]), min_size=12, max_size=12))
def test_a_password_with_blanks_is_masked_wherever_its_line_ends(between: list[bytes]) -> None:
    letters = [bytes([one]) for one in b"correct horse"]
    echoed = b"".join(one + gap for one, gap in zip(letters, [*between, b""], strict=True))
    redactor = Redactor(Secret("correct horse"))
    assert redactor.feed(b"<" + echoed + b">") + redactor.flush() == b"<***>"


def test_what_may_begin_the_password_comes_when_it_does_not() -> None:
    redactor = Redactor(Secret("s3cret"))
    assert redactor.feed(b"it is s3c") == b"it is "
    assert redactor.feed(b"\r\n") == b""
    assert redactor.feed(b"urity") == b"s3c\r\nurity"
    assert redactor.feed(b"s\r\n") == b""
    assert redactor.flush() == b"s\r\n"


def test_half_a_password_is_masked_at_the_end_of_what_was_shown() -> None:
    assert redact("mail login: s3cr", Secret("s3cret")) == "mail login: ***"
    assert redact("mail login: s3", Secret("s3cret")) == "mail login: s3"


def test_a_password_within_what_looks_like_its_beginning_is_found() -> None:
    assert redact("aaab", Secret("aab")) == "a***"
    assert redact("s[ 1.000000] s3cret\r\nx", Secret("s3cret")) == "s[ 1.000000] ***\r\nx"


def test_a_password_of_blanks_alone_is_masked_as_it_is() -> None:
    assert redact("<   >", Secret("   ")) == "<***>"


def test_what_is_held_back_is_bounded() -> None:
    redactor = Redactor(Secret("s3cret"))
    shown = b"".join(redactor.feed(piece) for piece in (b"s", *20 * [1000 * b" "]))
    assert len(shown) >= 20_001 - 8192
    assert shown + redactor.flush() == b"s" + 20_000 * b" "
    assert redactor.feed(b" s3c\r\nret.") == b" ***."

