"""The loop: what it does with failures, signals and silence. The steps act on the MX in memory."""

import dataclasses
import itertools
import random

import pytest

from mxlib.base.errors import (
    CommandFailedError,
    CommandTimeoutError,
    FencedError,
    HostUnreachableError,
    InterruptedRunError,
    JournalError,
    LockedError,
    MovedError,
    ParseError,
    SlotError,
    StepError,
)
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import MAX_BOOTS
from mxlib.model.state import End, Step
from mxlib.reboot import reading, run
from mxlib.reboot.ends import UNREAD
from mxlib.reboot.steps.registry import ACTIONS
from mxlib.reboot.world import RebootWorld
from tests.unit.support.memory_mx import NEW, OLD, DiedError, Fate, MemoryMx
from tests.unit.support.memory_run import MemoryRun, serves
from tests.unit.support.memory_walk import ABORT, RESUME, died_with_the_machine_off, in_service


@pytest.fixture
def world(monkeypatch):
    return lambda *args, **options: MemoryRun(monkeypatch, *args, **options)


def test_the_plain_path(world):
    found = world()
    result = found.execute()
    assert (result.outcome, result.why, result.record) == (Outcome.DONE, f"{NEW.release} runs, in service", None)
    assert in_service(found.mx)
    assert found.mx.lease == ""
    assert [name for name, _ in found.journal.events].count("done") == 21
    assert found.journal.events[-1] == ("end", {"outcome": "DONE", "why": result.why, "code": 0})


def test_what_it_does_now_is_shown_before_it_is_done(world):
    found = world()
    found.execute()
    shown = [text for text, _share in found.tell.shown]
    reading = "reading where the host, its pool and the slot stand"
    assert [text for text in shown if text != reading] == found.journal.steps()
    assert [before for before, step in itertools.pairwise(shown) if step != reading] == [reading] * 21


def test_a_step_is_written_down_with_what_it_and_the_look_before_it_took(world, monkeypatch):
    found, real = world(), reading.read_standing

    def standing(host, mta):
        found.world.clock.sleep(3.0)
        found.world.adapters.meter.add(3.0)
        return real(host, mta)

    monkeypatch.setattr(reading, "read_standing", standing)
    found.moves[Step.SLOT] = [lambda _mx: found.world.clock.sleep(7.0)]
    found.execute()
    assert [one for one in found.journal.events if one[1].get("step") == "slot"] == [
        ("begin", {"step": "slot", "why": "", "reading_s": 3.0, "reading_trips": 1}),
        ("done", {"step": "slot", "note": "slot", "seconds": 7.0, "trips": 0}),
    ]
    assert "slot: slot (7.0 s)" in found.tell.lines


def test_a_step_that_fails_is_written_down_with_its_kind_and_evidence(world):
    found = world()
    found.before[Step.DRAIN] = [StepError("200 messages left", {"left": 200})]
    found.before[Step.OPEN] = [CommandFailedError("nft: busy")]
    found.execute()
    assert [values for name, values in found.journal.events if name == "failed"] == [
        {"step": "drain", "error": "200 messages left", "kind": "StepError", "left": 200},
        {"step": "open ports", "error": "nft: busy", "kind": "CommandFailedError"},
    ]


def test_a_step_that_a_signal_stops_is_written_down(world):
    found = world()
    found.before[Step.DRAIN] = [InterruptedRunError("SIGTERM")]
    found.execute()
    assert [values for name, values in found.journal.events if name == "stopped"] == [{"step": "drain"}]


@pytest.mark.parametrize(
    "step", [Step.SILENCE, Step.POOL_OUT, Step.CLOSE, Step.DRAIN, Step.HOLD, Step.LEDGER, Step.ENTRIES]
)
def test_a_step_that_fails_before_the_reboot_is_undone(world, step):
    found = world()
    found.before[step] = [CommandFailedError("disk full")]
    result = found.execute()
    assert result.outcome is Outcome.UNDONE
    assert "disk full" in result.why
    assert in_service(found.mx)
    assert (found.mx.reboots, found.mx.saved, found.mx.kernel) == (0, OLD.entry, OLD.release)


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (CommandFailedError("nft: no"), Outcome.UNDONE, f"{OLD.release} runs, in service (close ports: nft: no)"),
        (InterruptedRunError("SIGTERM"), Outcome.INTERRUPTED, "stopped by SIGTERM; undone, back in service as found"),
    ],
)
def test_a_depool_that_was_not_done_is_not_called_done(world, error, outcome, why):
    found = world(Goal(stay=True))
    found.before[Step.CLOSE] = [error]
    result = found.execute()
    assert (result.outcome, result.why, in_service(found.mx)) == (outcome, why, True)


def test_an_undone_depool_is_undone_and_one_that_is_returned_to_service_is_done(world):
    for goal, outcome in ((ABORT, Outcome.UNDONE), (Goal(adopt=True, serve=True), Outcome.DONE)):
        first = world(Goal(stay=True))
        assert first.execute().outcome is Outcome.DONE
        assert world(goal, mx=first.mx, session="two").execute().outcome is outcome
        assert in_service(first.mx)


