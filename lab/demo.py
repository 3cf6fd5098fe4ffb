"""The main job, end to end: mail in the queue, mail arriving, an exchanger rebooted into the other kernel."""

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from lab import lifecycle
from lab.lifecycle import Say, Stations, ssh
from lab.place import EXCHANGERS, Exchanger, exchanger
from lab.shell import LabError, wait_for
from lab.shell import run as run_command
from lab.stations import management, outside
from lab.stations.box import Box, tied
from lab.stations.infra import OUTSIDE_SENDER

QUEUED = 120  # half of it to each destination: either half alone is more than a drain may leave
FAST, SLOW = "provider", "lists"
# One destination takes mail as fast as an exchanger sends it, the other one answers each message late.
WAITING = {"user7@lab.test": FAST, "list-friends@lab.test": SLOW}
DELAY_MS = 600
RATE = 0.5  # messages a second: at one, an emulated exchanger that takes all of them had no processor time left
LOGGED = r"""zgrep -ahoE ' C="250 [^"]* id=[0-9a-f]{12}"' /var/log/exim4/main* | grep -oE '[0-9a-f]{12}'"""
"""Prints the numbers that the outside world's servers gave to what an exchanger has logged as delivered."""
RECIPIENTS = ("user1@lab.test", "v4user2@lab.test", "v6user3@lab.test", "list-friends@lab.test", "support@lab.test")


def run(place: Stations, say: Say, *, host: str = "mx2001") -> int:
    """Play the main job in a lab that is up.

    Returns:
        0 if the cookbook returned 0, both exchangers serve, and every mail arrived exactly once by the outside ledger.
    """
    mx = exchanger(host)
    kernel = other_kernel(place, mx)
    since = now()
    say(f"putting {QUEUED} messages into the queue of {mx.name}: a minute or two")
    queue_up(place, mx, QUEUED, WAITING)
    say(f"{QUEUED} messages wait in the queue of {mx.name}, half of them for {SLOW}, which answers slowly from now on")
    say(f"while the cookbook runs mail comes from outside, {RATE} a second")
    with mail_flowing(place, RATE), slow(place, SLOW, DELAY_MS):
        words = ["sre.mail.reboot-mx", mx.fqdn, "--kernel", kernel, "--reason", "demonstration"]
        say(f"on {place.operator.name}: cookbook {' '.join(words)}")
        code = subprocess.run(cookbook(place.operator, *words), check=False, stdin=subprocess.DEVNULL).returncode
        say(f"exit code of the cookbook: {code}")
    print(report(place.operator, mx))
    balanced = subprocess.run(ledger_command(place, since, 90), check=False).returncode == 0
    waiting = sum(queue(place, other) for other in EXCHANGERS)
    serving = [other.name for other in EXCHANGERS if is_serving(place, other)]
    say(
        f"outside ledger {'balances' if balanced else 'DOES NOT BALANCE'}; {waiting} messages wait in the queues; "
        f"in service: {', '.join(serving) or 'none'}"
    )
    return 0 if code == 0 and balanced and waiting == 0 and len(serving) == len(EXCHANGERS) else 1


def report(host: Box, mx: Exchanger) -> str:
    """The newest report about an exchanger, as the cookbook wrote it on a management host."""
    newest = f"ls -t /var/log/spicerack/sre/mail/{mx.fqdn}.*.md | head -n 1 | xargs cat"
    return host.sh(newest, check=False)


def cookbook(host: Box, *words: str) -> list[str]:
    """Command line of a cookbook run on a management host."""
    environment = management.virtual_environment(host)
    return management.command(host, environment, [f"{environment}/bin/cookbook", *words])


def type_in(place: Stations, host: Box, words: Sequence[str], timeout: float) -> tuple[int, str]:
    """Type a command on a management host, or on the cluster's master where it is Ganeti's.

    It does not outlive who types it.

    Returns:
        Its exit code, and what it printed.

    Raises:
        LabError: it did not end within so many seconds.
    """
    if words[0] == "gnt-instance":
        argv = place.node.inside(words)
    elif words[0] == "cookbook":
        argv = cookbook(host, *words[1:])
    else:
        argv = management.command(host, management.virtual_environment(host), list(words))
    done = run_command(tied(argv), timeout=timeout, check=False)
    return done.returncode, done.stdout


