"""When queued mail bounces: by the age of the messages and the cutoff of the retry rules."""

from collections.abc import Collection, Mapping

from mxlib.facts.source import Outputs, Source
from mxlib.mta.backlog import UNKNOWN
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import queue, retry_rules, routes
from mxlib.mta.queue import Deadlines, QueuedMessage


def _gives_up(
    rules: retry_rules.Rules, message: QueuedMessage, goes: Mapping[str, Collection[str]]
) -> tuple[float, str]:
    """The shortest time, in seconds, after which Exim may give up on a recipient, and that recipient's domain."""
    matched = [pattern for pattern in rules.classes if retry_rules.matches_sender(pattern, message.sender)]
    return min(
        (rules.cutoff(about, matched), domain)
        for domain in message.domains
        for about in (domain, *goes.get(domain, ()))
    )


def _goes(
    routed: Mapping[str, Mapping[str, Collection[str]]] | None, message: QueuedMessage
) -> Mapping[str, Collection[str]]:
    """Where a message goes beside its recipients' domains; one that Exim was not asked about may go anywhere."""
    anywhere = dict.fromkeys(message.domains, (UNKNOWN,))
    return anywhere if routed is None else routed.get(message.message_id, anywhere)


def parse(outputs: Outputs) -> Deadlines:
    """Read the answers of the sections; frozen messages and bounces are left out.

    Raises:
        mxlib.base.errors.ParseError: one of them is cut short.
    """
    text = outputs[queue.HEADERS.name].text()
    now, rules = queue.parse_now(text), retry_rules.SOURCE.parse(outputs)
    routed = routes.parse(outputs[routes.SECTION.name].text())
    left: dict[str, float] = {}
    domains: dict[str, str] = {}
    for message in queue.parse_messages(text):
        if message.domains and not message.frozen and not message.bounce:
            seconds, domains[message.message_id] = _gives_up(rules, message, _goes(routed, message))
            left[message.message_id] = exim.received_at(message.message_id).timestamp() + seconds - now
    return Deadlines(left, domains)


SOURCE = Source("retry", (queue.HEADERS, retry_rules.RULES, routes.SECTION), parse)
