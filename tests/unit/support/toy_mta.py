"""The smallest MTA there is: a spool of files and a log, both in one directory, worked by shell scripts.

It differs from Exim wherever one MTA may differ from another: it remembers no failures, a stop cuts deliveries under
way, its keys change, its marks in the log are line numbers, and a person may throw the whole queue away without naming
what was in it. A file of the spool is called by its key and says when its message came and where it goes to.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.facts.units import UnitState
from mxlib.model.on_host import DIRECTORY
from mxlib.mta.backlog import Assumed, Backlog, GiveUp, Heap, Hint, Lately, Try
from mxlib.mta.event import Cause, EventKind, LogEvent, LogGrowth, RecentLog
from mxlib.mta.mail import Followed, ProbeMail
from mxlib.mta.protocol import PARKED, Can
from mxlib.mta.queue import Deadlines, Flow, QueueFacts
from mxlib.mta.refusal import Refusal, RefusalCache
from mxlib.mta.service import MtaFacts, MtaProcess, Role
from mxlib.protocols.host import CommandResult
from tests.unit.support.facts import NOW, ShellHost

_KINDS = {"arrived": EventKind.ARRIVED, "sent": EventKind.DELIVERED, "failed": EventKind.DEFERRED,
          "gone": EventKind.COMPLETED}  # fmt: skip


class ToyHost(ShellHost):
    """A host whose state of ours lies beside the toy's spool, and on which scripts may act."""

    name = "mx2001.lab.test"

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "state").mkdir()

    def read(self, script: str, *, timeout: float) -> CommandResult:
        return super().read(script.replace(DIRECTORY, str(self.root / "state")), timeout=timeout)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        done = self.read(script, timeout=timeout)
        assert done.exit_code in ok_codes, done.output
        return done


def _since(mark: str) -> int:
    found = re.fullmatch(r"after-(\d+)", mark)
    if found is None:
        raise ParseError(f"not a mark: {mark}")
    return int(found[1])


