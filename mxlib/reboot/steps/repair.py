"""Bounded repair after a boot: what failed is written down as found, then what is known is repaired, each once.

In the incident of 2021 the mail filter and the firewall did not start after the reboot, and an ifup of the old name was
left as failed: none of it says anything about the kernel, and all of it was repaired by hand.
"""

import dataclasses
from collections.abc import Sequence

from mxlib.base.errors import CommandTimeoutError, FencedError, HostUnreachableError, MovedError, MxlibError
from mxlib.base.text import one_line
from mxlib.base.verdict import Verdict
from mxlib.checks.registry import all_checks, select
from mxlib.facts.source import Facts, read_facts
from mxlib.model.state import State, Step
from mxlib.mta import standing
from mxlib.protocols.host import CommandResult
from mxlib.protocols.world import Done
from mxlib.reboot.steps.prove import condition_sources
from mxlib.reboot.steps.step import Action, host_of, shows, with_record
from mxlib.reboot.world import RebootWorld, record_of
from mxlib.remedies.registry import REMEDIES
from mxlib.remedies.remedy import Bench
from mxlib.remedies.suggest import Suggestion, sources, suggest
from mxlib.verify import request as verify

_CHECKS = select(all_checks(()), ("firewall", "units"))


def repair(world: RebootWorld, state: State) -> Done:
    """Repair what is known, each once in this boot; that it was done is noted before it is."""
    record = record_of(state)
    policy = verify.without_mta(world.site.verify)
    wanted = [source for check in _CHECKS for source in check.sources(policy)]
    # where nothing is repaired, the verification that follows goes by the same reading
    verification = condition_sources(world)
    facts = read_facts(world.target, [*wanted, *sources(policy), *verification, standing.source(world.mta)])
    verdicts = tuple(check.verdict(facts, policy) for check in _CHECKS)
    found = [f"{one.check}: {one.why}" for one in verdicts if not one.passed]
    orders = automatic(world, verdicts, facts)
    noted = dataclasses.replace(record, repaired=record.boot)
    if orders:
        world.remember(noted)
    else:
        world.note(noted)
        world.keep_look(facts)
        world.progress.condition = facts, world.clock.monotonic()
    done = [_apply(world, one) for one in orders]
    note = "; ".join((*found, *done)) or "units and firewall are well, nothing to repair"
    return Done(note, {"found": found, "repairs": done})


def automatic(world: RebootWorld, verdicts: Sequence[Verdict], facts: Facts) -> list[Suggestion]:
    """Return the remedies that may be used without asking: none of them can make a bad kernel pass.

    Arguments:
        verdicts: of the firewall and the units, as found.
    """
    policy = verify.without_mta(world.site.verify)
    found = suggest(verdicts, facts, world.site, policy)
    return [one for one in found if REMEDIES[one.order.remedy].automatic]


def _apply(world: RebootWorld, one: Suggestion) -> str:
    """Try one repair; where it fails, the verification judges."""

    def act(script: str, timeout: float) -> CommandResult:
        return world.act(script, timeout=timeout, look=False)

    bench = Bench(world.site, world.target, act, world.options.who, world.options.why, world.run)
    try:
        return f"repaired: {REMEDIES[one.order.remedy].apply(bench, one.order)}"
    except (FencedError, MovedError, HostUnreachableError, CommandTimeoutError):
        raise
    except MxlibError as error:
        return f"NOT repaired: {one.order.said}: {one_line(str(error))}"


def _repaired(_world: RebootWorld, state: State) -> State:
    return with_record(state, repaired=host_of(state).boot)


ACTIONS = (
    Action(
        Step.REPAIR,
        repair,
        _repaired,
        shows("what failed is written down; what has to run (units, generators, firewall) is started again"),
    ),
)
