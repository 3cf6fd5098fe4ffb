"""The ticket system's queues: the addresses that the exchangers' alias generators get."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab import demo
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, Exchanger, Lab
from lab.shell import LabError, wait_for
from lab.stations import outside

UNIT = "generate_vrts_aliases.service"
FILE = "/etc/exim4/aliases/vrts_aliases"
# Exim caches the answers to its callouts for hours, also positive ones.
_FORGET = "rm -f /var/spool/exim4/db/callout"


def known(lab: Lab) -> dict[str, str]:
    """Return target by address, as the generators' peer answers now."""
    return dict(json.loads((lab.outside / "aliases.json").read_text()))


def write(lab: Lab, aliases: Mapping[str, str]) -> None:
    """Set what the peer answers from now on."""
    path = lab.outside / "aliases.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(dict(aliases), indent=1))
    new.replace(path)


def address(name: str) -> str:
    """Return the mail address of a queue."""
    return f"{name}@lab.test"


def open_queue(lab: Lab, name: str) -> str:
    """Make a new queue in the ticket system; an exchanger learns its address at its generator's next run."""
    write(lab, known(lab) | {address(name): f"{name}@tickets.test"})
    return address(name)


def generate(place: Stations, mx: Exchanger) -> None:
    """Run the generator of an exchanger to its end, as its timer would.

    Raises:
        LabError: it failed.
    """
    done = ssh(place, mx, f"systemctl start {UNIT}", timeout=90)
    if done.returncode:
        raise LabError(f"{mx.name}: {UNIT}: exit code {done.returncode}: {done.stdout.strip()[-300:]}")


@contextmanager
def as_found(place: Stations) -> Iterator[None]:
    """Restore the peer and both exchangers at the end of a ``with`` block, whatever was done to the queues."""
    before = known(place.lab)
    for mx in EXCHANGERS:
        ssh(place, mx, _FORGET)
    try:
        yield
    finally:
        outside.change(place.lab, "aliaspeer", None)
        write(place.lab, before)
        again = f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}; systemctl start {UNIT}; {_FORGET}"
        for mx in EXCHANGERS:
            ssh(place, mx, again, timeout=120)


def send(place: Stations, mx: Exchanger, to: str) -> str:
    """Send one mail from the outside world to an exchanger, without a second try.

    Returns:
        ``accepted``, ``refused`` or ``unsent``.
    """
    words = ["send", "--state", "/outside", "--to", to, "--count", "1", "--via", mx.fqdn, "--no-queue"]
    command = outside.program(place.world, "sender", *words, *demo.sources())
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=120)
    counts = json.loads(done.stdout.splitlines()[-1])
    return next(fate for fate in ("accepted", "refused", "unsent") if counts[fate])


def arrived(lab: Lab, to: str) -> int:
    """Return how many mails have arrived for an address of the ticket system."""
    return sum(to in str(one.get("recipients")) for one in outside.inbox(lab) if one.get("event") == "arrival")


def delivers(place: Stations, mx: Exchanger, to: str, target: str) -> bool:
    """Whether a mail to an address arrives at its target through an exchanger."""
    before = arrived(place.lab, target)
    if send(place, mx, to) != "accepted":
        return False
    try:
        wait_for(f"mail to {target} through {mx.name}", lambda: arrived(place.lab, target) > before, deadline=60)
    except LabError:
        return False
    return True


def ask_as_client(place: Stations, mx: Exchanger, to: str) -> str:
    """Ask an exchanger for a recipient as an internal client does, and return its answer."""
    program = (
        "import smtplib, sys; c = smtplib.SMTP(sys.argv[1], 25, 'wiki.lab.test', 40); c.ehlo(); "
        "c.docmd('MAIL', 'FROM:<wiki@lab.test>'); print(*c.docmd('RCPT', f'TO:<{sys.argv[2]}>')); c.close()"
    )
    return place.infra.run(["/usr/bin/python3", "-c", program, str(mx.v4), to], timeout=60).stdout.strip()
