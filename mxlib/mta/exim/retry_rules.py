"""When Exim gives up: its retry rules, and how long it tries a message before a failure is final.

The cutoff of a rule is the time-out of its last algorithm (Exim's spec.txt, "Retry rules"). It counts from the first
failure of a host or an address, which is in the retry hints, and from the arrival of the message. After the earlier of
the two the next failed attempt is a bounce.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.backlog import LOCAL, UNKNOWN
from mxlib.mta.exim import names as exim

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_INTERVAL = re.compile(r"(?:\d+[smhdw]?)+")
_PART = re.compile(r"(\d+)([smhdw]?)")
_LINE = re.compile(
    r'(?P<pattern>"[^"]*"|\S+)\s+(?P<error>\S+)(?:\s+senders=(?P<senders>"[^"]*"|\S+))?(?:\s+(?P<how>\S.*))?'
)
NO_SENDER = "<>"
"""The pattern for the empty sender of a bounce, which a rule writes as an item with nothing in it."""
_SIMPLE_SENDER = re.compile(rf"(?:\*|[a-z0-9._=+-]+)@[a-z0-9.-]+|\*|{NO_SENDER}")
_SIMPLE_DOMAIN = re.compile(r"\*?[a-z0-9.-]*")


@dataclass(frozen=True)
class RetryRule:
    """One retry rule.

    Attributes:
        pattern: domain or address that it is for, lower case.
        error: kind of failure that it is for; ``*`` for any.
        senders: envelope senders that it is for, lower case; empty for any.
        cutoff: seconds until Exim gives up.
    """

    pattern: str
    error: str
    senders: tuple[str, ...]
    cutoff: float


def parse_rules(text: str) -> tuple[RetryRule, ...]:
    """Read the retry section as ``exim -bP config`` prints it, from ``begin retry`` on.

    Raises:
        mxlib.base.errors.ParseError: there is none, or one of its lines is no rule.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or lines[0] != "begin retry":
        raise ParseError("the MTA's retry rules are unknown: its configuration shows no section 'begin retry'")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.startswith("begin ")), len(lines))
    return tuple(_rule(line) for line in lines[1:end])


def _rule(line: str) -> RetryRule:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ParseError(f"not a retry rule: {line[:120]!r}")
    senders = (found["senders"] or "").strip('"').lower()
    return RetryRule(
        found["pattern"].strip('"').lower(),
        found["error"].lower(),
        tuple(one.strip() or NO_SENDER for one in re.split(r"(?<!:):(?!:)", senders)) if senders else (),
        _cutoff(found["how"] or ""),
    )


def _cutoff(algorithms: str) -> float:
    """The time-out of the last algorithm of ``F,2h,15m; G,16h,1h,1.5; F,4d,6h``; a rule without any never retries."""
    parts = [part.strip() for part in algorithms.split(";") if part.strip()]
    if not parts:
        return 0.0
    fields = [field.strip() for field in parts[-1].split(",")]
    if len(fields) < 2 or not _INTERVAL.fullmatch(fields[1]):
        raise ParseError(f"not an algorithm of a retry rule: {parts[-1][:60]!r}")
    return float(sum(int(number) * _UNITS[unit or "s"] for number, unit in _PART.findall(fields[1])))


def sender_patterns(rules: Sequence[RetryRule]) -> tuple[str, ...]:
    """Return the plain patterns for senders in the rules, in order, each once."""
    known = dict.fromkeys(one for rule in rules for one in rule.senders if _SIMPLE_SENDER.fullmatch(one))
    return tuple(known)


def matches_sender(pattern: str, sender: str) -> bool:
    """Whether a plain pattern (``*``, ``*@domain``, ``user@domain``, ``<>``) matches an envelope sender."""
    sender = sender.lower() or NO_SENDER
    return pattern in ("*", sender) or (pattern.startswith("*@") and sender.endswith(pattern[1:]))


