#!/usr/bin/env python3
"""A run of reboot-mx beside Spicerack's habit, on the same exchanger of a lab: what each took besides the boot itself.

`bench/habit.py --lab NAME [--mx mx2001]`

The habit is what a cookbook for one host usually does, by Spicerack's own classes: silence its alerts, take it out of
the pool, wait 30 s, reboot, wait until it answers, put it back, hear the alerts again. It drains and proves nothing.
Beside it stands the newest finished journal of a run on that exchanger, so make one first, by `lab/mxlab --lab NAME run
-- sre.mail.reboot-mx mx2001.lab.test ...`. Of both, the boot is what lies between the order and the moment at which
sshd was up, by the host's own clock. The exchanger is rebooted.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from overhead import Cost, costs, newest_journal

from lab import lifecycle
from lab.place import Lab, exchanger
from lab.stations import management

SSHD_UP = (
    "read -r up rest </proc/uptime; "
    'at=$(systemctl show -p ActiveEnterTimestampMonotonic --value ssh.service); echo "$(date +%s.%N) $up $at"'
)


@dataclass(frozen=True)
class Spent:
    """Seconds of one way to reboot.

    Attributes:
        whole: from its beginning to its end.
        boot: from the order to sshd.
        on_purpose: spent on draining, test mails, sessions and the soak.
    """

    whole: float
    boot: float
    on_purpose: float = 0.0

    @property
    def rest(self) -> float:
        """What was neither the boot nor done on purpose."""
        return self.whole - self.boot - self.on_purpose


def run_of(lines: Sequence[str], sshd_up: float) -> Spent:
    """What a finished run took.

    Args:
        lines: its journal.
        sshd_up: when sshd was up after its boot, in seconds since 1970 by the host's clock.
    """
    events = [json.loads(line) for line in lines]
    times = [datetime.fromisoformat(event["at"]).timestamp() for event in events]
    ordered = next(at for at, event in zip(times, events, strict=True) if _is(event, "begin", "reboot"))
    on_purpose = sum(_on_purpose(one) for one in costs(lines))
    return Spent(times[-1] - times[0], sshd_up - ordered, on_purpose)


def _is(event: dict[str, str], what: str, step: str) -> bool:
    return (event["event"], event.get("step")) == (what, step)


def _on_purpose(cost: Cost) -> float:
    return cost.probing_s + (cost.seconds if cost.kind in ("draining", "probing") else 0.0)


def table(ours: Spent, habit: Spent) -> Iterator[str]:
    """Both side by side, as lines."""
    yield f"{'seconds':42}{'reboot-mx':>10}{'habit':>10}"
    for what, name in (
        ("whole", "whole"),
        ("boot: from the order to sshd", "boot"),
        ("drain, test mails, sessions, soak", "on_purpose"),
        ("the rest", "rest"),
    ):
        yield f"{what:42}{getattr(ours, name):10.1f}{getattr(habit, name):10.1f}"
    yield f"the rest, as a share of the habit's: {ours.rest / habit.rest:.2f}"
    yield f"the rest, as a share of the whole habit: {ours.rest / habit.whole:.2f}"


def do_habit(fqdn: str) -> Iterator[tuple[str, float]]:
    """Reboot a host as a cookbook for one host does; when it began, gave the order, and ended. On a management host."""
    from spicerack import Spicerack

    spicerack = Spicerack(verbose=False, dry_run=False)
    host = spicerack.remote().query(f"D{{{fqdn}}}")
    node = spicerack.confctl("node")
    yield "begin", time.time()
    alerts = spicerack.alertmanager_hosts([fqdn], verbatim_hosts=True)
    with alerts.downtimed(spicerack.admin_reason("benchmark"), duration=timedelta(minutes=20)):
        node.set_and_verify("pooled", "no", name=fqdn)
        time.sleep(30)
        begin = datetime.now(UTC)
        yield "order", time.time()
        host.reboot()
        host.wait_reboot_since(begin, print_progress_bars=False)
        node.set_and_verify("pooled", "yes", name=fqdn)
    yield "end", time.time()


def sshd_up(lab: Lab, name: str) -> float:
    """When sshd came up in the present boot of an exchanger, in seconds since 1970 by its own clock."""
    said = lifecycle.ssh(lifecycle.stations(lab), exchanger(name), SSHD_UP).stdout.split()
    now, uptime, at = map(float, said)
    return now - uptime + at / 1e6


def main() -> int:
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", metavar="NAME", required=True, help="the lab")
    parser.add_argument("--mx", metavar="MX", default="mx2001", help="the exchanger (default: %(default)s)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    mx = exchanger(args.mx)
    if args.inside:
        for what, at in do_habit(mx.fqdn):
            print(f"{what}\t{at}", flush=True)
        return 0
    lab = Lab(args.lab)
    journal = newest_journal(lab, mx.fqdn)
    ours = run_of(journal.read_text(encoding="utf-8").splitlines(), sshd_up(lab, args.mx))
    operator = lifecycle.stations(lab).operator
    environment = management.virtual_environment(operator)
    words = [str(environment / "bin" / "python"), str(Path(__file__).resolve()), *sys.argv[1:], "--inside"]
    argv = management.command(operator, environment, words)
    said = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout
    times = {what: float(at) for what, at in (line.split("\t") for line in said.splitlines() if "\t" in line)}
    habit = Spent(times["end"] - times["begin"], sshd_up(lab, args.mx) - times["order"])
    print(journal)
    print("\n".join(table(ours, habit)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
