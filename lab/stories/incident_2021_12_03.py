"""2021-12-03: outgoing mail stuck for about a day after a reboot into a kernel that loses connections.

The history is that of the site's public incident report. The queue (dozens instead of thousands of messages) and the
times are smaller here. Rules of nftables simulate the kernel's fault (lab/faults/scripts.py).
"""

import re
import subprocess
import time
from contextlib import ExitStack

from lab import demo
from lab.place import EXCHANGERS, Exchanger, exchanger
from lab.shell import LabError, wait_for
from lab.stations import outside
from lab.stories.story import Moment, Stage, Story
from lab.world import worlds

MX = exchanger("mx2001")
PROVIDER = "2001:db8:51::10"
SMALL, LARGE, STUCK = 5, 150_000, 30
HOLE_S = 300
RATE = 0.2  # messages a second during the reboot: exchangers on a busy machine take no more
_REFUSED, _AGAIN = 10, 2
# Outbound mail is known to be broken before the reboot, and the reboot is known to rename the interface: accepted.
ACCEPTED = ("outbound-provider-v4", "outbound-provider-v6", "log", "conntrack-growth", "nic-forecast")

HISTORY = (
    Moment("11-24", "mx2001 rebooted into a new kernel; next to no traffic, so nothing showed"),
    Moment("11-30", "smarthost preference changed: mx2001 gets the traffic"),
    Moment("12-02 10:24", "queue over 2000 (4013) on the dashboard; nobody paged"),
    Moment("12-03 21:11", "time-outs to the big provider: SMTP timeout after end of data"),
    Moment("12-03 23:11", "dropped packets found; a firewall rule by hand lets mail flow"),
    Moment("12-03 23:28", "guessing how long the queue will take"),
    Moment("12-04 00:22", "queue at 0; firewall reloaded to close the hole opened by hand"),
    Moment("12-04 00:46", "decision: reboot into the previous kernel"),
    Moment("12-04 00:55", "the host does not come back: the hypervisor has renumbered its devices"),
    Moment("12-04 01:10", "repaired by hand on the console: root password, interface name, a second reboot"),
    Moment("12-04 01:14", "SSH back; spamd and the firewall did not start"),
    Moment("12-04 01:26", "Exim masked, the host is kept out of service over the weekend"),
    Moment("12-08", "mx2001 back in service; no mail was lost"),
)


def replay(stage: Stage) -> None:
    """Play it."""
    good = demo.other_kernel(stage.place, MX)
    bad = stage.on(MX, "uname -r").strip()
    since = demo.now()
    with ExitStack() as faults:
        _forget_hints(stage)
        faults.callback(_forget_hints, stage)
        faults.enter_context(stage.broken("bad-kernel", MX, bad))
        _nothing_shows(stage, bad)
        _mail_gets_stuck(stage)
        _named(stage)
        _hole(stage)
        for fault in ("nic-renumber", "dead-spamd"):
            faults.enter_context(stage.broken(fault, MX))
        stage.on(MX, "systemctl restart spamd.service")  # dead only after the next boot, as then
        with demo.mail_flowing(stage.place, RATE):
            _back_into_the_good_kernel(stage, good)
        _all_is_well(stage, good, since)


def _forget_hints(stage: Stage) -> None:
    """Remove Exim's hints, which outlive the fault and would delay later mail."""
    stage.on(MX, "rm -f /var/spool/exim4/db/retry* /var/spool/exim4/db/wait-*")


