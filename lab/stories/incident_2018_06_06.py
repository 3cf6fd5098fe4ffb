"""2018-06-06: an exchanger is stopped ahead of work, and services that know only that one lose mail for seven hours.

The history is that of the site's public incident report. Three services send through one exchanger: one with neither a
queue nor another exchanger, one with a queue only, and one that has another exchanger, too.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from lab import demo
from lab.lifecycle import Stations, send_signal
from lab.place import CLIENT, EXCHANGERS, INFRA, VRTS, Station, exchanger
from lab.stations import outside
from lab.stories.story import Moment, Stage, Story

MX, OTHER = exchanger("mx2001"), exchanger("mx1001")
RATE = 0.1  # a second, of each: at twice that an emulated exchanger on a busy machine has no time for anything else
STOPPED_S = 30
_REFUSED, _UNDONE, _AGAIN = 10, 11, 2
_FATES = ("unsent", "refused", "missing", "in_spool", "bounced", "duplicates", "altered")

HISTORY = (
    Moment("before", "internal services send through one smarthost; some have neither a queue nor another one"),
    Moment("hour 0", "Exim is stopped on that host ahead of work; the other exchangers serve"),
    Moment("hours 0-7", "services with another smarthost go there; the others lose what they send, unnoticed"),
    Moment("hour 7", "somebody misses mail; Exim is started again"),
    Moment("afterwards", "to do: know the clients of a smarthost, and that they have moved, before it is stopped"),
)


@dataclass(frozen=True)
class Service:
    """An internal service that sends mail.

    Attributes:
        station: where it runs.
        what: its kind, in words.
        words: options of the sender.
    """

    station: Station
    what: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of its host."""
        return self.station.name


_BOTH = f"{MX.fqdn},{OTHER.fqdn}"
BARE = Service(VRTS, "neither a queue nor another exchanger", ("--via", MX.fqdn, "--no-failover", "--no-queue"))
QUEUES = Service(CLIENT, "a queue, no other exchanger", ("--via", MX.fqdn, "--no-failover", "--deadline", "3600"))
MOVES = Service(INFRA, "another exchanger, no queue", ("--via", _BOTH, "--no-queue"))
MENDED = Service(VRTS, "another exchanger now, still no queue", ("--via", _BOTH, "--no-queue"))


def replay(stage: Stage) -> None:
    """Play it."""
    since = demo.now()
    with ExitStack() as services:
        for one in (QUEUES, MOVES):
            services.enter_context(sending(stage.place, one))
        with sending(stage.place, BARE):
            for one in (BARE, QUEUES, MOVES):
                stage.note(f"{one.name} sends through {MX.name}: {one.what}", then="before")
            _as_then(stage)
            addresses = _turned_back(stage)
        mended = demo.now()
        services.enter_context(sending(stage.place, MENDED))
        stage.note(f"{MENDED.name} gets {OTHER.name} as its second exchanger", then="hour 7")
        _goes_through(stage, addresses)
    _nothing_is_lost(stage, since, mended)


@contextmanager
def sending(place: Stations, service: Service) -> Iterator[None]:
    """Let a service send all the time; at the end it sends what it has queued."""
    words = ["send", "--state", "/outside", "--to", "user1@lab.test", "--rate", str(RATE), "--tag", service.name]
    words += [*service.words, "--drain", "120", "--helo", service.station.fqdn]
    words += [word for source in (service.station.v4, service.station.v6) for word in ("--source", str(source))]
    log = (place.lab.logs / "world-senders.log").open("ab")
    sender = subprocess.Popen(outside.program(place.infra, "sender", *words), stdout=log, stderr=log)
    try:
        yield
    finally:
        send_signal(sender, signal.SIGTERM)
        sender.wait(timeout=150)


def fates(place: Stations, since: str, tag: str = "") -> dict[str, int]:
    """Return how many mails had each of the fates that are losses, by the outside ledger; also where none was taken."""
    words = demo.ledger_command(place, since, 120 if not tag else 0, as_json=True)
    listed = subprocess.run([*words, *(("--tag", tag) if tag else ())], stdout=subprocess.PIPE, check=False)
    ledger: dict[str, Any] = json.loads(listed.stdout)
    return lost(ledger)


def lost(ledger: dict[str, Any]) -> dict[str, int]:
    """Return how many mails had each of the fates that are losses; that none was taken shows none either."""
    found = {fate: len(ledger[fate]) for fate in _FATES if ledger[fate]}
    return found if ledger["sent"] else {**found, "none taken": 0}


