"""The planner walks every path, and goes on from every point at which a run may have died."""

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import MAX_BOOTS, Boot, Kernel, Level
from mxlib.model.state import Do, End, MtaState, Pool, Ports, Puppet, Slot, State, Step, Waited
from mxlib.reboot.ends import UNREAD, by_hand
from mxlib.reboot.plan import decide, puppet_is_due
from tests.unit.support.memory_mx import NEW, OLD, SAFE_OUT, DiedError, Fate, MemoryMx, Process
from tests.unit.support.memory_walk import (
    ABORT,
    BAD,
    COLD,
    FORWARD,
    GOOD,
    RESUME,
    UNSURE,
    claimed_record,
    died_with_the_machine_off,
    effects_of,
    in_service,
    run,
    view,
)


def test_the_plain_path():
    mx = MemoryMx()
    process, end = run(mx, FORWARD)
    assert end.outcome is Outcome.DONE
    assert in_service(mx)
    assert (mx.kernel, mx.saved, mx.next, mx.reboots) == (NEW.release, NEW.entry, "", 1)
    assert (mx.puppet_off, mx.holder_token, mx.lease) == (False, 0, "")
    assert [step.value for step in process.steps] == [
        *("guard", "slot", "claim", "silence", "pool out", "close ports", "drain", "stop and hold"),
        *("ledger", "boot entries", "reboot", "await boot", "repair", "prove outbound", "start MTA", "prove inbound"),
        *("open ports", "pool in", "keep kernel", "soak", "unsilence", "release"),
    ]


def test_reached_already_touches_nothing():
    mx = MemoryMx(kernel=NEW.release)
    process, end = run(mx, FORWARD)
    assert (end.outcome, process.steps) == (Outcome.DONE, [])


def test_another_build_of_the_wanted_release_is_not_reached_yet():
    mx = MemoryMx(kernel=NEW.release)
    state = State(None, replace(mx.view(), replaced=True), Pool.IN, Slot.FREE)
    assert decide(FORWARD, state) == Do(Step.GUARD)


def test_a_guard_that_refuses_changes_nothing():
    mx = MemoryMx(Fate(guard=False))
    process, end = run(mx, FORWARD)
    assert (end.outcome, process.steps) == (Outcome.REFUSED, [Step.GUARD])


def test_a_boot_that_falls_back_serves_on_the_fallback():
    mx = MemoryMx(Fate(boots=["fallback"]))
    _, end = run(mx, FORWARD)
    assert (end.outcome, mx.kernel, mx.saved, mx.reboots) == (Outcome.FELL_BACK, OLD.release, OLD.entry, 1)
    assert in_service(mx)


def test_a_kernel_that_is_to_blame_is_left_for_the_fallback():
    mx = MemoryMx(Fate(judgements=[BAD]))
    process, end = run(mx, FORWARD)
    assert (end.outcome, mx.kernel, mx.saved, mx.reboots) == (Outcome.FELL_BACK, OLD.release, OLD.entry, 2)
    assert in_service(mx)
    assert process.steps.count(Step.DRAIN) == 1


def test_a_failure_without_a_culprit_stays_out_without_another_reboot():
    mx = MemoryMx(Fate(judgements=[UNSURE]))
    _, end = run(mx, FORWARD)
    assert (end.outcome, mx.reboots, mx.loaded, mx.pooled) == (Outcome.INCONCLUSIVE, 1, True, False)


def test_a_host_that_does_not_come_back_is_left_out():
    mx = MemoryMx(Fate(boots=["silent"]))
    _, end = run(mx, FORWARD)
    assert (end.outcome, mx.reboots) == (Outcome.LEFT_OUT, 1)


def test_a_host_that_does_not_come_back_is_mended_then_power_cycled_into_the_fallback():
    mx = MemoryMx(Fate(boots=["silent"]), curable=True)
    process, end = run(mx, FORWARD)
    assert (end.outcome, mx.kernel, mx.reboots) == (Outcome.FELL_BACK, OLD.release, 1)
    assert process.steps.index(Step.MEND) < process.steps.index(Step.POWER_CYCLE)
    assert in_service(mx)


def test_a_soak_that_turns_takes_the_host_out_again():
    mx = MemoryMx(Fate(judgements=[GOOD, GOOD, UNSURE]))
    _, end = run(mx, FORWARD)
    assert (end.outcome, mx.loaded, mx.persisted, mx.pooled) == (Outcome.INCONCLUSIVE, True, True, False)


def test_three_boots_and_no_more():
    mx = MemoryMx(Fate(boots=["other"] * 5))
    _, end = run(mx, FORWARD)
    assert (end.outcome, mx.reboots) == (Outcome.LEFT_OUT, 3)


def test_a_depool_alone_stays_out_until_it_is_returned_to_service():
    mx = MemoryMx()
    process, end = run(mx, Goal(stay=True))
    assert (end.outcome, mx.loaded, mx.persisted, mx.pooled, mx.running) == (Outcome.DONE, True, True, False, True)
    assert Step.REBOOT not in process.steps
    mx.record = mx.record.__class__(**{**mx.record.__dict__, "stay": False})
    _, end = run(mx, RESUME, "two")
    assert end.outcome is Outcome.DONE
    assert in_service(mx)


def test_stay_depooled_after_a_reboot():
    mx = MemoryMx()
    _, end = run(mx, Goal(NEW.release, stay=True))
    assert (end.outcome, mx.kernel, mx.saved) == (Outcome.DONE, NEW.release, NEW.entry)
    assert (mx.loaded, mx.persisted, mx.pooled, mx.running, mx.puppet_off) == (True, True, False, True, False)


def test_nothing_to_resume():
    _, end = run(MemoryMx(), RESUME)
    assert end.outcome is Outcome.DONE


