"""Alias files of several MXs side by side: an address that only some of them know is refused by the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Status
from mxlib.checks.aliases import file_problems
from mxlib.checks.check import Finding, failed, ok, unknown, worst
from mxlib.config.aliases import AliasGenerator
from mxlib.facts.aliases import AliasFacts
from mxlib.model.answers import Answer, InboundResult

NAME = "aliases-peers"
ANSWERS = "aliases-answers"
SHOWN = 5
_NEVER = datetime.min.replace(tzinfo=UTC)
_OWN_CACHE = "callout verification failure"


@dataclass(frozen=True)
class Difference:
    """What one file has and another has not.

    Attributes:
        missing: addresses that only the other one knows.
        extra: addresses that only this one knows.
        changed: addresses that lead elsewhere.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.missing, *self.extra, *self.changed)


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> Difference:
    """Compare two files, by their entries.

    Arguments:
        here: target by address, of this host.
        there: of the other one.
    """
    return Difference(
        missing=tuple(sorted(there.keys() - here.keys())),
        extra=tuple(sorted(here.keys() - there.keys())),
        changed=tuple(sorted(key for key in here.keys() & there.keys() if here[key] != there[key])),
    )


@dataclass(frozen=True)
class AliasState:
    """One generator on every MX.

    Attributes:
        generator: which one.
        facts: what each host said.
        unread: hosts that could not be read, with the reason.
        silent: those of them that did not answer at all.
        entries: target by address of each host whose file differs from another one's.
    """

    generator: AliasGenerator
    facts: Mapping[str, AliasFacts]
    unread: Mapping[str, str] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def differ(self) -> bool:
        """Whether two files are not the same."""
        return len({self.digest(host) for host in self.facts}) > 1

    def digest(self, host: str) -> str | None:
        """Digest of a host's entries; None where there is no file."""
        file = self.facts[host].file
        return file.digest if file else None

    @property
    def reference(self) -> str | None:
        """The host whose file counts: whole, of the newest run that ended well, and not far smaller than another one.

        None where none is whole.
        """
        good = [host for host in self.whole if not self.far_from_fullest(host)]
        return max(good, key=self.ended_well, default=None)

    @property
    def whole(self) -> list[str]:
        """The hosts whose files are whole."""
        return [host for host in sorted(self.facts) if not self.harmed(host)]

    def ended_well(self, host: str) -> datetime:
        """When the last run on a host ended well; long ago where that is unknown."""
        return self.facts[host].last_success or _NEVER

    def entry_count(self, host: str) -> int:
        """How many entries a host's file has; 0 where there is no file."""
        file = self.facts[host].file
        return file.entries if file else 0

    def is_far_below(self, count: int, most: int) -> bool:
        """Whether a number of entries is smaller than another one by more than the site allows."""
        # One entry of a handful is a large share: that is a difference, not a file that has lost its contents.
        return most - count > max(1, self.generator.max_difference * most)

    def far_from_fullest(self, host: str) -> str:
        """Say how many entries a host's file has, where it has far fewer than the fullest whole one; else empty."""
        fullest = max(self.whole, key=self.entry_count, default=host)
        count, most = self.entry_count(host), self.entry_count(fullest)
        if self.facts[host].file is None or not self.is_far_below(count, most):
            return ""
        return f"{count} entries, {fullest} has {most}: further apart than {100 * self.generator.max_difference:.0f} %"

    def harmed(self, host: str) -> bool:
        """Whether a host's file is missing, cut short or too small: then addresses are refused there now."""
        return any(one.trouble.harms for one in file_problems(self.generator, self.facts[host]))

    def against_reference(self, host: str) -> Difference | None:
        """What a host's file lacks of the one that counts; None where the entries were not read."""
        reference = self.reference
        if reference is None or host not in self.entries or reference not in self.entries:
            return None
        return difference(self.entries[host], self.entries[reference])

    @property
    def differing(self) -> tuple[str, ...]:
        """Addresses that not every MX knows, or not in the same way."""
        found = (self.against_reference(host) for host in self.entries)
        return tuple(dict.fromkeys(address for one in found if one for address in one.addresses))


def judge_peers(states: Iterable[AliasState], host: str) -> Finding:
    """Judge the files of one host against those of the other MXs.

    Arguments:
        states: each generator of the site; at least one.
    """
    return worst([_judge_state(state, host) for state in states])


def _judge_state(state: AliasState, host: str) -> Finding:
    name = state.generator.name
    here = state.facts.get(host)
    if here is None:
        return unknown(f"{name}: not read: {one_line(state.unread.get(host, 'no answer'))}")
    if state.differ:
        return _judge_difference(state, host, here)
    if state.unread:
        return unknown(f"{name}: not compared with {', '.join(sorted(state.unread))}, which could not be read")
    if len(state.facts) == 1:
        return ok(f"{name}: no other MX to compare with")
    return ok(f"{name}: the same {here.file.entries if here.file else 0} entries on {len(state.facts)} MXs")