def _as_then(stage: Stage) -> None:
    begun = demo.now()
    stage.note(f"as then: Exim is stopped on {MX.name}, for {STOPPED_S} s", then="hour 0")
    stage.on(MX, f"systemctl stop exim4; sleep {STOPPED_S}; systemctl start exim4", timeout=STOPPED_S + 60)
    time.sleep(2 / RATE)
    gone = {one.name: fates(stage.place, begun, one.name).get("unsent", 0) for one in (BARE, QUEUES, MOVES)}
    stage.must(
        gone[BARE.name] > 0 and gone[QUEUES.name] == gone[MOVES.name] == 0,
        f"mails that nobody will ever send again: {', '.join(f'{name} {count}' for name, count in gone.items())}",
        then="hours 0-7",
    )


def _turned_back(stage: Stage) -> list[str]:
    """Return the addresses of the service with a queue, which is accepted the next time."""
    boot, started, begun = _boot(stage), _started(stage), demo.now()
    code, said = _reboot(stage)
    named = stuck_in(said)
    both = {name for name, _ in named} == {BARE.station.fqdn, QUEUES.station.fqdn}
    stage.must(both, f"reboot-mx names who has no other exchanger: {', '.join(f'{n} ({a})' for n, a in named)}",
               then="hour 0")  # fmt: skip
    stage.must(code == _UNDONE, f"and turns back, exit code {code}: in service as found", then="hour 0")
    same = (boot, started) == (_boot(stage), _started(stage))
    stage.must(same, f"the MTA of {MX.name} was never stopped, and the host not rebooted", then="hour 0")
    time.sleep(2 / RATE)
    gone = fates(stage.place, begun, BARE.name).get("unsent", 0)
    stage.note(
        f"while it looked, {BARE.name} lost {gone}: without a queue that is how it shows; then it was seven hours",
        then="hours 0-7",
    )
    return [address for name, address in named if name == QUEUES.station.fqdn]


def stuck_in(said: str) -> list[tuple[str, str]]:
    """Return name and address of each client that blocked a run, by what the run said."""
    reason = re.search(r"internal clients still connect and were not seen at another MX: (.*?)\. They may", said)
    return sorted(set(re.findall(r"(\S+) \(([0-9A-Fa-f.:]+)\): ", reason[1]))) if reason else []


def _boot(stage: Stage) -> str:
    return stage.on(MX, "cat /proc/sys/kernel/random/boot_id").strip()


def _started(stage: Stage) -> str:
    return stage.on(MX, "systemctl show -p ActiveEnterTimestamp --value exim4.service").strip()


def _reboot(stage: Stage, *words: str) -> tuple[int, str]:
    kernel = demo.other_kernel(stage.place, MX)
    command = ("sre.mail.reboot-mx", MX.fqdn, "--kernel", kernel, "--reason", "ahead of work on the host", *words)
    code, said = stage.cookbook(*command, timeout=2400)
    for _ in range(_AGAIN if code == _REFUSED else 0):
        stage.note("refused (the guard says why): once more, as an operator would")
        code, said = stage.cookbook(*command, timeout=2400)
        if code != _REFUSED:
            break
    return code, said


def _goes_through(stage: Stage, addresses: list[str]) -> None:
    boot = _boot(stage)
    accepted = [word for address in addresses for word in ("--accept", f"client-{address}")]
    stage.note(f"{QUEUES.name} has a queue, so its mail can wait: {' '.join(accepted)}", then="afterwards")
    code, said = _reboot(stage, *accepted)
    moved = re.search(rf"{re.escape(MENDED.station.fqdn)} \([^)]*\): [^;]*handed to another MX", said)
    stage.must(bool(moved), f"reboot-mx has seen that {MENDED.name} has moved: {moved[0] if moved else 'not seen'}",
               then="afterwards")  # fmt: skip
    again = _boot(stage) != boot
    stage.must(code == 0 and again, f"the run goes through, exit code {code}", then="afterwards")


def _nothing_is_lost(stage: Stage, since: str, mended: str) -> None:
    found = fates(stage.place, mended)
    stage.must(found == {}, f"in that run nobody has lost a mail: {found or 'all arrived once'}", then="afterwards")
    taken = {fate: count for fate, count in fates(stage.place, since).items() if fate != "unsent"}
    stage.must(
        taken == {},
        f"in both nothing was lost or doubled that an exchanger had taken: {taken or 'all arrived once'}",
        then="afterwards",
    )
    stage.must(all(demo.is_serving(stage.place, mx) for mx in EXCHANGERS), "both exchangers serve", then="afterwards")


STORY = Story("2018-06-06", "a smarthost stopped ahead of work, and services that knew no other", HISTORY, replay)