def test_somebody_elses_run_is_not_touched():
    mx = MemoryMx()
    with pytest.raises(DiedError):
        run(mx, FORWARD, die_after=25)
    process, end = run(mx, FORWARD, "two")
    assert (end.outcome, process.steps) == (Outcome.REFUSED, [])


def test_a_cold_start_is_prepared_and_settled():
    mx = MemoryMx()
    process, end = run(mx, COLD)
    assert end.outcome is Outcome.DONE
    assert in_service(mx)
    assert (mx.kernel, mx.nic, mx.stanzas, mx.reboots) == (NEW.release, "ens13", ("ens13",), 1)
    steps = [step.value for step in process.steps]
    assert steps[5:15] == [
        *("close ports", "prepare network", "drain", "stop and hold", "ledger", "boot entries", "reboot"),
        *("await boot", "power on", "await boot"),
    ]
    assert steps[-3:] == ["settle network", "unsilence", "release"]


def test_a_cold_start_into_the_running_kernel_is_made():
    mx = MemoryMx()
    _, end = run(mx, Goal(OLD.release, level=Level.COLD))
    assert (end.outcome, mx.kernel, mx.saved, mx.next, mx.reboots) == (Outcome.DONE, OLD.release, OLD.entry, "", 1)
    assert mx.nic == "ens13"


def test_a_build_that_has_replaced_the_running_one_is_booted_where_its_operator_does_without_a_fallback():
    class Replaced(MemoryMx):
        def view(self):
            found = super().view()
            return found and replace(found, replaced=self.boot == 0)

    mx = Replaced()
    _, end = run(mx, Goal(OLD.release))
    assert (end.outcome, mx.kernel, mx.saved, mx.next, mx.reboots) == (Outcome.DONE, OLD.release, OLD.entry, "", 1)


def test_a_renamed_interface_is_mended_without_another_boot():
    mx = MemoryMx(curable=True, prevention="none")
    process, end = run(mx, COLD)
    assert (end.outcome, mx.kernel, mx.reboots) == (Outcome.DONE, NEW.release, 1)
    assert Step.POWER_CYCLE not in process.steps
    assert Step.PREVENT not in process.steps


def test_a_cold_start_that_is_to_blame_comes_back_warm():
    mx = MemoryMx(Fate(judgements=[BAD]))
    process, end = run(mx, COLD)
    assert (end.outcome, mx.kernel, mx.reboots) == (Outcome.FELL_BACK, OLD.release, 2)
    assert process.steps.count(Step.POWER_ON) == 1


def test_a_machine_that_a_dead_run_has_left_off_is_started_by_the_run_that_resumes_it():
    for goal, kernel in ((RESUME, NEW.release), (ABORT, OLD.release)):
        mx = died_with_the_machine_off()
        process, end = run(mx, goal, "two")
        assert process.steps[:3] == [Step.AWAIT, Step.SLOT, Step.POWER_ON]
        assert end.outcome in (Outcome.DONE, Outcome.UNDONE, Outcome.FELL_BACK)
        assert (mx.kernel, in_service(mx)) == (kernel, True)


def test_a_machine_that_nobody_of_ours_has_left_off_is_not_started():
    mx = died_with_the_machine_off()
    mx.holder_token = 0
    process, end = run(mx, RESUME, "two")
    assert (end.outcome, process.steps) == (Outcome.INTERRUPTED, [Step.AWAIT])


def test_a_machine_that_goes_off_again_is_left_out():
    mx = MemoryMx()
    process = Process(mx, COLD, "one")
    started = process.do_power_on

    def goes_off(mx, state):
        yield from started(mx, state)
        mx.off = True

    process.do_power_on = goes_off
    end = process.run()
    assert (end.outcome, process.steps.count(Step.POWER_ON)) == (Outcome.LEFT_OUT, 1)
    assert "starting it was tried" in end.why


FATES = {
    "plain": Fate,
    "fell back": lambda: Fate(boots=["fallback"]),
    "blamed": lambda: Fate(judgements=[BAD]),
    "blamed inbound": lambda: Fate(judgements=[GOOD, BAD]),
    "soak turns": lambda: Fate(judgements=[GOOD, GOOD, UNSURE]),
    "other": lambda: Fate(boots=["other"]),
}


@pytest.mark.parametrize("goal", [FORWARD, COLD], ids=["warm", "cold"])
@pytest.mark.parametrize("fate", FATES)
def test_resume_from_every_point_reaches_the_goal(fate, goal):
    whole = MemoryMx(FATES[fate]())
    _, expected = run(whole, goal)
    for point in range(effects_of(goal, FATES[fate])):
        mx = MemoryMx(FATES[fate]())
        with pytest.raises(DiedError):
            run(mx, goal, die_after=point)
        if mx.record is None and mx.reboots:
            assert in_service(mx)
            continue
        unsure = mx.record is not None and mx.record.to_judge_again(mx.boot_id) != mx.record
        _, end = run(mx, RESUME if mx.record is not None else goal, "two")
        assert (end.outcome, mx.kernel) == (Outcome.DONE if unsure else expected.outcome, whole.kernel), point


def test_what_was_inconclusive_is_judged_again_on_resume_without_another_boot():
    mx = MemoryMx(Fate(judgements=[UNSURE, GOOD, GOOD, GOOD]))
    _, end = run(mx, FORWARD)
    assert (end.outcome, in_service(mx)) == (Outcome.INCONCLUSIVE, False)
    _, end = run(mx, RESUME, "two")
    assert (end.outcome, mx.kernel, in_service(mx), mx.reboots) == (Outcome.DONE, NEW.release, True, 1)