WAS_OUT = "its ports are open and its MTA serves, out of the pool as it was found"


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (None, Outcome.DONE, f"{NEW.release} runs, {WAS_OUT}"),
        (CommandFailedError("full"), Outcome.UNDONE, f"{OLD.release} runs, {WAS_OUT} (drain: full)"),
        (InterruptedRunError("SIGTERM"), Outcome.INTERRUPTED, f"stopped by SIGTERM; undone, {WAS_OUT}"),
    ],
)
def test_a_host_that_was_out_of_the_pool_goes_its_way_and_is_not_called_in_service(world, error, outcome, why):
    """A person has taken it out and types --accept pool."""
    found = world(mx=MemoryMx(pooled=False))
    found.before[Step.DRAIN] = [error] if error else []
    result = found.execute()
    assert (result.outcome, result.why, result.record) == (outcome, why, None)
    assert (found.mx.loaded, found.mx.running, found.mx.pooled) == (False, True, False)
    assert not {"pool out", "pool in"} & set(found.journal.steps())


@pytest.mark.parametrize("step", [Step.PROVE_OUT, Step.START, Step.PROVE_IN, Step.OPEN])
def test_a_step_that_fails_after_the_reboot_leaves_the_host_out(world, step):
    found = world()
    found.before[step] = [CommandFailedError("broken")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded, found.mx.persisted, found.mx.pooled) == (
        Outcome.LEFT_OUT,
        True,
        True,
        False,
    )
    assert result.record is not None
    assert found.mx.lease == ""


@pytest.mark.parametrize("step", [Step.KEEP, Step.RELEASE])
def test_a_step_that_fails_at_the_very_end_leaves_the_host_in_service(world, step):
    found = world()
    found.before[step] = [CommandFailedError("no")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert result.why.startswith("in service, but not finished")


def test_what_fails_before_the_claim_changes_nothing(world):
    found = world()
    found.before[Step.CLAIM] = [CommandFailedError("read-only file system")]
    result = found.execute()
    assert (result.outcome, found.mx.holder_token) == (Outcome.REFUSED, 0)


def test_a_host_that_falls_silent_for_a_moment_is_waited_for(world):
    found = world()
    found.before[Step.CLOSE] = [HostUnreachableError("timed out")]
    assert found.execute().outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (HostUnreachableError("timed out"), "NO ANSWER"),
        (MovedError("another boot"), "NOT DONE"),
        (CommandFailedError("read-only file system"), "FAILED"),
    ],
)
def test_only_what_is_known_to_have_failed_is_called_so(world, error, word):
    found = world()
    found.before[Step.CLOSE] = [error]
    found.execute()
    assert f"{word} close ports: {error}" in found.tell.lines


def test_another_operator_who_took_over_ends_the_run_at_once(world):
    found = world()
    found.before[Step.DRAIN] = [FencedError("token 12 is newer")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded) == (Outcome.INTERRUPTED, True)
    assert result.why == "drain: token 12 is newer"
    assert found.tell.lines[-1] == "FAILED drain: token 12 is newer"


def test_a_signal_before_the_reboot_undoes(world):
    found = world()
    found.before[Step.DRAIN] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert result.why == "stopped by SIGTERM; undone, back in service as found"
    assert in_service(found.mx)
    assert found.rested == [1]
    assert ("interrupted", {"what": "SIGTERM"}) in found.journal.events
    assert ("turning-back", {"why": "stopped by SIGTERM"}) in found.journal.events
    turning = "turning back: the host is returned to service as it was found"
    assert [one for one in found.tell.lines if "SIGTERM" in one or "turning" in one] == ["SIGTERM: stopping", turning]


def test_that_a_run_turns_back_is_on_the_host_before_anything_is_undone(world):
    """Whoever resumes it after this process has died undoes, too."""
    found, noted = world(), []
    found.before[Step.DRAIN] = [CommandFailedError("disk full")]
    found.moves[Step.OPEN] = [lambda mx: noted.append(mx.record.undoing)]
    assert found.execute().outcome is Outcome.UNDONE
    assert noted == ["drain: disk full"]


def test_a_run_that_cannot_write_down_that_it_turns_back_turns_back_all_the_same(world, monkeypatch):
    found, tried = world(), []

    def moved(_world, record):
        tried.append(record.undoing)
        raise MovedError("its record was changed")

    monkeypatch.setattr(RebootWorld, "remember", moved)
    found.before[Step.DRAIN] = [CommandFailedError("disk full")]
    result = found.execute()
    assert (result.outcome, found.mx.reboots, tried) == (Outcome.UNDONE, 0, ["drain: disk full"])
    assert result.why.endswith("in service (drain: disk full)")
    assert in_service(found.mx)


def test_a_signal_after_the_reboot_stops(world):
    found = world()
    found.before[Step.PROVE_OUT] = [InterruptedRunError("SIGHUP")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded, found.mx.running) == (Outcome.INTERRUPTED, True, False)
    assert result.why == "stopped by SIGHUP; the host is out of service, safe"
    assert result.record.boots


def test_a_signal_while_a_boot_is_waited_for_has_the_host_looked_at_at_once(world):
    found = world()
    found.before[Step.AWAIT] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, "stopped by SIGTERM; the host is out of service, safe")


def test_a_signal_at_the_very_end_leaves_the_host_in_service(world):
    found = world()
    found.before[Step.RELEASE] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, "stopped by SIGTERM; in service, but not finished")
    assert serves(found.mx)


