"""Whether Exim would relay for a stranger: ``exim4 -bh`` simulates a session and sends nothing."""

import re

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim

# Addresses reserved for documentation: no site serves them.
STRANGER = "203.0.113.25"
# Where a sender is refused, whether the recipient would be is not seen: Debian's Exim verifies it only when a recipient
# is given, and refuses that then. Nobody can verify the empty one.
SENDERS = ("relay-test@example.org", "")
_ATTEMPTS = "RSET\\r\\n".join(f"MAIL FROM:<{sender}>\\r\\nRCPT TO:<relay-test@example.com>\\r\\n" for sender in SENDERS)
SECTION = Section(
    "relay",
    f"""\
printf 'EHLO relay-test.invalid\\r\\n{_ATTEMPTS}QUIT\\r\\n' | {exim.BINARY} -bh {STRANGER} 2>/dev/null
""",
    timeout_s=30,
)


def parse(outputs: Outputs) -> str:
    """Return the reply to the recipient, such as ``550 relay not permitted``; of several the worst.

    Raises:
        mxlib.base.errors.ParseError: the session did not get so far, or what was refused may have been the sender.
    """
    replies: list[str] = re.findall(r"^(\d{3} .*?)\r?$", outputs[SECTION.name].text(), re.MULTILINE)
    # Greeting, EHLO, and for each sender MAIL, RCPT and what ends them: RSET or QUIT.
    if len(replies) < 4 or not replies[0].startswith("220") or not replies[1].startswith("250"):
        raise ParseError("the simulated session did not get to its recipient")
    attempts = tuple(zip(replies[2::3], replies[3::3], strict=False))
    asked = [recipient for sender, recipient in attempts if sender.startswith("250")]
    worst = min(asked, default=replies[2])
    if worst.startswith("5") and not (len(attempts) == len(SENDERS) and attempts[-1][0].startswith("250")):
        raise ParseError(f"whether the recipient or only the stranger's sender was refused is not seen: {worst}")
    return worst


SOURCE = Source("relay", (SECTION,), parse)
