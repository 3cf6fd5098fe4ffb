#!/usr/bin/env python3
"""What a look at a long queue costs the host in CPU time: the product's scripts beside the plain shell way.

`python3 bench/queue_poll.py [--messages 100000] [--growth 500] [--times 5]`

Makes a spool and a mail log in a temporary directory, puts these paths into the very scripts the cookbook sends, and
runs them in a shell. No host, no root and no MTA are needed; `exim4 -bpc` is measured too where there is one.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mxlib.mta.exim import backlog_script
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import queue_flow as pulse
from mxlib.mta.exim.log import LogMark

HEADER = """{id}-H
root 0 0
<alice{number}@world.test>
1763690850 0
-received_time_usec .084912
-body_linecount 1
XX
1
user{number}@domain{domain}.test

146P Received: from root by mail.lab.test with local (Exim 4.96)
012F From: someone@nowhere.test
"""


def make_spool(directory: Path, count: int) -> None:
    """Make a split spool of so many messages, some with a deferral in the log."""
    log = (directory / "mainlog").open("w")
    for number in range(count):
        message_id = f"1x{number // 3844 % 62:02d}{number % 62:02d}-{number:06d}-0A"
        folder = directory / "input" / message_id[5]
        folder.mkdir(parents=True, exist_ok=True)
        text = HEADER.format(id=message_id, number=number, domain=number % 50)
        (folder / f"{message_id}-H").write_text(text)
        (folder / f"{message_id}-D").write_text(f"{message_id}-D\nbody\n")
        line(log, message_id, f"== user{number}@domain{number % 50}.test R=r T=remote_smtp defer (111): refused")
    log.close()


def line(log: TextIO, message_id: str, text: str) -> None:
    """Write a line of the log."""
    log.write(f"2026-11-21 06:43:09 {message_id} {text}\n")


def grow(directory: Path, count: int) -> None:
    """Let so many messages come in and go out again."""
    with (directory / "mainlog").open("a") as log:
        for number in range(count):
            message_id = f"1xUeoW-{number:06d}-0B"
            line(log, message_id, "<= a@b.test H=x [192.0.2.1] P=esmtp S=1 for c@d.test")
            line(log, message_id, '=> c@d.test R=r T=remote_smtp H=mx.d.test [192.0.2.7] C="250 OK"')
            line(log, message_id, "Completed QT=1s")


def cpu_seconds(script: str, times: int) -> float:
    """CPU time of a script and all it starts, the mean of several goes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        subprocess.run(["/bin/sh", "-c", script], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / times


def here(script: str, directory: Path) -> str:
    """A script for a host, with this directory's spool and log and without an MTA to ask."""
    for real, ours in ((exim.SPOOL, directory), (exim.MAINLOG, directory / "mainlog"), (exim.BINARY, "true")):
        script = script.replace(str(real), str(ours))
    return script.replace("mktemp -d /run/", f"mktemp -d {directory}/")


def main() -> int:
    """Measure, and print one line a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000, help="messages in the queue")
    parser.add_argument("--growth", type=int, default=500, help="messages that came and went since the last poll")
    parser.add_argument("--times", type=int, default=5, help="how often each way is measured")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mx-bench.") as name:
        directory = Path(name)
        make_spool(directory, args.messages)
        stat = (directory / "mainlog").stat()
        grow(directory, args.growth)
        mark = LogMark(stat.st_ino, stat.st_size)
        ways = {
            f"poll: growth of the log, {args.growth} messages (every 3 s)": here(
                pulse.script(mark), directory
            ),
            "count and judge: every header file and the log (once a round)": here(
                backlog_script.section(()).script, directory
            ),
            "plain: find SPOOL/input -name '*-H' | wc -l": f"find {directory}/input -name '*-H' | wc -l",
            "plain: read each header file (as exim -bp does)": (
                f"find {directory}/input -name '*-H' -print0 | xargs -0 cat >/dev/null"
            ),
        }
        if shutil.which("exim4"):
            (directory / "exim.conf").write_text(f"spool_directory = {directory}\n")
            ways["plain: exim4 -bpc"] = f"exim4 -C {directory}/exim.conf -bpc"
        print(f"{args.messages} messages, CPU seconds a look:")
        for what, script in ways.items():
            print(f"  {cpu_seconds(script, args.times):8.3f}  {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