def now() -> str:
    """Return the time as journals and ledger write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def running_kernel(place: Stations, mx: Exchanger) -> str:
    """The kernel that an exchanger runs now.

    Raises:
        LabError: it is none of the image's two, or not known.
    """
    running = ssh(place, mx, "uname -r").stdout.strip()
    kernels = lifecycle.image_facts(place.lab, mx).kernels
    if running not in kernels:
        raise LabError(f"{mx.name} runs kernel {running!r}: expected one of {', '.join(kernels)}")
    return running


def other_kernel(place: Stations, mx: Exchanger) -> str:
    """The kernel of the image that an exchanger does not run now; raises as :func:`running_kernel` does."""
    running = running_kernel(place, mx)
    return next(kernel for kernel in lifecycle.image_facts(place.lab, mx).kernels if kernel != running)


def slow(place: Stations, server: str, delay_ms: int) -> AbstractContextManager[None]:
    """Within, a server of the outside world answers each message late; afterwards it is well again."""
    return outside.behaving(place.lab, server, {"mode": "slow", "delay_ms": delay_ms})


ONE_DESTINATION = {"user7@lab.test": "provider"}


def queue_up(place: Stations, mx: Exchanger, count: int, to: Mapping[str, str] = ONE_DESTINATION) -> None:
    """Put mail into an exchanger's queue: those who would take it defer it, then are well again.

    Arguments:
        place: the stations of the lab.
        mx: the exchanger.
        count: messages in all.
        to: recipients, each in its turn, and the server of the outside world that would take their mail.

    Raises:
        LabError: the queue did not reach that count.
    """
    for server in to.values():
        outside.change(place.lab, server, {"mode": "tempfail"})
    try:
        words = [
            "send",
            "--state",
            "/outside",
            *(word for recipient in to for word in ("--to", recipient)),
            "--count",
            str(count),
            "--via",
            mx.fqdn,
            *sources(),
        ]
        subprocess.run(tied(outside.program(place.world, "sender", *words)), check=True, stdout=subprocess.DEVNULL)
        what = f"{count} messages in the queue of {mx.name}"
        wait_for(what, lambda: queue(place, mx) >= count, deadline=60 + count, every=1)
    except subprocess.CalledProcessError as error:
        raise LabError(f"the outside sender returned {error.returncode}") from error
    finally:
        for server in to.values():
            outside.change(place.lab, server, None)


def queue(place: Stations, mx: Exchanger) -> int:
    """Messages in an exchanger's queue; -1 if it does not answer."""
    counted = ssh(place, mx, "exim4 -bpc").stdout.strip()
    return int(counted) if counted.isdigit() else -1


def sources() -> list[str]:
    """Options that make the sender use the outside sender's own addresses."""
    return [word for address in OUTSIDE_SENDER for word in ("--source", address)]


@contextmanager
def mail_flowing(place: Stations, rate: float, recipients: Sequence[str] = RECIPIENTS) -> Iterator[None]:
    """Let mail arrive from the outside world all the time; at the end the senders finish what they have queued."""
    words = ["send", "--state", "/outside", "--rate", str(rate), *sources(), "--drain", "60"]
    words += [word for to in recipients for word in ("--to", to)]
    log = (place.lab.logs / "world-senders.log").open("ab")
    sender = subprocess.Popen(outside.program(place.world, "sender", *words), stdout=log, stderr=log)
    try:
        yield
    finally:
        lifecycle.send_signal(sender, signal.SIGTERM)
        sender.wait(timeout=90)


def ledger_command(place: Stations, since: str | None, wait: int, *, as_json: bool = False) -> list[str]:
    """Command line of the outside ledger; what lies in the exchangers' spools now is not called missing.

    What an exchanger has logged as delivered it knew to be taken, however it left the session.
    """
    lying = "grep -ahoE 'X-Lab-Id: [0-9a-f-]+' -r /var/spool/exim4/input --include='*-H' | cut -d' ' -f2"
    ids = "".join(ssh(place, mx, lying).stdout for mx in EXCHANGERS)
    (place.lab.outside / "spool.txt").write_text(ids)
    numbers = "".join(ssh(place, mx, LOGGED).stdout for mx in EXCHANGERS)
    (place.lab.outside / "confirmed.txt").write_text(numbers)
    words = ["check", "--state", "/outside", "--wait", str(wait), "--spool", "/outside/spool.txt"]
    words += ["--confirmed", "/outside/confirmed.txt"]
    words += ["--json"] if as_json else []
    return outside.program(place.world, "ledger", *words, *(["--since", since] if since else []))


_GREET = """\
greet() { exec 3<>/dev/tcp/$1/25 && read -t 10 -u 3 line && case $line in 220*) echo greeted ;; esac; }
for one; do greet "$one" & done
wait
"""


def is_serving(place: Stations, mx: Exchanger) -> bool | None:
    """Whether an exchanger greets a client from the outside world; None: over one of IPv4 and IPv6 only."""
    words = ["timeout", "12", "bash", "-c", _GREET, "greet", str(mx.v4), str(mx.v6)]
    greeted = place.world.run(words, check=False).stdout.count("greeted")
    return {0: False, 2: True}.get(greeted)
