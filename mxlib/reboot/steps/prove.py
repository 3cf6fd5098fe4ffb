"""Proving that a boot is well, outbound first, then inbound, and judging who is to blame when it is not."""

import dataclasses
from contextlib import suppress
from datetime import datetime
from typing import Any

from mxlib.base.clock import wait_for
from mxlib.base.errors import CommandFailedError, HostError, MxlibError, ParseError, SilenceError, StepError
from mxlib.base.text import duration, one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.checks import alerts, disk
from mxlib.drain import loop as drain
from mxlib.facts.depool import HOLD
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.model.alert import relevant
from mxlib.model.record import Judgement, Record
from mxlib.model.state import MtaState, Ports, State, Step
from mxlib.mta import configuration, standing
from mxlib.mta.standing import read_standing
from mxlib.probes import judge as judge_mail
from mxlib.protocols.host import Host
from mxlib.protocols.operator import Share
from mxlib.protocols.world import Done
from mxlib.reboot import readiness
from mxlib.reboot.looking import LookingHost
from mxlib.reboot.steps import ledger, proof, queue
from mxlib.reboot.steps.ports import FORGET_SCRIPT, let_in_script, let_prober_in, shut_prober_out
from mxlib.reboot.steps.step import Action, Rehearse, host_of, on_host, shows
from mxlib.reboot.world import RebootWorld, record_of

_START_S = 60.0
_RESTART_S = 10.0
"""Seconds that an MTA is given which is being restarted when the soak ends."""
_LET_IN_S = 120
_SAME_S = 5.0
"""Seconds for which what the repair has read, finding nothing to repair, is what the verification judges."""
_SAMPLES = 3
_EVERY_S = 5.0
"""The queue is counted at the beginning of the soak and so many times more, but not more often than this."""


def outbound(world: RebootWorld, state: State) -> Done:
    """Mail goes out through this boot, with the MTA held."""
    record = record_of(state)
    facts, digests, condition = _condition(world, record)
    drain.forget_stale(world, facts, mine=record)
    # what takes longer than a look is good for is answered with one
    found = (*condition, *world.adapters.verifier.outbound(LookingHost(world)))
    world.progress.changed = None  # what was found before is what it has just been verified with
    noted = dataclasses.replace(record, configured={**record.configured, record.boot: digests})
    judged, done = _judgement(world, noted, "held", found)
    if judged.judgements(record.boot).held is Judgement.PASSED:
        # lost with this process, it is proven once more; the start of the MTA, which rests on it, writes it first
        world.note(judged)
    else:
        world.remember(judged)
    return done


def condition_sources(world: RebootWorld) -> tuple[Source[Any], ...]:
    """Return what the verification of a boot goes by, besides the test mails."""
    hints = (world.mta.hints,) if world.mta.can.hints else ()
    return (*world.adapters.verifier.sources(), configuration.source(world.mta), *hints)


def _condition(world: RebootWorld, record: Record) -> tuple[Facts | None, str, tuple[Verdict, ...]]:
    """The host itself, and what it is proven with: read before it is, so that what changes meanwhile is found later.

    What is unknown is read once more: a busy host that did not answer in time, or this process while it was stopped,
    leaves a host out of service otherwise until somebody comes.
    """
    known, world.progress.condition = world.progress.condition, None
    accepted = world.accepted | set(record.accepted)
    try:
        if known is None or world.clock.monotonic() - known[1] > _SAME_S:
            known = None
        facts = known[0] if known else read_facts(world.target, condition_sources(world))
        digests, verdicts = _condition_of(world, facts, accepted)
        if any(one.status is Status.UNKNOWN and one.check not in accepted for one in verdicts):
            facts = read_facts(world.target, condition_sources(world))
            digests, verdicts = _condition_of(world, facts, accepted)
    except (HostError, ParseError) as error:
        return None, "", (Verdict("host", Status.UNKNOWN, one_line(str(error))),)
    return facts, digests, verdicts


def _condition_of(world: RebootWorld, facts: Facts, accepted: frozenset[str]) -> tuple[str, tuple[Verdict, ...]]:
    digests, verdicts = proof.digests_of(facts, world.mta, accepted)
    return digests, (*world.adapters.verifier.judged(facts), *verdicts)


def inbound(world: RebootWorld, state: State) -> Done:
    """Every message of the ledger is there, and the MTA answers a sender from outside as it must."""
    record = record_of(state)
    # the way in is opened in the same round trip, and shut with what is written of it
    judged: Record | None = None
    opens = not world.progress.goal.stays_out(record)
    try:
        accounted = ledger.check(world, record, let_in_script(world, _LET_IN_S), look=opens)
        if world.progress.lost:
            judged, done = record, accounted
        elif accounted.evidence["holes"] and accounted.evidence["missing"] and not accounted.evidence.get("accepted"):
            judged, done = record.with_judgement(record.boot, serving=Judgement.INCONCLUSIVE), accounted
        else:
            judged, found = _judgement(world, record, "serving", from_outside(world))
            done = Done(f"{found.note}; {accounted.note}", {**found.evidence, **accounted.evidence})
    finally:
        if judged is None:
            with suppress(MxlibError):  # what went wrong first is said; the kernel closes them all the same
                shut_prober_out(world)
    if opens and judged.trusted(record.boot):
        # the ports are opened next, to all; if this process is lost, the kernel shuts them and it is proven once more
        world.note(judged)
    else:
        shut_prober_out(world, judged)
    return done