@pytest.mark.parametrize("goal", [FORWARD, COLD], ids=["warm", "cold"])
@pytest.mark.parametrize("fate", FATES)
def test_abort_from_every_point_restores_or_stays_safe(fate, goal):
    for point in range(effects_of(goal, FATES[fate])):
        mx = MemoryMx(FATES[fate]())
        with pytest.raises(DiedError):
            run(mx, goal, die_after=point)
        _, end = run(mx, ABORT, "two")
        if end.outcome in SAFE_OUT:
            assert mx.loaded or mx.boot_id in mx.verified
            continue
        assert mx.kernel == OLD.release or mx.reboots == 0 or end.outcome is Outcome.DONE, point
        assert in_service(mx) or mx.record is None, point
        assert mx.stanzas == (mx.nic,), point


def test_a_power_cut_between_prevention_and_cold_start_leaves_the_host_reachable():
    for point in range(effects_of(COLD)):
        mx = MemoryMx()
        with pytest.raises(DiedError):
            run(mx, COLD, die_after=point)
        mx.power_cut()
        assert mx.view() is not None, point


@pytest.mark.parametrize("point", range(0, 70, 3))
def test_a_resume_that_dies_is_resumed(point):
    mx = MemoryMx()
    for session, later in enumerate((point, point // 2, point // 3)):
        try:
            run(mx, RESUME if mx.record else FORWARD, str(session), later)
        except DiedError:
            continue
    _, end = run(mx, RESUME if mx.record else FORWARD, "last")
    assert end.outcome is Outcome.DONE
    assert in_service(mx)
    assert mx.reboots <= 1


fates = st.builds(
    Fate,
    boots=st.lists(st.sampled_from(["", "", "fallback", "other", "silent"]), max_size=4),
    judgements=st.lists(st.sampled_from([GOOD, GOOD, GOOD, BAD, UNSURE]), max_size=8),
)
events = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["nothing", "power cut", "etcd down", "etcd up", "table flushed"])),
    max_size=5,
)


@settings(max_examples=4 * settings.default.max_examples)
@given(
    fate=fates,
    deaths=events,
    goals=st.lists(st.sampled_from([RESUME, ABORT]), min_size=6, max_size=6),
    forward=st.sampled_from([FORWARD, COLD]),
)
def test_no_history_leads_to_an_unsafe_state(fate, deaths, goals, forward):
    """The in-memory MX raises when an invariant breaks; here only the end is looked at."""
    mx = MemoryMx(fate)
    for number, ((later, what), goal) in enumerate(zip(deaths, goals, strict=False)):
        try:
            run(mx, goal if mx.record else forward, f"session-{number}", later)
        except DiedError:
            happen(mx, what)
    mx.etcd, mx.silent = True, False
    _, end = run(mx, goals[-1] if mx.record else forward, "last")
    if mx.record is None:
        assert mx.running
        assert not mx.loaded
        assert mx.boot_id in mx.verified
        run(mx, RESUME, "whoever finds the slot left behind")
        assert mx.holder_token == 0
    else:
        assert end.outcome in SAFE_OUT
    assert mx.reboots <= 3


def happen(mx, what):
    if what == "power cut":
        # an MX that was in service is trusted after a power cut as it is on any other day
        mx.power_cut()
        if not mx.persisted:
            mx.verified.add(mx.boot_id)
    elif what.startswith("etcd"):
        mx.etcd = what == "etcd up"
    elif what == "table flushed" and not mx.running:
        mx.loaded = False


@pytest.mark.parametrize("slot", [Slot.LEFT, Slot.MINE, Slot.OTHERS])
def test_only_the_slot_tells_that_a_run_has_left_a_machine_off(slot):
    state = State(None, None, Pool.IN, slot, waited=Waited.OFF, cures=frozenset({"power on"}), closed=True)
    off = "the machine is off"
    left = f"{off}, and the slot does not say that a run has left it so: start it, then --resume"
    wanted = {Slot.LEFT: Do(Step.SLOT, "left behind"), Slot.MINE: Do(Step.POWER_ON, off)}
    assert decide(RESUME, state) == wanted.get(slot, End(Outcome.LEFT_OUT, left))
    tried = replace(state, cures=frozenset())
    if slot is Slot.MINE:
        assert decide(RESUME, tried) == End(Outcome.LEFT_OUT, f"{off}, and starting it was tried")


@pytest.mark.parametrize(("diagnosis", "said"), [("", ""), ("a panic is shown", ": a panic is shown")])
def test_what_was_found_out_of_a_silent_host_is_said(diagnosis, said):
    silent = State(None, None, Pool.IN, Slot.FREE, waited=Waited.SILENT, diagnosis=diagnosis, closed=True)
    why = "the host does not answer, and what is known of its run is on it"
    assert decide(RESUME, silent) == End(Outcome.LEFT_OUT, f"{why}{said}")
    taken = replace(silent, record=claimed_record(), slot=Slot.MINE, token=claimed_record().token)
    assert decide(FORWARD, taken) == End(Outcome.LEFT_OUT, f"the host does not answer{said}")


@pytest.mark.parametrize("slot", [Slot.OTHERS, Slot.UNKNOWN])
def test_without_the_slot_nothing_is_begun(slot):
    state = State(None, view(), Pool.IN, slot, guard=True)
    assert decide(FORWARD, state).outcome is Outcome.REFUSED


def test_without_an_answer_nothing_is_begun():
    assert decide(FORWARD, State(None, None, Pool.IN, Slot.FREE)).outcome is Outcome.REFUSED


def test_a_resumed_run_waits_for_a_host_that_is_on_its_way_up():
    state = State(None, None, Pool.IN, Slot.LEFT)
    assert decide(RESUME, state) == Do(Step.AWAIT, "it does not answer")
    silent = replace(state, waited=Waited.SILENT)
    assert decide(RESUME, silent).outcome is Outcome.INTERRUPTED
    assert decide(RESUME, replace(silent, cures=frozenset({"mend"}))) == Do(Step.MEND)


