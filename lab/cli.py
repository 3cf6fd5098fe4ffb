"""The command `mxlab`."""

import argparse
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Sequence

from lab import demo, lifecycle, programs, status
from lab.campaign import before, campaign, mail, page
from lab.campaign.disturbances import DISTURBANCES
from lab.campaign.scenario import draw
from lab.faults import catalogue as faults
from lab.gameday import command as gameday
from lab.lifecycle import ProgressLog
from lab.place import DEFAULT_LAB, MANAGEMENT, Lab, exchanger
from lab.programs import running_stations
from lab.shell import LabError
from lab.stations import outside
from lab.stories import incidents as incident
from lab.world import worlds
from lab.world.behaviour import MODES
from lab.world.places import PLACES

EPILOG = """Everything lives in namespaces of its own: the machine's network, /etc and /var are not touched. What
changes on the machine is one cache folder ($MXLAB_CACHE, default ~/.cache/mxlab)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command of the lab.

    Returns:
        0 done; 1 the lab cannot do it (one sentence on standard error); 2 usage; for `run`, `ssh`, `console` and `send`
        the exit code of what they ran.
    """
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.function(arguments) or 0)
    except LabError as error:
        print(f"mxlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mxlab: interrupted; what it has started keeps running: `lab/mxlab down` ends it", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="mxlab", description=__doc__, epilog=EPILOG)
    top.add_argument("--lab", metavar="NAME", default=os.environ.get("MXLAB_NAME", DEFAULT_LAB), help="name of the lab")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, function: Callable[[argparse.Namespace], int | None], summary: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(function=function)
        return command

    command = add("up", _up, "bring the lab up; builds and caches what is missing")
    _install_option(command)
    command.add_argument(
        "--world", metavar="NAME", default="", help="what a new lab's exchangers are like: see `worlds`"
    )
    add("worlds", _worlds, "the worlds that a lab's exchangers can live in: release, language, time zone, habits")
    command = add("down", _down, "end the lab; its disks and queues stay for the next `up`")
    command.add_argument("--purge", action="store_true", help="remove the lab's state too (the cache of images stays)")
    command = add("status", _status, "the state of stations, services and exchangers")
    command.add_argument("--json", action="store_true", help="as JSON")
    command = add(
        "run",
        programs.run,
        "run a cookbook as an operator on a management host: mxlab run -- -d sre.mail.reboot-mx ...",
    )
    _host_option(command)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGS", help="arguments of `cookbook`")
    command = add("exec", programs.execute, "run any command on a management host")
    _host_option(command)
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command")
    command = add("ssh", programs.ssh, "a shell or a command on a mail exchanger or the Ganeti node")
    command.add_argument("host", help="mx1001, mx2001 or ganeti01")
    command.add_argument("command", nargs=argparse.REMAINDER, help="the command; none: a shell")
    command = add("console", programs.console, "the serial console of a mail exchanger, by Ganeti; Ctrl-] leaves it")
    command.add_argument("host", help="mx1001 or mx2001")
    command = add("send", programs.send, "send mail into the lab; arguments after -- go to the sender (`-- --help`)")
    command.add_argument("--to", action="append", required=True, help="recipient; several are used in turn")
    command.add_argument("--via", help="this exchanger only, instead of the MX records with failover")
    command.add_argument("--count", type=int, default=1, help="how many messages (default 1)")
    command.add_argument("--size", type=int, default=2048, help="bytes of the body (default 2048)")
    command.add_argument("--internal", action="store_true", help="from the internal client, not from the outside world")
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGS", help="more arguments of the sender")
    command = add("inbox", programs.inbox, "the mail that has arrived at the outside world's servers")
    command.add_argument("--json", action="store_true", help="one JSON object a message")
    command = add(
        "ledger",
        programs.ledger,
        "compare every message sent with every message that arrived; exit code 0 only if it balances",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--since", metavar="TIME", help="only what was sent since (ISO 8601)")
    command.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="for what has not arrived yet")
    command = add(
        "wire",
        programs.wire,
        "connections to the exchangers' mail ports as seen on the wire; arguments as `-- --help` says",
    )
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGS", help="arguments of the query")
    command = add("world", _world, "make a mail server of the outside world misbehave, or behave again")
    command.add_argument("server", choices=sorted(PLACES), help="which")
    command.add_argument("mode", choices=[mode for mode in MODES if mode != "hang"], help="what it does from now on")
    command.add_argument("--family", choices=("v4", "v6", "both"), default="both", help="to which connections")
    command.add_argument("--above", type=int, default=0, metavar="BYTES", help="only to bodies larger than this")
    command = add("faults", _faults, "list what can be broken, and what is broken now")
    command.add_argument("--json", action="store_true", help="as JSON")
    for name, function, summary in (("break", _break, "put a fault on"), ("mend", _mend, "take a fault off, or `all`")):
        command = add(name, function, summary)
        command.add_argument("fault", help="its name, see `mxlab faults`")
        command.add_argument("host", nargs="?", default="mx2001", help="exchanger concerned (default mx2001)")
        command.add_argument(
            "--kernel", metavar="RELEASE", help="kernel concerned (default: the newest one of the image)"
        )
    command = add(
        "demo", _demo, "the main job, end to end: up, mail in the queue, reboot-mx into the other kernel, the proof"
    )
    _install_option(command)
    command = add("campaign", _campaign, "reboot exchangers under random faults, and judge each run from outside")
    command.add_argument("--runs", type=int, metavar="N", help="how many (default 3; with --for no limit)")
    command.add_argument("--from", dest="first", type=int, default=1, metavar="K", help="number of the first run")
    command.add_argument("--for", dest="span", default="", metavar="TIME", help="no run begins later: 2h, 90m, 45s")
    command.add_argument("--seed", type=int, default=1, help="the same seed, the same choices (default 1)")
    command.add_argument("--only", default="", metavar="NAME,...", help="of these disturbances only, see --list")
    command.add_argument("--at", default="", metavar="STEP", help="after this step of the run only")
    command.add_argument(
        "--deal", action="store_true", help="one disturbance a run, dealt so that all of them and all steps are met"
    )
    command.add_argument(
        "--mail-rate", type=float, default=mail.RATE, metavar="RATE", help="mails a second (default %(default)s)"
    )
    command.add_argument("--kernel", default="", metavar="RELEASE", help="into this one (default: a drawn one)")
    command.add_argument("--list", action="store_true", help="list what can happen")
    add("campaign-report", _campaign_report, "the page of all campaign runs that are kept, as Markdown")
    command = add("gameday", gameday.run, "something breaks, alerts fire: find it, mend it, see how well it went")
    gameday.options(command)
    command = add("incident", _incident, "replay an incident end to end, and show its timeline beside the original")
    command.add_argument("name", nargs="?", help="its day, such as 2021-12-03; none: list them")
    _install_option(command)
    return top


