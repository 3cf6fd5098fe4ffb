"""The whole service at a glance: from what each host answered to a row of one table. Pure.

What could not be read is UNKNOWN with its reason, cell by cell: one fact that is missing hides no other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mxlib.base.errors import MxlibError, ParseError
from mxlib.base.text import duration, one_line, plural
from mxlib.base.verdict import Status
from mxlib.checks import hole as hole_check
from mxlib.commands.answers import after_no_answer
from mxlib.commands.grid import fitted
from mxlib.commands.last_verification import Verified
from mxlib.config.sections import Site
from mxlib.facts import boot, depool, hole, kernel
from mxlib.facts import proven_kernels as proven
from mxlib.facts.proven_kernels import ProvenKernel
from mxlib.facts.source import Facts, Source
from mxlib.model.outcome import Outcome
from mxlib.model.state import NOT_POOLED, MtaState, Ports
from mxlib.mta import standing
from mxlib.mta.find import find

STALE_S = 7200.0
"""A verification that is older says nothing of now; ``alerts/mx.yaml`` has the same bound."""
_SKEW_S = 60.0
"""It may have been written while the hosts were asked; what lies further in the future is no time."""
_NOT_HERE = "-"
_UNKNOWN = "unknown"
_HEADS = {"up since": "up since (UTC)", "verified": "verified (UTC)"}


@dataclass(frozen=True)
class Cell:
    """One value of one host.

    Attributes:
        shown: what the table shows.
        value: the same for a program; None where it is unknown.
        status: FAILED where somebody has to look, UNKNOWN where it could not be read.
        why: what is wrong, or why it is unknown; empty where it is OK.
    """

    shown: str
    value: Any
    status: Status = Status.OK
    why: str = ""


@dataclass(frozen=True)
class Row:
    """One host.

    Attributes:
        host: its name.
        cells: by their column, in its order.
        answered: whether it answered.
        why: why it did not.
    """

    host: str
    cells: Mapping[str, Cell]
    answered: bool = True
    why: str = ""

    @property
    def status(self) -> Status:
        """The worst cell; UNKNOWN for a host that did not answer, whatever is known of it from elsewhere."""
        if not self.answered:
            return Status.UNKNOWN
        return min((cell.status for cell in self.cells.values()), key=lambda one: one.severity)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong or unknown, each reason once, the worst first."""
        bad = sorted((one for one in self.cells.values() if one.why), key=lambda one: one.status.severity)
        silent = [] if self.answered else [f"UNKNOWN: it does not answer: {self.why}"]
        # of a host that is silent every cell has the same reason
        own = [f"{one.status.value}: {one.why}" for one in bad if one.why != self.why]
        return tuple(dict.fromkeys((*silent, *own)))


def sources(site: Site) -> tuple[Source[Any], ...]:
    """Return everything that is read of a host, for one round trip."""
    mta = find(site.mta)
    own = (kernel.SOURCE, boot.SOURCE, proven.SOURCE, standing.source(mta), depool.SOURCE, hole.SOURCE)
    return (*own, mta.length, mta.recent)


@dataclass(frozen=True)
class Read:
    """What was read for the table.

    Attributes:
        answers: by host, or why there is none.
        pools: the pool state by host, or why it is unknown; empty where no pool is in front.
        verified: the last verification by host, or why it is unknown.
        now: when all of it was asked (UTC).
    """

    answers: Mapping[str, Facts | MxlibError]
    pools: Mapping[str, Mapping[str, str] | MxlibError]
    verified: Mapping[str, Verified] | MxlibError
    now: datetime


def rows(site: Site, read: Read) -> tuple[Row, ...]:
    """Return a row a host.

    Arguments:
        site: the site's configuration.
        read: what was read.
    """
    proofs = [proof for answer in read.answers.values() if isinstance(answer, Facts) for proof in _proofs(answer)]
    return tuple(_row(site, read, name, answer, proofs) for name, answer in read.answers.items())


def _proofs(facts: Facts) -> tuple[ProvenKernel, ...]:
    try:
        return facts.get(proven.SOURCE)
    except ParseError:
        return ()