def test_a_host_that_answers_at_last_keeps_its_power():
    """Seen on a starved machine: its boot took a moment longer than the deadline, and it was ended by a power cycle."""
    mx = MemoryMx()
    step = 0
    while mx.record is None or mx.record.awaited is None:
        mx, step = MemoryMx(), step + 1
        with contextlib.suppress(DiedError):
            run(mx, FORWARD, die_after=step)
    cures = frozenset({"power cycle"})
    late = replace(Process(mx, RESUME, "two").state(), record=mx.record, waited=Waited.SILENT, cures=cures)
    late = replace(late, slot=Slot.MINE, token=mx.record.token)
    assert decide(RESUME, replace(late, host=view(boot="another"))) == Do(Step.AWAIT, "it answers now")
    assert decide(RESUME, replace(late, host=None)) == Do(Step.POWER_CYCLE)


def test_a_flushed_table_is_closed_before_anything_else():
    mx = MemoryMx()
    with pytest.raises(DiedError):
        run(mx, FORWARD, die_after=40)
    process = Process(mx, RESUME, "two")
    mx.loaded = False
    states = []
    for _ in range(4):
        decision = decide(process.goal, process.state())
        states.append(decision)
        for _effect in process.effects(decision.step):
            pass
    assert Do(Step.CLOSE) in states


def test_a_boot_that_was_to_blame_is_judged_again_on_resume_where_no_other_kernel_is_left():
    mx = MemoryMx(Fate(judgements=[BAD, BAD]))
    _, end = run(mx, FORWARD)
    assert (end.outcome, mx.kernel, mx.loaded) == (Outcome.LEFT_OUT, OLD.release, True)
    _, end = run(mx, RESUME, "two")
    assert (end.outcome, in_service(mx), mx.reboots) == (Outcome.FELL_BACK, True, 2)


def test_a_target_that_was_to_blame_stays_to_blame_on_resume():
    record = claimed_record()
    tried = replace(record, boots=(Boot("boot-0", NEW.release, "boot-1", NEW.release),))
    blamed = tried.with_judgement("boot-1", held=BAD)
    assert blamed.to_judge_again("boot-1") == blamed
    assert blamed.with_judgement("boot-1", held=UNSURE).to_judge_again("boot-1") == tried


@pytest.mark.parametrize("point", range(60))
def test_an_abort_that_dies_is_not_forgotten_on_resume(point):
    """Inconclusive in the new kernel: a person aborts. Whoever goes on must not bring that kernel into service."""
    mx = MemoryMx(Fate(judgements=[GOOD, UNSURE]))
    run(mx, FORWARD)
    with contextlib.suppress(DiedError):
        run(mx, ABORT, "abort", point)
    if mx.record is None or not mx.record.undoing:
        assert mx.kernel == (OLD.release if mx.record is None else NEW.release)
        return
    run(mx, RESUME, "the next night")
    assert (mx.kernel, in_service(mx)) == (OLD.release, True)


def test_pool_mx_reboots_no_host_that_was_silent_after_an_order_that_it_never_got():
    """The wait ends without an answer; once it answers, in the old boot, the record is adopted before that is known."""
    record = replace(claimed_record(), boots=(Boot("boot-0", NEW.release),), ledger="boot-0", drained="boot-0")
    host = view(boot="boot-0", ports=Ports.CLOSED, mta=MtaState.HELD, saved=OLD.entry, next=NEW.entry)
    late = taken(record, host, pool=Pool.OUT, waited=Waited.SILENT, uses=frozenset())
    assert decide(SERVE, late) == Do(Step.AWAIT, "it answers now")
    same = replace(late, waited=Waited.SAME_BOOT)
    assert decide(RESUME, same) == Do(Step.REBOOT, f"into {NEW.release}")
    why = f"run run still has to boot {NEW.release}, and pool-mx reboots none: resume or undo that run"
    assert decide(SERVE, same) == End(Outcome.LEFT_OUT, why)
    assert decide(SERVE, replace(same, host=replace(host, ports=Ports.OPEN))) == Do(Step.CLOSE)


def test_pool_mx_reboots_no_host_whose_kernel_it_blames():
    mx = MemoryMx(Fate(judgements=[UNSURE, BAD]))
    run(mx, FORWARD)
    process, end = run(mx, SERVE, "two")
    assert (end.outcome, mx.reboots, Step.REBOOT in process.steps) == (Outcome.LEFT_OUT, 1, False)
    assert f"still has to boot {OLD.release}" in end.why
    assert run(mx, RESUME, "three")[1].outcome is Outcome.FELL_BACK


def test_three_boots_that_led_elsewhere_do_not_keep_a_host_out_for_ever():
    mx = MemoryMx(Fate(boots=["other"] * 5))
    _, end = run(mx, FORWARD)
    assert "sre.mail.pool-mx returns it to service" in end.why
    _, end = run(mx, Goal(adopt=True, serve=True), "two")
    assert (in_service(mx), mx.reboots, mx.boot_id in mx.verified) == (True, 3, True)


def test_a_token_from_an_etcd_that_was_restored_is_raised_once_the_host_has_answered():
    mx = died_with_the_machine_off()
    known = mx.record.token
    mx.index = mx.holder_token = 3
    process, _ = run(mx, RESUME, "two")
    assert process.steps[:5] == [Step.AWAIT, Step.SLOT, Step.POWER_ON, Step.SLOT, Step.ADOPT]
    assert (process.token, process.steps.count(Step.SLOT), in_service(mx)) == (known + 1, 2, True)


def test_a_newer_token_than_one_that_was_taken_in_sight_of_the_host_is_another_operators():
    mx = died_with_the_machine_off()
    state = replace(Process(mx, RESUME, "two").state(), record=mx.record, slot=Slot.MINE, token=3, host=view())
    assert decide(RESUME, replace(state, outdated=False)) == Do(Step.ADOPT)
    assert decide(RESUME, replace(state, outdated=True)).step is Step.SLOT


