"""What the lab reads in the journals of the runs on its management hosts."""

import json
from types import SimpleNamespace
from typing import cast

import pytest

from lab import journals
from lab.lifecycle import Stations
from lab.place import exchanger

MX = exchanger("mx2001")


@pytest.mark.parametrize(
    ("step", "event", "kind", "expected"),
    [
        ("reboot", "done", "", ["reboot"]),
        ("reboot", "failed", "HostUnreachableError", ["reboot"]),
        ("reboot", "failed", "FenceError", []),
        ("drain", "failed", "HostUnreachableError", []),
        ("reboot", "begin", "", []),
    ],
)
def test_a_reboot_that_took_its_answer_along_was_done(tmp_path, step, event, kind, expected):
    folder = tmp_path / "log.upper" / journals.FOLDER
    folder.mkdir(parents=True)
    line = {"event": event, "at": "2026-11-28T18:03:01+00:00", "step": step, "kind": kind}
    (folder / f"{MX.fqdn}.run.jsonl").write_text(json.dumps(line) + "\n")
    place = cast(Stations, SimpleNamespace(management=(SimpleNamespace(folder=tmp_path),)))
    assert journals.taken(place, MX) == expected


def _event(at, what, step="open ports", **more):
    return {"at": at, "event": what, "step": step, **more}


@pytest.mark.parametrize(
    ("order", "spans"),
    [
        (_event("03", "done", "reboot"), [("03", "05")]),
        (_event("03", "failed", "reboot", kind="HostUnreachableError"), [("03", "05")]),
        (_event("03", "failed", "reboot", kind="FencedError"), []),
        (_event("03", "begin", "reboot"), []),
    ],
)
def test_from_a_reboot_on_ports_have_to_be_closed_whatever_a_run_says_of_closing(order, spans):
    events = [order, _event("05", "begin"), _event("06", "done")]
    assert journals.closed_spans(events) == spans
    assert journals.closed_spans([_event("01", "done", "close ports"), *events]) == [("01", "05")]
    assert journals.closed_spans([*events, _event("08", "done", "reboot")])[-1] == ("08", ""), "and again"


@pytest.mark.parametrize(
    ("end", "spans"),
    [
        (_event("06", "done", note="the mail ports are open again"), [("01", "05")]),
        (_event("06", "done", note="not opened: exim4.conf has changed"), [("01", "05"), ("06", "20")]),
        *((_event("06", "failed", kind=kind), [("01", "05"), ("06", "20")]) for kind in ("MovedError", "FencedError")),
        (_event("06", "failed", kind="LockedError"), [("01", "05"), ("06", "20")]),
        (_event("06", "stopped"), [("01", "05"), ("06", "20")]),
        (_event("06", "failed", kind="HostUnreachableError"), [("01", "05")]),
        (_event("06", "failed", kind="CommandFailedError"), [("01", "05")]),
        (_event("06", "failed", "drain", kind="MovedError"), [("01", "05")]),
    ],
)
def test_an_opening_that_was_refused_leaves_the_ports_closed_and_one_without_an_answer_is_unknown(end, spans):
    events = [_event("01", "done", "close ports"), _event("05", "begin"), end, _event("20", "begin")]
    assert journals.closed_spans(events) == spans
    assert journals.closed_spans(events[1:]) == [], "they were not closed before"
