"""Alerts as plain values: the parser of Alertmanager's answer, and which of them are about a host or the service."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.base.text import one_line

_STATES = frozenset({"active", "suppressed", "unprocessed"})


@dataclass(frozen=True)
class Alert:
    """An alert that fires, as Alertmanager's API (version 2) lists it.

    Attributes:
        name: its ``alertname``.
        instance: its ``instance``, what it is about; may be empty.
        severity: its ``severity``; may be empty.
        since: when it began (UTC, by the clock of who raised it).
        summary: what it says, on one line.
        labels: all of its labels.
        silences: ids of the silences that keep it quiet.
        inhibited: whether another alert keeps it quiet.
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
        """Whether nobody is told of it."""
        return bool(self.silences) or self.inhibited

    @property
    def said(self) -> str:
        """The alert in a few words."""
        about = f" on {self.instance}" if self.instance else ""
        grade = f" ({self.severity})" if self.severity else ""
        return f"{self.name}{about}{grade} since {self.since:%H:%M:%S}{f': {self.summary}' if self.summary else ''}"


def parse_alerts(raw: Any) -> tuple[Alert, ...]:
    """Read the answer to ``GET /api/v2/alerts``.

    Arguments:
        raw: the JSON document.

    Raises:
        mxlib.base.errors.ParseError: it is not a list of alerts; none of it is believed then.
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
    r"""Whether an alert is about a host: its instance is the name, short or full, with a port or without.

    Spicerack silences by the same rule (``^(NAME)(\..+)?(:[0-9]+)?$``).

    Arguments:
        alert: the alert.
        host: fully qualified name.
    """
    short = re.escape(host.partition(".")[0])
    return re.fullmatch(rf"{short}(\..+)?(:[0-9]+)?", alert.instance) is not None


def has_labels(alert: Alert, wanted: str) -> bool:
    """Whether an alert has certain labels.

    Arguments:
        alert: the alert.
        wanted: ``label=value``; several, separated by commas, have to hold together.
    """
    pairs = (pair.partition("=") for pair in wanted.split(","))
    return all(alert.labels.get(key.strip()) == value.strip() for key, _, value in pairs)


def relevant(
    alerts: Iterable[Alert], hosts: Iterable[str], service: Iterable[str], ignored: Iterable[str]
) -> tuple[Alert, ...]:
    """The alerts about some hosts or the service, the oldest first.

    Arguments:
        alerts: all that fire.
        hosts: fully qualified names.
        service: labels of alerts about the whole service, each as :func:`has_labels` takes them.
        ignored: names of alerts that do not matter.
    """
    names, labels, out = tuple(hosts), tuple(service), frozenset(ignored)
    mine = (
        one
        for one in alerts
        if one.name not in out
        and (any(is_about(one, host) for host in names) or any(has_labels(one, wanted) for wanted in labels))
    )
    return tuple(sorted(mine, key=lambda one: one.since))