def _judge_difference(state: AliasState, host: str, here: AliasFacts) -> Finding:
    name, reference = state.generator.name, state.reference
    if here.file is None:
        return failed(f"{name}: no file here, other MXs have one")
    if reference is None:
        return failed(f"{name}: the files of {', '.join(sorted(state.facts))} differ, and none of them is whole")
    if far := state.far_from_fullest(host):
        return failed(f"{name}: {far}")
    if state.digest(host) == state.digest(reference):
        if doubt := _doubt(state, reference):
            return unknown(f"{name}: {here.file.entries} entries, {doubt}")
        others = ", ".join(sorted(one for one in state.facts if state.digest(one) != here.file.digest))
        return ok(f"{name}: {here.file.entries} entries, the file that counts; another one on {others}")
    return failed(*_describe_difference(state, host, reference, here.file.entries))


def _doubt(state: AliasState, reference: str) -> str:
    """What is against the file that counts: newer ones with far fewer entries, on as many MXs or more."""
    far = [host for host in state.whole if state.far_from_fullest(host)]
    newer = max(far, key=state.ended_well, default=reference)
    if state.ended_well(newer) <= state.ended_well(reference) or 2 * len(far) < len(state.whole):
        return ""
    return f"but {state.entry_count(newer)} on {newer}, which is newer: which of them has all is not known"


def _describe_difference(state: AliasState, host: str, reference: str, count: int) -> Iterator[str]:
    """The sentence, and the lines that prove it."""
    name = state.generator.name
    found = state.against_reference(host)
    if found is None:
        yield f"{name}: another file than {reference}, which is newer ({count} entries here)"
        return
    parts = [
        f"{len(addresses)} {what} ({_some(addresses)})"
        for addresses, what in (
            (found.missing, "missing here"),
            (found.extra, "only here"),
            (found.changed, "leading elsewhere"),
        )
        if addresses
    ]
    yield f"{name}: differs from {reference}, which is newer: {'; '.join(parts) or 'in what was just written'}"
    here, there = state.entries[host], state.entries[reference]
    yield from (f"- {key}: {there[key]}" for key in (*found.missing, *found.changed)[:SHOWN])
    yield from (f"+ {key}: {here[key]}" for key in (*found.extra, *found.changed)[:SHOWN])


def _some(addresses: Sequence[str]) -> str:
    shown = ", ".join(one_line(one, 80) for one in addresses[:SHOWN])
    return f"{shown}, ..." if len(addresses) > SHOWN else shown


def judge_answers(results: Mapping[str, InboundResult], host: str, samples: Iterable[str]) -> Finding:
    """Judge what one MX answered for addresses that every MX was asked for.

    Arguments:
        results: a session with each MX, by its name.
        samples: addresses that must be accepted whatever the others say.
    """
    asked = answers_of(results[host]) if host in results else {}
    wanted = dict.fromkeys((*samples, *(a for one in results.values() for a in answers_of(one))))
    if not wanted:
        return ok("nothing to ask for: the files are the same, and the site names no samples")
    findings = [_judge_answer(address, asked.get(address), _others(results, host, address)) for address in wanted]
    bad = [one for one in findings if one.status is not Status.OK]
    if bad:
        return worst(bad)
    return ok(f"{plural(len(wanted), 'recipient')} accepted, asked of {plural(len(results), 'MX')}")


def answers_of(result: InboundResult) -> dict[str, Answer]:
    """Return what was answered, by recipient."""
    return {answer.subject: answer for answer in result.answers if answer.subject}


def _others(results: Mapping[str, InboundResult], host: str, address: str) -> dict[str, Answer]:
    found = {name: answers_of(one).get(address) for name, one in results.items() if name != host}
    return {name: answer for name, answer in found.items() if answer and answer.code}


def _judge_answer(address: str, here: Answer | None, others: Mapping[str, Answer]) -> Finding:
    if here is None or here.code is None:
        return unknown(f"RCPT {address} was not answered{f': {here.text}' if here else ''}")
    if here.code // 100 == 2:
        return ok(f"RCPT {address}: {here.code}")
    accepting = sorted(name for name, answer in others.items() if answer.code and answer.code // 100 == 2)
    cached = " (a cached answer)" if _OWN_CACHE in here.text and "cached" in here.text else ""
    known = f"; accepted by {', '.join(accepting)}" if accepting else "; accepted by no MX"
    line = f"RCPT {address}: {here.code} {here.text}{cached}{known}"
    return failed(line, line)
