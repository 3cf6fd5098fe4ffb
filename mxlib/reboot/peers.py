"""The other MXs: enough of them have to be in service, and verified just now, while one is out."""

from mxlib.base.errors import HostError, ParseError
from mxlib.base.parallel import UnderWay, at_once
from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.facts.source import read_facts
from mxlib.model.state import MtaState, Ports
from mxlib.mta import standing
from mxlib.protocols.host import Host
from mxlib.reboot.world import RebootWorld

_AGAIN_S = 3.0
_JUST_NOW_S = 10.0
"""Seconds from the question for which its answer serves a reboot order; a slow machine takes five to answer.

One that was asked within them and has not answered yet is waited for: asked once more, it would have to answer two.
"""


def others(world: RebootWorld) -> tuple[Verdict, ...]:
    """Return one verdict for each other MX: whether it is in service and well."""
    return at_once(lambda peer: _judge(world, peer), world.peers)


def lacking_others(world: RebootWorld) -> list[str]:
    """Return why there are not enough others; empty if there are."""
    verdicts = others(world)
    passed = sum(verdict.passed for verdict in verdicts)
    if passed >= world.site.min_in_service:
        return []
    why = "; ".join(verdict.why for verdict in verdicts if not verdict.passed)
    return [f"only {plural(passed, 'other MX')} in service and well, {world.site.min_in_service} needed ({why})"]


def begin_to_ask(world: RebootWorld) -> None:
    """Begin to ask whether there are enough others, beside what the run does next, for :func:`lacking_just_now`."""
    asked = world.clock.monotonic()
    world.progress.lacking = UnderWay(lambda: lacking_others(world)), asked


def lacking_just_now(world: RebootWorld) -> list[str]:
    """Return why there are not enough others, by :func:`begin_to_ask`; they are asked now if that is too long ago."""
    known, world.progress.lacking = world.progress.lacking, None
    if known is not None and world.clock.monotonic() - known[1] <= _JUST_NOW_S:
        return known[0].answer()
    return lacking_others(world)


def _judge(world: RebootWorld, peer: Host) -> Verdict:
    """Judge one MX, and ask it once more where it does not answer: one slow login kept a whole site from beginning."""
    try:
        return _look(world, peer)
    except (HostError, ParseError):
        world.clock.sleep(_AGAIN_S)
    try:
        return _look(world, peer)
    except (HostError, ParseError) as error:
        return Verdict(_name(peer), Status.UNKNOWN, f"{peer.name}: {one_line(str(error))}")


def _name(peer: Host) -> str:
    return f"peer-{peer.name}"


def _look(world: RebootWorld, peer: Host) -> Verdict:
    # one round trip for both: where it stands, and how it is
    facts = read_facts(peer, (standing.source(world.mta), *world.adapters.verifier.sources()))
    view = world.view(facts.get(standing.source(world.mta)))
    if view.ports is not Ports.OPEN or view.mta is not MtaState.SERVING:
        return Verdict(_name(peer), Status.FAILED, f"{peer.name}: ports {view.ports.value}, MTA {view.mta.said}")
    accepted = world.accepted
    bad = [one for one in world.adapters.verifier.judged(facts) if not one.passed and one.check not in accepted]
    if bad:
        worst = min(bad, key=lambda one: one.status.severity)
        return Verdict(_name(peer), worst.status, f"{peer.name}: {worst.check}: {worst.why}", worst.evidence)
    return Verdict(_name(peer), Status.OK, f"{peer.name}: in service")