def test_a_signal_after_the_release_changes_nothing_of_a_run_that_is_over(world, monkeypatch):
    found, real = world(), reading.read_state

    def read(world, journal, *, at_once):
        if found.mx.record is None and world.progress.released is not None and not heard:
            heard.append(1)
            raise InterruptedRunError("SIGHUP")
        return real(world, journal, at_once=at_once)

    heard = []
    monkeypatch.setattr(run, "read_state", read)
    result = found.execute()
    assert (result.outcome, heard, found.rested) == (Outcome.DONE, [1], []), "a roll that began it still hears it"


def test_a_stopped_run_that_closes_the_ports_at_its_end_says_that_they_are_closed(world):
    found = world()
    found.moves[Step.SOAK] = [lambda mx: setattr(mx, "running", False)]
    found.before[Step.SOAK] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert (found.mx.loaded, found.mx.running) == (True, False), "no MTA serves there"
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, "stopped by SIGTERM; the host is out of service, safe")


def test_of_a_host_that_is_silent_when_the_signal_comes_nothing_is_said_but_that(world):
    found = world()
    found.moves[Step.DRAIN] = [lambda mx: setattr(mx, "silent", True)]
    found.before[Step.DRAIN] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert result.why.startswith("stopped by SIGTERM; the host does not answer")


def in_other_hands(mx):
    mx.token = mx.index = 99
    mx.record = dataclasses.replace(mx.record, token=99, run="run-9", who="another")


def test_a_run_that_is_stopped_after_another_has_taken_over_says_whose_the_host_is(world):
    found = world()
    found.moves[Step.DRAIN] = [in_other_hands]
    found.before[Step.DRAIN] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert (result.outcome, result.why) == (
        Outcome.INTERRUPTED,
        "the host is in the hands of run run-9 (ports closed, MTA serving, pool out)",
    )
    assert (found.mx.record.undoing, found.slot.calls) == ("", ["leave"])


def test_a_run_that_is_stopped_after_somebody_has_removed_its_record_says_so(world):
    found = world()
    found.moves[Step.DRAIN] = [lambda mx: setattr(mx, "record", None)]
    found.before[Step.DRAIN] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    stands = "ports closed, MTA serving, pool out"
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, f"no run holds the host ({stands})")


def test_a_run_whose_record_and_slot_are_gone_says_where_it_leaves_the_host(world):
    """It was taken out by then: nothing would say so but this line."""
    found = world()

    def taken_over(mx):
        mx.record, mx.holder, mx.holder_token, mx.lease = None, "another", 99, "another"

    found.moves[Step.DRAIN] = [taken_over]
    found.before[Step.DRAIN] = [MovedError("its record was changed")]
    result = found.execute()
    assert (found.mx.loaded, found.mx.pooled) == (True, False)
    why = "the slot of the service cannot be had (ports closed, MTA serving, pool out)"
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, why)


def test_a_claim_that_is_in_other_hands_is_not_ours_any_more(world, monkeypatch):
    monkeypatch.setattr(reading, "_FRESH_S", -1.0)
    found, real = world(), reading.read_standing

    def standing(host, mta):
        if found.mx.record is not None and found.mx.record.run != "run-9":
            in_other_hands(found.mx)
            raise InterruptedRunError("SIGTERM")
        return real(host, mta)

    monkeypatch.setattr(reading, "read_standing", standing)
    result = found.execute()
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, "nothing was changed")
    assert found.run._acted == {Step.SLOT, Step.CLAIM}


def test_a_signal_before_the_claim_changes_nothing(world):
    found = world()
    found.before[Step.CLAIM] = [InterruptedRunError("SIGINT")]
    result = found.execute()
    assert (result.outcome, result.why, found.mx.holder_token) == (Outcome.INTERRUPTED, "nothing was changed", 0)


@pytest.mark.parametrize(("step", "outcome"), [(Step.AWAIT, Outcome.REFUSED), (Step.ADOPT, Outcome.INTERRUPTED)])
def test_who_only_waited_for_a_boot_has_changed_nothing(world, step, outcome):
    """As a second operator, who finds another session at work once the host answers again."""
    found = world()
    found.run._acted = {step}
    assert found.run._true(End(Outcome.REFUSED, "another session"), found.run.state()).outcome is outcome


def test_another_operator_resumes_where_a_signal_stopped(world):
    first = world()
    first.before[Step.START] = [InterruptedRunError("SIGTERM")]
    first.execute()
    result = world(RESUME, mx=first.mx, session="two").execute()
    assert (result.outcome, first.mx.kernel) == (Outcome.DONE, NEW.release)
    assert in_service(first.mx)


SERVE = Goal(adopt=True, serve=True)


@pytest.mark.parametrize("step", [Step.CLOSE, Step.DRAIN, Step.LEDGER, Step.ENTRIES])
def test_pool_mx_touches_no_host_that_a_dead_run_was_to_reboot(world, step):
    first = world()
    first.before[step] = [DiedError()]
    with pytest.raises(DiedError):
        first.execute()
    first.process.leave()
    before = dataclasses.replace(first.mx)
    found = world(SERVE, mx=first.mx, session="two")
    result = found.execute()
    why = f"run {before.record.run} still has to boot {NEW.release}, and pool-mx reboots none: resume or undo that run"
    assert (result.outcome, result.why, found.slot.calls) == (Outcome.REFUSED, why, ["leave"])
    assert (found.journal.steps(), first.mx) == ([], before)
    assert world(RESUME, mx=first.mx, session="three").execute().outcome is Outcome.DONE


