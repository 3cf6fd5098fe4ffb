"""The story of a run of refresh-aliases: why a generator hung, whose mail was refused, who may still be refused."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from mxlib.aliases.found import Found
from mxlib.aliases.outcome import RefreshExit
from mxlib.base.text import plural, printable
from mxlib.mta.exim.callout import NEGATIVE_S
from mxlib.mta.exim.rejects import Refusal

_SHOWN = 20


def last_refusal(found: Found) -> datetime | None:
    """When mail for an address concerned was last refused; None where none was."""
    return max((one.when for host in found.refusals for one in host.refusals), default=None)


def caches(found: Found, now: datetime) -> str:
    """How long others may still refuse from their own caches; empty where nobody was refused.

    Arguments:
        found: what the run found.
        now: the time.
    """
    last = last_refusal(found)
    if last is None:
        return ""
    until = last + timedelta(seconds=NEGATIVE_S)
    if until <= now:
        return "no sender's cache can still hold a refusal (Exim keeps one for 2 h by default)"
    return f"senders may still refuse from their own caches until {until:%H:%M} UTC (2 h by Exim's default)"


def terminal(found: Found, outcome: RefreshExit, now: datetime) -> Iterator[str]:
    """The last lines an operator sees.

    Arguments:
        found: what the run found.
        outcome: how it ended.
        now: the time.
    """
    for host in found.refusals:
        if host.refusals:
            since = f"{host.since:%Y-%m-%d %H:%M} UTC"
            yield f"{host.host} refused {_counted(host.refusals)} since {since}; somebody should tell them:"
            yield from (f"  {_refusal(one)}" for one in host.refusals[-_SHOWN:])
            if len(host.refusals) > _SHOWN:
                yield f"  ... {len(host.refusals) - _SHOWN} earlier ones are in the report"
    if said := caches(found, now):
        yield said
    yield from (f"not known: {one}" for one in dict.fromkeys(found.unknown))
    if not found.endings and outcome is RefreshExit.FAILED:
        yield "refresh-aliases: wrong as said above; nothing was run"
        return
    yield from (f"STILL WRONG: {one}" for one in dict.fromkeys(found.wrong))
    yield f"refresh-aliases: {outcome.phrase}"


def _counted(refusals: tuple[Refusal, ...]) -> str:
    senders = len({one.sender for one in refusals})
    return f"{plural(len(refusals), 'recipient')} of {plural(senders, 'sender')}"


def _refusal(one: Refusal) -> str:
    return f"{one.when:%Y-%m-%d %H:%M:%S} <{one.sender}> to <{one.recipient}> from {one.host}: {one.why}"


def markdown(found: Found, outcome: RefreshExit, run: str, who: str, story: list[str], now: datetime) -> str:
    """The report as Markdown.

    Arguments:
        found: what the run found.
        outcome: how it ended.
        run: id of the run.
        who: operator and management host.
        story: what was said on the way, a line each.
        now: the time.
    """
    lines = [f"# refresh-aliases: {outcome.phrase}", "", f"Run {run}, by {who}, {now:%Y-%m-%d %H:%M} UTC", ""]
    for hung in found.hung:
        lines += [f"## Why {hung.unit} hung on {hung.host}", "", printable(hung.why), "", "```", *hung.lines, "```", ""]
    for host in found.refusals:
        lines += [f"## Refused by {host.host} since {host.since:%Y-%m-%d %H:%M} UTC", ""]
        lines += [f"    {_refusal(one)}" for one in host.refusals] or ["Nothing."]
        lines += [""]
    if said := caches(found, now):
        lines += [said, ""]
    lines += ["## Story", "", *(f"    {printable(line)}" for line in story)]
    return "\n".join(lines) + "\n"


def as_json(found: Found, outcome: RefreshExit, run: str, who: str) -> str:
    """The report as JSON.

    Arguments:
        found: what the run found.
        outcome: how it ended.
        run: id of the run.
        who: operator and management host.
    """
    raw: dict[str, Any] = {
        "run": run,
        "who": who,
        "outcome": outcome.name,
        "exit_code": outcome.value,
        "hung": [asdict(one) for one in found.hung],
        "runs": [{"host": host, "generator": name, "ending": end.value} for (host, name), end in found.endings.items()],
        "cleared_callouts": {host: list(keys) for host, keys in found.cleared.items()},
        "refused": [asdict(one) for one in found.refusals],
        "wrong": found.wrong,
        "unknown": found.unknown,
    }
    return json.dumps(raw, indent=2, sort_keys=True, default=str) + "\n"