def from_outside(world: RebootWorld) -> tuple[Verdict, ...]:
    """Ask from outside; once more where the way in was shut meanwhile, as whoever reloads the firewall does."""
    verdicts = world.adapters.verifier.inbound(world.target)
    if all(one.passed for one in verdicts) or read_standing(world.target, world.mta).depool.prober_ports:
        return verdicts
    world.operator.line("the way in was shut meanwhile, as by a reload of the firewall: asking once more")
    let_prober_in(world, _LET_IN_S)
    return world.adapters.verifier.inbound(world.target)


def _judgement(
    world: RebootWorld, record: Record, stage: str, verdicts: tuple[Verdict, ...]
) -> tuple[Record, Done]:
    """Judge, and return the record with the judgement; nothing is written."""
    judgement, why = judge(world, record, verdicts)
    judged = record.with_judgement(record.boot, **{stage: judgement})
    if judged.trusted(record.boot):
        proven = {**judged.proven, record.boot: world.clock.now().isoformat(timespec="seconds")}
        judged = dataclasses.replace(judged, proven=proven)
    return judged, Done(why, {"verdicts": [one.values for one in verdicts]})


def judge(world: RebootWorld, record: Record, verdicts: tuple[Verdict, ...]) -> tuple[Judgement, str]:
    """Whether a boot passed, is to blame, or cannot be judged.

    It is blamed only if test mails failed that passed on this host before the reboot and pass on a peer now: a provider
    that is down for everybody is no reason for another reboot. Nor is a full disk, which takes no mail in any kernel.

    Arguments:
        record: the memory.
        verdicts: what was found.
    """
    accepted = world.accepted | set(record.accepted)
    bad = [one for one in verdicts if not one.passed and one.check not in accepted]
    if not bad:
        return Judgement.PASSED, f"{plural(len(verdicts), 'check')} passed"
    said = "; ".join(f"{one.check} {one.status.value}: {one.why}" for one in bad)
    failed = [one for one in bad if one.status is Status.FAILED]
    failed_mail = {one.check for one in failed if one.check.startswith("outbound") and judge_mail.was_tried(one)}
    full = any(one.check == disk.CHECK.name for one in failed)
    if full or not failed_mail or not record.baseline:
        return Judgement.INCONCLUSIVE, said
    if control := _control(world, failed_mail):
        return Judgement.BLAMED, f"{said} (the same passed before the reboot, and passes on {control} now)"
    return (
        Judgement.INCONCLUSIVE,
        f"{said} (no other MX can send the same now: this kernel is not shown to be at fault)",
    )


def _control(world: RebootWorld, checks: set[str]) -> str:
    """The peer that passes what failed here; empty if there is none."""
    return next((peer.name for peer in world.peers if _passes(world, peer, checks)), "")


def _passes(world: RebootWorld, peer: Host, checks: set[str]) -> bool:
    try:
        verdicts = world.adapters.verifier.outbound(peer)
    except MxlibError as error:
        world.operator.line(f"{peer.name} cannot serve as control: {one_line(str(error))}")
        return False
    return checks <= {one.check for one in verdicts if one.passed}


def start(world: RebootWorld, state: State) -> Done:
    """Let the MTA run, where nothing has changed since it was proven, and wait until it listens."""
    mta, record = world.mta, record_of(state)
    # who stays out is not given to clients: it only delivers what it has
    stays = world.progress.goal.stays_out(record) and record.trusted(record.boot)
    check = "" if stays else proof.unchanged(world, record)
    script = f"# let the MTA start\n{check}rm -f {HOLD}\n{standing.stop_if_deaf_script(mta)}{mta.start_script}"
    said = world.act(script, timeout=90).output
    if changed := proof.changed_instead(world, record, said):
        return Done(f"not started: {changed}")
    look = world.progress.look
    at_once = look is not None and standing.runs(look[0])
    if not at_once and not wait_for(lambda: _listens(world), deadline_s=_START_S, every_s=1.0, clock=world.clock):
        raise StepError(f"{mta.units[0]} was started and does not listen")
    if not mta.can.stop_spares:
        world.act(f"# let the queue go\n{mta.let_go_script}", timeout=90, look=False)
    died = "; it did not, although the mail ports were open" if host_of(state).ports is Ports.OPEN else ""
    return Done(f"{mta.units[0]} runs and listens{died}")