def test_pool_mx_gives_no_lost_order_again(world):
    first = world()
    first.before[Step.AWAIT] = [DiedError()]
    with pytest.raises(DiedError):
        first.execute()
    first.process.leave()
    mx = first.mx
    mx.boot, mx.kernel, mx.reboots = 0, OLD.release, 0  # it never reached the host
    found = world(SERVE, mx=mx, session="two")
    assert (found.execute().outcome, mx.reboots) == (Outcome.REFUSED, 0)
    assert set(found.journal.steps()) <= {"slot", "await boot"}


def test_pool_mx_serves_what_wants_no_reboot_any_more(world):
    for step, kernel in ((Step.PROVE_OUT, NEW.release), (Step.OPEN, NEW.release)):
        first = world()
        first.before[step] = [DiedError()]
        with pytest.raises(DiedError):
            first.execute()
        first.process.leave()
        assert world(SERVE, mx=first.mx, session="two").execute().outcome is Outcome.DONE
        assert (first.mx.reboots, first.mx.kernel, in_service(first.mx)) == (1, kernel, True)
    undone = world()
    undone.before[Step.DRAIN] = [CommandFailedError("full")]
    undone.before[Step.OPEN] = [DiedError()]
    with pytest.raises(DiedError):
        undone.execute()
    undone.process.leave()
    assert world(SERVE, mx=undone.mx, session="two").execute().outcome is Outcome.UNDONE
    assert (undone.mx.reboots, in_service(undone.mx)) == (0, True)


def test_another_operator_undoes(world):
    first = world()
    first.before[Step.ENTRIES] = [FencedError("gone")]
    first.execute()
    result = world(ABORT, mx=first.mx, session="two").execute()
    assert (result.outcome, first.mx.reboots) == (Outcome.UNDONE, 0)
    assert result.why == f"{OLD.release} runs, in service (aborted)"
    assert in_service(first.mx)


def test_etcd_lost_before_the_reboot_turns_back_as_far_as_it_goes(world):
    found = world()
    found.process.do_drain = lambda mx, state: iter([setattr(mx, "etcd", False)])
    result = found.execute()
    # its ports are open and it is not in the pool: neither "in service" nor "out of service, safe" would be true
    assert (result.outcome, found.mx.reboots) == (Outcome.INTERRUPTED, 0)
    assert (found.mx.loaded, found.mx.running) == (False, True)
    assert "pool state cannot be read" in result.why
    assert found.world.progress.turning == "the slot of the service cannot be read any more"


def test_etcd_lost_after_the_reboot_opens_the_verified_host_and_is_no_end(world):
    """As docs/reboot-mx.md has it: whoever needs no pool to find the host is served."""
    found = world()
    found.moves[Step.PROVE_OUT] = [lambda mx: setattr(mx, "etcd", False)]
    result, mx = found.execute(), found.mx
    why = "the ports are open, but the pool state cannot be read, and so not be restored (mail ports open, MTA serving)"
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, why)
    assert (mx.loaded, mx.running, mx.pooled, mx.saved) == (False, True, False, NEW.entry)
    mx.etcd = True
    assert world(RESUME, mx=mx, session="two").execute().outcome is Outcome.DONE
    assert in_service(mx)


def test_a_record_that_cannot_be_read_decides_nothing(world, monkeypatch):
    found = world()

    def damaged(_host, _mta):
        raise ParseError("damaged")

    monkeypatch.setattr(reading, "read_standing", damaged)
    result = found.execute()
    assert (result.outcome, found.mx.loaded) == (Outcome.UNKNOWN, False)
    assert result.why == "where the host stands cannot be read: damaged"
    assert found.journal.events[:-1] == [("unread", {"error": "damaged"})] * 5
    assert found.world.clock.seconds == 4 * 5.0, "a busy host gets time"


@pytest.mark.parametrize(("goal", "steps"), [(Goal(NEW.release), {Step.SLOT}), (RESUME, set())])
def test_a_run_that_has_begun_is_interrupted_by_what_it_cannot_read(world, monkeypatch, goal, steps):
    monkeypatch.setattr(reading, "_FRESH_S", -1.0)
    mx = MemoryMx()
    if goal is RESUME:
        first = world(mx=mx)
        first.before[Step.DRAIN] = [FencedError("gone")]
        first.execute()
    found, real = world(goal, mx=mx, session="two"), reading.read_standing

    def standing(host, mta):
        seen = real(host, mta)
        found.world.progress.record = mx.record
        if found.run._acted == steps:
            raise ParseError("damaged")
        return seen

    monkeypatch.setattr(reading, "read_standing", standing)
    result = found.execute()
    assert (result.outcome, found.run._acted) == (Outcome.INTERRUPTED, steps)
    assert found.slot.calls == ["leave"], "whether a record is there is unknown"


def test_each_look_that_can_be_read_gives_the_next_ones_their_time_again(world, monkeypatch):
    found, real, looks = world(), reading.read_standing, []

    def standing(host, mta):
        looks.append(host)
        if len(looks) in (2, 3, 4, 5, 7, 8, 9, 10):
            raise ParseError("no end within its time limit")
        return real(host, mta)

    monkeypatch.setattr(reading, "read_standing", standing)
    assert found.execute().outcome is Outcome.DONE


