"""Every check, in the order of a report."""

from collections.abc import Iterable, Sequence

from mxlib.checks import (
    aliases,
    boot,
    clock,
    conntrack,
    depool,
    disk,
    firewall,
    kernel,
    log,
    mta,
    network,
    puppet,
    queue,
    relay,
    sysctl,
    units,
)
from mxlib.checks import hole as temporary_hole
from mxlib.checks.check import Check
from mxlib.config.aliases import AliasGenerator
from mxlib.config.known_bad import KnownBad

_PLAIN = (
    depool.CHECK,
    mta.CHECK,
    queue.CHECK,
    queue.TREND,
    queue.DEADLINE,
    log.CHECK,
    units.CHECK,
    firewall.CHECK,
    temporary_hole.CHECK,
    conntrack.CHECK,
    network.CHECK,
    disk.CHECK,
    sysctl.CHECK,
    clock.CHECK,
    puppet.CHECK,
    relay.CHECK,
    boot.CHECK,
)


def all_checks(entries: Sequence[KnownBad], generators: Sequence[AliasGenerator] = ()) -> tuple[Check, ...]:
    """Return every check; the one of alias generators only if the site has any."""
    return (*_PLAIN, kernel.check(entries), *((aliases.check(generators),) if generators else ()))


def select(checks: Iterable[Check], only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Check, ...]:
    """Return the checks that an operator asked for.

    Arguments:
        only: names of checks; empty selects all.
        skip: names of checks to leave out.
    """
    wanted, left_out = frozenset(only), frozenset(skip)
    return tuple(check for check in checks if (not wanted or check.name in wanted) and check.name not in left_out)
