#!/usr/bin/env python3
"""How quickly a queue empties: drain-queue beside Exim's own queue runners, on the same exchanger of a lab.

`bench/drain.py --lab NAME [--mx mx2001] [--messages 300] [--runners 1,4,8]`

For each way the exchanger gets so many messages that it only queues, half to each of two destinations that take all.
The rate is counted in its main log, from the first message completed to the last: what a way does before and after is
left out. The MTA runs meanwhile, as in service. The mail goes to the outside of the lab and stays there. The last way
is one runner in two stages (`exim4 -qqf`), which uses a connection for many messages.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import demo, lifecycle
from lab.lifecycle import Stations
from lab.place import Exchanger, Lab, exchanger

DESTINATIONS = ("provider.test", "lists.test")
LOG = "/var/log/exim4/mainlog"
LIMIT_S = 3600
# Batch SMTP on the standard input of one process: one exec a message would take longer than the delivery.
FILL = f"""
awk -v count=@COUNT@ 'BEGIN {{
split("{" ".join(DESTINATIONS)}", domain)
print "HELO bench"
for (n = 1; n <= count; n++)
printf "MAIL FROM:<bench@lab.test>\\nRCPT TO:<bench%d@%s>\\nDATA\\nSubject: bench\\n\\n.\\n", n, domain[n % 2 + 1]
print "QUIT"
}}' | exim4 -odq -bS >/dev/null && exim4 -bpc
"""
MARK = f"stat -c %s {LOG}"
COMPLETED = f"tail -c +$((@MARK@ + 1)) {LOG} | grep ' Completed$' | cut -c 1-19"


def fill(place: Stations, mx: Exchanger, count: int) -> int:
    """Have the exchanger queue so many messages; return where its main log ended then.

    Raises:
        SystemExit: its queue was not empty, or took something else.
    """
    if (queued := said(place, mx, "exim4 -bpc")) != "0":
        raise SystemExit(f"{mx.name} has {queued} messages queued: expected none before the benchmark")
    if (queued := said(place, mx, FILL.replace("@COUNT@", str(count)))) != str(count):
        raise SystemExit(f"{mx.name} queued {queued} of {count} messages: does its queue runner run?")
    return int(said(place, mx, MARK))


def said(place: Stations, mx: Exchanger, script: str) -> str:
    """Return what a script printed on an exchanger.

    Raises:
        SystemExit: it failed.
    """
    done = lifecycle.ssh(place, mx, script, timeout=LIMIT_S)
    if done.returncode:
        raise SystemExit(f"{mx.name}: {script.strip()!r} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def rate(completed: Sequence[str]) -> float:
    """Messages a second, from the times of the log's lines, which are whole seconds."""
    first, last = (datetime.fromisoformat(one) for one in (completed[0], completed[-1]))
    return (len(completed) - 1) / max(1.0, (last - first).total_seconds())


def by_product(place: Stations, mx: Exchanger) -> None:
    """Drain by the cookbook; what it prints is shown."""
    argv = demo.cookbook(place.operator, "sre.mail.drain-queue", mx.fqdn, "--max-residual", "0", "--reason", "bench")
    subprocess.run(argv, stdin=subprocess.DEVNULL, check=True)


def by_runners(place: Stations, mx: Exchanger, count: int) -> None:
    """Drain by queue runners as an operator starts them."""
    said(place, mx, f"for i in $(seq {count}); do exim4 -qf & done; wait")


def measured(
    place: Stations, mx: Exchanger, ways: Sequence[int], count: int
) -> Iterator[tuple[str, int, float, float]]:
    """Empty a queue in each way: its name, messages completed, a second, and seconds in all."""
    tries: dict[str, Callable[[], object]] = {
        "drain-queue": partial(by_product, place, mx),
        **{f"exim4 -qf, {many} side by side": partial(by_runners, place, mx, many) for many in ways},
        "exim4 -qqf": partial(said, place, mx, "exim4 -qqf"),
    }
    for name, empty in tries.items():
        mark, begin = fill(place, mx, count), time.monotonic()
        empty()
        took = time.monotonic() - begin
        completed = said(place, mx, COMPLETED.replace("@MARK@", str(mark))).splitlines()
        yield name, len(completed), rate(completed), took


def main() -> int:
    """Read the arguments, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", metavar="NAME", required=True, help="the lab")
    parser.add_argument("--mx", default="mx2001", help="the exchanger (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=300, help="for each way (default: %(default)s)")
    parser.add_argument("--runners", default="1,4,8", help="Exim's own, side by side (default: %(default)s)")
    args = parser.parse_args()
    place, mx = lifecycle.stations(Lab(args.lab)), exchanger(args.mx)
    print(f"{'way':28}{'completed':>10}{'a second':>10}{'seconds in all':>16}")
    for name, completed, each, took in measured(place, mx, [*map(int, args.runners.split(","))], args.messages):
        print(f"{name:28}{completed:10}{each:10.1f}{took:16.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
