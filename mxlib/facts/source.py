"""What a fact is read from, and the facts of one host."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from mxlib.base.errors import ParseError
from mxlib.base.verdict import Evidence
from mxlib.facts.section import Section, SectionOutput, read_sections
from mxlib.protocols.host import Host

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Outputs = Mapping[str, SectionOutput]


class FactUnknownError(ParseError):
    """A fact could not be read.

    Attributes:
        evidence: what was asked and what came back.
    """

    def __init__(self, why: str, evidence: tuple[Evidence, ...] = ()) -> None:
        super().__init__(why)
        self.evidence = evidence


@dataclass(frozen=True)
class Source(Generic[T_co]):
    """How one noun is read: the questions, and the pure parser of the answers.

    Attributes:
        name: name of the noun.
        sections: the questions; two sources may share one, if it is the same.
        parse: from the outputs, by section name, to the fact; raises ParseError when it cannot be known from them.
    """

    name: str
    sections: tuple[Section, ...]
    parse: Callable[[Outputs], T_co]


@dataclass(frozen=True)
class Facts:
    """What one host answered.

    Attributes:
        host: fully qualified name.
        when: when it was asked (UTC).
        outputs: the answers by section name.
    """

    host: str
    when: datetime
    outputs: Outputs

    def get(self, source: Source[T]) -> T:
        """One fact.

        Arguments:
            source: what it is read from.

        Raises:
            FactUnknownError: it was not asked for, not answered, or the answer does not have its known form.
        """
        missing = [section.name for section in source.sections if section.name not in self.outputs]
        if missing:
            raise FactUnknownError(f"{source.name}: not read ({', '.join(missing)})")
        try:
            return source.parse(self.outputs)
        except (ParseError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            # An answer in an unforeseen form is a fact that is not known; it must never end the other checks.
            why = str(error) if isinstance(error, ParseError) else f"{type(error).__name__}: {error}"
            raise FactUnknownError(f"{source.name}: {why}", self.evidence(source)) from (
                None if isinstance(error, ParseError) else error
            )

    def all_known(self, sources: Iterable[Source[Any]]) -> bool:
        """Whether each of several facts could be read.

        Arguments:
            sources: what they are read from.
        """
        try:
            for source in sources:
                self.get(source)
        except FactUnknownError:
            return False
        return True

    def evidence(self, source: Source[Any], *lines: str) -> tuple[Evidence, ...]:
        """What a fact was read from.

        Arguments:
            source: the fact's source.
            lines: the lines that decided; without any, the first lines of each section.
        """
        asked = [self.outputs[section.name] for section in source.sections if section.name in self.outputs]
        if lines and asked:
            return (asked[0].evidence(*lines),)
        return tuple(output.evidence() for output in asked)


def sections_of(sources: Iterable[Source[Any]]) -> tuple[Section, ...]:
    """The questions of several sources, each once, in order.

    Raises:
        ValueError: two sources use one name for different questions.
    """
    found: dict[str, Section] = {}
    for section in (section for source in sources for section in source.sections):
        if found.setdefault(section.name, section) != section:
            raise ValueError(f"two different sections are called {section.name}")
    return tuple(found.values())


def read_facts(host: Host, sources: Sequence[Source[Any]]) -> Facts:
    """Read several facts in one round trip.

    Arguments:
        host: the machine.
        sources: what to read.

    Raises:
        mxlib.base.errors.HostUnreachableError: no session.
        mxlib.base.errors.CommandTimeoutError: no end within the time.
    """
    outputs = read_sections(host, sections_of(sources))
    return Facts(host.name, next(iter(outputs.values())).when, outputs)
