"""Hosts to verify that answer as real ones did, and reports made by hand."""

import json
import re
from datetime import datetime

from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.config.probes import InboundProbe, OutboundProbe, ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.protocols.host import CommandResult
from mxlib.verify.request import HostReport
from tests.unit.support.facts import NOW, fixture

POLICY = VerifyPolicy(
    required_units=("exim4.service", "ssh.service", "ferm.service|nftables.service", "spamd.service"),
    listeners=(25, 465, 587),
)


PROBES = ProbeSection(
    "probe@world.test",
    (OutboundProbe("provider", "u@provider.test"), OutboundProbe("lists", "l@lists.test")),
    InboundProbe(("user1@lab.test",)),
)


class Recorded:
    """A host that answers each section as a real one did."""

    def __init__(self, name="mx1001.lab.test", recording="mx1001", error=None, hears="250"):
        self.name = name
        self._hears = hears
        self._data = json.loads(fixture(f"healthy/{recording}.json"))
        self._error = error
        self.asked = 0

    def read(self, script, *, timeout):
        if self._error:
            raise self._error
        self.asked += 1
        mark = script.partition("\n")[0].removeprefix("mark=")
        names = re.findall(r"^section ([a-z0-9-]+) [\d.]+ ", script, re.MULTILINE)
        targets = re.findall(r"(mx\d+\.lab\.test)/([46])", script)
        self._data["outputs"]["peer-sessions"] = (
            "".join(
                f"said {name} {family} 192.0.2.1 rcpt user1@lab.test {self._hears} text\n" for name, family in targets
            )
            + "end"
        )
        text = "".join(
            f"{mark} begin {name}\n{self._data['outputs'].get(name, '')}\n{mark} errors {name}\n\n{mark} end {name} 0\n"
            for name in names
        )
        when = datetime.fromisoformat(self._data["when"])
        return CommandResult(script, 0, text, when, self._data["seconds"])

    def act(self, script, *, timeout, ok_codes=(0,)):
        raise AssertionError("verifying changes nothing without test mails")


def verdict(check, status, why="because"):
    return Verdict(check, status, why, (Evidence("\x1b[1mcommand", "output\x07", NOW),))


def report(host, *verdicts):
    return HostReport(host, verdicts, NOW, 1.0)


def found_on(report, name):
    return next(one for one in report.verdicts if one.check == name)


MX1, MX2, MX3 = "mx1001.lab.test", "mx2001.lab.test", "mx3001.lab.test"
REPORTS = (
    report("a.lab.test", verdict("x", Status.FAILED, "broken\x1b[31m"), verdict("y", Status.UNKNOWN, "gone"),
           verdict("z", Status.UNKNOWN, "gone"), verdict("ok", Status.OK)),
    report("b.lab.test", verdict("x", Status.OK)),
)  # fmt: skip