def _row(site: Site, read: Read, name: str, answer: Facts | MxlibError, proofs: Sequence[ProvenKernel]) -> Row:
    def of(ask: Callable[[Facts], Cell]) -> Cell:
        return _cell(lambda: ask(_answered(answer, name)))

    cells = {
        "kernel": of(_kernel),
        "proven": of(lambda facts: _proven(facts, proofs)),
        "up since": of(_up_since),
        "pool": _cell(lambda: _pool(read.pools, name)),
        "ports": of(lambda facts: _ports(facts, site)),
        "MTA": of(lambda facts: _mta(facts, site)),
        "queue": of(lambda facts: _queue(facts, site)),
        "in 15 min": of(lambda facts: _trend(facts, site)),
        "run": of(_run),
        "holes": of(_holes),
        "verified": _cell(lambda: _verified(read, name)),
    }
    if isinstance(answer, Facts):
        return Row(name, cells)
    return Row(name, cells, answered=False, why=_without_name(answer, name))


def _answered(answer: Facts | MxlibError, name: str) -> Facts:
    if isinstance(answer, Facts):
        return answer
    raise ParseError(_without_name(answer, name))


def _without_name(error: MxlibError, name: str) -> str:
    """Why a host is silent; its name stands before that already."""
    return one_line(str(error)).removeprefix(f"{name}: ")


def _cell(ask: Callable[[], Cell]) -> Cell:
    """A cell; unknown with its reason where it cannot be read."""
    try:
        return ask()
    except MxlibError as error:
        return Cell(_UNKNOWN, None, Status.UNKNOWN, one_line(str(error)))


def _kernel(facts: Facts) -> Cell:
    found = facts.get(kernel.SOURCE)
    return Cell(found.running, found.running)


def _proven(facts: Facts, proofs: Sequence[ProvenKernel]) -> Cell:
    """Whether this very build was proven, here or on another MX that was asked: the name alone proves no build."""
    running, own = facts.get(kernel.SOURCE), facts.get(proven.SOURCE)
    if not running.build:
        raise ParseError("which build the running kernel is cannot be read, so whether that was proven is unknown")
    same = [one for one in (*own, *proofs) if (one.release, one.version) == (running.running, running.build)]
    if not same:
        return Cell("no", {"host": "", "when": ""})
    return Cell("yes" if same[0] in own else f"on {same[0].host}", {"host": same[0].host, "when": same[0].when})


def _up_since(facts: Facts) -> Cell:
    at = facts.get(boot.SOURCE).booted_at
    return Cell(f"{at:%Y-%m-%d %H:%M}", at.isoformat())


def _pool(pools: Mapping[str, Mapping[str, str] | MxlibError], name: str) -> Cell:
    values = pools.get(name, {})
    if isinstance(values, MxlibError):
        raise values
    if not values:
        return Cell(_NOT_HERE, {})
    same = set(values.values())
    said = ", ".join(f"{service}={value}" for service, value in sorted(values.items()))
    shown = same.pop() if len(same) == 1 else said
    out = NOT_POOLED & set(values.values())
    return Cell(shown, dict(values), *((Status.FAILED, f"out of the pool: {said}") if out else ()))


def _ports(facts: Facts, site: Site) -> Cell:
    ports = facts.get(depool.SOURCE).ports_of(site.ports)
    bad = (Status.FAILED, f"its mail ports are {ports.value}") if ports is not Ports.OPEN else ()
    return Cell(ports.value, ports.value, *bad)


def _mta(facts: Facts, site: Site) -> Cell:
    found = facts.get(standing.source(find(site.mta)))
    state = found.view.mta
    bad = (Status.FAILED, f"its MTA does not serve (unit {found.mta_unit})") if state is not MtaState.SERVING else ()
    return Cell("down" if state is MtaState.OTHER else state.value, state.value, *bad)


def _queue(facts: Facts, site: Site) -> Cell:
    count = facts.get(find(site.mta).length)
    return Cell(str(count), count)


def _trend(facts: Facts, site: Site) -> Cell:
    recent = facts.get(find(site.mta).recent)
    flow = {"arrived": recent.arrived, "completed": recent.completed}
    return Cell(f"+{recent.arrived} -{recent.completed}", flow)


