"""The benchmark that puts a run beside Spicerack's habit."""

import importlib
import json
from pathlib import Path

import pytest


@pytest.fixture
def habit(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[3] / "bench"))
    return importlib.import_module("habit")


def event(second, what, step="", **values):
    at = f"2026-11-28T18:{second // 60:02}:{second % 60:02}+00:00"
    return json.dumps({"event": what, "at": at, "step": step} | values)


def test_the_boot_and_what_was_done_on_purpose_are_no_rest(habit):
    lines = [
        event(0, "start"),
        event(10, "guard", seconds=10.0, probing_s=4.0),
        event(10, "begin", "drain"),
        event(30, "done", "drain", seconds=20.0),
        event(31, "begin", "reboot"),
        event(90, "done", "await boot", seconds=55.0),
        event(100, "begin", "soak"),
        event(130, "done", "soak", seconds=30.0),
        event(140, "end"),
    ]
    first = 1795888800.0  # 18:00:00
    ours = habit.run_of(lines, first + 81)
    assert (ours.whole, ours.boot, ours.on_purpose, ours.rest) == (140.0, 50.0, 54.0, 36.0)
    assert list(habit.table(ours, habit.Spent(100.0, 28.0)))[-3:] == [
        f"{'the rest':42}{36.0:10.1f}{72.0:10.1f}",
        "the rest, as a share of the habit's: 0.50",
        "the rest, as a share of the whole habit: 0.36",
    ]
