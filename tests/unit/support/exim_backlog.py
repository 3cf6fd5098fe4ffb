"""A spool and a log of Exim's that tests make up, with a router of their own; the scripts run on it for real."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mxlib.mta.backlog import Backlog
from mxlib.mta.exim import backlog, backlog_script
from mxlib.mta.exim import names as exim
from tests.unit.support.exim_spool import header
from tests.unit.support.facts import output

NOW = datetime.now(UTC).replace(microsecond=0)
ROUTER = """#!/bin/sh
[ "$1" != -bP ] || { [ "$2" != config ] || cat "$0.conf"; exit; }
shift
for address; do
case $address in
user*@lab.test|postmaster@provider.test) name=${address%@*}
echo "$name@provider.test"; echo "    <-- $address"; echo "  router = dnslookup, transport = remote_smtp"
echo "  host mx.provider.test [2001:db8:51::10] MX=10"; echo "  host mx.provider.test [198.51.100.10] MX=10";;
postmaster@lists.test) echo "$address"; echo "  router = dnslookup, transport = remote_smtp"
echo "  host mx.lists.test [198.51.100.30] MX=10";;
*@slow.test) echo "$address cannot be resolved at this time: host lookup did not complete";;
*@local.test) echo "$address"; echo "  router = local_user, transport = local_delivery";;
gone@lab.test) echo "x@gone.test is undeliverable: Unrouteable address"; echo "    <-- $address";;
*) echo "$address is undeliverable: Unrouteable address";;
esac
done
"""


class Spool:
    """A spool and a log below a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.input = path / "input"
        self.input.mkdir()
        self.log = path / "mainlog"
        self.log.write_text("")
        self.exim = path / "exim4"
        self.exim.write_text(ROUTER)
        self.exim.chmod(0o755)
        Path(f"{self.exim}.conf").touch()
        self.count = 0

    def put(
        self,
        *recipients: str,
        age: float = 60,
        sender: str = "alice@lab.test",
        frozen: bool = False,
        tree: str = "XX",
        queue: str = "",
    ) -> str:
        """Queue a message of this age in seconds, perhaps in a named queue; its id."""
        self.count += 1
        message_id = f"{exim.id_time(NOW - timedelta(seconds=age))}-{self.count:06d}-0A"
        options = "-frozen 1763690988\n" if frozen else ""
        text = header(message_id, recipients, sender=sender, options=options, tree=tree)
        folder = self.path / queue / "input"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{message_id}-H").write_text(text)
        return message_id

    def say(self, message_id: str, text: str, ago: float = 30) -> None:
        """Add a line to the log."""
        when = (datetime.now() - timedelta(seconds=ago)).strftime("%Y-%m-%d %H:%M:%S")
        with self.log.open("a") as file:
            file.write(f"{when} {message_id} {text}\n")

    def run(self, script: str, *limit: str) -> str:
        for real, ours in ((exim.SPOOL, self.path), (exim.MAINLOG, self.log), (exim.BINARY, self.exim)):
            script = script.replace(str(real), str(ours))
        script = script.replace("/run/mx-", f"{self.path}/mx-")
        done = subprocess.run([*limit, "sh", "-c", script], capture_output=True, text=True, check=False)
        # a shell may say of its child that it was terminated
        assert (done.returncode, done.stderr.replace("Terminated\n", "")) == (124 if limit else 0, "")
        return done.stdout

    def folders(self) -> list[str]:
        """The folders of intermediate files that are there."""
        return [path.name for path in self.path.glob("mx-*")]

    def backlog(self, patterns: Sequence[str] = ()) -> Backlog:
        asked = backlog_script.section(patterns)
        return backlog.parse(output(asked, self.run(asked.script)))

    def choose(self, orders: str, patterns: Sequence[str] = ()) -> list[str]:
        """The ids of the chosen messages; of one in a named queue ``QUEUE/ID``."""
        chosen = self.run(backlog_script.choose_script(patterns, orders)).splitlines()
        return [line.removeprefix("- ").replace(" ", "/") for line in chosen]