def test_what_may_have_been_changed_is_not_called_refused_and_says_why(world):
    found = world()
    found.moves[Step.CLAIM] = [lambda mx: setattr(mx, "silent", True)]
    found.before[Step.CLAIM] = [CommandFailedError("the answer was cut")]
    result = found.execute()
    assert (result.outcome, result.why) == (Outcome.INTERRUPTED, "claim: the answer was cut")


def test_a_host_that_cannot_be_read_any_more_is_left_where_it_is(world, monkeypatch):
    found = world()

    def dead(_host, _mta):
        raise ParseError("Failed to connect to bus")

    def lose_the_bus(mx, state):
        monkeypatch.setattr(reading, "read_standing", dead)
        return iter([None])

    found.process.do_drain = lose_the_bus
    result = found.execute()
    assert (result.outcome, found.mx.reboots) == (Outcome.INTERRUPTED, 0)
    assert "Failed to connect to bus" in result.why


def test_a_run_that_could_not_read_the_pool_ends_unknown_and_says_what_to_do(world):
    mx = MemoryMx(etcd=False)
    result = world(mx=mx, without_slot=random.Random(0)).execute()
    said = f"{NEW.release} runs, its ports are open and its MTA serves, but {UNREAD}"
    assert (result.outcome, result.why, result.record) == (Outcome.UNKNOWN, said, None)
    again = world(mx=mx, session="two", without_slot=random.Random(0)).execute()
    said = f"already there: {NEW.release} is running and serves, but {UNREAD}; nothing was done"
    assert (again.outcome, again.why) == (Outcome.UNKNOWN, said)


def test_once_etcd_answers_the_same_host_is_in_service(world):
    mx = MemoryMx(etcd=False)
    world(Goal(stay=True), mx=mx, without_slot=random.Random(0)).execute()
    mx.etcd = True
    assert world(Goal(adopt=True, serve=True), mx=mx, session="two").execute().outcome is Outcome.DONE


def test_what_was_only_noted_is_written_where_the_record_stays(world):
    found = world(Goal(NEW.release, stay=True))
    result = found.execute()
    assert found.journal.steps()[-1] == "unsilence"
    assert (result.outcome, found.mx.record.silences) == (Outcome.DONE, ())
    assert found.mx.record == result.record


@pytest.mark.parametrize(
    ("goal", "step"), [(Goal(stay=True), Step.POOL_OUT), (Goal(NEW.release, stay=True), Step.UNSILENCE)]
)
def test_an_end_says_nothing_that_was_read_before_the_last_step(world, goal, step):
    found = world(goal)
    found.moves[step] = [lambda mx: setattr(mx, "loaded", False)]
    assert found.execute().outcome is Outcome.DONE
    assert found.mx.loaded, "somebody's firewall was loaded over the table while the pool was written"
    assert found.journal.steps().count("close ports") == 2


@pytest.mark.parametrize("error", [HostUnreachableError("no session"), InterruptedRunError("SIGTERM")])
def test_a_note_that_cannot_be_written_at_the_end_is_said_and_changes_no_outcome(world, error):
    found = world(Goal(NEW.release, stay=True))
    real = found.act

    def act(script, **given):
        if found.journal.steps()[-1:] == ["unsilence"]:
            raise error
        return real(script, **given)

    found.act = act
    assert found.execute().outcome is Outcome.DONE
    assert f"the end of the record was not written: {error}" in found.tell.lines
    assert (found.slot.calls, found.rested) == (["leave"], []), "whoever began the run still hears the request"
    assert found.mx.record.silences == ("s",), "whoever returns it to service ends them again"


def test_a_step_without_effect_ends_the_run(world):
    found = world()
    found.process.do_close = lambda mx, state: iter([None])
    result = found.execute()
    assert result.outcome is Outcome.UNDONE
    assert "has no effect" in result.why


def test_the_slot_of_a_silent_host_is_kept_by_a_run_that_could_not_start_its_machine(world):
    mx = died_with_the_machine_off()
    found = world(RESUME, mx=mx, session="two")
    found.before[Step.POWER_ON] = [CommandFailedError("no such node")]
    kept = []
    found.slot.leave = lambda: kept.append("left")
    found.slot.release = lambda: kept.append("released")
    result = found.execute()
    assert (result.outcome, result.record, kept) == (Outcome.INTERRUPTED, None, ["left"])
    assert (result.silent, "no such node" in result.why) == (True, True)


@pytest.mark.parametrize("goal", [RESUME, ABORT])
def test_a_host_that_died_in_the_soak_with_its_management_host_is_not_called_out_of_service(world, goal):
    first = world()
    first.moves[Step.SOAK] = [lambda mx: setattr(mx, "silent", True)]
    first.before[Step.SOAK] = [DiedError()]
    with pytest.raises(DiedError):
        first.execute()
    first.process.leave()
    result = world(goal, mx=first.mx, session="two").execute()
    assert (result.outcome, result.record, result.silent) == (Outcome.INTERRUPTED, None, True)
    assert result.why.endswith("(whether its ports are closed is not known; pool: in)")
    assert not first.mx.loaded


