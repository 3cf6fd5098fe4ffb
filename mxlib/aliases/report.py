"""What an operator reads of a run of refresh-aliases: each look, what a repair would do, and the report at the end."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from mxlib.aliases.found import Found, HostRefusals
from mxlib.aliases.judge import ANSWERS, NAME
from mxlib.aliases.look import AliasLook
from mxlib.aliases.plan import Repair
from mxlib.base.text import duration, one_line, plural, printable
from mxlib.base.verdict import Status, Verdict
from mxlib.checks.aliases import problems, warnings
from mxlib.model.outcome import Outcome
from mxlib.mta.refusal import MOST, SENDERS_REMEMBER_S, Refusal

_SHOWN = 20


def last_refusal(found: Found) -> datetime | None:
    """When mail for an address concerned was last refused; None where none was."""
    return max((one.when for host in found.refusals for one in host.refusals), default=None)


def caches(found: Found, now: datetime) -> str:
    """Return how long others may still refuse from their own caches; empty where nobody was refused."""
    last = last_refusal(found)
    if last is None:
        return ""
    until = last + timedelta(seconds=SENDERS_REMEMBER_S)
    if until <= now:
        return "no sender's cache can still hold a refusal (most keep one for 2 h at most)"
    return f"senders may still refuse from their own caches until {until:%H:%M} UTC (most keep one for 2 h)"


def terminal(found: Found, outcome: Outcome, now: datetime) -> Iterator[str]:
    """Yield what an operator sees before the outcome."""
    for host in found.refusals:
        if host.refusals or host.cut:
            since = f"{host.since:%Y-%m-%d %H:%M} UTC"
            yield f"{host.host} refused {_counted(host)} since {since}; somebody should tell them:"
            yield from (f"  {_refusal(one)}" for one in host.refusals[-_SHOWN:])
            if len(host.refusals) > _SHOWN:
                yield f"  ... {len(host.refusals) - _SHOWN} earlier ones are in the report"
    if said := caches(found, now):
        yield said
    yield from (f"not known: {one}" for one in dict.fromkeys(found.unknown))
    if not found.endings and outcome in (Outcome.FAILED, Outcome.NO_ANSWER):
        return
    yield from (f"STILL WRONG: {one}" for one in dict.fromkeys(found.wrong))


def why(found: Found, outcome: Outcome) -> str:
    """Return the reason of the outcome in one line; empty where it needs none."""
    if not found.endings and outcome is Outcome.FAILED:
        return "as said above; nothing was run"
    unknown = dict.fromkeys((Outcome.UNKNOWN, Outcome.NO_ANSWER), found.unknown)
    told = {Outcome.FAILED: found.wrong, **unknown}.get(outcome, [])
    first, *more = list(dict.fromkeys(told)) or [""]
    return f"{one_line(first)} (and {len(more)} more above)" if more else one_line(first)


def _counted(host: HostRefusals) -> str:
    senders = len({one.sender for one in host.refusals})
    counted = f"{plural(len(host.refusals), 'recipient')} of {plural(senders, 'sender')}"
    return f"at least {counted}" if host.cut else counted


def _refusal(one: Refusal) -> str:
    return f"{one.when:%Y-%m-%d %H:%M:%S} <{one.sender}> to <{one.recipient}> from {one.host}: {one.why}"


def markdown(found: Found, outcome: Outcome, run: str, who: str, story: list[str], now: datetime) -> str:
    """The report as Markdown.

    Arguments:
        who: operator and management host.
        story: what was said during the run, a line each.
    """
    lines = [f"# refresh-aliases: {outcome.phrase}", "", f"Run {run}, by {who}, {now:%Y-%m-%d %H:%M} UTC", ""]
    for hung in found.hung:
        lines += [f"## Why {hung.unit} hung on {hung.host}", "", printable(hung.why), "", "```", *hung.lines, "```", ""]
    for host in found.refusals:
        lines += [f"## Refused by {host.host} since {host.since:%Y-%m-%d %H:%M} UTC", ""]
        lines += [f"    {_refusal(one)}" for one in host.refusals] or ["Nothing."]
        lines += ["", f"Earlier ones were not read: only the last {MOST} are."] if host.cut else []
        lines += [""]
    if said := caches(found, now):
        lines += [said, ""]
    lines += ["## Story", "", *(f"    {printable(line)}" for line in story)]
    return "\n".join(lines) + "\n"


def as_json(found: Found, outcome: Outcome, run: str, who: str) -> str:
    """The report as JSON.

    Arguments:
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


def verdicts(seen: AliasLook, hosts: Sequence[str]) -> list[Verdict]:
    """Return every verdict of one look, with the host in its sentence."""
    found = []
    for host in hosts:
        for state in seen.states:
            wrong = problems(state.generator, state.facts[host]) if host in state.facts else ()
            found += [Verdict("aliases", Status.FAILED, f"{host}: {one.why}") for one in wrong]
        for one in seen.verdicts(host, (NAME, ANSWERS)):
            found.append(Verdict(one.check, one.status, f"{host}: {one.why}", one.evidence))
    return found


def describe(seen: AliasLook, hosts: Sequence[str], *, warned: bool = False) -> list[str]:
    """Return what an operator reads of a look: what is wrong, a line each; what is well only where nothing is wrong.

    Arguments:
        warned: the warnings were shown before.
    """
    judged = verdicts(seen, hosts)
    lines = [f"{one.status.value:<8}{one.why}" for one in judged if one.status is not Status.OK]
    lines += [f"{'OK':<8}{one.why}" for one in judged if one.status is Status.OK and not lines]
    noted = [
        text for state in seen.states for facts in state.facts.values() for text in warnings(state.generator, facts)
    ]
    return lines if warned else lines + [f"warning {text}" for text in dict.fromkeys(noted)]


def rehearse(repair: Repair, limit: float) -> list[str]:
    """Return what a repair would do, in order, with its commands.

    Arguments:
        limit: seconds the run may take.
    """
    unit, file, host = repair.generator.unit, repair.generator.file, repair.host
    lines = [f"{host}: would run {unit} again: {'; '.join(repair.why)}"]
    if not repair.hangs:
        lines.append(f"{host}:   wait at most {duration(limit)} for a run that is under way")
    if repair.hangs:
        lines.append(f"{host}:   look into it: ps, ss -ntpi, /proc/PID/stack, journalctl -u {unit}")
    lines.append(f"{host}:   keep a copy of {file} if it is whole")
    if repair.hangs:
        lines.append(f"{host}:   systemctl stop {unit}")
    if repair.harmed:
        lines.append(f"{host}:   put a whole file back{f', that of {repair.donor}' if repair.donor else ''}")
    if repair.arm:
        lines.append(f"{host}:   systemctl start {repair.generator.timer}")
    lines.append(f"{host}:   systemctl start --no-block {unit}; wait at most {duration(limit)}, else stop it again")
    lines.append(f"{host}:   put the copy back if {file} is cut short or below {repair.generator.floor} entries")
    lines.append(f"{host}:   forget cached refusals of the addresses that differ")
    return lines
