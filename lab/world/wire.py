"""From handshake segments to connections: which an MX accepted, refused or left unanswered. Pure."""

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from lab.world import jsonl
from lab.world.frames import Segment
from lab.world.places import is_public

FILE_NAME = "wire.jsonl"
ANSWER_LIMIT = 20.0
MEMORY = 120.0
Key = tuple[str, int, str, int]


@dataclass
class _Knock:
    """One attempt to connect; `first` and `last` are the times of its SYNs, in POSIX seconds."""

    seq: int
    first: float
    last: float
    syns: int = 1
    done: bool = False


class Tracker:
    """Pairs each SYN with its answer; a frame seen several times, or sent again, is still one attempt."""

    def __init__(self, mx: Collection[str], ports: Collection[int], answer_limit: float = ANSWER_LIMIT) -> None:
        """Watch connections to these addresses and ports.

        An attempt counts as unanswered `answer_limit` seconds after its last SYN.
        """
        self._mx = {str(ipaddress.ip_address(address)) for address in mx}
        self._ports = set(ports)
        self._limit = answer_limit
        self._knocks: dict[Key, _Knock] = {}

    def see(self, segment: Segment, when: float) -> list[jsonl.Line]:
        """Take a segment seen at a time (POSIX seconds); return the lines that it settles."""
        if segment.opens and segment.target in self._mx and segment.target_port in self._ports:
            return self._knock(
                (segment.source, segment.source_port, segment.target, segment.target_port), segment, when
            )
        if segment.source in self._mx and segment.source_port in self._ports:
            return self._answer(
                (segment.target, segment.target_port, segment.source, segment.source_port), segment, when
            )
        return []

    def expire(self, now: float) -> list[jsonl.Line]:
        """Return the attempts that stayed unanswered, and forget the settled ones after a while."""
        lines = []
        for key, knock in list(self._knocks.items()):
            if not knock.done and now - knock.last > self._limit:
                lines.append(_line(key, knock, "unanswered", now))
            elif knock.done and now - knock.last > MEMORY:
                del self._knocks[key]
        return lines

    def finish(self, now: float) -> list[jsonl.Line]:
        """Return what is still open as `open`: watching ended before it was settled."""
        return [_line(key, knock, "open", now) for key, knock in self._knocks.items() if not knock.done]

    def _knock(self, key: Key, segment: Segment, when: float) -> list[jsonl.Line]:
        known = self._knocks.get(key)
        if known is not None and known.seq == segment.seq:
            known.syns += 1
            known.last = when
            return []
        self._knocks[key] = _Knock(segment.seq, when, when)
        return [_line(key, known, "unanswered", when)] if known is not None and not known.done else []

    def _answer(self, key: Key, segment: Segment, when: float) -> list[jsonl.Line]:
        knock = self._knocks.get(key)
        answers = segment.accepts or segment.refuses
        if knock is None or knock.done or not answers or segment.ack != (knock.seq + 1) & 0xFFFFFFFF:
            return []
        return [_line(key, knock, "accepted" if segment.accepts else "refused", when)]


def _line(key: Key, knock: _Knock, outcome: str, when: float) -> jsonl.Line:
    knock.done = True
    client, client_port, mx, port = key
    return {
        "time": jsonl.iso(knock.first),
        "client": client,
        "client_port": client_port,
        "mx": mx,
        "port": port,
        "family": f"v{ipaddress.ip_address(mx).version}",
        "outcome": outcome,
        "ms": round((when - knock.first) * 1000, 1),
        "syns": knock.syns,
        "public": is_public(client),
    }


@dataclass(frozen=True)
class Question:
    """What is asked of the record; empty fields ask for everything. Times as the files write them, the end excluded."""

    mx: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    public_only: bool = False
    outcome: str = ""
    port: int = 0


def select(lines: Iterable[jsonl.Line], question: Question) -> Iterator[jsonl.Line]:
    """Yield the connections a question is about."""
    wanted = {str(ipaddress.ip_address(address)) for address in question.mx}
    for line in lines:
        if "outcome" in line and _matches(line, question, wanted):
            yield line


def doubts(lines: Iterable[jsonl.Line], start: str, end: str, *, cut: bool = False) -> list[str]:
    """Return why a record does not prove what crossed the wire in a span; empty: it does.

    Arguments:
        start: time as the files write it; empty: the beginning of the record.
        end: time as the files write it.
        cut: whether the observer need not have watched all the time: its power was cut.
    """
    wrong, known, before, lost = list[str](), "", "", 0
    for line in lines:
        if "event" not in line:
            continue
        if line["event"] == "start" and start < line["time"] and known < end and (start or known) and not cut:
            wrong.append(f"nobody watched the wire {known and f'from {known} '}until {line['time']}")
        lost += line.get("frames_lost", 0) if line["time"] >= start and before < end else 0
        known, before = max(known, line.get("until", "")), line["time"]
    wrong += [f"UNKNOWN what crossed the wire: {lost} frames were lost"] if lost else []
    return wrong if known >= end else [*wrong, f"UNKNOWN what crossed the wire after {known or start}"]


def _matches(line: jsonl.Line, question: Question, mx: set[str]) -> bool:
    return (
        (not mx or line["mx"] in mx)
        and line["time"] >= question.start
        and (not question.end or line["time"] < question.end)
        and (line["public"] or not question.public_only)
        and question.outcome in ("", line["outcome"])
        and question.port in (0, line["port"])
    )
