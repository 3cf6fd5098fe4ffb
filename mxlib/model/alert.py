"""Alerts as plain values: the parser of Alertmanager's answer, and which alerts concern a host or the service."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line

OUT_OF_SERVICE = frozenset({"MxDown", "MxLeftOut", "MxUnread"})
"""Alerts of alerts/mx.yaml that say no more of a host than that it is out of service, or does not answer."""
OF_A_ROLL = frozenset({"MxRollLostMail", "MxRollStale", "MxRollStopped"})
"""Alerts of alerts/mx.yaml about a roll, not about mail: what they say stands in etcd and on the hosts already."""
_STATES = frozenset({"active", "suppressed", "unprocessed"})


@dataclass(frozen=True)
class Alert:
    """A firing alert, as Alertmanager's API (version 2) lists it.

    Attributes:
        name: label ``alertname``.
        instance: label ``instance``: what it concerns; may be empty.
        severity: label ``severity``; may be empty.
        since: when it began (UTC, by the clock of the sender).
        summary: its annotation, on one line.
        silences: ids of the silences that mute it.
        inhibited: whether another alert mutes it.
    """

    name: str
    instance: str
    severity: str
    since: datetime
    summary: str
    labels: Mapping[str, str]
    silences: tuple[str, ...] = ()
    inhibited: bool = False

    @property
    def quiet(self) -> bool:
        """Whether it notifies nobody."""
        return bool(self.silences) or self.inhibited

    @property
    def verified(self) -> bool:
        """Whether it repeats what a verification found, by the label that alerts/mx.yaml gives such an alert.

        That was read up to an hour before the alert begins.
        """
        return self.labels.get("source") == "verify-mx"

    @property
    def said(self) -> str:
        """The alert in a few words."""
        about = f" on {self.instance}" if self.instance else ""
        grade = f" ({self.severity})" if self.severity else ""
        return f"{self.name}{about}{grade} since {self.since:%H:%M:%S}{f': {self.summary}' if self.summary else ''}"


def parse_alerts(raw: Any) -> tuple[Alert, ...]:
    """Read the answer to ``GET /api/v2/alerts``.

    Raises:
        mxlib.base.errors.ParseError: it is not a list of alerts; then none of it is used.
    """
    if not isinstance(raw, list):
        raise ParseError(f"Alertmanager did not answer with a list of alerts, but with {one_line(repr(raw), 80)}")
    try:
        return tuple(_alert(one) for one in raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"an alert of Alertmanager does not have its known form: {error!r}") from None


def _alert(raw: Any) -> Alert:
    labels = {str(key): one_line(str(value)) for key, value in raw["labels"].items()}
    notes, status = raw.get("annotations", {}), raw["status"]
    if status["state"] not in _STATES:
        raise ValueError(status["state"])
    return Alert(
        name=labels["alertname"],
        instance=labels.get("instance", ""),
        severity=labels.get("severity", ""),
        since=_time(raw["startsAt"]),
        summary=one_line(str(notes.get("summary") or notes.get("description") or "")),
        labels=labels,
        silences=tuple(str(one) for one in status["silencedBy"]),
        inhibited=bool(status["inhibitedBy"]),
    )


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def is_about(alert: Alert, host: str) -> bool:
    r"""Whether an alert concerns a host: its instance is the name, short or full, with or without a port.

    Spicerack silences by the same rule (``^(NAME)(\..+)?(:[0-9]+)?$``).

    Arguments:
        host: fully qualified name.
    """
    short = re.escape(host.partition(".")[0])
    return re.fullmatch(rf"{short}(\..+)?(:[0-9]+)?", alert.instance) is not None


def has_labels(alert: Alert, wanted: str) -> bool:
    """Whether an alert has certain labels.

    Arguments:
        wanted: ``label=value``; of several, separated by commas, all must match.
    """
    pairs = (pair.partition("=") for pair in wanted.split(","))
    return all(alert.labels.get(key.strip()) == value.strip() for key, _, value in pairs)


def relevant(
    alerts: Iterable[Alert], hosts: Iterable[str], service: Iterable[str], ignored: Iterable[str]
) -> tuple[Alert, ...]:
    """Return the alerts that concern some hosts or the service, oldest first.

    Those about a roll never do: it would be stopped by the alert that it has stopped, which would go on for that.

    Arguments:
        hosts: fully qualified names.
        service: labels of alerts about the whole service, each as :func:`has_labels` takes them.
        ignored: names of alerts that do not matter.
    """
    names, labels, out = tuple(hosts), tuple(service), frozenset(ignored) | OF_A_ROLL
    mine = (
        one
        for one in alerts
        if one.name not in out
        and (any(is_about(one, host) for host in names) or any(has_labels(one, wanted) for wanted in labels))
    )
    return tuple(sorted(mine, key=lambda one: one.since))


def out_of_service(alert: Alert, hosts: Iterable[str]) -> str:
    """Return the host of which an alert says that it is out of service or does not answer, and no more; empty: none.

    Arguments:
        hosts: fully qualified names.
    """
    if alert.name not in OUT_OF_SERVICE or not alert.verified:
        return ""
    return next((host for host in hosts if is_about(alert, host)), "")
