"""What a plain run asks hosts for: the number of round trips, step by step, so that one too many names its step.

``python -m tests.unit.support.scripted_mx`` prints what each of them is for.
"""

from mxlib.model.outcome import Outcome
from tests.unit.support.scripted_mx import plain_run

TRIPS = {
    "guard": 5, "slot": 0, "claim": 1, "silence": 0, "pool out": 1, "close ports": 1, "drain": 1,
    "stop and hold": 1, "ledger": 2, "boot entries": 1, "reboot": 1, "await boot": 7, "repair": 1, "prove outbound": 1,
    "start MTA": 1, "prove inbound": 1, "open ports": 1, "pool in": 0, "keep kernel": 1, "soak": 5,
    "unsilence": 0, "release": 1, "end": 0,
}  # fmt: skip
MOST = 40


def test_a_plain_run_makes_no_round_trip_too_many(monkeypatch):
    result, steps = plain_run(monkeypatch)
    assert (result.outcome, result.record) == (Outcome.DONE, None)
    assert [(one.step, len(one.asked), one.asked) for one in steps if len(one.asked) != TRIPS.get(one.step)] == []
    assert [one.step for one in steps] == list(TRIPS)
    assert sum(TRIPS.values()) <= MOST


def test_the_meter_counts_the_same(monkeypatch):
    """What the journal of a real run says comes from the meter of its hosts."""
    noted = []
    _, steps = plain_run(monkeypatch, noted.append)
    (journal,) = noted
    told = sum(
        values.get("trips", 0) + values.get("reading_trips", 0)
        for name, values in journal.events
        if name in ("done", "guard", "begin")
    )
    assert told == sum(len(one.asked) for one in steps)
