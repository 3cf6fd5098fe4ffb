"""A roll of two hosts whose first one fell back, as events of its journal."""

from mxlib.base.journal import Event
from mxlib.model.outcome import Outcome

AT = "2026-11-21T01:00:00+00:00"


def seen(host: str, stand: str, why: str = "") -> dict[str, str]:
    return {"host": host, "stand": stand, "why": why, "unwell": "", "newer": ""}


def events(end: Outcome, *, outcome: str = "FELL_BACK"):
    both = [seen("mx2001.lab.test", "to do"), seen("mx1001.lab.test", "to do")]
    return [
        Event("start", AT, {"run": "r1", "who": "op@cumin1001", "why": "security | update", "kernel": "6.1.0-56"}),
        Event("seen", AT, {"hosts": both}),
        Event("host", AT, {"host": "mx2001.lab.test", "outcome": outcome, "why": "large <mail> stalls",
                           "seconds": 600.0, "report": "/var/log/x/mx2001.lab.test.r2.md"}),
        Event("seen", AT, {"hosts": both}),
        Event("end", AT, {"end": end.name, "why": "mx2001.lab.test: large mail stalls", "code": end.value}),
    ]  # fmt: skip