def _listens(world: RebootWorld) -> bool:
    found = read_standing(world.target, world.mta)
    world.looked(found)
    return standing.runs(found)


def soak(world: RebootWorld, state: State) -> Done:
    """Watch the host under its clients' traffic for a while."""
    record = record_of(state)
    begin = world.clock.now()
    first = queue.sample(world)
    end = first.at + world.options.soak_s
    _forget_the_closing(world)
    last = first
    every_s = max(_EVERY_S, world.options.soak_s / _SAMPLES)
    while last.at < end:
        world.clock.sleep(min(every_s, max(0.0, end - world.clock.monotonic())))
        if end - world.clock.monotonic() <= 0:
            break
        last = queue.sample(world)
        left = max(0.0, end - last.at)
        so_far = Share(world.options.soak_s - left, world.options.soak_s)
        world.operator.live(f"soak: {plural(last.count, 'message')} in the queue, {duration(left)} to go", so_far)
    # the last count comes with the host's condition, and with where it stands for the next decision
    verifier = world.adapters.verifier
    last, facts = queue.sample_with(world, (*verifier.sources(), standing.source(world.mta)))
    turned = (_mta_verdict(world, facts), _queue_verdict(first, last), *_new_alerts(world, record, begin))
    judged, done = _judgement(world, record, "soak", (*verifier.judged(facts), *turned))
    # lost with this process, it is watched once more
    world.note(judged)
    return done


def _forget_the_closing(world: RebootWorld) -> None:
    """Have systemd read its units again, in time that passes anyway."""
    try:
        world.act(FORGET_SCRIPT, timeout=60, look=False)
    except CommandFailedError as error:
        world.operator.line(f"soak: systemd still remembers what kept the ports closed: {error}")


def _new_alerts(world: RebootWorld, record: Record, begin: datetime) -> tuple[Verdict, ...]:
    """What has begun to fire in service, also behind the run's own silences.

    An Alertmanager that cannot be asked is reported. It takes no host out again that everything else has just proven.
    """
    try:
        known = world.adapters.alerts.firing()
    except SilenceError as error:
        world.operator.line(f"soak: what fires is not known: {error}")
        return ()
    if known is None:
        return ()
    section = world.site.alerts
    mine = relevant(known, [world.target.name], section.service, section.ignored)
    return (alerts.judge_since(mine, begin, record.silences, world.clock.now()),)


def _mta_verdict(world: RebootWorld, facts: Facts) -> Verdict:
    """Whether the MTA serves at the end: the host's condition leaves the MTA out, as it may be held elsewhere."""
    world.keep_look(facts)
    if (look := world.progress.look) is None or not standing.runs(look[0]):
        with suppress(ParseError):
            wait_for(lambda: _listens(world), deadline_s=_RESTART_S, every_s=_RESTART_S, clock=world.clock)
    look = world.progress.look
    return readiness.runs(look and look[0], world.mta.units[0])


def _queue_verdict(first: queue.QueueSample, last: queue.QueueSample) -> Verdict:
    grown = last.count - first.count
    # a queue that doubles within the soak does not drain; below fifty it is the traffic of the moment
    bad = grown > max(50, first.count)
    why = f"{first.count} messages at the beginning, {last.count} at the end"
    return Verdict("queue-trend", Status.FAILED if bad else Status.OK, why)


def _passes_stage(stage: str) -> Rehearse:
    def passed(_world: RebootWorld, state: State) -> State:
        record = record_of(state).with_judgement(host_of(state).boot, **{stage: Judgement.PASSED})
        return dataclasses.replace(state, record=record)

    return passed


def _test_mails(world: RebootWorld, _state: State) -> list[str]:
    probes = world.site.probes.outbound
    return [f"test mails with the MTA held: {one.name}: {one.times} x {one.sizes} bytes to {one.to}" for one in probes]


def _how_started(world: RebootWorld, _state: State) -> list[str]:
    mta = world.mta
    return [f"rm {HOLD}; {mta.start_script}", *([] if mta.can.stop_spares else ["let the parked queue go"])]


ACTIONS = (
    Action(Step.PROVE_OUT, outbound, _passes_stage("held"), _test_mails),
    Action(
        Step.START,
        start,
        on_host(mta=MtaState.SERVING),
        _how_started,
        undo=Step.HOLD,
    ),
    Action(
        Step.PROVE_IN,
        inbound,
        _passes_stage("serving"),
        shows(f"find every id of {ledger.LEDGER} again", "SMTP session from the prober's source ports"),
    ),
    Action(
        Step.SOAK,
        soak,
        _passes_stage("soak"),
        lambda world, _state: [*FORGET_SCRIPT.splitlines()[1:], f"watch the queue for {world.options.soak_s:g} s"],
    ),
)