def test_a_machine_that_came_on_by_itself_is_not_started():
    mx = died_with_the_machine_off()
    state = replace(Process(mx, RESUME, "two").state(), record=mx.record, slot=Slot.MINE, token=mx.record.token)
    assert decide(RESUME, replace(state, waited=Waited.OFF, host=None)) == Do(Step.POWER_ON, "the machine is off")
    assert decide(RESUME, replace(state, waited=Waited.OFF, host=view())) == Do(Step.AWAIT, "it answers now")


def test_the_planner_itself_ends_no_host_with_open_ports_as_safe():
    record = claimed_record()
    state = State(record, view(boot="boot-0", saved=OLD.entry), Pool.UNKNOWN, Slot.MINE, token=record.token)
    end = decide(replace(ABORT, adopt=False), state)
    assert end.outcome is Outcome.INTERRUPTED
    assert "pool state cannot be read" in end.why


@pytest.mark.parametrize("away", [60.0, 3 * 86400.0])
def test_a_host_taken_out_on_friday_is_verified_again_before_it_serves_on_monday(away):
    mx = MemoryMx()
    run(mx, Goal(stay=True))
    mx.seconds += away
    process, end = run(mx, Goal(adopt=True, serve=True), "two")
    assert (end.outcome, in_service(mx)) == (Outcome.DONE, True)
    assert (Step.DOUBT in process.steps) is (Step.PROVE_OUT in process.steps) is (away > 3600)
    if Step.DOUBT in process.steps:
        order = [process.steps.index(one) for one in (Step.DOUBT, Step.PROVE_OUT, Step.PROVE_IN, Step.OPEN)]
        assert order == sorted(order)


def test_a_proof_has_the_age_of_its_last_pass_and_no_age_is_infinite():
    now = MemoryMx(seconds=100.0).now()
    record = claimed_record()
    assert record.proof_age("boot-0", now) == 100.0
    assert record.proof_age("boot-0", now - timedelta(seconds=150)) == -50.0
    assert record.proof_age("boot-0", now - timedelta(seconds=161)) == float("inf"), "by a clock that was wrong"
    for damaged in ({}, {"boot-0": "yesterday"}, {"boot-0": "2026-01-01T00:00:00"}):
        assert replace(record, proven=damaged).proof_age("boot-0", now) == float("inf")


def test_an_old_proof_is_none():
    record = replace(claimed_record().with_judgement("boot-0", held=GOOD, serving=GOOD), repaired="boot-0")
    doubted = record.without_proof("boot-0")
    assert (record.trusted("boot-0"), doubted.trusted("boot-0")) == (True, False)
    assert (doubted.repaired, doubted.proven, doubted.baseline) == ("", {}, False)
    assert record.without_proof("another") == record


def test_a_blamed_target_is_judged_again_once_no_reboot_is_left_to_return_by():
    boots = tuple(Boot(f"b{n}", NEW.release, f"b{n + 1}", NEW.release) for n in range(MAX_BOOTS))
    spent = replace(claimed_record(), boots=boots).with_judgement("b3", held=BAD)
    assert spent.spent
    assert spent.to_judge_again("b3").judged == {}
    tried = replace(spent, boots=boots[1:])
    assert tried.to_judge_again("b3") == tried


def taken(record=None, host=None, **changes):
    """A host in the hands of this run."""
    record = record or claimed_record()
    base = {"pool": Pool.OUT, "slot": Slot.MINE, "token": record.token, "closed": True}
    return State(record=record, host=host, **{**base, **changes})


def proven_out(**changes):
    """The target's boot, behind closed ports."""
    boots = (Boot("boot-0", NEW.release, "b1", NEW.release),)
    return replace(claimed_record(), boots=boots, **changes), view(
        boot="b1", kernel=NEW.release, ports=Ports.CLOSED, mta=MtaState.HELD, saved=OLD.entry
    )


NO_RUN = "no run has left anything on this host, and it is not in service"
SERVE = Goal(adopt=True, serve=True)


