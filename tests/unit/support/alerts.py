"""Alerts as Alertmanager prints them."""

from mxlib.model.alert import parse_alerts


def raw(
    name="QueueLong", instance="mx2001:9100", *, silenced=(), inhibited=(), since="2026-11-21T00:50:00.000Z", **labels
):
    """One alert as Alertmanager 0.25 prints it."""
    state = "suppressed" if silenced or inhibited else "active"
    return {
        "annotations": {"summary": "the queue\n is \x1b[31mlong"},
        "endsAt": "2026-11-21T00:59:00.000Z",
        "fingerprint": "8e4c1e7a0a1f",
        "receivers": [{"name": "none"}],
        "startsAt": since,
        "status": {"inhibitedBy": list(inhibited), "silencedBy": list(silenced), "state": state},
        "updatedAt": since,
        "generatorURL": "",
        "labels": {"alertname": name, "instance": instance, "severity": "critical", **labels},
    }


def parsed(*raws):
    """Return them as they are read."""
    return parse_alerts(list(raws))
