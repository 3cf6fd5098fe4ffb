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


RESET = "250 Reset OK\r\n"
SENDER_NOT_VERIFIED = "550 Sender verify failed\r\n"


@pytest.mark.parametrize(
    ("first", "second", "reply"),
    [
        (f"250 OK\r\n{REFUSED}", f"250 OK\r\n{REFUSED}", "550 relay not permitted"),
        (f"250 OK\n{REFUSED}", f"250 OK\n{REFUSED}", "550 relay not permitted"),
        ("250 OK\r\n250 Accepted\r\n", f"250 OK\r\n{REFUSED}", "250 Accepted"),
        # as acl_smtp_rcpt of Debian verifies the sender there: it says nothing about the recipient
        (f"250 OK\r\n{SENDER_NOT_VERIFIED}", "250 OK\r\n250 Accepted\r\n", "250 Accepted"),
        (f"250 OK\r\n{REFUSED}", "250 OK\r\n451 try again\r\n", "451 try again"),
        ("550 not you\r\n503 sender not yet given\r\n", f"250 OK\r\n{REFUSED}", "550 relay not permitted"),
        ("250 OK\r\n250 Accepted\r\n", "550 no empty sender\r\n503 no sender\r\n", "250 Accepted"),
    ],
)
def test_of_the_replies_to_the_recipient_the_one_that_says_most_against_it(first: str, second: str, reply: str) -> None:
    assert fact(relay.SOURCE, f"{GREETING}{EHLO}{first}{RESET}{second}{QUIT}") == reply


@pytest.mark.parametrize(
    ("answers", "reply"),
    [
        # a site that has no mail from the empty sender, or ends the session at a refusal
        (f"250 OK\r\n{SENDER_NOT_VERIFIED}{RESET}550 no empty sender\r\n503 no sender\r\n{QUIT}", "550 Sender verify"),
        (f"250 OK\r\n{SENDER_NOT_VERIFIED}", "550 Sender verify failed"),
        (f"550 not you\r\n503 no sender\r\n{RESET}550 nor you\r\n503 no sender\r\n{QUIT}", "550 not you"),
    ],
)
def test_where_only_the_sender_may_have_been_refused_nothing_is_known_of_the_recipient(
    answers: str, reply: str
) -> None:
    with pytest.raises(FactUnknownError, match=f"only the stranger's sender was refused is not seen: {reply}"):
        fact(relay.SOURCE, f"{GREETING}{EHLO}{answers}")


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
        "RSET",
        "MAIL FROM:<>",
        "RCPT TO:<relay-test@example.com>",
        "QUIT",
        "",
    ]