def cutoff(rules: Sequence[RetryRule], domain: str, matched: Collection[str], *, auth: bool = True) -> float:
    """Return the shortest time, in seconds, after which Exim may give up on a message to a domain.

    A rule with a condition that cannot be judged here (a lookup, one kind of failure) may apply: its cutoff counts if
    it is shorter. Without any rule the first temporary failure is final.

    Args:
        domain: of the recipient, or the name of a host; lower case; :data:`UNKNOWN` where it is unknown.
        matched: those of :func:`sender_patterns` that match the envelope sender.
        auth: whether any remote host may be one that Exim has to log in to.
    """
    found = []
    for rule in rules:
        error = _fits_error(rule.error, domain, auth=auth)
        fits = (_fits_domain(rule.pattern, domain), _fits_sender(rule, matched), error)
        if False in fits:
            continue
        found.append(rule.cutoff)
        if None not in fits:
            return min(found)
    return min([*found, 0.0])


def _fits_domain(pattern: str, domain: str) -> bool | None:
    """Whether a pattern is for a domain; None where that is unknown."""
    if pattern == "*":
        return True
    local, at, of = pattern.rpartition("@")
    if not _SIMPLE_DOMAIN.fullmatch(of):
        return None
    if domain == UNKNOWN:
        return None
    same = domain.endswith(of[1:]) if of.startswith("*") else domain == of
    if not same:
        return False
    return True if not at or local == "*" else None


def _fits_error(error: str, domain: str, *, auth: bool) -> bool | None:
    """Whether a rule is for every failure at a domain; None where it is for one that may happen there.

    A full mailbox concerns local deliveries only, a failed login only hosts in ``hosts_require_auth`` (spec.txt).
    """
    if error == "*":
        return True
    never = (error.startswith("quota") and domain != LOCAL) or (error == "auth_failed" and not auth)
    return False if never else None


def _fits_sender(rule: RetryRule, matched: Collection[str]) -> bool | None:
    if not rule.senders or any(one in matched for one in rule.senders):
        return True
    return False if all(_SIMPLE_SENDER.fullmatch(one) for one in rule.senders) else None


@dataclass(frozen=True)
class Rules:
    """Exim's retry rules, as a drain uses them.

    Attributes:
        rules: in order.
        auth: whether a transport demands of remote hosts that Exim logs in to them.
    """

    rules: tuple[RetryRule, ...]
    auth: bool = True

    @property
    def classes(self) -> tuple[str, ...]:
        """Plain patterns for senders in the rules."""
        return sender_patterns(self.rules)

    def after(self, domain: str, senders: str) -> timedelta:
        """Return the shortest time after which Exim may give up.

        Args:
            domain: of the recipient, or the name of a host; lower case; :data:`UNKNOWN` where it is unknown.
            senders: numbers of the classes that match, from 1, such as ``1,3``; ``-`` for none.
        """
        numbers = [int(number) for number in senders.split(",") if number.isdigit()]
        matched = [self.classes[number - 1] for number in numbers if number <= len(self.classes)]
        return timedelta(seconds=self.cutoff(domain, matched))

    def cutoff(self, domain: str, matched: Collection[str]) -> float:
        """Return the same in seconds, for the patterns for senders that match."""
        return cutoff(self.rules, domain, matched, auth=self.auth)


def parse(text: str) -> Rules:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: there are no rules, or one of the lines is none.
    """
    rules = text.removeprefix(_AUTH)
    return Rules(parse_rules(rules), auth=rules != text)


_AUTH = "logs in\n"
RULES = Section(
    "retry-rules",
    f"""\
config=$({exim.BINARY} -bP config) || exit
printf '%s\n' "$config" | awk '
/^[ \t]*hosts_require_auth/ && !auth++ {{ print "logs in" }}
$0 == "begin retry" {{ rules = 1 }}
rules'
""",
    timeout_s=20,
)
SOURCE = Source("retry-rules", (RULES,), lambda outputs: parse(outputs[RULES.name].text()))
