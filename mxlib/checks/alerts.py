"""Whether firing alerts block work on a host. Pure; the alerts are passed in."""

from collections.abc import Iterable
from datetime import datetime

from mxlib.base.text import plural
from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.model.alert import Alert

NAME = "alerts"
_SHOWN = 3


def judge(firing: Iterable[Alert], asked: datetime, *, verifying: bool = False) -> Verdict:
    """Judge whether anything fires; silenced and inhibited alerts are shown but do not count.

    Args:
        verifying: whether the host is being verified. Alerts that repeat its last verification do not count then
            either: this one reads the same itself, and is newer.
    """
    known = tuple(firing)
    loud = [one for one in known if not one.quiet and not (verifying and one.verified)]
    if loud:
        return Verdict(
            NAME, Status.FAILED, f"{_counted(loud, 'fires', 'fire')}: {_said(loud)}", _evidence(known, asked)
        )
    muted = [one for one in known if one.quiet]
    repeated = [one for one in known if not one.quiet]
    why = f"no {'other ' if repeated else ''}alert fires"
    why += f"; by the last verification: {_said(repeated)}" if repeated else ""
    warnings = (f"silenced or inhibited: {_said(muted)}",) if muted else ()
    return Verdict(NAME, Status.OK, why, _evidence(known, asked), warnings)


def judge_since(firing: Iterable[Alert], begin: datetime, own: Iterable[str], asked: datetime) -> Verdict:
    """Judge whether anything has begun to fire since a moment, even behind the run's own silences.

    Alerts that fired before, such as the one about the reboot itself, are shown but do not count; nor do alerts that
    somebody else has silenced. An alert that repeats a verification may rest on one made while the host was out of
    service, however late it begins: it does not count either, as the caller has read the same from the host itself.

    Arguments:
        begin: the moment (UTC).
        own: ids of the run's own silences.
    """
    ours, known = frozenset(own), tuple(firing)
    heard = [one for one in known if not one.inhibited and ours.issuperset(one.silences)]
    new = [one for one in heard if one.since >= begin and not one.verified]
    if new:
        why = f"{_counted(new, 'has', 'have')} begun to fire: {_said(new)}"
        return Verdict(NAME, Status.FAILED, why, _evidence(known, asked))
    others = f"; firing, and not by this: {_said(known)}" if known else ""
    return Verdict(NAME, Status.OK, f"no alert has begun to fire{others}", _evidence(known, asked))


def _counted(alerts: list[Alert], one: str, many: str) -> str:
    return f"{plural(len(alerts), 'alert')} {one if len(alerts) == 1 else many}"


def _said(alerts: Iterable[Alert]) -> str:
    known = tuple(alerts)
    more = f"; and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return "; ".join(one.said for one in known[:_SHOWN]) + more


def _evidence(alerts: tuple[Alert, ...], asked: datetime) -> tuple[Evidence, ...]:
    return (Evidence("Alertmanager: GET /api/v2/alerts", "\n".join(one.said for one in alerts) or "none", asked),)
