"""The reply to a stranger who wants to relay."""

import subprocess

import pytest

from mxlib.facts.source import FactUnknownError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import relay
from tests.unit.support.facts import fact, output

# exim4 -bh of Exim 4.96, its standard output
GREETING = "\r\n**** SMTP testing session as if from host 203.0.113.25\r\n\r\n220 mx1001.lab.test ESMTP\r\n"
EHLO = "250-mx1001.lab.test Hello relay-test.invalid [203.0.113.25]\r\n250-SIZE 52428800\r\n250 HELP\r\n"
REFUSED = "550 relay not permitted\r\n"
QUIT = "221 mx1001.lab.test closing connection\r\n"


@pytest.mark.parametrize(
    ("sender", "recipient", "reply"),
    [
        ("250 OK\r\n", REFUSED, "550 relay not permitted"),
        ("250 OK\r\n", "250 Accepted\r\n", "250 Accepted"),
        ("550 you are not welcome\r\n", "503 sender not yet given\r\n", "550 you are not welcome"),
        ("250 OK\n", "550 relay not permitted\n", "550 relay not permitted"),
    ],
)
def test_the_reply_to_the_recipient_or_to_the_sender(sender: str, recipient: str, reply: str) -> None:
    assert fact(relay.SOURCE, f"{GREETING}{EHLO}{sender}{recipient}{QUIT}") == reply


@pytest.mark.parametrize(
    "text",
    ["", GREETING, f"{GREETING}{EHLO}250 OK\r\n", f"554 no\r\n{EHLO}250 OK\r\n{REFUSED}",
     f"{GREETING}500 what\r\n503 first\r\n503 first\r\n{QUIT}"],
)  # fmt: skip
def test_a_session_that_did_not_come_so_far_is_unknown(text: str) -> None:
    with pytest.raises(FactUnknownError, match="did not get to its recipient"):
        fact(relay.SOURCE, text)


def test_an_exim_that_fails_is_unknown() -> None:
    with pytest.raises(FactUnknownError, match="exit code 1"):
        fact(relay.SOURCE, output(relay.SECTION, "", code=1))


def test_the_session_that_is_played(tmp_path) -> None:
    binary = tmp_path / "exim4"
    binary.write_text('#!/bin/sh\necho "$@"\ncat\n')
    binary.chmod(0o755)
    script = relay.SECTION.script.replace(exim.BINARY, str(binary))
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\r\n") == [
        "-bh 203.0.113.25\nEHLO relay-test.invalid",
        "MAIL FROM:<relay-test@example.org>",
        "RCPT TO:<relay-test@example.com>",
        "QUIT",
        "",
    ]
