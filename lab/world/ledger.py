"""The ledger outside the product: every message sent against every message arrived.

`python3 -m lab.world.ledger --state DIR [--json] [--since ISO] [--spool FILE] [--confirmed FILE] [--wait S]`: 0 only if
it is settled: mail was sent, nothing of what was taken is lost, and nothing lies in a spool.
`python3 -m lab.world.ledger inbox --state DIR [--json]`: what arrived.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.world import inbox, jsonl

SENT_FILE = "sent.jsonl"
LISTED = 20
POLL = 0.5


@dataclass
class Ledger:
    """The account. Numbers count messages, but for `recipients`; lists hold X-Lab-Ids.

    Attributes:
        sent: messages an MX answered 250 for; recipients: theirs, together.
        arrived_once: each recipient's copy arrived, and arrived once.
        missing: an MX took it; it did not arrive, lies in no spool that is known, and did not bounce.
        in_spool: did not arrive yet, and lies in a spool.
        bounced: did not arrive; a bounce came back.
        duplicates_explained: arrived again, and each copy was begun before the client surely saw a 250 for its
            recipient: those of the others were withheld or never acknowledged. One more copy is explained for each time
            that the sender lost the reply and had to send again.
        duplicates: arrived again although the client surely saw the 250 of another copy, or was begun after that.
        altered: arrived with another body.
        refused: an MX said 5xx to at least one recipient; unsent: the sender gave up on at least one.
        arrived_unsent: no recipient was accepted, and it arrived nevertheless.
        unknown: arrivals with an id nobody sent; anonymous: arrivals without an id, bounces left aside.
    """

    sent: int = 0
    recipients: int = 0
    arrived_once: int = 0
    missing: list[str] = field(default_factory=list)
    in_spool: list[str] = field(default_factory=list)
    bounced: list[str] = field(default_factory=list)
    duplicates_explained: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)
    arrived_unsent: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    anonymous: int = 0

    @property
    def balanced(self) -> bool:
        """Say whether nothing is missing, bounced or altered, and every duplicate is explained."""
        return not (self.missing or self.bounced or self.duplicates or self.altered)

    @property
    def settled(self) -> bool:
        """Say whether it balances, mail was sent, and none of it lies in a spool: no more can happen to it."""
        return self.balanced and self.sent > 0 and not self.in_spool


@dataclass
class _Sent:
    expected: int = 0
    ambiguous: int = 0
    sha256: str = ""
    time: str = ""
    tag: str = ""
    fates: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Copy:
    number: str
    acked: bool
    sha256: str
    begun: str
    time: str


@dataclass
class _Arrivals:
    confirmed: Collection[str] = ()
    copies: dict[str, dict[str, list[_Copy]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    bounced: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    last: dict[str, str] = field(default_factory=dict)
    anonymous: int = 0

    def add(self, line: jsonl.Line) -> None:
        """Take a line of inbox.jsonl into account."""
        if line.get("event") == "reply-unseen":
            self.unseen.add(line["arrival"])
        elif line.get("event") == "reply-seen":
            self.unseen.discard(line["arrival"])
        elif line.get("lab_id"):
            begun = str(line.get("begun") or line["time"])  # an inbox of old does not say it
            copy = _Copy(line["arrival"], line["acked"], line["body_sha256"], begun, line["time"])
            self.last[line["lab_id"]] = line["time"]
            for recipient in line["recipients"]:
                self.copies[line["lab_id"]][recipient.lower()].append(copy)
        elif line.get("bounced"):
            self.bounced.update(line["bounced"])
        else:
            self.anonymous += 1

    def certain(self, copy: _Copy) -> bool:
        """Say whether the client knew that this copy was taken, so that it had no reason to send another."""
        return copy.number in self.confirmed or (copy.acked and copy.number not in self.unseen)

    def unexplained(self, copies: Collection[_Copy]) -> int:
        """Count the copies for one recipient that the client had no reason to send: it knew of another one.

        The order of arrival proves nothing: a socket whose reply was lost may hand over its copy after the good
        attempt. But that one was begun before.
        """
        known = min((copy for copy in copies if self.certain(copy)), key=lambda copy: copy.time, default=None)
        if known is None:
            return 0
        return sum(self.certain(copy) or copy.begun >= known.time for copy in copies if copy is not known)


def reconcile(
    sent: Iterable[jsonl.Line],
    arrived: Iterable[jsonl.Line],
    spool: Collection[str] = (),
    since: str = "",
    tag: str = "",
    confirmed: Collection[str] = (),
) -> Ledger:
    """Compare what was sent with what arrived.

    Messages are matched by X-Lab-Id and counted by recipients, since an MX rewrites the addresses.

    Arguments:
        sent: lines of sent.jsonl.
        arrived: lines of inbox.jsonl.
        spool: ids known to lie in the spools of the MXs.
        since: only messages sent at or after this time (as the files write it) are accounted for, and of those that
            nobody sent, only what arrived then.
        tag: only messages sent with this tag are accounted for; empty: all.
        confirmed: numbers of arrivals whose 250 an MX has logged.
    """
    messages = _messages(sent)
    arrivals = _Arrivals(confirmed)
    for line in arrived:
        arrivals.add(line)
    unknown = sorted(lab_id for lab_id, time in arrivals.last.items() if lab_id not in messages and time >= since)
    ledger = Ledger(anonymous=arrivals.anonymous, unknown=unknown)
    for lab_id, message in messages.items():
        if message.time >= since and tag in ("", message.tag):
            _enter(ledger, lab_id, message, arrivals, lab_id in spool)
    return ledger


def _messages(lines: Iterable[jsonl.Line]) -> dict[str, _Sent]:
    messages: dict[str, _Sent] = defaultdict(_Sent)
    for line in lines:
        message = messages[line["id"]]
        message.expected += len(line["to"]) if line["accepted"] else 0
        message.ambiguous = max(message.ambiguous, line.get("ambiguous", 0))
        message.sha256 = line["body_sha256"]
        message.time = message.time or line["time"]
        message.tag = line.get("tag", "")
        message.fates.add(line["fate"])
    return messages


def _enter(ledger: Ledger, lab_id: str, message: _Sent, arrivals: _Arrivals, spooled: bool) -> None:
    copies = arrivals.copies.get(lab_id, {})
    _enter_refusals(ledger, lab_id, message, bool(copies))
    if not message.expected:
        return
    ledger.sent += 1
    ledger.recipients += message.expected
    if len(copies) < message.expected:
        _absent(ledger, lab_id, lab_id in arrivals.bounced, spooled).append(lab_id)
    elif not _repeated(ledger, lab_id, message, arrivals):
        ledger.arrived_once += 1
    if any(copy.sha256 != message.sha256 for each in copies.values() for copy in each):
        ledger.altered.append(lab_id)


def _enter_refusals(ledger: Ledger, lab_id: str, message: _Sent, arrived: bool) -> None:
    for fate, entries in (("refused", ledger.refused), ("unsent", ledger.unsent)):
        if fate in message.fates:
            entries.append(lab_id)
    if arrived and not message.expected:
        ledger.arrived_unsent.append(lab_id)


def _absent(ledger: Ledger, lab_id: str, bounced: bool, spooled: bool) -> list[str]:
    if spooled:
        return ledger.in_spool
    return ledger.bounced if bounced else ledger.missing


def _repeated(ledger: Ledger, lab_id: str, message: _Sent, arrivals: _Arrivals) -> bool:
    """Enter a message that arrived more than once; False: it did not."""
    copies = arrivals.copies[lab_id]
    again = sum(map(len, copies.values())) - message.expected
    if again <= 0:
        return False
    strange = len(copies) > message.expected or any(
        arrivals.unexplained(each) > message.ambiguous for each in copies.values()
    )
    (ledger.duplicates if strange else ledger.duplicates_explained).append(lab_id)
    return True


def _words(path: Path | None) -> set[str]:
    return set(path.read_text(encoding="utf-8").split()) if path else set()


def _settle(args: argparse.Namespace) -> Ledger:
    """Reconcile until nothing is missing or in a spool, or the time to wait is over."""
    end = time.monotonic() + args.wait
    since = jsonl.normalise(args.since) if args.since else ""
    while True:
        sent, arrived = jsonl.read(args.state / SENT_FILE), jsonl.read(args.state / inbox.FILE_NAME)
        ledger = reconcile(sent, arrived, _words(args.spool), since, args.tag, _words(args.confirmed))
        if not (ledger.missing or ledger.in_spool) or time.monotonic() >= end:
            return ledger
        time.sleep(min(POLL, max(0.0, end - time.monotonic())))


def _print(ledger: Ledger) -> None:
    for name, value in asdict(ledger).items():
        count = len(value) if isinstance(value, list) else value
        shown = " ".join(value[:LISTED]) if isinstance(value, list) else ""
        print(f"{name.replace('_', ' '):22} {count:6}  {shown}{' ...' if shown and count > LISTED else ''}".rstrip())
    print(_in_words(ledger))


def _in_words(ledger: Ledger) -> str:
    if not ledger.balanced:
        return "NOT BALANCED"
    if not ledger.sent:
        return "NOTHING WAS SENT that an MX took"
    return "NOT SETTLED: mail lies in a spool" if ledger.in_spool else "balanced"


def check(args: argparse.Namespace) -> int:
    """Print the account; 0 only if it is settled."""
    ledger = _settle(args)
    if args.json:
        print(json.dumps(asdict(ledger) | {"balanced": ledger.balanced, "settled": ledger.settled}))
    else:
        _print(ledger)
    return 0 if ledger.settled else 1


def arrivals(lines: Iterable[jsonl.Line], place: str = "", since: str = "") -> Iterator[jsonl.Line]:
    """Yield the messages of an inbox: of one place, from one time on, where asked for."""
    for line in lines:
        if line.get("event") == "arrival" and place in ("", line["place"]) and line["time"] >= since:
            yield line


def show_inbox(args: argparse.Namespace) -> int:
    """Print what arrived, a line each."""
    since = jsonl.normalise(args.since) if args.since else ""
    for line in arrivals(jsonl.read(args.state / inbox.FILE_NAME), args.place, since):
        print(json.dumps(line) if args.json else _one_line(line))
    return 0


def _one_line(line: jsonl.Line) -> str:
    took = "250" if line["acked"] else "dropped"
    return (
        f"{line['time'][:19]} {line['place']:8} {line['family']} {line['peer']:24} {took:7} {line['size']:8} "
        f"{line['lab_id'] or '-':36} <{line['sender']}> -> {','.join(line['recipients'])}"
    )


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.world.ledger", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("check", "inbox"), default="check")
    add = parser.add_argument
    add("--state", type=Path, required=True, help="directory of sent.jsonl and inbox.jsonl")
    add("--json", action="store_true", help="for machines")
    add("--since", default="", help="ISO 8601: only what was sent (inbox: arrived) from then on")
    add("--spool", type=Path, help="file with the X-Lab-Ids that lie in the spools of the MXs")
    add("--confirmed", type=Path, help="file with the numbers of the arrivals whose 250 is in a log of the MXs")
    add("--tag", default="", help="only messages sent with this tag")
    add("--wait", type=float, default=0.0, help="seconds to wait for what has not arrived yet")
    add("--place", default="", help="inbox: only this place")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Print the account or the inbox; return the exit code."""
    args = _arguments(argv)
    return show_inbox(args) if args.command == "inbox" else check(args)


if __name__ == "__main__":
    sys.exit(main())
