"""Whether alerts speak against a host. Pure; what fires is handed in."""

from collections.abc import Iterable
from datetime import datetime

from mxlib.base.text import plural
from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.model.alert import Alert

NAME = "alerts"
_SHOWN = 3


def judge(firing: Iterable[Alert], asked: datetime) -> Verdict:
    """Whether anything fires; what somebody has silenced, or another alert covers, is told and does not count.

    Arguments:
        firing: the alerts about the host and the service.
        asked: when it was asked (UTC).
    """
    known = tuple(firing)
    loud = [one for one in known if not one.quiet]
    if loud:
        return Verdict(
            NAME, Status.FAILED, f"{_counted(loud, 'fires', 'fire')}: {_said(loud)}", _evidence(known, asked)
        )
    hushed = f"; silenced or covered: {_said(known)}" if known else ""
    return Verdict(NAME, Status.OK, f"no alert fires{hushed}", _evidence(known, asked))


def judge_since(firing: Iterable[Alert], begin: datetime, own: Iterable[str], asked: datetime) -> Verdict:
    """Whether anything has begun to fire since a moment, also behind the run's own silences.

    What fires from before, such as the alert about the reboot itself, is told and does not count; nor does what
    somebody else has silenced.

    Arguments:
        firing: the alerts about the host and the service.
        begin: the moment (UTC).
        own: ids of the run's own silences.
        asked: when it was asked (UTC).
    """
    ours, known = frozenset(own), tuple(firing)
    new = [one for one in known if one.since >= begin and not one.inhibited and ours.issuperset(one.silences)]
    if new:
        why = f"{_counted(new, 'has', 'have')} begun to fire: {_said(new)}"
        return Verdict(NAME, Status.FAILED, why, _evidence(known, asked))
    before = f"; still firing from before: {_said(known)}" if known else ""
    return Verdict(NAME, Status.OK, f"no alert has begun to fire{before}", _evidence(known, asked))


def _counted(alerts: list[Alert], one: str, many: str) -> str:
    return f"{plural(len(alerts), 'alert')} {one if len(alerts) == 1 else many}"


def _said(alerts: Iterable[Alert]) -> str:
    known = tuple(alerts)
    more = f"; and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return "; ".join(one.said for one in known[:_SHOWN]) + more


def _evidence(alerts: tuple[Alert, ...], asked: datetime) -> tuple[Evidence, ...]:
    return (Evidence("Alertmanager: GET /api/v2/alerts", "\n".join(one.said for one in alerts) or "none", asked),)
