"""Whether Exim would relay for a stranger: ``exim4 -bh`` simulates a session and sends nothing."""

import re

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim

# Addresses reserved for documentation: no site serves them.
STRANGER = "203.0.113.25"
SECTION = Section(
    "relay",
    f"""\
printf 'EHLO relay-test.invalid\\r\\nMAIL FROM:<relay-test@example.org>\\r\\n\
RCPT TO:<relay-test@example.com>\\r\\nQUIT\\r\\n' | {exim.BINARY} -bh {STRANGER} 2>/dev/null
""",
    timeout_s=30,
)


def parse(outputs: Outputs) -> str:
    """Return the reply to the recipient, such as ``550 relay not permitted``, or to the sender if that is refused.

    Raises:
        mxlib.base.errors.ParseError: the session did not get so far.
    """
    replies: list[str] = re.findall(r"^(\d{3} .*?)\r?$", outputs[SECTION.name].text(), re.MULTILINE)
    # Greeting, EHLO, MAIL, RCPT, QUIT.
    if len(replies) < 4 or not replies[0].startswith("220") or not replies[1].startswith("250"):
        raise ParseError("the simulated session did not get to its recipient")
    return replies[3] if replies[2].startswith("250") else replies[2]


SOURCE = Source("relay", (SECTION,), parse)
