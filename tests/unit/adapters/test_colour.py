"""Colours: by verdict and by outcome, and no other word of a line."""

import re

import pytest

from mxlib.adapters.colour import coloured
from mxlib.model.outcome import Outcome

GREEN, YELLOW, RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"
_SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("00:55:07 OK      disk", f"00:55:07 {GREEN}OK\x1b[0m      disk"),
        ("00:55:07   UNKNOWN queue: x", f"00:55:07   {YELLOW}UNKNOWN\x1b[0m queue: x"),
        ("mx1: FAILED: OK 04:47", f"mx1: {RED}FAILED\x1b[0m: {GREEN}OK\x1b[0m 04:47"),
        ("OKAY NOT-OK FAILED_STEP unknown", "OKAY NOT-OK FAILED_STEP unknown"),
        ("00:55:07 reboot: is done: really", "00:55:07 reboot: is done: really"),
        ("mx2001: done: no time in front", "mx2001: done: no time in front"),
    ],
)
def test_verdicts_are_in_colour_where_they_stand_alone(line, shown):
    assert coloured(line) == shown


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("subject", ["mx2001.example.org: ", "roll of 6.1: ", "roll of 6.1: stopped, a host: ", ""])
def test_every_end_has_its_colour_whole(outcome, subject):
    line = f"00:55:07 {subject}{outcome.phrase}: why, in full"
    shown = coloured(line)
    assert _SGR.sub("", shown) == line
    (painted,) = re.findall(r"\x1b\[1;3[123]m(.*?)\x1b\[0m", shown)
    assert painted == outcome.phrase


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.DONE, 32), (Outcome.UNDONE, 33), (Outcome.REFUSED, 33), (Outcome.MAIL_LOST, 31)]
)
def test_green_is_for_done_alone_and_red_where_somebody_has_to_look(outcome, code):
    assert f"\x1b[1;{code}m{outcome.phrase}" in coloured(f"DRY-RUN: 00:55:07 mx1: {outcome.phrase}")
