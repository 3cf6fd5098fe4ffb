"""What verify-mx found as metrics, for the textfile collector of Prometheus' node exporter.

The limits a site has set are metrics too, so that one set of alert rules (``alerts/``) fits every site.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from mxlib.base.errors import ParseError
from mxlib.base.text import label_value
from mxlib.base.verdict import Status
from mxlib.checks.aliases import Trouble, problems
from mxlib.config.aliases import AliasGenerator
from mxlib.config.verify import QueuePolicy, VerifyPolicy
from mxlib.facts import aliases, depool
from mxlib.facts.aliases import AliasFacts
from mxlib.model.state import Ports
from mxlib.mta.find import find
from mxlib.mta.queue import QueueFacts
from mxlib.verify.request import HostReport

_VALUES = {Status.OK: 0, Status.UNKNOWN: 1, Status.FAILED: 2}
Sample = tuple[str, dict[str, str], float]

_HELP = {
    "mx_verify_status": "What a check found: 0 OK, 1 unknown, 2 failed.",
    "mx_verify_time_seconds": "When the host was verified.",
    "mx_verify_answered": "1 where the host answered, 0 where it did not.",
    "mx_out_of_service": "0 in service, 1 out of service to stay out as somebody asked, 2 out of service otherwise.",
    "mx_queue_messages": "Messages in the queue.",
    "mx_queue_old_messages": "Messages in the queue for more than ten minutes.",
    "mx_queue_frozen_messages": "Frozen messages in the queue.",
    "mx_queue_limit_messages": "Messages from which on somebody has to look (warn, frozen), or mail is stuck (others).",
    "mx_aliases_running_seconds": "How long the run of an alias generator that is under way has taken; 0 without one.",
    "mx_aliases_bound_seconds": "How long a run may take.",
    "mx_aliases_success_time_seconds": "When a run last ended well; not there while that is not known.",
    "mx_aliases_interval_seconds": "From one run to the next.",
    "mx_aliases_entries": "Entries of the alias file; 0 where there is none.",
    "mx_aliases_floor_entries": "Entries it must have at least.",
    "mx_aliases_file_time_seconds": "When the alias file was last written; not there where there is none.",
    "mx_aliases_file_whole": "0 where the alias file has malformed lines or ends within one; not there without a file.",
    "mx_aliases_timer_armed": "0 where the timer of a generator is not armed; not there where it has none.",
    "mx_aliases_start_timeout": "1 where systemd ends a run that takes too long, 0 where it can hang for ever.",
}


@dataclass
class _Metrics:
    """Samples, gathered by the name of their metric."""

    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, labels: dict[str, str], value: float) -> None:
        shown = ",".join(f'{key}="{label_value(text)}"' for key, text in labels.items())
        self.samples.setdefault(name, []).append(f"{name}{{{shown}}} {value:.10g}")

    def text(self) -> str:
        lines: list[str] = []
        for name, help_text in _HELP.items():
            if name in self.samples:
                lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", *self.samples[name]]
        return "\n".join(lines) + "\n"


def metrics(
    reports: Sequence[HostReport],
    policy: VerifyPolicy | None = None,
    generators: Sequence[AliasGenerator] = (),
    *,
    verifier: str,
) -> str:
    """Metrics of one verification.

    Arguments:
        policy: whose limits are reported; None for the defaults.
        generators: alias generators of the site.
        verifier: the management host that made it; another one's samples are other series.
    """
    gathered = _Metrics()
    for report in reports:
        whose = {"instance": report.host, "verifier": verifier}
        for verdict in report.verdicts:
            gathered.add("mx_verify_status", {**whose, "check": verdict.check}, _VALUES[verdict.status])
        gathered.add("mx_verify_time_seconds", whose, round(report.when.timestamp()))
        gathered.add("mx_verify_answered", whose, int(report.answered))
        for name, labels, value in _of_facts(report, policy or VerifyPolicy(), generators):
            gathered.add(name, {**whose, **labels}, value)
    return gathered.text()


def _of_facts(report: HostReport, policy: VerifyPolicy, generators: Sequence[AliasGenerator]) -> Iterator[Sample]:
    """What a host answered; a fact that is not known is no sample, never a zero."""
    if report.facts is None:
        return
    with suppress(ParseError):
        yield "mx_out_of_service", {}, _out_of_service(report.facts.get(depool.SOURCE))
    with suppress(ParseError):
        yield from _of_queue(report.facts.get(find(policy.mta).queue), policy.queue)
    for generator in generators:
        with suppress(ParseError):
            yield from _of_generator(generator, report.facts.get(aliases.source(generator)))


def _out_of_service(found: depool.DepoolFacts) -> int:
    """Whether the host is out of service by a run's doing, and whether that run has ended as it was asked to."""
    record = found.record
    if record is None:
        return 0 if found.ports is Ports.OPEN else 2
    asked = record.stay and record.awaited is None and not record.undoing and record.trusted(record.boot)
    return 1 if asked else 2


def _of_queue(found: QueueFacts, limits: QueuePolicy) -> Iterator[Sample]:
    yield "mx_queue_messages", {}, found.count
    yield "mx_queue_old_messages", {}, found.old
    yield "mx_queue_frozen_messages", {}, found.frozen
    for level in ("warn", "critical", "old", "frozen"):
        yield "mx_queue_limit_messages", {"level": level}, getattr(limits, level)


def _of_generator(generator: AliasGenerator, found: AliasFacts) -> Iterator[Sample]:
    labels = {"generator": generator.name}
    yield "mx_aliases_running_seconds", labels, round(found.running_s or 0.0, 1)
    yield "mx_aliases_bound_seconds", labels, generator.bound
    yield from _when("mx_aliases_success_time_seconds", labels, found.last_success)
    yield "mx_aliases_interval_seconds", labels, generator.interval
    yield "mx_aliases_entries", labels, found.file.entries if found.file else 0
    yield "mx_aliases_floor_entries", labels, generator.floor
    yield from _when("mx_aliases_file_time_seconds", labels, found.file.written if found.file else None)
    if found.file is not None:
        yield "mx_aliases_file_whole", labels, int(found.file.terminated and not found.file.malformed)
    if found.timer is not None:
        broken = any(one.trouble is Trouble.TIMER for one in problems(generator, found))
        yield "mx_aliases_timer_armed", labels, int(not broken)
    yield "mx_aliases_start_timeout", labels, 0 if found.start_timeout in ("", "infinity") else 1


def _when(name: str, labels: dict[str, str], when: datetime | None) -> Iterator[Sample]:
    if when is not None:
        yield name, labels, round(when.timestamp())
