"""Test mails to two destinations, and what a real host printed of them (fixtures/probe)."""

import dataclasses

from mxlib.config.probes import InboundProbe, OutboundProbe, ProbeSection
from mxlib.mta.exim.probe import build, parse
from mxlib.mta.mail import ProbeMail
from mxlib.probes.outbound import OutboundRun, judge, plan_mails
from tests.unit.support.facts import fixture, output

V4 = OutboundProbe("provider-v4", "user1@v4.provider.test", 4, times=1)
V6 = OutboundProbe("provider-v6", "user1@v6.provider.test", 6, sizes=(2048,))
SECTION = ProbeSection("probe@world.test", (V4, V6), InboundProbe(("user1@lab.test",)))
RECORDED = (
    "delivered",
    "refused",
    "remote-4xx",
    "stall-after-data",
    "stall-timeout",
    "untried-bounce",
    "untried-defer",
)


def mails() -> list[ProbeMail]:
    """The mails of the recordings, which have tags that count up."""
    return [
        dataclasses.replace(mail, tag=f"00000000-0000-4000-8000-{number:012d}")
        for number, mail in enumerate(plan_mails((V4, V6)), start=1)
    ]


def run_of(text: str, growth: dict[str, int] | None = None) -> OutboundRun:
    """What became of the mails when the host printed this; ``growth`` is what connection tracking lost meanwhile."""
    sent = output(build(mails(), "probe@world.test", "r1", 30), text)
    lost = growth if growth is not None else {"invalid": 0, "drop": 0}
    results = tuple(judge(mail, seen) for mail, seen in zip(mails(), parse(text, mails()), strict=True))
    return OutboundRun(results, lost, sent, {"TCPFastOpenActive": 4, "TCPFastOpenBlackhole": 0})


def recorded(name: str) -> OutboundRun:
    """What became of the mails in a recording."""
    return run_of(fixture(f"probe/{name}.txt"))
