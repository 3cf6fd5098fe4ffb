#!/usr/bin/env python3
"""What a run cost besides draining, booting and probing, step by step, from its journal; and the plain shell way.

`bench/overhead.py JOURNAL...` reads journals (mx2001.example.org.*.jsonl, beside Spicerack's log of the cookbook).
`bench/overhead.py --lab NAME` takes the newest one of a lab and, with `--plain`, also times what an operator would type
by hand: one ssh for each look and each change, to an exchanger of the lab that is in service. That takes it out of
service and gives it back, so it is refused on anything but a lab.

A step's own overhead is its time, and the time the run took before it to read where things stand. Of the guard what its
test mails and sessions took is probing; everything else it asks runs beside them.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import lifecycle
from lab.place import Lab, exchanger
from lab.stations import management

OTHER = {
    "draining": ("drain", "stop and hold"),
    "booting": ("await boot", "mend", "power cycle", "power on"),
    "probing": ("prove outbound", "prove inbound", "soak"),
}
KINDS = {step: kind for kind, steps in OTHER.items() for step in steps}
SSH = ("ssh", "-F", "/etc/cumin/ssh_config", "-o", "ControlPath=none")
# What a careful operator types, without the waiting, the proving and the report; {mx} and {peer} are hosts.
BY_HAND = (
    ("who is on it", "{mx}", "who; fuser /var/lib/dpkg/lock; systemd-inhibit --list --no-legend; true"),
    ("kernels", "{mx}", "uname -r; dpkg -l 'linux-image-*'; ls /boot; grep -c menuentry /boot/grub/grub.cfg"),
    ("boot entries", "{mx}", "grub-editenv list; grep GRUB_DEFAULT /etc/default/grub"),
    ("is it well", "{mx}", "systemctl --failed; ss -Hltn; df -h /var/spool/exim4; nft list ruleset; exim4 -bpc"),
    ("is the peer well", "{peer}", "systemctl --failed; ss -Hltn; exim4 -bpc"),
    ("Puppet off", "{mx}", "disable-puppet 'by hand'"),
    ("pool out", "", "confctl --quiet select name={mx} set/pooled=no"),
    ("close the ports", "{mx}", "nft add table inet hand; nft add chain inet hand input '{{ type filter hook input "
     "priority -10; }}'; nft add rule inet hand input tcp dport 25 reject with tcp reset"),
    ("queue", "{mx}", "exim4 -bpc; exim4 -bp | exiqsumm | tail -n 5"),
    ("stop the MTA", "{mx}", "systemctl stop exim4"),
    ("spool list", "{mx}", "find /var/spool/exim4/input -name '*-H' >/root/by-hand; wc -l /root/by-hand"),
    ("boot entry", "{mx}", "grub-editenv list >/dev/null"),
    ("is the peer still well", "{peer}", "systemctl is-active exim4"),
    ("start the MTA", "{mx}", "systemctl start exim4"),
    ("open the ports", "{mx}", "nft delete table inet hand"),
    ("pool in", "", "confctl --quiet select name={mx} set/pooled=yes"),
    ("Puppet on", "{mx}", "enable-puppet 'by hand'"),
    ("is it well", "{mx}", "systemctl --failed; ss -Hltn; exim4 -bpc; tail -n 50 /var/log/exim4/mainlog"),
)  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What one step took.

    Attributes:
        step: its name.
        kind: draining, booting, probing or overhead.
        reading_s: seconds before it, to read where things stood.
        seconds: its own seconds, without what it spent probing.
        probing_s: seconds of it that were probing.
        trips: round trips to hosts, those of the reading included.
    """

    step: str
    kind: str
    reading_s: float
    seconds: float
    probing_s: float
    trips: int

    @property
    def overhead(self) -> float:
        """Seconds that are neither draining, booting nor probing."""
        return self.reading_s + (self.seconds if self.kind == "overhead" else 0.0)


