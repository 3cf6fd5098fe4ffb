"""Sources of facts, and the facts of one host."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from mxlib.base.errors import ParseError
from mxlib.base.verdict import Evidence
from mxlib.facts.section import Section, SectionOutput, read_sections
from mxlib.protocols.host import Host

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Outputs = Mapping[str, SectionOutput]


# A number that is too large for a time is an ArithmeticError, or an OSError of the C library.
_UNFORESEEN = (
    ParseError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError, RecursionError
)  # fmt: skip


class FactUnknownError(ParseError):
    """A fact could not be read.

    Attributes:
        evidence: the scripts and their output.
    """

    def __init__(self, why: str, evidence: tuple[Evidence, ...] = ()) -> None:
        super().__init__(why)
        self.evidence = evidence


@dataclass(frozen=True)
class Source(Generic[T_co]):
    """How one fact is read: its sections, and the pure parser of their output.

    Attributes:
        name: name of the fact.
        sections: two sources may share one, if it is the same.
        parse: from the outputs, by section name, to the fact; it raises ParseError when they leave the fact unknown.
    """

    name: str
    sections: tuple[Section, ...]
    parse: Callable[[Outputs], T_co]


@dataclass(frozen=True)
class Facts:
    """The answers of one host.

    Attributes:
        host: fully qualified name.
        when: when the script was started (UTC).
        outputs: outputs by section name.
    """

    host: str
    when: datetime
    outputs: Outputs

    def get(self, source: Source[T]) -> T:
        """Return one fact.

        Raises:
            FactUnknownError: it was not read, a section failed, or the output has another form.
        """
        missing = [section.name for section in source.sections if section.name not in self.outputs]
        if missing:
            raise FactUnknownError(f"{source.name}: not read ({', '.join(missing)})")
        try:
            return source.parse(self.outputs)
        except _UNFORESEEN as error:
            # Output in an unforeseen form leaves this fact unknown; it must never end the other checks.
            why = str(error) if isinstance(error, ParseError) else f"{type(error).__name__}: {error}"
            raise FactUnknownError(f"{source.name}: {why}", self.evidence(source)) from (
                None if isinstance(error, ParseError) else error
            )

    def all_known(self, sources: Iterable[Source[Any]]) -> bool:
        """Return whether each of several facts could be read."""
        try:
            for source in sources:
                self.get(source)
        except FactUnknownError:
            return False
        return True

    def joined(self, others: "Facts") -> "Facts":
        """Return these answers and those of another reading of the host; where both have one, these count."""
        return replace(self, outputs={**others.outputs, **self.outputs})

    def evidence(self, source: Source[Any], *lines: str) -> tuple[Evidence, ...]:
        """Return what a fact was read from.

        Args:
            lines: the lines that decide; by default the first lines of each section.
        """
        asked = [self.outputs[section.name] for section in source.sections if section.name in self.outputs]
        if lines and asked:
            return (asked[0].evidence(*lines),)
        return tuple(output.evidence() for output in asked)


def sections_of(sources: Iterable[Source[Any]]) -> tuple[Section, ...]:
    """Return the sections of several sources, each once, in order.

    Raises:
        ValueError: two different sections have the same name.
    """
    found: dict[str, Section] = {}
    for section in (section for source in sources for section in source.sections):
        if found.setdefault(section.name, section) != section:
            raise ValueError(f"two different sections are called {section.name}")
    return tuple(found.values())


def read_facts(host: Host, sources: Sequence[Source[Any]]) -> Facts:
    """Read several facts in one round trip.

    Raises:
        mxlib.base.errors.HostUnreachableError: no session.
        mxlib.base.errors.CommandTimeoutError: no end within the time.
    """
    outputs = read_sections(host, sections_of(sources))
    return Facts(host.name, next(iter(outputs.values())).when, outputs)
