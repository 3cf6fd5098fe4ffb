"""The mail of a campaign: from outside and inside, small and large, to one recipient or several; some is deferred."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lab import demo, lifecycle
from lab.lifecycle import Stations, ssh
from lab.place import CLIENT, EXCHANGERS
from lab.shell import LabError
from lab.stations import outside
from lab.stations.box import tied

RATE = 0.95
"""Mails a second, all kinds together: what keeps an emulated exchanger two thirds busy."""
SEVERAL = ("user1@lab.test,list-friends@lab.test", "v4user2@lab.test,v6user3@lab.test,support@lab.test")
LATE, LATE_SERVER, LATE_ADDRESS = "list-late@lab.test", "lists", "list-late@lists.test"
"""A recipient whose server defers each message (450) while mail flows: it waits in a queue through the whole run."""
_SETTLE_S = 120
_END_S = 150


@contextmanager
def flowing(place: Stations, rate: float = RATE) -> Iterator[list[str]]:
    """Let mail of every kind arrive for the length of the block; then the senders finish what they have queued.

    Mail to :data:`LATE` is deferred all the while. Where the block is left by an error, the senders are killed. What is
    yielded says, after the block, which of them ended before they were asked to, or not at all.

    Arguments:
        rate: mails a second, all kinds together.
    """
    late: dict[str, object] = {"mode": "tempfail", "recipient": LATE_ADDRESS}
    with outside.behaving(place.lab, LATE_SERVER, late), _senders(place, rate) as wrong:
        yield wrong


@contextmanager
def _senders(place: Stations, rate: float) -> Iterator[list[str]]:
    log = (place.lab.logs / "campaign-senders.log").open("ab")
    inside = ("--source", str(CLIENT.v4), "--source", str(CLIENT.v6))
    kinds = (
        (place.world, demo.sources(), 0.68 / RATE, 2048, (*demo.RECIPIENTS, *SEVERAL)),
        (place.world, demo.sources(), 0.02 / RATE, 2048, (LATE, f"{LATE},user5@lab.test")),
        (place.world, demo.sources(), 0.05 / RATE, 300_000, ("user5@lab.test", "list-large@lab.test")),
        (place.infra, inside, 0.2 / RATE, 2048, ("user6@lab.test", "support@lab.test")),
    )
    senders = []
    for box, sources, share, size, recipients in kinds:
        words = ["send", "--state", "/outside", "--rate", f"{share * rate:.4f}", "--size", str(size)]
        words += ["--drain", "90", *sources]
        words += [word for to in recipients for word in ("--to", to)]
        senders.append(subprocess.Popen(tied(outside.program(box, "sender", *words)), stdout=log, stderr=log))
    wrong: list[str] = []
    try:
        yield wrong
        ended = [sender.poll() for sender in senders]
        wrong += [f"a sender of mail had ended, exit code {code}: see {log.name}" for code in ended if code is not None]
        for sender in senders:
            if sender.returncode is None:
                lifecycle.send_signal(sender, signal.SIGTERM)
        for sender in senders:
            sender.wait(timeout=_END_S)
    except subprocess.TimeoutExpired:
        wrong.append(f"a sender of mail did not end within {_END_S} s: see {log.name}")
    finally:
        for sender in senders:
            sender.kill()


def deliver_all(place: Stations) -> None:
    """Let the exchangers try everything that waits; with a mended world it is delivered.

    What a slow one has not tried lies in its spool, and is counted there.
    """
    for mx in EXCHANGERS:
        with suppress(LabError):
            ssh(place, mx, "timeout 50 exim4 -qff", timeout=120)


def account(place: Stations, since: str) -> str:
    """Return the outside ledger's account of everything sent since then, as JSON."""
    words = demo.ledger_command(place, since, _SETTLE_S, as_json=True)
    return subprocess.run(tied(words), stdout=subprocess.PIPE, text=True, check=False).stdout