def _install_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--install-packages", action="store_true", help="install missing Debian packages with apt-get")


def _host_option(command: argparse.ArgumentParser) -> None:
    names = [station.name for station in MANAGEMENT]
    command.add_argument("--on", choices=names, default=names[0], help=f"management host (default {names[0]})")


def _up(arguments: argparse.Namespace) -> None:
    say = ProgressLog()
    lifecycle.up(Lab(arguments.lab), say, install_packages=arguments.install_packages, world=arguments.world)
    say("the lab is up: `lab/mxlab status`, `lab/mxlab run -- -l`, `lab/mxlab faults`")


def _worlds(_arguments: argparse.Namespace) -> None:
    print(worlds.listing())


def _down(arguments: argparse.Namespace) -> None:
    lifecycle.down(Lab(arguments.lab), ProgressLog(), purge=arguments.purge)


def _status(arguments: argparse.Namespace) -> int:
    report = status.read(Lab(arguments.lab))
    if arguments.json:
        print(json.dumps(report, indent=1))
    else:
        for key, value in report.items():
            shown = value.items() if isinstance(value, dict) else [("", value)]
            print("\n".join(f"{key:<11} {name:<16} {what}".rstrip() for name, what in shown))
    stations = report["stations"]
    return 0 if isinstance(stations, dict) and all(stations.values()) else 1