class ToyMta:
    """The toy, in a directory."""

    name = "Toy"
    can = Can(hints=False, relay_test=False, refusal_cache=False, stop_spares=False)
    units = ("toy.service",)
    configuration: tuple[str, ...] = ()
    configuration_script = "echo toy"
    packages: tuple[str, ...] = ("toy",)

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("spool", "parked", "down"):
            (root / folder).mkdir()
        (root / "log").touch()
        (root / "running").touch()

    # --- what a test does to it

    def take(self, key: str, domain: str, age: float = 60.0) -> None:
        when = datetime.now(UTC) - timedelta(seconds=age)
        (self.root / "spool" / key).write_text(f"{when.timestamp():.0f} {domain}\n")
        self.write(f"arrived {key} {domain}")

    def deliver(self, key: str) -> None:
        (self.root / "spool" / key).unlink()
        self.write(f"sent {key} x.test", f"gone {key}")

    def rename(self, old: str, new: str) -> None:
        (self.root / "spool" / old).rename(self.root / "spool" / new)
        self.write(f"renamed {old} {new}")

    def write(self, *lines: str) -> None:
        with (self.root / "log").open("a") as log:
            log.writelines(f"{datetime.now(UTC).timestamp():.0f} {line}\n" for line in lines)

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())

    # --- what it is, and how it does

    @property
    def paths(self) -> tuple[str, ...]:
        return (str(self.root),)

    @property
    def service(self) -> Source[MtaFacts]:
        # `busy` says at how many more looks a delivery is under way
        script = f"cd {self.root}\n[ ! -e running ] || echo 1 daemon\nleft=$(cat busy 2>/dev/null || echo 0)\n" \
                 '[ "$left" = 0 ] || { echo 2 delivery; echo $((left - 1)) >busy; }\necho end\n'  # fmt: skip
        asked = Section("toy-service", script)

        def parse(outputs: Mapping[str, Any]) -> MtaFacts:
            rows = [line.split() for line in outputs[asked.name].text().splitlines() if line != "end"]
            unit = UnitState("toy.service", "loaded", "active" if rows else "inactive", "enabled", "success")
            found = tuple(MtaProcess(int(pid), 1, f"toy {role}", Role(role)) for pid, role in rows)
            return MtaFacts(unit, "1.0", (), found)

        return Source(asked.name, (asked,), parse)

    @property
    def version(self) -> Source[str]:
        return Source("toy-version", (), lambda _: "1.0")

    @property
    def length(self) -> Source[int]:
        asked = Section("toy-length", f"ls {self.root}/spool {self.root}/parked | grep -c '^[a-z][0-9]'")
        return Source(asked.name, (asked,), lambda outputs: int(outputs[asked.name].text()))

    @property
    def queue(self) -> Source[QueueFacts]:
        raise NotImplementedError

    def settings(self, found: RecentLog) -> tuple[str, ...]:
        return ()

    def advice(self, found: RecentLog, version: str) -> tuple[str, ...]:
        return ()

    deadlines: Source[Deadlines]
    recent: Source[RecentLog]
    relay: Source[str]

    # --- to rest, and back to work

    @property
    def count_script(self) -> str:
        return f"[ ! -e {self.root}/running ] || echo processes 1"

    @property
    def quiet_script(self) -> str:
        return f"cd {self.root}\n[ -e {PARKED} ] || {{ ls parked >{PARKED}.new; mv {PARKED}.new {PARKED}; }}\n" \
               "for one in spool/*; do [ ! -e \"$one\" ] || mv \"$one\" parked/; done\n"  # fmt: skip

    @property
    def stop_script(self) -> str:
        return f"rm -f {self.root}/running"

    @property
    def start_script(self) -> str:
        return f"touch {self.root}/running"

    @property
    def let_go_script(self) -> str:
        return f"""\
cd {self.root}
for one in $(ls parked); do grep -qx "$one" {PARKED} || mv parked/$one spool/; done
rm -f {PARKED}
"""

    # --- its ledger

    def is_key(self, text: str) -> bool:
        return re.fullmatch(r"[a-z]\d+", text) is not None

    def ledger_functions(self, mark: str) -> str:
        return f"""\
on_disk() {{ ls {self.root}/spool {self.root}/parked | grep '^[a-z][0-9]' || :; }}
events() {{
tail -n +{_since(mark) + 1} {self.root}/log | awk '$2 == "threw-away" {{ print "hole" }} {{ print $2, $3, $4 }}'
}}
settle() {{ sync {self.root}/log; }}
"""

    # --- its log

    @property
    def mark(self) -> Source[str]:
        asked = Section("toy-mark", f"wc -l <{self.root}/log")
        return Source(asked.name, (asked,), lambda outputs: f"after-{int(outputs[asked.name].text())}")

    def growth(self, mark: str) -> Source[LogGrowth]:
        asked = Section("toy-growth", f"tail -n +{_since(mark) + 1} {self.root}/log")

        def parse(outputs: Mapping[str, Any]) -> LogGrowth:
            rows = [line.split(" ") for line in outputs[asked.name].text().splitlines()]
            return LogGrowth(tuple(map(_event, rows)), f"after-{_since(mark) + len(rows)}")

        return Source(asked.name, (asked,), parse)

    def flow(self, mark: str) -> Source[Flow]:
        whole = self.growth(mark)

        def parse(outputs: Mapping[str, Any]) -> Flow:
            found = whole.parse(outputs)
            of = {kind: sum(event.kind is kind for event in found.events) for kind in EventKind}
            return Flow(of[EventKind.ARRIVED], of[EventKind.COMPLETED], of[EventKind.DELIVERED], 0, False,
                        found.mark, False)  # fmt: skip

        return Source("toy-flow", whole.sections, parse)

    def arrivals(self, since: datetime) -> Source[Mapping[str, int]]:
        raise NotImplementedError

    def refusals(self, addresses: Sequence[str], since: datetime) -> Source[tuple[Refusal, ...]]:
        raise NotImplementedError

    # --- emptying the queue

    @property
    def give_up(self) -> Source[GiveUp]:
        return Source("toy-give-up", (self.mark.sections[0],), lambda _: Assumed(5 * 86400.0))

    def waiting(self, classes: Sequence[str]) -> Source[Backlog]:
        asked = Section("toy-waiting", f"cd {self.root}; date +%s; cat spool/* 2>/dev/null; echo log; cat log")

        def parse(outputs: Mapping[str, Any]) -> Backlog:
            head, _, log = outputs[asked.name].text().partition("log\n")
            now, *rows = head.splitlines()
            waits: dict[str, list[datetime]] = {}
            for came, domain in map(str.split, rows):
                waits.setdefault(domain, []).append(_at(came))
            heaps = tuple(Heap(one, "-", len(all_), 0, min(all_), max(all_)) for one, all_ in waits.items())
            return Backlog(len(rows), 0, heaps, _lately(log), {}, {}, _at(now))

        return Source(asked.name, (asked,), parse)

    def attempt_script(
        self, tries: Sequence[Try], spared: Sequence[str], classes: Sequence[str], parallel: int, seconds: int
    ) -> str:
        assert not spared
        assert not classes
        return f"cd {self.root}\nnow=$(date +%s)\n" + "".join(
            f"""\
for one in $(grep -l ' {one.domain}$' spool/* | head -n {one.limit}); do key=${{one#spool/}}
if [ -e down/{one.domain} ]; then echo "$now failed $key {one.domain}" >>log; continue; fi
rm $one
printf '%s\\n' "$now sent $key {one.domain}" "$now gone $key" >>log
done
"""
            for one in tries
        )

    stop_attempts_script = ":"
    attempt_words = "toy try"

    # --- what it cannot

    hints: Source[tuple[Hint, ...]]
    remembered_refusals: Source[RefusalCache]

    def forget_script(self, keys: Sequence[str]) -> str:
        raise NotImplementedError

    def drop_refusals_script(self, keys: Sequence[str]) -> str:
        raise NotImplementedError

    def probe(
        self, mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool
    ) -> Source[tuple[Followed, ...]]:
        """Every test mail is delivered, but to what is down."""
        asked = Section("toy-probe", f"ls {self.root}/down")

        def parse(outputs: Mapping[str, Any]) -> tuple[Followed, ...]:
            down = outputs[asked.name].text().split()
            return tuple(Followed(0, "", f"t{n}", _fate(mail.probe.to, down)) for n, mail in enumerate(mails))

        return Source(asked.name, (asked,), parse)


def _fate(to: str, down: Sequence[str]) -> tuple[LogEvent, ...]:
    if to.partition("@")[2] in down:
        return (LogEvent(NOW, EventKind.DEFERRED, "t", to, "", "", "", Cause.REFUSED, "refused"),)
    sent = LogEvent(NOW, EventKind.DELIVERED, "t", to, "mx", "192.0.2.7", "250 ok", None, "sent")
    return sent, LogEvent(NOW, EventKind.COMPLETED, "t", "", "", "", "", None, "gone")


def _at(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _event(row: list[str]) -> LogEvent:
    when, what, *rest = row
    address = f"user@{rest[1]}" if len(rest) > 1 else ""
    return LogEvent(_at(when), _KINDS.get(what, EventKind.OTHER), rest[0], address, "", "", "", None, " ".join(row))


def _lately(log: str) -> dict[str, Lately]:
    found: dict[str, Lately] = {}
    for when, what, _, *domain in map(str.split, log.splitlines()):
        if what == "sent":
            found[domain[0]] = Lately(delivered=_at(when))
        elif what == "failed":
            found[domain[0]] = Lately(None, _at(when), 1, 1, Cause.REFUSED, "refused")
    return found