def ends():
    record, host = proven_out()
    spent = replace(record, boots=tuple(Boot(f"b{n - 1}", NEW.release, f"b{n}", "6.1.0-57") for n in range(2, 5)))
    other = view(boot="b4", kernel="6.1.0-57", ports=Ports.CLOSED, mta=MtaState.HELD, saved=OLD.entry)
    awaited = replace(record, boots=(Boot("boot-0", NEW.release),))
    elsewhere = "with 6.1.0-57, once that is verified, sre.mail.pool-mx returns it to service"
    stay = replace(claimed_record(), stay=True)
    return [
        (FORWARD, State(None, view(), Pool.IN, Slot.FREE, guard=False, blocks=("disk", "pool")), Outcome.REFUSED,
         "in the way: disk, pool"),
        (FORWARD, State(None, view(), Pool.IN, Slot.OTHERS, guard=True), Outcome.REFUSED,
         "the slot of the service cannot be had"),
        (FORWARD, State(None, None, Pool.IN, Slot.FREE), Outcome.REFUSED,
         "the host does not answer"),
        (RESUME, State(None, view(), Pool.IN, Slot.FREE), Outcome.DONE,
         "no run has left anything on this host: nothing to do"),
        (ABORT, State(None, view(), Pool.NONE, Slot.OTHERS), Outcome.DONE,
         "no run has left anything on this host: nothing to do"),
        (RESUME, State(None, view(), Pool.IN, Slot.UNKNOWN), Outcome.UNKNOWN,
         "no run has left anything on this host, and it is in service; whether one has left the slot of the service"
         " taken cannot be read: once etcd answers, the same again"),
        (RESUME, State(None, view(), Pool.UNKNOWN, Slot.UNKNOWN), Outcome.UNKNOWN,
         f"no run has left anything on this host, and it serves, but {UNREAD}"),
        (ABORT, State(None, view(ports=Ports.CLOSED, mta=MtaState.HELD), Pool.OUT, Slot.FREE), Outcome.REFUSED,
         f"{NO_RUN} (mail ports closed, MTA held, pool out): {by_hand(view(ports=Ports.CLOSED))}"),
        (SERVE, State(None, view(), Pool.OUT, Slot.MINE), Outcome.REFUSED,
         f"{NO_RUN} (mail ports open, MTA serving, pool out): somebody has taken it out of the pool: ask who"),
        (RESUME, State(None, view(ports=Ports.PARTLY), Pool.UNKNOWN, Slot.UNKNOWN), Outcome.REFUSED,
         f"{NO_RUN} (mail ports partly, MTA serving, pool unknown): {by_hand(view(ports=Ports.PARTLY))}"),
        (RESUME, State(None, view(mta=MtaState.OTHER), Pool.IN, Slot.FREE), Outcome.REFUSED,
         f"{NO_RUN} (mail ports open, MTA neither serving nor held, pool in): its MTA does not serve, and nobody has"
         " closed its ports: sre.mail.verify-mx says what is wrong"),
        (Goal(OLD.release), State(None, view(), Pool.IN, Slot.FREE), Outcome.DONE,
         f"already there: {OLD.release} is running and the host is in service; nothing was done"),
        (Goal(OLD.release), State(None, view(), Pool.UNREAD, Slot.MINE), Outcome.UNKNOWN,
         f"already there: {OLD.release} is running and serves, but {UNREAD}; nothing was done"),
        (Goal(OLD.release), State(None, view(), Pool.UNKNOWN, Slot.UNKNOWN), Outcome.UNKNOWN,
         f"already there: {OLD.release} is running and serves, but {UNREAD}; nothing was done"),
        (FORWARD, taken(record, host, token=record.token + 1), Outcome.REFUSED,
         "the host is in the hands of run run (who since since)"),
        (FORWARD, taken(replace(record, token=7), host, slot=Slot.OTHERS), Outcome.INTERRUPTED,
         "the slot of the service is not this run's any more; this run stops where it is"),
        (RESUME, taken(record, host, slot=Slot.OTHERS, token=0), Outcome.REFUSED,
         "another session has the slot of the service"),
        (RESUME, taken(record, host, slot=Slot.UNKNOWN, token=99), Outcome.INTERRUPTED,
         "the slot of the service cannot be read, so nothing was begun"),
        (FORWARD, taken(awaited, None, waited=Waited.SILENT), Outcome.LEFT_OUT,
         "the host did not come back from the reboot"),
        (FORWARD, taken(awaited, host, waited=Waited.SAME_BOOT, reordered=True), Outcome.LEFT_OUT,
         "the host was ordered twice to reboot and did not"),
        (FORWARD, taken(record, host, lost=1), Outcome.MAIL_LOST,
         "the ledger misses 1 message of those the host had taken"),
        (FORWARD, taken(record.with_judgement("b1", held=UNSURE), host), Outcome.INCONCLUSIVE,
         "the verification failed, and nothing shows that its kernel is to blame"),
        (FORWARD, taken(replace(spent, ledger="b4"), other, uses=frozenset()), Outcome.LEFT_OUT,
         f"3 reboots did not lead to {OLD.release}; {elsewhere}"),
        (FORWARD, taken(spent, other, pool=Pool.UNKNOWN), Outcome.LEFT_OUT,
         "the slot or the pool state cannot be read, and without it no host is rebooted"),
        (FORWARD, taken(spent, other, slot=Slot.UNKNOWN), Outcome.LEFT_OUT,
         "the slot or the pool state cannot be read, and without it no host is rebooted"),
        (Goal(stay=True), taken(replace(stay, target=Kernel("", ""), baseline=True),
                                view(boot="boot-0", ports=Ports.CLOSED, saved=OLD.entry),
                                uses=frozenset()), Outcome.DONE,
         "out of service as asked; its queue is being delivered"),
    ]  # fmt: skip


@pytest.mark.parametrize(("goal", "state", "outcome", "why"), ends())
def test_each_end_says_what_is_so(goal, state, outcome, why):
    assert decide(goal, state) == End(outcome, why)


@pytest.mark.parametrize(
    ("prior", "pool", "step"),
    [
        ({"smtp": "yes"}, Pool.NONE, None),
        ({"smtp": "yes"}, Pool.UNREAD, None),
        ({}, Pool.NONE, Step.RELEASE),
        (None, Pool.UNREAD, Step.RELEASE),
    ],
)
def test_a_pool_that_is_to_be_restored_and_cannot_be_seen_keeps_the_record(prior, pool, step):
    """Without etcd no pool is seen; given up, the host would stay out of it, and nobody would know."""
    record = replace(claimed_record(), prior=replace(claimed_record().prior, pool=prior))
    state = taken(record, view(boot="boot-0", saved=OLD.entry), pool=pool, uses=frozenset())
    found = decide(replace(ABORT, adopt=False), state)
    if step is None:
        why = "the ports are open, but the pool state cannot be read, and so not be restored"
        assert found == End(Outcome.INTERRUPTED, f"{why} (mail ports open, MTA serving)")
    else:
        assert found == Do(step)


@pytest.mark.parametrize("pool", [Pool.UNKNOWN, Pool.IN])
def test_before_the_reboot_what_cannot_be_read_turns_the_run_back(pool):
    lost = {"pool": pool} if pool is Pool.UNKNOWN else {"slot": Slot.UNKNOWN}
    state = taken(claimed_record(), view(boot="boot-0", saved=OLD.entry), **lost)
    what = "the slot or the pool state" if pool is Pool.UNKNOWN else "the slot of the service"
    assert decide(FORWARD, state) == Do(Step.TURN_BACK, f"{what} cannot be read any more")
    turned = decide(FORWARD, replace(state, record=replace(state.record, undoing="so")))
    assert isinstance(turned, End) or turned.step is not Step.TURN_BACK


