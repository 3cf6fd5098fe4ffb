"""What two real hosts in good order answered, and ways to change an answer."""

import base64
import json
import re
from datetime import datetime

from mxlib.checks.registry import all_checks
from mxlib.config.known_bad import load
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.section import SectionOutput
from mxlib.facts.source import Facts
from mxlib.verify.request import with_watched
from tests.unit.support.facts import fixture

ENTRIES = load()
POLICY = with_watched(
    VerifyPolicy(
        required_units=("exim4.service", "ssh.service", "ferm.service|nftables.service", "spamd.service"),
        listeners=(25, 465, 587),
    ),
    ENTRIES,
)
CHECKS = {check.name: check for check in all_checks(ENTRIES)}
NFTABLES, FERM = "mx1001", "mx2001"
STANDING = """\
boot 0b6b7a40-64a9-4f0e-8d3b-3f7c1f2ad001
kernel {kernel}
processes 2
listeners {listeners}
saved {saved}
next\x20
puppet on
units
Job=
ActiveState=active
LoadState=loaded
UnitFileState=generated

Job=
ActiveState=inactive
LoadState=loaded
UnitFileState=static
end
"""
"""Where such a host stands: its kernel, how many sockets listen on port 25, and GRUB's saved entry are left open."""


def host(name=NFTABLES, **changed):
    """What a real host in good order answered, with some answers changed: a text, or a function of the text."""
    data = json.loads(fixture(f"healthy/{name}.json"))
    when = datetime.fromisoformat(data["when"])
    texts = data["outputs"]
    for section, change in changed.items():
        key = section.replace("_", "-")
        assert key in texts, key
        texts[key] = change(texts[key]) if callable(change) else change
    outputs = {key: SectionOutput(key, key, 0, text, "", when, data["seconds"]) for key, text in texts.items()}
    return Facts(data["host"], when, outputs)


def replaced(old, new):
    def change(text):
        assert old in text, old
        return text.replace(old, new)

    return change


def judge(check, facts=None, policy=POLICY):
    return CHECKS[check].verdict(facts or host(), policy)


def with_unit(name, **states):
    def change(text):
        blocks = text.split("\n\n")
        index = next(number for number, block in enumerate(blocks) if f"Id={name}" in block)
        for key, value in states.items():
            blocks[index] = re.sub(rf"^{key}=.*$", f"{key}={value}", blocks[index], flags=re.MULTILINE)
        return "\n\n".join(blocks)

    return change


NO_TABLES = "tool iptables-nft-save\ntool ip6tables-nft-save\ntool end\n"


HOLE = "from=2001:db8:51::10\nuntil=1795238400\nwho=op@cumin1001\nwhy=mail stalls\n"
HOLE_RULE = "-A INPUT -s 2001:db8:51::10/128 -m comment --comment mx-hole-2001-db8-51--10 -j ACCEPT\n"


def with_hole(name, timer="active", rule=HOLE_RULE):
    """A host on which a hole was opened; without a timer's state there is no record of it."""
    line = f"hole 2001-db8-51--10 {timer} {base64.b64encode(HOLE.encode()).decode()}\n" if timer else ""
    return host(
        name,
        temporary_holes=f"now 1795236000\n{line}end\n",
        firewall_tables=lambda text: text.replace("-A INPUT -m state", f"{rule}-A INPUT -m state", 1),
    )