def _run(facts: Facts) -> Cell:
    record = facts.get(depool.SOURCE).record
    if record is None:
        return Cell(_NOT_HERE, None)
    claim = {key: one_line(getattr(record, key)) for key in ("run", "who", "since", "why")}
    return Cell(claim["run"], {**claim, "stay": record.stay})


def _holes(facts: Facts) -> Cell:
    found = facts.get(hole.SOURCE)
    problems = hole_check.problems(found)
    bad = (Status.FAILED, "temporary hole: " + "; ".join(problems)) if problems else ()
    return Cell(str(len(problems)) if problems else "none", [one_line(one) for one in problems], *bad)


def _verified(read: Read, name: str) -> Cell:
    if isinstance(read.verified, MxlibError):
        raise read.verified
    last = read.verified.get(name)
    if last is None:
        raise ParseError("the last verification by the timer did not ask it")
    value = {"status": last.status.value, "when": last.when.isoformat(), "not_passed": list(last.bad)}
    value["left_out"] = list(last.left_out)
    age = (read.now - last.when).total_seconds()
    shown = f"{last.status.value} {last.when:%H:%M}"
    if not -_SKEW_S <= age <= STALE_S:
        old = f"its last verification, {last.status.value} at {last.when:%Y-%m-%d %H:%M} UTC, says nothing of now"
        return Cell("stale", value, Status.UNKNOWN, old)
    said = f"the last verification, {duration(age)} ago"
    if last.partial:
        # what was left out is unknown, whatever the rest is
        status = Status.FAILED if last.status is Status.FAILED else Status.UNKNOWN
        bad = f": {', '.join(last.bad)}" if last.bad else ""
        return Cell(f"partly {shown}", value, status, one_line(f"{said}, covers {last.partial}{bad}"))
    if last.status is Status.OK:
        return Cell(shown, value)
    return Cell(shown, value, last.status, one_line(f"{said}: {', '.join(last.bad)}"))


def table(found: Sequence[Row], room: int | None = None) -> tuple[str, ...]:
    """Return the table: a heading, a line a host, then what is wrong or unknown, a line each.

    Arguments:
        found: the rows.
        room: columns that there are; None: as many as are needed.
    """
    heads = ("", "host", *(_HEADS.get(name, name) for name in found[0].cells))
    hosts = [(one.status.value, one.host, *(cell.shown for cell in one.cells.values())) for one in found]
    return (*fitted(heads, hosts, room), *_reasons(found))


def _reasons(found: Sequence[Row]) -> Iterable[str]:
    """What is wrong or unknown, a line each; what is so of every host in one line for all."""
    shared = [one for one in found[0].reasons if len(found) > 1 and all(one in row.reasons for row in found)]
    yield from (f"every host: {one}" for one in shared)
    yield from (f"{row.host}: {one}" for row in found for one in row.reasons if one not in shared)


def outcome(found: Sequence[Row], unknown: Iterable[str]) -> tuple[Outcome, str]:
    """Return how the cookbook ends, and why in one sentence.

    Arguments:
        found: the rows.
        unknown: what else could not be read.
    """
    if not any(one.answered for one in found):
        return Outcome.NO_ANSWER, f"next: {after_no_answer([one.host for one in found])}"
    for status, end in ((Status.FAILED, Outcome.FAILED), (Status.UNKNOWN, Outcome.UNKNOWN)):
        reasons = [f"{one.host}: {_first(one)}" for one in found if one.status is status]
        reasons += unknown if status is Status.UNKNOWN else ()
        if reasons:
            return end, one_line("; ".join(reasons), 400)
    return Outcome.DONE, f"{plural(len(found), 'host')} in service, nothing unknown"


def _first(row: Row) -> str:
    reason, *more = (one.partition(": ")[2] for one in row.reasons)
    return f"{reason} (and {len(more)} more above)" if more else reason


def as_dict(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows for a program."""
    return [_as_dict(one) for one in found]


def _as_dict(row: Row) -> dict[str, Any]:
    cells = {
        name.replace(" ", "_").lower(): {"value": cell.value, "status": cell.status.value, "why": cell.why}
        for name, cell in row.cells.items()
    }
    return {"host": row.host, "status": row.status.value, "answered": row.answered, "why": row.why, **cells}