def test_the_wait_for_a_boot_may_be_repeated(world):
    found = world(mx=MemoryMx(Fate(boots=["silent"])))
    assert found.execute().outcome is Outcome.LEFT_OUT


@pytest.mark.parametrize(
    ("boot", "outcome"),
    [("target", Outcome.DONE), ("fallback", Outcome.FELL_BACK), ("silent", Outcome.LEFT_OUT)],
)
def test_the_end_names_the_kernel_on_trial_also_once_the_record_is_gone(world, boot, outcome):
    result = world(mx=MemoryMx(Fate(boots=[boot]))).execute()
    assert (result.outcome, result.kernel) == (outcome, NEW.release)


STEPS = [step for step in ACTIONS if step not in (Step.POWER_ON, Step.MEND, Step.POWER_CYCLE)]


@pytest.mark.parametrize("error", [HostUnreachableError, CommandTimeoutError, CommandFailedError])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_an_answer_that_is_lost_after_the_act_leaves_the_exit_code_true(world, step, error):
    found = world()
    found.lost[step] = [error("the answer was lost")]
    result, mx = found.execute(), found.mx
    if error is not CommandFailedError:
        # what was done is seen by the next look: nothing has to be undone, and no boot is made for it
        assert (result.outcome, mx.reboots, found.slot.calls[-1:]) == (Outcome.DONE, 1, ["release"])
    assert mx.reboots <= 2
    if result.outcome in (Outcome.DONE, Outcome.UNDONE):
        assert (in_service(mx), mx.holder_token) == (True, 0)
    elif result.outcome is Outcome.REFUSED:
        assert (serves(mx), mx.record, mx.holder_token) == (True, None, 0)
    else:
        assert result.outcome is Outcome.INTERRUPTED or mx.loaded
        assert (result.record, found.slot.calls) == (mx.record, ["leave"])


def test_a_claim_whose_answer_is_lost_is_found_and_resumed(world):
    found = world()
    found.lost[Step.CLAIM] = [HostUnreachableError("the connection broke")]
    assert found.execute().outcome is Outcome.DONE
    assert found.journal.steps().count("claim") == 0, "it was not claimed twice"


def test_a_claim_that_is_unknown_is_not_called_refused(world):
    found = world()
    found.lost[Step.CLAIM] = [HostUnreachableError("the connection broke")]
    found.ticks[5] = [lambda mx: setattr(mx, "silent", True)]
    result = found.execute()
    assert found.mx.record is not None
    assert (result.outcome, found.slot.calls) == (Outcome.INTERRUPTED, ["leave"])


def test_an_order_whose_answer_is_lost_is_not_forgotten(world):
    found = world(mx=MemoryMx(Fate(boots=["other"] * 9)))
    found.lost[Step.REBOOT] = [CommandTimeoutError("no end within 30 s") for _ in range(9)]
    for number in range(4):
        found.execute()
        found = world(RESUME, mx=found.mx, session=f"s{number}")
        found.lost[Step.REBOOT] = [CommandTimeoutError("no end within 30 s") for _ in range(9)]
    assert (found.mx.reboots, found.mx.record.ordered) == (MAX_BOOTS, MAX_BOOTS)
    assert all(one.wanted for one in found.mx.record.boots), "each boot is known as one that was ordered"


@pytest.mark.parametrize("step", [Step.OPEN, Step.START, Step.KEEP, Step.POOL_IN, Step.PROVE_IN])
def test_a_crash_between_the_look_and_the_act_is_verified_before_it_serves(world, step):
    found = world()
    found.moves[step] = [MemoryMx.power_cut]
    if step in (Step.POOL_IN, Step.KEEP):
        found.mx.excused.add("boot-2")  # its ports were open already, as before any crash
    result = found.execute()
    assert result.outcome in (Outcome.DONE, Outcome.FELL_BACK)
    assert found.mx.boot_id not in ("boot-0", "boot-1")
    assert found.mx.boot_id in found.mx.verified
    assert "found boot" in found.journal.steps()


@pytest.mark.parametrize("step", [Step.CLOSE, Step.DRAIN, Step.HOLD])
def test_another_operator_between_the_look_and_the_act_is_not_written_over(world, step):
    found = world()
    found.moves[step] = [in_other_hands]
    result = found.execute()
    assert (result.outcome, found.mx.record.who, found.mx.token) == (Outcome.INTERRUPTED, "another", 99)
    assert found.mx.record.drained == "", "what this run has only noted is not put into another one's record"
    assert step.value not in found.journal.steps() or step is Step.DRAIN


@pytest.mark.parametrize("last", range(1, 44))
def test_a_full_disk_on_the_management_host_costs_the_journal_and_nothing_else(world, last):
    found, written = world(), []

    def write(event, **values):
        written.append(event)
        if len(written) >= last:
            raise JournalError("x.jsonl: No space left on device")

    found.journal.write = write
    assert found.execute().outcome is Outcome.DONE
    assert in_service(found.mx)
    assert len([line for line in found.tell.lines if "No space left" in line]) == 1


@pytest.mark.parametrize("nth", range(2, 24))
def test_a_look_that_cannot_be_read_is_taken_again(world, monkeypatch, nth):
    found, looks, real = world(), [], reading.read_standing

    def standing(host, mta):
        looks.append(host)
        if len(looks) in (nth, nth + 1):
            raise ParseError("section standing: no end within its time limit")
        return real(host, mta)

    monkeypatch.setattr(reading, "read_standing", standing)
    assert found.execute().outcome is Outcome.DONE
    assert in_service(found.mx)


