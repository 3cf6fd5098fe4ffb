"""How long a proof holds: for a time that the site sets, and while nothing changes that it rests on."""

import dataclasses
from collections.abc import Set as AbstractSet

from mxlib.base.errors import StepError
from mxlib.base.text import duration
from mxlib.base.verdict import Status, Verdict
from mxlib.facts.source import Facts, FactUnknownError
from mxlib.model.record import Record
from mxlib.model.state import State, Step
from mxlib.mta import configuration
from mxlib.mta.protocol import Mta
from mxlib.protocols.world import Done
from mxlib.reboot.steps.step import Action, host_of
from mxlib.reboot.world import RebootWorld, record_of

_DOUBTS = 3
"""So often a run verifies a host again whose configuration has changed; then it says that somebody is at work there."""


def digests_of(facts: Facts, mta: Mta, accepted: AbstractSet[str]) -> tuple[str, tuple[Verdict, ...]]:
    """Return the digests to note with a proof, and a verdict where they could not be read.

    Arguments:
        facts: what the host said to :func:`mxlib.mta.configuration.source`.
        mta: the host's MTA.
        accepted: names of the findings that a person has accepted.
    """
    try:
        return facts.get(configuration.source(mta)), ()
    except FactUnknownError as error:
        digests = configuration.UNREAD if configuration.CHECK in accepted else ""
        return digests, (Verdict(configuration.CHECK, Status.UNKNOWN, str(error), error.evidence),)


def unchanged(world: RebootWorld, record: Record) -> str:
    """Return the script that lets an act through only where the host is configured as when its boot was proven."""
    return configuration.only_if(record.configured.get(record.boot, ""), world.mta)


def changed_instead(world: RebootWorld, record: Record, output: str) -> str:
    """Return what has changed where :func:`unchanged` has kept an act from being done; the planner decides on it."""
    now = configuration.found_instead(output)
    if not now:
        return ""
    what = configuration.difference(record.configured.get(record.boot, ""), now)
    world.progress.changed = (record.boot, what)
    return what


def doubt(world: RebootWorld, state: State) -> Done:
    """Drop a proof that does not hold: who was taken out on Friday is verified again before it serves on Monday."""
    record, boot = record_of(state), host_of(state).boot
    why = state.changed or _age(world, record, boot)
    if world.progress.doubts >= _DOUBTS:
        raise StepError(f"{why}, and so it was {_DOUBTS} times in this run: somebody is at work on the host")
    world.remember(record.without_proof(boot))
    world.progress.doubts += 1
    world.progress.changed = None
    return Done(f"{why}: the host is verified again before it serves")


def _age(world: RebootWorld, record: Record, boot: str) -> str:
    hours = min(record.proof_age(boot, world.clock.now()), 9e6)
    return f"proven {duration(hours)} ago, a proof holds for {duration(world.site.boot.proof_holds)}"


def _doubted(_world: RebootWorld, state: State) -> State:
    record = record_of(state).without_proof(host_of(state).boot)
    return dataclasses.replace(state, record=record, stale=False, changed="")


ACTIONS = (Action(Step.DOUBT, doubt, _doubted),)
