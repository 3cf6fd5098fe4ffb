"""The benchmark of what a run costs besides draining, booting and probing."""

import importlib.util
import json
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def overhead():
    path = Path(__file__).resolve().parents[3] / "bench" / "overhead.py"
    spec = importlib.util.spec_from_file_location("overhead", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["overhead"] = module
    spec.loader.exec_module(module)
    return module


def test_probing_draining_and_booting_are_told_from_the_rest(overhead):
    events = [
        {"event": "start"},
        {"event": "guard", "reading_s": 1.0, "reading_trips": 1, "seconds": 12.0, "probing_s": 10.0, "trips": 4},
        {"event": "begin", "step": "drain", "reading_s": 0.5, "reading_trips": 1},
        {"event": "done", "step": "drain", "seconds": 40.0, "trips": 9},
        {"event": "begin", "step": "open ports", "reading_s": 0.25, "reading_trips": 1},
        {"event": "done", "step": "open ports", "seconds": 2.0, "trips": 1},
    ]
    found = list(overhead.costs(map(json.dumps, events)))
    assert [(one.step, one.kind, one.overhead, one.trips) for one in found] == [
        ("guard", "overhead", 3.0, 5),
        ("drain", "draining", 0.5, 10),
        ("open ports", "overhead", 2.25, 2),
    ]
    lines = list(overhead.table(found))
    assert lines[-1] == "everything else: 5.8 s, 1.8 s of it reading; 17 round trips"
    assert "probing: 10.0 s" in lines
