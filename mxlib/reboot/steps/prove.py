"""Proving that a boot is well, from the way out to the way in, and judging who is to blame when it is not."""

from datetime import datetime

from mxlib.base.clock import wait_for
from mxlib.base.errors import MxlibError, SilenceError, StepError
from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.checks import alerts
from mxlib.drain import loop as drain
from mxlib.facts.depool import HOLD
from mxlib.model.alert import relevant
from mxlib.model.record import Judgement, Record
from mxlib.model.state import Mta, State
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.standing import read_standing
from mxlib.protocols.host import Host
from mxlib.protocols.world import Done
from mxlib.reboot.context import Context, record_of
from mxlib.reboot.steps import ledger, queue
from mxlib.reboot.steps.ports import let_prober_in, shut_prober_out

_START_S = 60.0
_LET_IN_S = 120


def outbound(context: Context, state: State) -> Done:
    """Mail goes out through this boot, with the MTA held."""
    record = record_of(state)
    drain.forget_stale(context)
    verdicts = (*context.verifier.condition(context.target), *context.verifier.outbound(context.target))
    return _judged(context, record, "held", verdicts)


def inbound(context: Context, state: State) -> Done:
    """Every message of the ledger is there, and the MTA answers a sender from outside as it must."""
    record = record_of(state)
    accounted = ledger.check(context, record)
    if context.lost:
        return accounted
    done = _judged(context, record, "serving", from_outside(context))
    return Done(f"{done.note}; {accounted.note}", {**done.evidence, **accounted.evidence})


def from_outside(context: Context) -> tuple[Verdict, ...]:
    """Ask from outside; once more where the way in was shut meanwhile, as whoever loads the firewall anew does.

    Arguments:
        context: the world.
    """
    let_prober_in(context, _LET_IN_S)
    try:
        verdicts = context.verifier.inbound(context.target)
        if all(one.passed for one in verdicts) or read_standing(context.target).depool.prober_ports:
            return verdicts
        context.tell.line("the way in was shut meanwhile, as by a reload of the firewall: asking once more")
        let_prober_in(context, _LET_IN_S)
        return context.verifier.inbound(context.target)
    finally:
        shut_prober_out(context)


def _judged(context: Context, record: Record, stage: str, verdicts: tuple[Verdict, ...]) -> Done:
    context.verdicts.extend(verdicts)
    judgement, why = judge(context, record, verdicts)
    context.remember(record.with_judgement(record.boot, **{stage: judgement}))
    return Done(why, {"verdicts": [f"{one.status.value} {one.check}: {one.why}" for one in verdicts]})


def judge(context: Context, record: Record, verdicts: tuple[Verdict, ...]) -> tuple[Judgement, str]:
    """Whether a boot passed, is to blame, or cannot be judged.

    It is blamed only if test mails failed that passed on this host before the reboot and pass on a peer now: a provider
    that is down for everybody is no reason for another reboot.

    Arguments:
        context: the world.
        record: the memory.
        verdicts: what was found.
    """
    accepted = context.options.accept | set(record.accepted)
    bad = [one for one in verdicts if not one.passed and one.check not in accepted]
    if not bad:
        return Judgement.PASSED, f"{plural(len(verdicts), 'check')} passed"
    said = "; ".join(f"{one.check} {one.status.value}: {one.why}" for one in bad)
    failed_mail = {one.check for one in bad if one.status is Status.FAILED and one.check.startswith("outbound")}
    if not failed_mail or not record.baseline:
        return Judgement.INCONCLUSIVE, said
    if control := _control(context, failed_mail):
        return Judgement.BLAMED, f"{said} (the same passed before the reboot, and passes on {control} now)"
    return (
        Judgement.INCONCLUSIVE,
        f"{said} (no other MX can send the same now: this kernel is not shown to be at fault)",
    )


def _control(context: Context, checks: set[str]) -> str:
    """The peer that passes what failed here; empty if there is none."""
    return next((peer.name for peer in context.peers if _passes(context, peer, checks)), "")


def _passes(context: Context, peer: Host, checks: set[str]) -> bool:
    try:
        verdicts = context.verifier.outbound(peer)
    except MxlibError as error:
        context.tell.line(f"{peer.name} cannot serve as control: {one_line(str(error))}")
        return False
    return checks <= {one.check for one in verdicts if one.passed}


def start(context: Context, _state: State) -> Done:
    """Let the MTA run, and wait until it listens."""
    context.act(f"rm -f {HOLD}\nsystemctl start {exim.UNIT}", timeout=90)
    if not wait_for(lambda: _serves(context), deadline_s=_START_S, every_s=1.0, clock=context.clock):
        raise StepError(f"{exim.UNIT} was started and does not listen")
    return Done(f"{exim.UNIT} runs and listens")


def _serves(context: Context) -> bool:
    return read_standing(context.target).view.mta is Mta.SERVING


def soak(context: Context, state: State) -> Done:
    """Watch the host under its clients' traffic for a while."""
    record = record_of(state)
    begin = context.clock.now()
    first = queue.sample(context)
    end = first.at + context.options.soak_s
    last = first
    while last.at < end:
        context.clock.sleep(min(5.0, end - last.at))
        last = queue.sample(context)
        context.tell.live(f"soak: {plural(last.count, 'message')} in the queue, {max(0.0, end - last.at):.0f} s to go")
    turned = (_queue_verdict(first, last), *_new_alerts(context, record, begin))
    return _judged(context, record, "soak", (*context.verifier.condition(context.target), *turned))


def _new_alerts(context: Context, record: Record, begin: datetime) -> tuple[Verdict, ...]:
    """What has begun to fire in service, also behind the run's own silences.

    An Alertmanager that cannot be asked is told, and takes no host out again that everything else has just proven.
    """
    try:
        known = context.alerts.firing()
    except SilenceError as error:
        context.tell.line(f"soak: what fires is not known: {error}")
        return ()
    if known is None:
        return ()
    section = context.site.alerts
    mine = relevant(known, [context.target.name], section.service, section.ignored)
    return (alerts.judge_since(mine, begin, record.silences, context.clock.now()),)


def _queue_verdict(first: queue.QueueSample, last: queue.QueueSample) -> Verdict:
    grown = last.count - first.count
    # a queue that doubles within the soak does not drain; below fifty it is the traffic of the moment
    bad = grown > max(50, first.count)
    why = f"{first.count} messages at the beginning, {last.count} at the end"
    return Verdict("queue-trend", Status.FAILED if bad else Status.OK, why)
