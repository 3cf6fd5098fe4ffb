"""The command `mxlab`."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from lab import lifecycle, management, outside
from lab.box import Box
from lab.lifecycle import Progress, Stations
from lab.place import DEFAULT_LAB, MANAGEMENT, NODE, Lab, exchanger
from lab.shell import LabError

EPILOG = """Everything lives in namespaces of its own: the machine's network, /etc and /var are not touched. What changes on the
machine is one cache folder ($MXLAB_CACHE, default ~/.cache/mxlab)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of the lab.

    Returns:
        0 done; 1 the lab cannot do it (one sentence on standard error); 2 usage; for `run`, `ssh`, `console` and `send`
        what they ran returned.
    """
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.function(arguments) or 0)
    except LabError as error:
        print(f"mxlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mxlab: interrupted; what it had started runs on: `lab/mxlab down` ends it", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="mxlab", description=__doc__, epilog=EPILOG)
    top.add_argument("--lab", metavar="NAME", default=os.environ.get("MXLAB_NAME", DEFAULT_LAB), help="name of the lab")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, function: Callable[[argparse.Namespace], int | None], summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(function=function)
        return command

    command = add("up", _up, "bring the lab up; builds and caches what is missing")
    _install_option(command)
    command = add("down", _down, "end the lab; its disks and queues stay for the next `up`")
    command.add_argument("--purge", action="store_true", help="remove the lab's state too (the cache of images stays)")
    command = add("status", _status, "what is so now")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add("run", _run, "run a cookbook as an operator on a management host: mxlab run -- -d sre.mail.reboot-mx ...")
    _host_option(command)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGS", help="arguments of `cookbook`")
    command = add("exec", _exec, "run any command on a management host")
    _host_option(command)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command")
    command = add("ssh", _ssh, "a shell or a command on a mail exchanger or the Ganeti node")
    command.add_argument("host", help="mx1001, mx2001 or ganeti01")
    command.add_argument("command", nargs=argparse.REMAINDER, help="the command; none: a shell")
    command = add("console", _console, "the serial console of a mail exchanger, by Ganeti; Ctrl-] leaves it")
    command.add_argument("host", help="mx1001 or mx2001")
    return top


def _install_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--install-packages", action="store_true", help="install missing Debian packages with apt-get")


def _host_option(command: argparse.ArgumentParser) -> None:
    names = [station.name for station in MANAGEMENT]
    command.add_argument("--on", choices=names, default=names[0], help=f"management host (default {names[0]})")


def _place(arguments: argparse.Namespace) -> Stations:
    return lifecycle.stations(Lab(arguments.lab))


def _up(arguments: argparse.Namespace) -> None:
    say = Progress()
    lifecycle.up(Lab(arguments.lab), say, install_packages=arguments.install_packages)
    say("the lab is up: `lab/mxlab status`, `lab/mxlab run -- -l`, `lab/mxlab faults`")


def _down(arguments: argparse.Namespace) -> None:
    lifecycle.down(Lab(arguments.lab), Progress(), purge=arguments.purge)


def _status(arguments: argparse.Namespace) -> int:
    report = lifecycle.status(Lab(arguments.lab))
    if arguments.json:
        print(json.dumps(report, indent=1))
    else:
        for key, value in report.items():
            shown = value.items() if isinstance(value, dict) else [("", value)]
            print("\n".join(f"{key:<11} {name:<16} {what}".rstrip() for name, what in shown))
    stations = report["stations"]
    return 0 if isinstance(stations, dict) and all(stations.values()) else 1


def _management_host(arguments: argparse.Namespace) -> Box:
    return next(box for box in _place(arguments).management if box.name == arguments.on)


def _rest(words: list[str]) -> list[str]:
    return words[1:] if words[:1] == ["--"] else words


def _run(arguments: argparse.Namespace) -> int:
    environment = management.virtual_environment()
    words = [f"{environment}/bin/cookbook", *_rest(arguments.arguments)]
    return hand_over(management.command(_management_host(arguments), environment, words))


def _exec(arguments: argparse.Namespace) -> int:
    words = _rest(arguments.arguments)
    if not words:
        raise LabError("exec: no command given")
    return hand_over(management.command(_management_host(arguments), management.virtual_environment(), words))


def _ssh(arguments: argparse.Namespace) -> int:
    name = NODE.fqdn if arguments.host in (NODE.name, NODE.fqdn) else exchanger(arguments.host).fqdn
    words = ["ssh", "-F", "/etc/cumin/ssh_config", *(["-t"] if sys.stdin.isatty() else []), name]
    return hand_over(_place(arguments).operator.inside([*words, *_rest(arguments.command)]))


def _console(arguments: argparse.Namespace) -> int:
    mx = exchanger(arguments.host)
    words = ["ssh", "-F", "/etc/cumin/ssh_config", "-tt", "-oEscapeChar=none", NODE.fqdn, "gnt-instance", "console", mx.fqdn]
    return hand_over(_place(arguments).operator.inside(words))


def hand_over(words: list[str]) -> int:
    """Run a command on our terminal to its end, passing on the signals that a terminal or a service manager sends.

    The process to be told is the child of ``nsenter``, which does not pass signals on itself.
    """
    child = subprocess.Popen(words)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        for pid in children:
            os.kill(int(pid), number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    # Ctrl-C reaches the whole foreground process group by itself; ours is only to wait.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = child.wait()
    return code if code >= 0 else 128 - code
