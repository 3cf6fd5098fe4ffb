"""The journals that runs of the cookbooks wrote on the lab's management hosts."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from lab.lifecycle import Stations
from lab.place import Exchanger
from lab.world import jsonl, wire

FOLDER = "spicerack/sre/mail"
_REFUSED = ("MovedError", "LockedError", "FencedError")
"""Errors of an act after which nothing was done (``mxlib/base/errors.py``)."""


def events(place: Stations, mx: Exchanger, since: str = "") -> list[dict[str, str]]:
    """Return the events about an exchanger in the journals of both management hosts, in order of time.

    Arguments:
        since: ISO 8601; earlier events are left out, and a journal that ended earlier is not read.
    """
    folders = (box.folder / "log.upper" for box in place.management)
    paths = (path for folder in folders for path in folder.glob(f"{FOLDER}/{mx.fqdn}.*.jsonl"))
    begin = datetime.fromisoformat(since).timestamp() if since else 0.0
    found = (json.loads(line) for path in paths if path.stat().st_mtime >= begin for line in _whole_lines(path))
    return sorted((event for event in found if event["at"] >= since), key=lambda event: event["at"])


def _whole_lines(path: Path) -> list[str]:
    text = path.read_text(errors="replace")
    return [line for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]


def taken(place: Stations, mx: Exchanger, since: str = "") -> list[str]:
    """Return the steps that were done, in order; ``since`` as for :func:`events`.

    A reboot order counts too when the host took its answer along.
    """
    return [event["step"] for event in events(place, mx, since) if event["event"] == "done" or _broke(event)]


def _broke(event: Mapping[str, str]) -> bool:
    return (event["event"], event.get("step"), event.get("kind")) == ("failed", "reboot", "HostUnreachableError")


def closed_spans(events: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Return the spans in which runs had to keep the ports closed; an open end is empty.

    They have to be closed from a reboot on, whether or not a run says that it has closed them. An opening that was
    refused leaves them closed. What one did that failed otherwise, or never ended, is unknown: the span ends where it
    began.
    """
    spans: list[tuple[str, str]] = []
    for event in events:
        is_closed = bool(spans) and not spans[-1][1]
        what = (event.get("step"), event["event"])
        if not is_closed and (what in (("close ports", "done"), ("reboot", "done")) or _broke(event)):
            spans.append((event["at"], ""))
        elif what == ("open ports", "begin") and is_closed:
            spans[-1] = (spans[-1][0], event["at"])
        elif spans and not is_closed and _stayed_closed(event):
            spans.append((event["at"], ""))
    return spans


def _stayed_closed(event: Mapping[str, str]) -> bool:
    """Whether an event says that ports were not opened: refused, stopped before the act, or kept by a change."""
    if event.get("step") != "open ports":
        return False
    refused = event["event"] == "failed" and event.get("kind") in _REFUSED
    not_opened = event["event"] == "done" and event.get("note", "").startswith("not opened")
    return refused or not_opened or event["event"] == "stopped"


def accepted_unverified(place: Stations, since: str, mx: Exchanger) -> list[jsonl.Line]:
    """Return the connections from outside that an exchanger accepted while runs kept its ports closed.

    Arguments:
        since: ISO 8601.
    """
    lines = list(jsonl.read(place.lab.outside / wire.FILE_NAME))
    found: list[jsonl.Line] = []
    for closed, opened in closed_spans(events(place, mx, since)):
        span = jsonl.normalise(closed), jsonl.normalise(opened) if opened else ""
        question = wire.Question((str(mx.v4), str(mx.v6)), *span, public_only=True, outcome="accepted")
        found += wire.select(lines, question)
    return found
