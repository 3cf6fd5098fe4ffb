"""What a remedy is: bounded, logged on the host before it acts, and judged again by the checks it is for.

Adding one: a file in this folder with a :class:`Remedy` called ``REMEDY``, its name in :mod:`mxlib.remedies.registry`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mxlib.base.verdict import Verdict
from mxlib.checks.registry import all_checks, select
from mxlib.config.known_bad import KnownBad
from mxlib.config.sections import Site
from mxlib.facts.source import read_facts
from mxlib.probes import ssh as reach
from mxlib.protocols.host import CommandResult, Host
from mxlib.remedies.bounds import Order
from mxlib.verify import request as verify


@dataclass(frozen=True)
class Bench:
    """What a remedy works with.

    Attributes:
        site: what the site says.
        host: the MX, for reading.
        act: runs a script that changes the MX, with its time limit in seconds; it holds the guard against other runs.
        who: operator and management host.
        why: reason and task.
        run: id of this run, named in test mails.
        entries: kernels known to be bad.
        greets: whether an SSH server at an address and port greets a new connection from here.
    """

    site: Site
    host: Host
    act: Callable[[str, float], CommandResult]
    who: str
    why: str
    run: str
    entries: Sequence[KnownBad] = ()
    greets: Callable[[str, int], bool] = reach.greets


@dataclass(frozen=True)
class Remedy:
    """A remedy.

    Attributes:
        name: as an operator types it.
        about: one line for lists.
        argument: what its argument is called; empty where it takes none.
        undo: how it is undone, in a sentence.
        refuse: why an order is not within the bounds; empty where it is.
        commands: what it does, as the dry run shows it.
        apply: does it, and returns one line for the journal; raises MxlibError where it could not be done.
        judge: judges again what it is for.
        automatic: whether reboot-mx may use it by itself.
        harmless: whether it may be done while somebody else's run has claimed the host.
    """

    name: str
    about: str
    argument: str
    undo: str
    refuse: Callable[[Site, Order], str]
    commands: Callable[[Bench, Order], list[str]]
    apply: Callable[[Bench, Order], str]
    judge: Callable[[Bench, Order], tuple[Verdict, ...]]
    automatic: bool = False
    harmless: bool = False


def by_checks(*names: str) -> Callable[[Bench, Order], tuple[Verdict, ...]]:
    """Judge by checks of ``verify-mx``, in one round trip."""

    def judge(bench: Bench, _order: Order) -> tuple[Verdict, ...]:
        policy = verify.with_watched(bench.site.verify, bench.entries)
        checks = select(all_checks(bench.entries), names)
        facts = read_facts(bench.host, [source for check in checks for source in check.sources(policy)])
        return tuple(check.verdict(facts, policy) for check in checks)

    return judge


def note(bench: Bench) -> str:
    """Return who does it and why, on one line without quotes, for files on the host."""
    kept = "".join(character for character in f"{bench.who}: {bench.why}" if character not in "'\"\\`$")
    return " ".join(kept.split())[:200]
