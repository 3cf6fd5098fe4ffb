"""What each step does to the state if all goes well: for the dry run, and for the tests of the planner. Pure."""

import dataclasses
from dataclasses import replace

from mxlib.model.goal import boot_level, entries_for, kernel_wanted, outcome_of
from mxlib.model.outcome import Outcome
from mxlib.model.record import Boot, Judgement, Record
from mxlib.model.state import Goal, Mta, Pool, Ports, State, Step, View, Waited


def after(step: Step, goal: Goal, state: State, claimed: Record | None = None) -> State:
    """The state after a step that went well.

    Arguments:
        step: what was done.
        goal: what is wanted.
        state: the state before.
        claimed: the record that a claim writes.
    """
    if step is Step.CLAIM:
        return replace(state, record=claimed)
    if step in (Step.GUARD, Step.SLOT, Step.RELEASE):
        return _around(step, goal, state)
    record, host = state.record, state.host
    assert record is not None
    if step in _RECORD:
        return replace(state, record=_on_record(step, state, record))
    assert host is not None
    if step in (Step.POOL_OUT, Step.POOL_IN):
        return replace(state, pool=Pool.OUT if step is Step.POOL_OUT else Pool.IN)
    if step is Step.REBOOT:
        return _rebooted(goal, state, record, host)
    if step is Step.AWAIT:
        return replace(state, waited=Waited.NO)
    return replace(state, host=_on_host(step, goal, record, host))


def _around(step: Step, goal: Goal, state: State) -> State:
    if step is Step.GUARD:
        return replace(state, guard=True)
    if step is Step.SLOT:
        return replace(state, slot=type(state.slot).MINE, token=state.token + 1)
    assert state.record is not None
    assert state.host is not None
    released: Outcome = outcome_of(goal, state.record, state.host.boot)
    return replace(state, record=None, released=released)


_RECORD = frozenset(
    {
        Step.ADOPT,
        Step.SILENCE,
        Step.UNSILENCE,
        Step.DRAIN,
        Step.LEDGER,
        Step.TURN_BACK,
        Step.REPAIR,
        Step.PREVENT,
        Step.SETTLE,
    }
    | {Step.PROVE_OUT, Step.PROVE_IN, Step.SOAK, Step.FOUND_BOOT}
)


def _on_record(step: Step, state: State, record: Record) -> Record:
    host = state.host
    boot = host.boot if host is not None else ""
    stages = {Step.PROVE_OUT: "held", Step.PROVE_IN: "serving", Step.SOAK: "soak"}
    if step in stages:
        return record.with_judgement(boot, **{stages[step]: Judgement.PASSED})
    if step is Step.FOUND_BOOT:
        assert host is not None
        return replace(record, boots=(*record.boots, Boot(record.boot, "", host.boot, host.kernel)))
    changes: dict[Step, dict[str, object]] = {
        Step.ADOPT: {"token": state.token, "judged": record.to_judge_again().judged},
        Step.SILENCE: {"silences": (*record.silences, "silence")},
        Step.UNSILENCE: {"silences": ()},
        Step.DRAIN: {"drained": boot},
        Step.REPAIR: {"repaired": boot},
        Step.LEDGER: {"ledger": boot},
        Step.PREVENT: {"unsettled": True, "prepared": boot},
        Step.SETTLE: {"unsettled": False, "prepared": "", "pinned": ()},
        Step.TURN_BACK: {"undoing": "turned back"},
    }
    return dataclasses.replace(record, **changes[step])  # type: ignore[arg-type]


def _rebooted(goal: Goal, state: State, record: Record, host: View) -> State:
    wanted = kernel_wanted(goal, record)
    level = boot_level(goal, record)
    boot = Boot(host.boot, wanted.release, f"boot-{len(record.boots) + 1}", wanted.release, level)
    came = replace(host, boot=boot.after, kernel=boot.kernel, next="")
    return replace(state, host=came, record=replace(record, boots=(*record.boots, boot)))


def _on_host(step: Step, goal: Goal, record: Record, host: View) -> View:
    saved, next_ = entries_for(record, kernel_wanted(goal, record))
    kept = {one.release: one.entry for one in (record.fallback, record.target)}
    changes: dict[Step, dict[str, object]] = {
        Step.PUPPET_OFF: {"puppet_off": True},
        Step.PUPPET_ON: {"puppet_off": False},
        Step.CLOSE: {"ports": Ports.CLOSED},
        Step.OPEN: {"ports": Ports.OPEN},
        Step.HOLD: {"mta": Mta.HELD},
        Step.START: {"mta": Mta.SERVING},
        Step.ENTRIES: {"saved": saved, "next": next_},
        Step.ENTRIES_BACK: {"saved": record.prior.saved_entry, "next": ""},
        Step.KEEP: {"saved": kept.get(host.kernel, ""), "next": ""},
    }
    return dataclasses.replace(host, **changes[step])  # type: ignore[arg-type]