def costs(lines: Iterable[str]) -> Iterator[Cost]:
    """The costs of each step of a journal, in order.

    Arguments:
        lines: of the journal.
    """
    before: dict[str, float] = {}
    for event in map(json.loads, lines):
        if event["event"] == "begin":
            before = event
        if event["event"] not in ("done", "guard"):
            continue
        reading = event if event["event"] == "guard" else before
        step, probing = event.get("step", "guard"), float(event.get("probing_s", 0.0))
        trips = int(event.get("trips", 0)) + int(reading.get("reading_trips", 0))
        seconds = max(0.0, float(event.get("seconds", 0.0)) - probing)
        kind = KINDS.get(step, "overhead")
        yield Cost(step, kind, float(reading.get("reading_s", 0.0)), seconds, probing, trips)


def table(found: Sequence[Cost]) -> Iterator[str]:
    """The costs as lines.

    Arguments:
        found: the costs of one run.
    """
    yield f"{'step':16}{'kind':10}{'reading':>9}{'step':>9}{'overhead':>10}{'trips':>7}"
    for one in found:
        took = f"{one.reading_s:9.2f}{one.seconds + one.probing_s:9.2f}{one.overhead:10.2f}{one.trips:7}"
        yield f"{one.step:16}{one.kind:10}{took}"
    for kind in OTHER:
        spent = sum(one.seconds for one in found if one.kind == kind) + (
            sum(one.probing_s for one in found) if kind == "probing" else 0.0
        )
        yield f"{kind}: {spent:.1f} s"
    trips = sum(one.trips for one in found)
    reading = sum(one.reading_s for one in found)
    rest = sum(one.overhead for one in found)
    yield f"everything else: {rest:.1f} s, {reading:.1f} s of it reading; {trips} round trips"


def newest_journal(lab: Lab, host: str = "") -> Path:
    """The journal of a finished run that was written last in a lab.

    Arguments:
        host: fully qualified name of an exchanger; empty: of any.
    """
    stations = lifecycle.stations(lab).management
    folders = [box.folder / "log.upper" / "spicerack" / "sre" / "mail" for box in stations]
    journals = [p for folder in folders for p in folder.glob(f"{host}*.jsonl") if '"end"' in p.read_text()]
    if not journals:
        raise SystemExit(f"lab {lab.name} has no journal of a run that came to its end")
    return max(journals, key=lambda path: path.stat().st_mtime)


def by_hand(lab: Lab, host: str) -> Iterator[tuple[str, float]]:
    """Do by hand what can be done so, and time each command.

    Arguments:
        lab: which one.
        host: the exchanger.
    """
    stations = lifecycle.stations(lab)
    names = {
        "mx": exchanger(host).fqdn,
        "peer": next(mx.fqdn for mx in map(exchanger, ("mx1001", "mx2001")) if mx.name != host),
    }
    environment = management.virtual_environment(stations.operator)
    for what, where, command in BY_HAND:
        typed = command.format(**names)
        words = [*SSH, where.format(**names), typed] if where else ["sh", "-c", typed]
        begin = time.monotonic()
        argv = management.command(stations.operator, environment, words)
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
        yield what, time.monotonic() - begin


def main() -> int:
    """Read the arguments, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journals", nargs="*", type=Path, metavar="JOURNAL", help="journals of runs")
    parser.add_argument("--lab", metavar="NAME", help="take the newest journal of this lab")
    parser.add_argument("--plain", metavar="MX", nargs="?", const="mx2001", help="also time the plain shell way")
    args = parser.parse_args()
    if args.plain and not args.lab:
        parser.error("--plain changes an exchanger: only with --lab")
    for path in [*args.journals, *([newest_journal(Lab(args.lab))] if args.lab else [])]:
        print(path)
        print("\n".join(table(list(costs(path.read_text(encoding="utf-8").splitlines())))))
    if args.plain:
        took = []
        for what, seconds in by_hand(Lab(args.lab), args.plain):
            took.append(seconds)
            print(f"by hand: {what:26}{seconds:7.2f}")
        print(f"by hand: {len(took)} commands, {sum(took):.1f} s, without drain, boot, proof and report")
    return 0


if __name__ == "__main__":
    sys.exit(main())
