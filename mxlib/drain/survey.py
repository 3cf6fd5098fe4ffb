"""One look at the whole queue of a host: what waits, where to, and how the way there stands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mxlib.base.errors import CommandTimeoutError, HostUnreachableError, ParseError
from mxlib.base.text import duration, one_line, plural
from mxlib.drain import judge as drain_judge
from mxlib.drain.judge import Destination, Knowledge
from mxlib.facts.section import Section, read_sections
from mxlib.facts.source import Facts, sections_of
from mxlib.mta.exim import backlog, backlog_script, hints, maillog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.retry_rules import RetryRule, parse_rules, sender_patterns
from mxlib.protocols.world import World as Context

_AGAIN_S = 3.0
_SILENT_S = 120.0
"""A host that does not answer is asked again for so long."""
_SHOWN = 6
_RULES = Section("retry-rules", f"{exim.BINARY} -bP config | sed -n '/^begin retry$/,$p'", timeout_s=20)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Survey:
    """One look at the whole queue.

    Attributes:
        known: what is known.
        destinations: as judged.
        mark: where the log ended when the queue was counted.
        at: when, by the monotonic clock.
    """

    known: Knowledge
    destinations: tuple[Destination, ...]
    mark: maillog.LogMark
    at: float

    @property
    def total(self) -> int:
        """Messages in the queue."""
        return self.known.backlog.total

    @property
    def triable(self) -> int:
        """Messages to destinations that are tried."""
        return sum(one.count for one in self.destinations if one.way.open)


def read_rules(context: Context) -> tuple[RetryRule, ...] | None:
    """The MTA's retry rules; None where they cannot be told, which is said.

    Arguments:
        context: the world.
    """
    try:
        asked = patiently(context, lambda: read_sections(context.target, (_RULES,)))
        return parse_rules(asked[_RULES.name].text())
    except ParseError as error:
        assumed = duration(context.site.drain.retry_cutoff)
        context.operator.line(f"{one_line(str(error))}: {assumed} is taken for the time until Exim gives up")
        return None


def survey(context: Context, rules: tuple[RetryRule, ...] | None) -> Survey:
    """Ask for everything; the mark is taken first, so that nothing falls between the count and what follows it.

    Arguments:
        context: the world.
        rules: the MTA's retry rules; None where they could not be told.

    Raises:
        mxlib.base.errors.ParseError: something cannot be told.
        mxlib.base.errors.HostError: the host does not answer.
    """
    asked = backlog_script.section(sender_patterns(rules or ()))
    sections = (maillog.MARK, asked, *sections_of((hints.SOURCE,)))
    outputs = patiently(context, lambda: read_sections(context.target, sections))
    facts = Facts(context.target.name, next(iter(outputs.values())).when, outputs)
    found = backlog.parse(outputs[asked.name])
    known = Knowledge(found, facts.get(hints.SOURCE), rules, context.site.drain.retry_cutoff)
    return Survey(known, drain_judge.judge(known), facts.get(maillog.MARK_SOURCE), context.clock.monotonic())


def patiently(context: Context, ask: Callable[[], _T]) -> _T:
    """Ask again where the host does not answer: our runners work on, and a host that delivers much is slow.

    Arguments:
        context: the world.
        ask: the question.

    Raises:
        mxlib.base.errors.HostError: it has not answered for two minutes.
    """
    end = context.clock.monotonic() + _SILENT_S
    while True:
        try:
            return ask()
        except (HostUnreachableError, CommandTimeoutError) as error:
            if context.clock.monotonic() >= end:
                raise
            context.operator.live(f"drain: {one_line(str(error), 100)}; asked again")
            context.clock.sleep(_AGAIN_S)


def what_is_left(found: Survey) -> list[str]:
    """What is left and why, a line for each destination, those with most messages first.

    Arguments:
        found: the last look.
    """
    now = found.known.backlog.now
    lines = [drain_judge.verdict(one, now) for one in found.destinations]
    if len(lines) > _SHOWN:
        rest = found.destinations[_SHOWN:]
        lines[_SHOWN:] = [f"{plural(len(rest), 'more destination')}, {sum(one.count for one in rest)} messages"]
    return lines