def _world(arguments: argparse.Namespace) -> None:
    value = {"mode": arguments.mode, "family": arguments.family, "above_bytes": arguments.above}
    outside.change(Lab(arguments.lab), arguments.server, None if arguments.mode == "accept" else value)


def _faults(arguments: argparse.Namespace) -> None:
    now = faults.broken(Lab(arguments.lab))
    if arguments.json:
        listed = {fault.name: fault.summary for fault in faults.FAULTS.values()}
        print(json.dumps({"faults": listed, "broken": now}, indent=1))
        return
    for fault in faults.FAULTS.values():
        where = [entry["host"] or "broken" for entry in now if entry["fault"] == fault.name]
        print(f"{fault.name:<18} {fault.summary}" + (f"  [NOW: {', '.join(where)}]" if where else ""))


def _break(arguments: argparse.Namespace) -> None:
    fault = faults.find(arguments.fault)
    goal = faults.target(running_stations(arguments), exchanger(arguments.host), arguments.kernel)
    faults.apply(goal, fault)
    where = f" on {goal.mx.name} ({worlds.of(goal.place.lab, goal.mx).differs()})" if fault.of_host else ""
    print(f"{fault.name}: {'took effect' if fault.shows else 'put on'}{where}")


def _mend(arguments: argparse.Namespace) -> None:
    place = running_stations(arguments)
    if arguments.fault != "all":
        faults.undo(faults.target(place, exchanger(arguments.host), arguments.kernel), faults.find(arguments.fault))
        return
    for mended in faults.undo_all(place, arguments.host):
        print(f"mended {mended}")


def _demo(arguments: argparse.Namespace) -> int:
    say = ProgressLog()
    lifecycle.up(Lab(arguments.lab), say, install_packages=arguments.install_packages)
    return demo.run(running_stations(arguments), say)


def _incident(arguments: argparse.Namespace) -> int:
    if not arguments.name:
        print("\n".join(f"{story.name}  {story.title}" for story in incident.STORIES.values()))
        return 0
    story = incident.find(arguments.name)
    say = ProgressLog()
    lifecycle.up(Lab(arguments.lab), say, install_packages=arguments.install_packages)
    return incident.replay(running_stations(arguments), story, say)


def _span(text: str) -> float:
    """Return the seconds of a span such as 2h, 90m or 45s; a number alone is minutes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hms]?)", text)
    if match is None or not float(match[1]):
        raise LabError(f"--for {text}: expected a time such as 2h, 90m or 45s, or minutes")
    return float(match[1]) * {"h": 3600, "m": 60, "": 60, "s": 1}[match[2]]


def _campaign(arguments: argparse.Namespace) -> int:
    if arguments.list:
        listed = {**{one.name: one.summary for one in DISTURBANCES.values()}, **before.listing()}
        print("\n".join(f"{name:<21} {summary}" for name, summary in listed.items()))
        return 0
    only = [name for name in arguments.only.split(",") if name]
    seconds = _span(arguments.span) if arguments.span else float("inf")
    runs = 3 if arguments.runs is None and not arguments.span else arguments.runs
    if runs is not None and runs < 1:
        raise LabError(f"--runs {runs}: expected 1 or more")
    numbers = itertools.count(arguments.first) if runs is None else range(arguments.first, arguments.first + runs)
    draw(arguments.seed, arguments.first, only, arguments.at)  # refuses a wrong name before anything begins
    if not 0 < arguments.mail_rate <= 20:
        raise LabError(f"--mail-rate {arguments.mail_rate:g}: expected mails a second, more than 0, at most 20")
    with campaign.until_ended():
        return campaign.campaign(
            running_stations(arguments), numbers, arguments.seed, ProgressLog(), only=only, step=arguments.at,
            deal=arguments.deal, seconds=seconds, rate=arguments.mail_rate, kernel=arguments.kernel,
        )  # fmt: skip


def _campaign_report(arguments: argparse.Namespace) -> None:
    print(page.page(campaign.results(Lab(arguments.lab))), end="")
