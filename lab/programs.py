"""Commands of ``mxlab`` that hand the terminal over to a program in a station, and return its exit code."""

import argparse
import signal
import subprocess
import sys
from types import FrameType

from lab import demo, lifecycle
from lab.lifecycle import Stations
from lab.place import CLIENT, NODE, Lab, exchanger
from lab.shell import LabError
from lab.stations import management, outside
from lab.stations.box import Box
from lab.stations.infra import OUTSIDE_SENDER


def running_stations(arguments: argparse.Namespace) -> Stations:
    """Return the lab's stations.

    Raises:
        LabError: a station is not up.
    """
    place = lifecycle.stations(Lab(arguments.lab))
    if not all(box.pid for box in place.all):
        raise LabError(f"lab {arguments.lab} is not up: start it with `lab/mxlab up`")
    return place


def _management_host(arguments: argparse.Namespace) -> Box:
    return next(box for box in running_stations(arguments).management if box.name == arguments.on)


def _rest(words: list[str]) -> list[str]:
    return words[1:] if words[:1] == ["--"] else words


def run(arguments: argparse.Namespace) -> int:
    """Run a cookbook on a management host."""
    host = _management_host(arguments)
    environment = management.virtual_environment(host)
    words = [f"{environment}/bin/cookbook", *_rest(arguments.arguments)]
    return hand_over(management.command(host, environment, words))


def execute(arguments: argparse.Namespace) -> int:
    """Run any command on a management host."""
    words = _rest(arguments.arguments)
    if not words:
        raise LabError("exec: no command given")
    host = _management_host(arguments)
    return hand_over(management.command(host, management.virtual_environment(host), words))


def ssh(arguments: argparse.Namespace) -> int:
    """Run a shell or a command on an exchanger or the Ganeti node."""
    name = NODE.fqdn if arguments.host in (NODE.name, NODE.fqdn) else exchanger(arguments.host).fqdn
    words = ["ssh", "-F", "/etc/cumin/ssh_config", *(["-t"] if sys.stdin.isatty() else []), name]
    return hand_over(running_stations(arguments).operator.inside([*words, *_rest(arguments.command)]))


def console(arguments: argparse.Namespace) -> int:
    """Open the serial console of an exchanger."""
    mx = exchanger(arguments.host)
    ssh_words = ["ssh", "-F", "/etc/cumin/ssh_config", "-tt", "-oEscapeChar=none", NODE.fqdn]
    words = [*ssh_words, "gnt-instance", "console", mx.fqdn]
    return hand_over(running_stations(arguments).operator.inside(words))


def send(arguments: argparse.Namespace) -> int:
    """Send mail from the outside world, or from the internal client."""
    place = running_stations(arguments)
    words = ["send", "--state", "/outside", "--count", str(arguments.count), "--size", str(arguments.size)]
    words += [word for to in arguments.to for word in ("--to", to)]
    if arguments.via:
        words += ["--via", exchanger(arguments.via).fqdn]
    # One source address a family, as a station has several.
    sources = (str(CLIENT.v4), str(CLIENT.v6)) if arguments.internal else OUTSIDE_SENDER
    words += [word for source in sources for word in ("--source", source)]
    box = place.infra if arguments.internal else place.world
    return hand_over(outside.program(box, "sender", *words, *_rest(arguments.arguments)))


def inbox(arguments: argparse.Namespace) -> int:
    """Show what has arrived in the outside world."""
    words = ["inbox", "--state", "/outside", *(["--json"] if arguments.json else [])]
    return hand_over(outside.program(running_stations(arguments).world, "ledger", *words))


def ledger(arguments: argparse.Namespace) -> int:
    """Compare what was sent with what arrived."""
    return hand_over(
        demo.ledger_command(running_stations(arguments), arguments.since, arguments.wait, as_json=arguments.json)
    )


def wire(arguments: argparse.Namespace) -> int:
    """Query the connections that were seen on the wire."""
    words = ["query", "--state", "/outside", *_rest(arguments.arguments)]
    return hand_over(outside.program(running_stations(arguments).world, "observer", *words))


def hand_over(words: list[str]) -> int:
    """Run a command on our terminal to its end, and pass on the signals that a terminal or a service manager sends."""
    child = subprocess.Popen(words)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        lifecycle.send_signal(child, number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    # Ctrl-C reaches the whole foreground process group by itself; this process only waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = child.wait()
    return code if code >= 0 else 128 - code
