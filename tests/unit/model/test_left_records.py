"""A run that an older version left behind can be read, resumed and undone by this one."""

import dataclasses
import json

import pytest

from mxlib.base.errors import ParseError
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import VERSION, Record
from mxlib.model.record_reader import from_json
from mxlib.model.state import Pool, Slot, State
from mxlib.reboot.plan import decide
from tests.unit.support.left_records import FOLDER, STORIES, restored
from tests.unit.support.left_records import left as left_by_now
from tests.unit.support.memory_mx import NEW, OLD, Process

FILES = sorted(FOLDER.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])
LEFT = {(path.stem, name): one for path in FILES for name, one in json.loads(path.read_text()).items()}
RESUME, ABORT = Goal(adopt=True), Goal(adopt=True, back=True)
NEXT = {
    "claimed": "silence",
    "out of service": "drain",
    "drained": "stop and hold",
    "held, with a ledger": "boot entries",
    "told to reboot": "await boot",
    "booted, unproven": "repair",
    "outbound proven": "start MTA",
    "proven": "open ports",
    "kept": "open ports",
    "to blame": "ledger",
    "inconclusive": "prove outbound",
    "prepared for a cold start": "drain",
    "switched off": "await boot",
}


@pytest.fixture(params=LEFT, ids=" ".join)
def left(request):
    return request.param[1], LEFT[request.param]


def test_every_release_has_its_records():
    assert FILES
    assert all(set(STORIES) >= set(json.loads(path.read_text())) for path in FILES)
    assert set(json.loads(FILES[-1].read_text())) == set(STORIES) == set(NEXT)


def test_it_is_read_whole(left):
    _, one = left
    raw, record = json.loads(one["record"]), from_json(one["record"])
    assert record.unknown == {}
    written = json.loads(record.to_json())
    assert {key: written[key] for key in raw} == {**raw, "version": VERSION}


def test_what_comes_next(left):
    name, one = left
    mx = restored(one["world"])
    record = from_json(one["record"]).to_judge_again(mx.boot_id)
    state = State(record, mx.view(), Pool.IN if mx.pooled else Pool.OUT, Slot.MINE, record.token)
    assert decide(RESUME, state).step.value == NEXT[name]


@pytest.mark.parametrize("goal", [RESUME, ABORT], ids=["resumed", "undone"])
def test_it_ends_in_service(left, goal):
    name, one = left
    mx = restored(one["world"])
    mx.record = from_json(one["record"])
    end = Process(mx, goal, "second").run()
    ends = {"resumed": (Outcome.DONE, NEW), "undone": (Outcome.UNDONE, OLD)}
    wanted, kernel = (Outcome.FELL_BACK, OLD) if name == "to blame" else ends["resumed" if goal is RESUME else "undone"]
    assert (end.outcome, mx.kernel) == (wanted, kernel.release), end.why
    assert (mx.record, mx.loaded, mx.persisted, mx.running, mx.pooled) == (None, False, False, True, True)


@pytest.mark.parametrize("goal", [RESUME, ABORT], ids=["resumed", "undone"])
@pytest.mark.parametrize("name", STORIES)
def test_what_the_present_version_leaves_can_be_written_down_and_taken_up(name, goal):
    """As for a release: what is written down of the world is all that the next run needs."""
    one = json.loads(json.dumps(left_by_now(*STORIES[name])))
    test_it_ends_in_service((name, one), goal)


def test_one_from_a_version_to_come_is_refused_with_what_to_use():
    record = json.loads(next(iter(LEFT.values()))["record"])
    with pytest.raises(ParseError, match=rf"has version {VERSION + 1}, these cookbooks know {VERSION}: use the newer"):
        from_json(json.dumps({**record, "version": VERSION + 1}))


def test_the_newest_release_has_each_field_of_today_or_it_may_be_left_out():
    """A field without a default would make every record of the past unreadable."""
    newest = json.loads(LEFT[FILES[-1].stem, "claimed"]["record"])
    needed = {
        one.name
        for one in dataclasses.fields(Record)
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    }
    assert needed <= newest.keys()
