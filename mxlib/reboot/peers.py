"""The other MXs: enough of them have to be in service, and verified just now, while one is out."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from mxlib.base.errors import HostError, ParseError, PoolError, StepError
from mxlib.base.parallel import UnderWay, at_once
from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.facts.source import read_facts
from mxlib.model.state import NOT_POOLED, MtaState, Ports, State, Step
from mxlib.mta import standing
from mxlib.protocols.host import Host
from mxlib.reboot.ends import may_be_reached
from mxlib.reboot.readiness import POOL_UNREAD
from mxlib.reboot.world import RebootWorld

_AGAIN_S = 3.0
_JUST_NOW_S = 10.0
"""Seconds from the question for which its answer serves a reboot order; a slow machine takes five to answer.

One that was asked within them and has not answered yet is waited for: asked once more, it would have to answer two.
"""
_OUT_S = 60.0
"""Seconds from the question for which its answer serves to take a host out; guard and claim mostly take less."""
_LONGEST_S = 120.0
"""Seconds from the question for which its answer is waited for: who takes longer is no help while one is out.

A busy machine has taken one, and whole readings by each section's own limit would take more than five minutes.
"""


def others(world: RebootWorld) -> tuple[Verdict, ...]:
    """Return one verdict for each other MX: whether it is in service and well."""
    asked = world.clock.monotonic()
    found = at_once(lambda peer: _judge(world, peer), world.peers)
    _lacking(world, found, asked)
    return found


def _lacking(world: RebootWorld, found: Iterable[Verdict], asked: float) -> list[str]:
    verdicts = tuple(found)
    passed = sum(verdict.passed for verdict in verdicts)
    enough = passed >= world.site.min_in_service
    world.progress.heard = asked if enough else None
    if enough:
        return []
    why = "; ".join(verdict.why for verdict in verdicts if not verdict.passed)
    return [f"only {plural(passed, 'other MX')} in service and well, {world.site.min_in_service} needed ({why})"]


def begin_to_ask(world: RebootWorld) -> None:
    """Begin to ask whether there are enough others, beside what the run does next, for :func:`lacking_just_now`."""
    world.progress.others = _asked(world)


def ask_before_out(world: RebootWorld, state: State, step: Step) -> None:
    """Ask the others again before a host that serves is taken out, where they were asked too long ago.

    Clients are kept from a host that does not serve them, or must not, whoever else is there.

    Arguments:
        step: what takes it out.

    Raises:
        mxlib.base.errors.StepError: there are not enough others.
    """
    record, host = state.record, state.host
    serving = host is not None and host.ports is Ports.OPEN and record is not None and may_be_reached(record, host)
    if serving and (lacks := lacking_before_out(world, step)):
        raise StepError(f"not taken out: {'; '.join(lacks)}")


def lacking_before_out(world: RebootWorld, step: Step) -> list[str]:
    """Return why there are not enough others to take a host out; they are asked now if that is too long ago."""
    heard = world.progress.heard
    if heard is not None and world.clock.monotonic() - heard <= _OUT_S:
        return []
    return lacking_just_now(world, step)


def lacking_just_now(world: RebootWorld, step: Step = Step.REBOOT) -> list[str]:
    """Return why there are not enough others, by :func:`begin_to_ask`; they are asked now if that is too long ago.

    Each has a limit to answer, and it is shown for whom the run waits. Who has accepted that there are too few is
    not asked again.
    """
    if "others" in _accepted(world):
        return []
    known, world.progress.others = world.progress.others, None
    if known is None or world.clock.monotonic() - known[1] > _JUST_NOW_S:
        known = _asked(world)
    return _lacking(world, _answers(world, step, *known), known[1])


def _accepted(world: RebootWorld) -> frozenset[str]:
    """The names of all findings that are accepted: what was when the run began holds for whoever resumes it."""
    record = world.progress.record
    return world.accepted | set(record.accepted if record is not None else ())


def _asked(world: RebootWorld) -> tuple[Mapping[str, UnderWay[Verdict]], float]:
    """Begin to ask each; return the questions, and when that was."""
    now = world.clock.monotonic()
    return {peer.name: UnderWay(partial(_judge, world, peer)) for peer in world.peers}, now


def _answers(
    world: RebootWorld, step: Step, questions: Mapping[str, UnderWay[Verdict]], asked: float
) -> Iterator[Verdict]:
    for name, question in questions.items():
        limit = f"{_LONGEST_S:.0f} s"
        world.operator.busy(f"{step.value}: {name} is asked whether it serves, for {limit} at most")
        try:
            yield question.answer(asked + _LONGEST_S - world.clock.monotonic())
        except TimeoutError:
            yield Verdict(_name(name), Status.UNKNOWN, f"{name}: no answer within {limit}")


def _judge(world: RebootWorld, peer: Host) -> Verdict:
    """Judge one MX, and ask it once more where it does not answer: one slow login kept a whole site from beginning."""
    try:
        return _look(world, peer)
    except (HostError, ParseError, PoolError):
        world.clock.sleep(_AGAIN_S)
    try:
        return _look(world, peer)
    except (HostError, ParseError, PoolError) as error:
        return Verdict(_name(peer.name), Status.UNKNOWN, f"{peer.name}: {one_line(str(error))}")


def _name(peer: str) -> str:
    return f"peer-{peer}"


def _look(world: RebootWorld, peer: Host) -> Verdict:
    # one round trip for both: where it stands, and how it is
    facts = read_facts(peer, (standing.source(world.mta), *world.adapters.verifier.sources()))
    view = world.view(facts.get(standing.source(world.mta)))
    if view.ports is not Ports.OPEN or view.mta is not MtaState.SERVING:
        return Verdict(_name(peer.name), Status.FAILED, f"{peer.name}: ports {view.ports.value}, MTA {view.mta.said}")
    if out := _out_of_pool(world, peer.name):
        return Verdict(_name(peer.name), Status.FAILED, f"{peer.name}: out of the pool ({out})")
    accepted = _accepted(world)
    bad = [one for one in world.adapters.verifier.judged(facts) if not one.passed and one.check not in accepted]
    if bad:
        worst = min(bad, key=lambda one: one.status.severity)
        return Verdict(_name(peer.name), worst.status, f"{peer.name}: {worst.check}: {worst.why}", worst.evidence)
    return Verdict(_name(peer.name), Status.OK, f"{peer.name}: in service")


def _out_of_pool(world: RebootWorld, peer: str) -> str:
    """Return with which values no client is sent to a peer; empty: clients are, or no pool is in front of it.

    A service that has left the target, too, as one that is out by design, is nothing the peer has to take over, while
    it serves in another one.

    Raises:
        mxlib.base.errors.PoolError: that cannot be read, and nobody vouches for it.
    """
    pool = world.adapters.pools.get(peer)
    try:
        values = pool.read() if pool is not None else None
    except PoolError:
        if POOL_UNREAD in _accepted(world):
            return ""
        raise
    values = values or {}
    out = {name for name, value in values.items() if value in NOT_POOLED}
    if out and out != values.keys():
        out &= _of_target(world, out)
    return ", ".join(sorted(f"{name}={values[name]}" for name in out))


def _of_target(world: RebootWorld, names: Collection[str]) -> set[str]:
    """Return in which of these services the target was pooled when the run began; all, where that is not known."""
    record = world.progress.record
    try:
        prior = record.prior.pool if record is not None else world.adapters.pool.read()
    except PoolError:
        prior = None
    return {name for name in names if prior is None or prior.get(name) not in NOT_POOLED}