def test_a_command_of_our_own_that_holds_the_lock_is_waited_for(world):
    found = world()
    found.before[Step.KEEP] = [LockedError("another command is still at work there")] * 9
    assert found.execute().outcome is Outcome.DONE


def test_a_step_that_is_never_answered_is_not_asked_for_ever(world):
    found = world()
    found.before[Step.DRAIN] = [CommandTimeoutError("no end within 30 s")] * 9
    result = found.execute()
    assert (result.outcome, len(found.before[Step.DRAIN])) == (Outcome.UNDONE, 6)
    assert in_service(found.mx)


def test_what_is_stopped_half_open_says_so(world):
    found = world()
    found.before[Step.POOL_IN] = [InterruptedRunError("SIGTERM")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert "mail ports open, MTA serving" in result.why
    assert "out of service, safe" not in result.why


def opened_by_somebody(found, fails=()):
    """In the new boot somebody opens everything, and the run cannot go on; closing again may fail, too."""

    def opened(mx):
        mx.loaded = mx.persisted = mx.held = False
        mx.running = mx.pooled = True
        mx.excused.add(mx.boot_id)
        found.before[Step.CLOSE] = list(fails)

    found.moves[Step.PROVE_OUT] = [opened]
    found.before[Step.PROVE_OUT] = [CommandFailedError("broken")]
    return found.execute()


@pytest.mark.parametrize("fails", [(), (CommandFailedError("nft: busy"),)], ids=["closes", "closes at the second try"])
def test_clients_are_kept_from_an_unverified_boot_before_a_run_ends(world, fails):
    found = world()
    result = opened_by_somebody(found, fails)
    assert (result.outcome, found.mx.loaded, found.mx.persisted) == (Outcome.LEFT_OUT, True, True)
    assert found.mx.boot_id not in found.mx.verified


def test_a_run_that_cannot_close_does_not_call_it_safe(world):
    found = world()
    result = opened_by_somebody(found, [CommandFailedError("no")] * 9)
    assert (result.outcome, found.mx.loaded) == (Outcome.INTERRUPTED, False)
    assert "mail ports open" in result.why
    assert len(found.before[Step.CLOSE]) == 7, "it is tried twice"


@pytest.mark.parametrize(("step", "soaked"), [(Step.KEEP, False), (Step.RELEASE, True)])
def test_a_verified_host_whose_mta_dies_and_does_not_start_again_is_kept_from_clients(world, step, soaked):
    found = world()

    def dies(mx):
        mx.running = False
        found.before[Step.START] = [StepError("exim4.service was started and does not listen")]

    found.moves[step] = [dies]
    found.before[step] = [HostUnreachableError("lost")]
    result = found.execute()
    why = "start MTA: exim4.service was started and does not listen"
    assert (result.outcome, result.why) == (Outcome.LEFT_OUT, why)
    assert (found.mx.loaded, found.mx.persisted, found.mx.pooled) == (True, True, False)
    assert (result.record.judgements(found.mx.boot_id).soak is not None) is soaked
    assert result.record.trusted(found.mx.boot_id)
    again = world(RESUME, mx=found.mx, session="two")
    assert again.execute().outcome is Outcome.DONE
    assert serves(found.mx)


def test_an_mta_that_dies_during_the_soak_is_not_served_to_clients(world):
    found = world()
    found.moves[Step.SOAK] = [lambda mx: setattr(mx, "running", False)]
    result = found.execute()
    assert result.outcome is Outcome.INCONCLUSIVE
    assert (found.mx.loaded, found.mx.persisted, found.mx.pooled) == (True, True, False)


def test_a_verified_host_that_cannot_be_pooled_keeps_its_ports_open_and_is_not_called_out(world):
    found = world()
    found.before[Step.POOL_IN] = [CommandFailedError("conftool: no")]
    result = found.execute()
    assert (result.outcome, found.mx.loaded, found.mx.pooled) == (Outcome.INTERRUPTED, False, False)
    assert result.why == "pool in: conftool: no (mail ports open, MTA serving)"


def test_a_way_back_that_fails_leaves_the_host_out_and_is_not_tried_for_ever(world):
    found = world()
    found.before[Step.DRAIN] = [CommandFailedError("disk full")]
    found.before[Step.OPEN] = [CommandFailedError("nft: busy")]
    result = found.execute()
    assert (result.outcome, result.why) == (Outcome.LEFT_OUT, "open ports: nft: busy")
    assert (found.mx.loaded, found.mx.record.undoing) == (True, "drain: disk full")


def test_a_slot_left_behind_that_cannot_be_taken_is_refused_and_the_host_not_called_out(world):
    """Nobody has claimed it: there is nothing to resume."""
    found = world(RESUME, mx=MemoryMx(holder_token=5, holder_session="dead"))
    found.before[Step.SLOT] = [SlotError("etcd: refused")]
    result = found.execute()
    assert (result.outcome, result.why) == (Outcome.REFUSED, "slot: etcd: refused")
    assert serves(found.mx)


@pytest.mark.parametrize(("held", "calls"), [(False, ["release"]), (True, ["leave"])])
def test_the_slot_of_a_host_that_fell_silent_before_its_claim_is_given_up_if_it_was_free(world, held, calls):
    found = world()
    if held:
        found.mx.holder_token, found.mx.holder_session = 3, "dead"

    def falls_silent(mx):
        mx.silent = True
        found.world.clock.sleep(20)  # so its look is not of just now any more

    found.moves[Step.SLOT] = [falls_silent]
    assert found.execute().outcome is Outcome.REFUSED
    assert found.slot.calls == calls


@pytest.mark.parametrize("error", [None, SlotError("etcd: gone")])
def test_a_slot_that_stays_held_is_not_called_nothing(world, error):
    found = world()
    found.before[Step.SLOT] = [SlotError("etcd: read timed out")]
    release = found.slot.release

    def gives_up():
        if error:
            raise error
        release()

    found.slot.release = gives_up
    assert found.execute().outcome is (Outcome.INTERRUPTED if error else Outcome.REFUSED)


def test_a_host_that_falls_silent_behind_closed_ports_is_left_out(world):
    found = world()
    found.moves[Step.DRAIN] = [lambda mx: setattr(mx, "silent", True)]
    found.before[Step.DRAIN] = [CommandFailedError("disk full")]
    result = found.execute()
    assert (result.outcome, result.why, found.slot.calls) == (Outcome.LEFT_OUT, "drain: disk full", ["leave"])


def test_a_release_that_failed_is_no_end(world):
    found = world()
    found.before[Step.RELEASE] = [CommandFailedError("update-grub")]
    result = found.execute()
    assert (result.outcome, found.slot.calls) == (Outcome.INTERRUPTED, ["leave"])
    assert result.record is not None
    assert result.why.startswith("in service, but not finished")


def test_a_host_that_falls_silent_while_clients_are_kept_from_it_is_not_called_safe(world):
    """What was seen of it last is that its ports were open."""
    found = world()

    def opened(mx):
        mx.loaded = mx.persisted = mx.held = False
        mx.running = mx.pooled = True
        mx.excused.add(mx.boot_id)
        found.moves[Step.CLOSE] = [lambda mx: setattr(mx, "silent", True)]

    found.moves[Step.PROVE_OUT] = [opened]
    found.before[Step.PROVE_OUT] = [CommandFailedError("broken")]
    result = found.execute()
    assert result.outcome is Outcome.INTERRUPTED
    assert "its ports were not closed when it last did" in result.why


@pytest.mark.parametrize(("seconds", "tries"), [(60.0, 3), (700.0, 2)])
def test_a_step_that_stays_without_an_answer_is_taken_again_and_a_long_one_only_once(world, seconds, tries):
    found = world()
    found.world.clock.sleep(1000.0)
    found.before[Step.DRAIN] = [CommandTimeoutError("no end")] * 9
    found.moves[Step.DRAIN] = [lambda _mx: found.world.clock.sleep(seconds)] * 9
    assert found.execute().outcome is Outcome.UNDONE
    failed = [values for name, values in found.journal.events if name == "failed"]
    assert [one["step"] for one in failed] == ["drain"] * tries


def test_a_step_that_was_answered_may_stay_without_an_answer_again(world):
    found, lost = world(), [CommandTimeoutError("no end")] * 2

    def flushed(mx):
        mx.loaded = False
        mx.excused.add(mx.boot_id)
        found.before[Step.CLOSE] = list(lost)

    found.before[Step.CLOSE] = list(lost)
    found.moves[Step.HOLD] = [flushed]
    assert found.execute().outcome is Outcome.DONE
    assert found.journal.steps().count("close ports") == 2


def test_a_run_that_comes_to_no_end_is_ended(world, monkeypatch):
    monkeypatch.setattr(run, "MAX_STEPS", 3)
    found = world()
    assert found.execute() == run.Result(Outcome.INTERRUPTED, "no end after 3 steps", found.mx.record, NEW.release)
    assert found.slot.calls == ["leave"]


def test_a_slot_that_cannot_be_given_up_changes_no_end_and_the_last_line_says_it(world):
    found = world()

    def down():
        raise SlotError("etcd does not answer")

    found.slot.release = down
    result = found.execute()
    said = "the slot of the service was not given up: etcd does not answer"
    assert (result.outcome, result.why, result.held) == (Outcome.DONE, f"{NEW.release} runs, in service; {said}", True)
    assert said in found.tell.lines


def test_a_lease_that_cannot_be_ended_expires_by_itself_and_the_last_line_does_not_speak_of_it(world):
    found = world(Goal(stay=True))

    def down():
        raise SlotError("etcd does not answer")

    found.slot.leave = down
    result = found.execute()
    assert (result.why, result.held) == ("out of service as asked; its queue is being delivered", False)


def test_the_same_command_gives_up_a_slot_that_its_run_has_left_behind(world):
    first = world()
    first.slot.release = lambda: None
    first.ticks = {}
    first.process.do_release = lambda mx, state: iter([setattr(mx, "record", None)])
    first.execute()
    mx = first.mx
    mx.lease, mx.puppet_off = "", False
    assert (mx.record, mx.holder_token > 0) == (None, True)
    again = world(mx=mx, session="two").execute()
    assert (again.outcome, mx.holder_token, mx.reboots) == (Outcome.DONE, 0, 1)