def _send(stage: Stage, count: int, size: int) -> None:
    words = ["send", "--state", "/outside", "--to", "v6user%d@lab.test", "--count", str(count), "--size", str(size)]
    program = outside.program(stage.place.world, "sender", *words, "--via", MX.fqdn, *demo.sources())
    done = subprocess.run(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise LabError(f"the outside sender returned {done.returncode}")


def _queue_is(stage: Stage, mx: Exchanger, count: int, deadline: float) -> None:
    wait_for(
        f"{count} messages in the queue of {mx.name}",
        lambda: demo.queue(stage.place, mx) == count,
        deadline=deadline,
        every=2,
        evidence=lambda: f"there are {demo.queue(stage.place, mx)}",
    )


def _nothing_shows(stage: Stage, bad: str) -> None:
    _send(stage, SMALL, 2_000)
    _queue_is(stage, MX, 0, 120)
    stage.note(f"{MX.name} runs {bad}; {SMALL} small messages leave it as ever", then="11-24")


def _mail_gets_stuck(stage: Stage) -> None:
    stage.note(f"{MX.name} gets {STUCK} messages of {LARGE // 1000} kB for the big provider", then="11-30")
    timeouts = f"grep -Ec 'timeout after (pipelined )?end of data' {worlds.of(stage.place.lab, MX).main_log} || true"
    before = int(stage.on(MX, timeouts))  # of a replay earlier that day
    _send(stage, STUCK, LARGE)
    wait_for(
        "deliveries to time out",
        lambda: int(stage.on(MX, timeouts)) - before >= STUCK // 3,
        deadline=240,
        every=5,
    )
    stage.must(demo.queue(stage.place, MX) == STUCK, f"all {STUCK} of them are stuck in its queue", then="12-02 10:24")


def _named(stage: Stage) -> None:
    code, said = stage.cookbook("sre.mail.verify-mx", MX.fqdn, "--only", "log", "--no-probes")
    named = code == 14 and "SMTP timeout after end of data" in said
    stage.must(named, "verify-mx fails and names it: SMTP timeout after end of data, to provider", then="12-03 21:11")
    code, said = stage.cookbook("sre.mail.verify-mx", "--only", "outbound-provider-v6")
    control = code != 0 and bool(re.search(r"OK +mx1001", said))
    stage.must(control, "test mails to the provider pass on mx1001 and not here: it is this host, not the provider")


def _hole(stage: Stage) -> None:
    words = ("allow", "--from", PROVIDER, "--for", f"{HOLE_S}s", "--prove", "provider-v6")
    code, _ = stage.cookbook("sre.mail.remedy-mx", MX.fqdn, *words, "--reason", "answers are dropped")
    opened = time.monotonic()
    stage.must(
        code == 0, f"remedy-mx opens a hole for {PROVIDER} in the firewall, and test mails pass", then="12-03 23:11"
    )
    code, said = stage.cookbook("sre.mail.verify-mx", MX.fqdn, "--only", "temporary-hole")
    stage.must(code == 14 and f"open for {PROVIDER}" in said, "verify-mx says that it is open, for whom and until when")
    code, said = stage.cookbook("sre.mail.drain-queue", MX.fqdn, "--max-residual", "0")
    shown = [line.partition(" ")[2][:90] for line in said.splitlines() if re.search(" to go| completed in ", line)]
    stage.must(code == 0, f"drain-queue shows rate and time: {'; '.join(shown[-2:])}", then="12-03 23:28")
    _queue_is(stage, MX, 0, 120)
    listing = "ip6tables-legacy-save | grep -c mx-hole || true"
    wait_for(
        "the hole to close",
        lambda: stage.on(MX, listing).strip() == "0",
        deadline=HOLE_S + 60 - time.monotonic() + opened,
    )
    stage.note("queue at 0; the hole has closed by itself", then="12-04 00:22")


def _back_into_the_good_kernel(stage: Stage, good: str) -> None:
    stage.note(f"reboot-mx back into {good}, by a cold start that renames the interface", then="12-04 00:46")
    accepted = [word for name in ACCEPTED for word in ("--accept", name)]
    words = (MX.fqdn, "--kernel", good, "--level", "cold", "--reason", "mail gets stuck with this kernel", *accepted)
    code, said = stage.cookbook("sre.mail.reboot-mx", *words, timeout=2400)
    for _ in range(_AGAIN if code == _REFUSED else 0):
        stage.note("refused (the guard says why): once more, as an operator would")
        code, said = stage.cookbook("sre.mail.reboot-mx", *words, timeout=2400)
        if code != _REFUSED:
            break

    def line(step: str) -> str:
        """Return the run's last line about a step, without its time of day."""
        found = re.findall(rf"^\S+ ({step}: .*)$", said, re.MULTILINE)
        return found[-1] if found else ""

    silent = re.search(r"^\S+ await boot: (no answer .*)$", said, re.MULTILINE)
    down = silent[1] if silent else "it is not"
    stage.must(bool(silent), f"the host is reported to be down: {down}", then="12-04 00:55")
    renamed = re.search(r"^\S+ (ens5 is now ens13: .*)$", said, re.MULTILINE)
    how = f"{renamed[1] if renamed else 'the interface'}, repaired over the console"
    stage.must(bool(renamed), how, then="12-04 01:10")
    # whichever comes first starts it: the repair of the network, or the one after the boot
    started = next((one for one in (line("mend"), line("repair")) if "spamd" in one), "")
    stage.must(bool(started), started or "the service that did not start is started", then="12-04 01:14")
    stage.must(bool(line("prove outbound")), f"with the MTA held: {line('prove outbound')}", then="12-04 01:26")
    stage.must(code == 0, "kept, verified, back in service", then="12-08")


def _all_is_well(stage: Stage, good: str, since: str) -> None:
    stage.must(stage.on(MX, "uname -r").strip() == good, f"{MX.name} runs {good}")
    stage.must(all(demo.is_serving(stage.place, mx) for mx in EXCHANGERS), "both exchangers serve")
    balanced = subprocess.run(demo.ledger_command(stage.place, since, 120), check=False).returncode == 0
    stage.must(balanced, "the outside ledger balances: nothing lost, nothing doubled", then="12-08")
    for mx in EXCHANGERS:
        _queue_is(stage, mx, 0, 120)
    stage.note("the queues are at 0", then="12-08")


STORY = Story("2021-12-03", "outgoing mail stuck for a day behind a kernel that drops answers", HISTORY, replay)