@pytest.mark.parametrize("pool", [Pool.IN, Pool.UNREAD])
@pytest.mark.parametrize("goal", [RESUME, ABORT, Goal(back=True), Goal(OLD.release)])
def test_a_slot_that_a_dead_run_has_left_behind_is_taken_over_to_be_given_up(goal, pool):
    left = State(None, view(), pool, Slot.LEFT)
    assert decide(goal, left) == Do(Step.SLOT, "left behind")
    left = replace(left, pool=Pool.IN)
    assert decide(goal, replace(left, slot=Slot.MINE)).outcome is Outcome.DONE


def test_only_a_kernel_that_runs_as_it_lies_on_the_disk_and_serves_is_there_already():
    there = State(None, view(), Pool.IN, Slot.FREE)
    wanted = Goal(OLD.release)
    assert decide(wanted, there).outcome is Outcome.DONE
    for other in (view(replaced=True), view(kernel=NEW.release), view(mta=MtaState.HELD)):
        assert decide(wanted, replace(there, host=other)) == Do(Step.GUARD)
    assert decide(Goal(OLD.release, level=Level.COLD), there) == Do(Step.GUARD)
    assert decide(Goal(), there) == Do(Step.GUARD)


def test_a_run_begins_with_the_guard_then_the_slot_then_the_claim():
    state = State(None, view(), Pool.IN, Slot.FREE)
    assert decide(FORWARD, state) == Do(Step.GUARD)
    passed = replace(state, guard=True)
    assert [decide(FORWARD, replace(passed, slot=slot)) for slot in (Slot.FREE, Slot.LEFT)] == [Do(Step.SLOT)] * 2
    assert decide(FORWARD, replace(passed, slot=Slot.MINE)) == Do(Step.CLAIM)


def test_the_way_out_of_service_hurts_nobody_in_its_order():
    record = claimed_record()
    state = taken(record, view(boot="boot-0", saved=OLD.entry), pool=Pool.IN)
    assert decide(FORWARD, state) == Do(Step.SILENCE)
    state = replace(state, record=replace(record, silences=("s",)))
    assert decide(FORWARD, state) == Do(Step.PUPPET_OFF)
    unread = replace(state, host=replace(state.host, puppet=Puppet.UNKNOWN))
    assert decide(FORWARD, unread).step is Step.POOL_OUT, "its commands are perhaps not there"
    none = replace(state, host=replace(state.host, puppet=Puppet.ABSENT))
    assert decide(FORWARD, none).step is Step.POOL_OUT
    state = replace(state, host=replace(state.host, puppet=Puppet.OFF))
    assert [decide(FORWARD, replace(state, pool=one)).step for one in (Pool.IN, Pool.PARTLY)] == [Step.POOL_OUT] * 2
    for ports in (Ports.OPEN, Ports.PARTLY):
        out = replace(state, pool=Pool.OUT, host=replace(state.host, ports=ports))
        assert decide(FORWARD, out) == Do(Step.CLOSE)
    closed = replace(out, host=replace(out.host, ports=Ports.CLOSED))
    assert decide(FORWARD, closed) == Do(Step.DRAIN)
    drained = replace(closed, record=replace(closed.record, drained="boot-0"))
    assert decide(FORWARD, drained) == Do(Step.HOLD)
    held = replace(drained, host=replace(closed.host, mta=MtaState.HELD))
    assert decide(FORWARD, held) == Do(Step.LEDGER)
    written = replace(held, record=replace(held.record, ledger="boot-0"))
    assert decide(FORWARD, written) == Do(Step.ENTRIES)
    told = replace(written, host=replace(written.host, next=NEW.entry))
    assert decide(FORWARD, told) == Do(Step.REBOOT, f"into {NEW.release}")
    cold = replace(told, record=replace(told.record, level=Level.COLD, prevention="none"))
    assert decide(COLD, cold) == Do(Step.REBOOT, f"into {NEW.release} by a cold start")


def test_a_verified_boot_returns_to_service_step_by_step():
    record, host = proven_out()
    record = record.with_judgement("b1", held=GOOD, serving=GOOD)
    state = taken(replace(record, silences=("s",)), replace(host, puppet=Puppet.OFF))
    seen = []
    for change in (
        {"host": {"mta": MtaState.SERVING}}, {"host": {"ports": Ports.OPEN}}, {"pool": Pool.IN},
        {"host": {"saved": NEW.entry}}, {"record": {"soak": GOOD}}, {"silences": ()}, {},
    ):  # fmt: skip
        seen.append(decide(FORWARD, state).step)
        if "host" in change:
            state = replace(state, host=replace(state.host, **change["host"]))
        elif "record" in change:
            state = replace(state, record=state.record.with_judgement("b1", **change["record"]))
        elif "silences" in change:
            state = replace(state, record=replace(state.record, silences=()))
        else:
            state = replace(state, **change)
    assert seen == [
        Step.START, Step.OPEN, Step.POOL_IN, Step.KEEP, Step.SOAK, Step.UNSILENCE, Step.RELEASE
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("puppet", "before", "uses", "due"),
    [
        (Puppet.OFF, False, {"puppet"}, True),
        (Puppet.OFF, None, {"puppet"}, True),
        (Puppet.OFF, True, {"puppet"}, False),
        (Puppet.ON, False, {"puppet"}, False),
        (Puppet.UNKNOWN, False, {"puppet"}, False),
        (Puppet.ABSENT, False, {"puppet"}, False),  # somebody has removed it meanwhile, and its commands with it
        (Puppet.ABSENT, None, {"puppet"}, False),
        (Puppet.OFF, False, set(), False),
    ],
)
def test_puppet_is_enabled_where_the_run_has_disabled_it_and_before_the_end_where_the_host_stays_out(
    puppet, before, uses, due
):
    record, host = proven_out()
    record = replace(record.with_judgement("b1", held=GOOD, serving=GOOD), silences=(), stay=True)
    record = replace(record, prior=replace(record.prior, puppet_off=before))
    host = replace(host, saved=NEW.entry, mta=MtaState.SERVING, puppet=puppet)
    state = replace(taken(record, host), uses=frozenset(uses))
    assert puppet_is_due(state, record, host) is due
    assert (decide(FORWARD, state) == Do(Step.PUPPET_ON)) is due


