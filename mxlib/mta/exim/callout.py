"""Exim's cache of callouts: addresses that it takes for refused elsewhere, without asking again."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_before_end, refuse_unknown
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source
from mxlib.mta.exim import names as exim

SECTION = Section("callout", exim.dump_script("callout"), timeout_s=20)
_LINE = re.compile(
    r"\d\d-[A-Z][a-z][a-z]-\d{4} \d\d:\d\d:\d\d (?P<key>\S.*?) callout=(?P<result>accept|reject|unknown)(?: .*)?"
)
_KEY = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,253}(?:/<[A-Za-z0-9._+=@-]{0,320}>)?")


@dataclass(frozen=True)
class CalloutFacts:
    """The answers to callouts that Exim remembers.

    Attributes:
        results: ``accept`` or ``reject`` by key: an address, an address with a sender, or a domain.
    """

    results: Mapping[str, str]

    def negative(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the keys that make Exim refuse these recipients without asking; case makes no difference."""
        wanted = {address.lower() for address in addresses}
        return tuple(
            sorted(
                key
                for key, result in self.results.items()
                if result == "reject" and _KEY.fullmatch(key) and key.partition("/")[0].lower() in wanted
            )
        )

    def negative_domains(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the domains of these recipients whose host refuses every callout.

        Such an entry is not cleared, as it concerns other recipients too.
        """
        domains = {address.rpartition("@")[2].lower() for address in addresses}
        return tuple(
            sorted(key for key, result in self.results.items() if result == "reject" and key.lower() in domains)
        )


def parse(outputs: Outputs) -> CalloutFacts:
    """Read the dump.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    lines = lines_before_end(outputs[SECTION.name].text(), "the dump of the callout cache is cut short")
    lines = [line.rstrip() for line in lines]
    refuse_unknown(lines, _LINE.fullmatch, "not an answer to a callout")
    return CalloutFacts({read["key"]: read["result"] for read in map(_LINE.fullmatch, lines) if read})


SOURCE = Source("callout", (SECTION,), parse)


def clear_script(keys: Iterable[str]) -> str:
    """Return the script that removes single records under Exim's own lock; it prints ``cleared N``.

    Args:
        keys: from :meth:`CalloutFacts.negative`.

    Raises:
        mxlib.base.errors.ParseError: one is not the key of an address.
    """
    known = list(keys)
    if not all(map(_KEY.fullmatch, known)):
        raise ParseError(f"not keys of the callout cache: {known!r}"[:200])
    # exim_fixdb shows the record of a key, and "d" deletes the one shown last.
    typed = "".join(f"{key}\\nd\\n" for key in known).replace("%", "%%")
    return (
        "# clear answers of other hosts that Exim remembers\n"
        f"said=$(printf '{typed}' | exim_fixdb {exim.SPOOL} callout) || {{ printf '%s\\n' \"$said\"; exit 1; }}\n"
        "printf 'cleared %s\\n' \"$(printf '%s\\n' \"$said\" | grep -c '^> deleted$')\""
    )