def verified(**changes):
    """A host out of service in a boot of the wanted kernel that was verified, its fallback armed."""
    record, host = proven_out()
    record = record.with_judgement("b1", held=GOOD, serving=GOOD)
    return taken(record, replace(host, **{"saved": OLD.entry, "next": "", **changes}))


@pytest.mark.parametrize("entries", [("menu>6.1.0-57", ""), (OLD.entry, NEW.entry), ("", ""), (NEW.entry, NEW.entry)])
def test_a_kernel_is_kept_before_clients_return_where_another_than_the_fallback_would_boot(entries):
    saved, next_ = entries
    assert decide(FORWARD, verified(saved=saved, next=next_)) == Do(Step.KEEP)
    assert decide(FORWARD, verified(mta=MtaState.SERVING)) == Do(Step.OPEN)


def test_a_kernel_that_was_verified_is_kept_also_where_clients_do_not_return_or_no_pool_is_read():
    stays = verified(mta=MtaState.SERVING)
    stays = replace(stays, record=replace(stays.record, stay=True, silences=()))
    assert decide(FORWARD, stays) == Do(Step.KEEP)
    serves = verified(mta=MtaState.SERVING, ports=Ports.OPEN)
    for pool in (Pool.UNKNOWN, Pool.NONE, Pool.IN):
        assert decide(FORWARD, replace(serves, pool=pool)) == Do(Step.KEEP)
    assert decide(FORWARD, replace(serves, pool=Pool.OUT)) == Do(Step.POOL_IN)


@pytest.mark.parametrize(
    ("entries", "target", "step"),
    [
        ((OLD.entry, NEW.entry), NEW, Step.ENTRIES_BACK),
        ((NEW.entry, ""), NEW, Step.ENTRIES_BACK),
        ((OLD.entry, ""), NEW, Step.OPEN),
        ((NEW.entry, ""), replace(NEW, release="", entry=""), Step.OPEN),
    ],
)
def test_an_undone_run_puts_the_boot_entries_back_that_it_may_have_changed(entries, target, step):
    record = replace(claimed_record(), target=target)
    host = view(boot="boot-0", ports=Ports.CLOSED, saved=entries[0], next=entries[1])
    assert decide(replace(ABORT, adopt=False), taken(record, host)).step is step


def test_a_kernel_that_nobody_asked_for_serves_with_the_boot_entries_as_they_were():
    boots = (Boot("boot-0", NEW.release, "b1", "6.1.0-57"),)
    record = replace(claimed_record(), boots=boots).with_judgement("b1", held=GOOD, serving=GOOD)
    host = view(boot="b1", kernel="6.1.0-57", ports=Ports.CLOSED, saved=OLD.entry, next=NEW.entry)
    spent = replace(record, boots=(Boot("x", "w", "y", "k"), Boot("y", "w", "boot-0", "k"), *boots))
    serve = Goal(adopt=True, serve=True)
    assert decide(serve, taken(spent, host)) == Do(Step.ENTRIES_BACK)
    assert decide(serve, taken(spent, replace(host, next=""))) == Do(Step.OPEN)


@pytest.mark.parametrize(
    ("waited", "cures", "decision"),
    [
        (Waited.NO, {"mend"}, Do(Step.AWAIT, "it does not answer")),
        (Waited.OFF, {"power on"}, Do(Step.POWER_ON, "the machine is off")),
        (Waited.OFF, set(), End(Outcome.LEFT_OUT, "the machine is off, and starting it was tried")),
        (Waited.SILENT, {"mend"}, Do(Step.MEND)),
        (Waited.SILENT, set(), End(Outcome.LEFT_OUT, "the host does not answer")),
    ],
)
def test_a_claimed_host_that_falls_silent_without_an_order_is_waited_for_then_looked_at(waited, cures, decision):
    state = taken(waited=waited, cures=frozenset(cures))
    assert decide(FORWARD, state) == decision


def test_the_reason_of_a_step_that_nobody_asked_for_is_said():
    record, host = proven_out()
    assert decide(FORWARD, taken(record, replace(host, boot="b2"))) == Do(
        Step.FOUND_BOOT, "it has booted without this run"
    )
    newer = Do(Step.SLOT, "the host has seen a newer token than etcd gave")
    assert decide(FORWARD, taken(record, host, outdated=True)) == newer
    old = "it was proven too long ago to serve without being verified again"
    proven = record.with_judgement("b1", held=GOOD, serving=GOOD)
    assert decide(FORWARD, taken(proven, host, stale=True)) == Do(Step.DOUBT, old)
    assert decide(FORWARD, taken(proven, host, changed="x has changed")) == Do(Step.DOUBT, "x has changed")
    half = record.with_judgement("b1", held=GOOD)
    assert decide(FORWARD, taken(half, host, changed="x has changed")) == Do(Step.DOUBT, "x has changed")
    blamed = taken(record.with_judgement("b1", held=BAD), replace(host, kernel=OLD.release, boot="b1"))
    assert decide(FORWARD, blamed) == End(Outcome.LEFT_OUT, f"the verification failed with {OLD.release}")


def test_what_a_run_said_before_its_record_went_is_its_end():
    gone = State(None, view(), Pool.IN, Slot.MINE, released=Outcome.FELL_BACK)
    assert decide(FORWARD, gone) == End(Outcome.FELL_BACK, "")
