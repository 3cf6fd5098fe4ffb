"""What each fault of the catalogue is in a game: how it comes to show, what names it, and when it is mended."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from lab import lifecycle
from lab.campaign.judge import look
from lab.faults.fault import FaultTarget, shell
from lab.faults.queues import UNIT
from lab.gameday.monitoring import FiredAlert
from lab.lifecycle import Stations
from lab.place import Exchanger
from lab.shell import LabError, wait_for

HOST = "host"
BOUND_S = 22
"""Seconds until a run of the lab's alias generator has taken longer than its bound."""
# What is said of one thing ends at a comma, and at "but". Who says that something is well, or is not it, names nothing.
_CLAUSE = re.compile(r"[,;]\s|\.\s|\bbut\b")
_DENIED = re.compile(
    r"\bnothing (?:(?:is|was) )?(?:at fault|broken|wrong)\b|\bno (?:kernel )?(?:fault|issue|panic|problem|trouble)s?\b"
    r"|\b(?:is|are|looks?|seems?|works?) (?:all right|fine|good|healthy|okay|ok|well)\b"
    r"|^(?!.*\bno\b).*\b(?:is|are) (?:active|running|up)\W*$"
    r"|(?:\bnot|\bnor|n't) (?:(?:a|any|because|due|of|the|to|its) )*(?:at fault|bad|broken|busy|dead|down|full|hanging"
    r"|hung|panic|stale|stuck|wrong|cause|fault|problem|reason|alertmanager|console|disk|etcd|ferm|firewall|ganeti"
    r"|hints|kernel|nftables|password|provider|spamd)\b"
)


@dataclass(frozen=True)
class Riddle:
    """A fault in a game.

    Attributes:
        fault: its name in the catalogue.
        names: regular expressions of whole words, in lower case: one is in what a player says who knows it; none of a
            service, where the place suffices.
        where: what is at fault: ``HOST`` for the exchanger, or a service.
        well: script that succeeds on the exchanger once it is mended; empty: its owner mends it as soon as it is named.
        provoke: what somebody did so that it shows.
        running: whether it is put on the kernel that runs, not on the other one.
        takes_down: whether the exchanger does not answer.
        ticket: what a colleague asks for where monitoring cannot see it; the section of the runbook follows ``#``.
        kind: of two faults of one kind only one is in a game.
    """

    fault: str
    names: tuple[str, ...] = ()
    where: str = HOST
    well: str = ""
    provoke: Callable[[FaultTarget], object] | None = None
    running: bool = False
    takes_down: bool = False
    ticket: str = ""
    kind: str = ""

    def is_named(self, where: str, said: str, mx: Exchanger) -> bool:
        """Whether somebody who says this knows the fault.

        Arguments:
            where: a host's short name, or a service.
            said: in any words; the advice of a cookbook, behind "next:", names nothing, nor does a denial.
            mx: the exchanger of the game.
        """
        place = mx.name if self.where == HOST else self.where
        clauses = _CLAUSE.split(said.lower().partition("next:")[0])
        told = ", ".join(one for one in clauses if not _DENIED.search(one))
        names = (self.fault, *self.names) if self.where == HOST else (r"\w+",)
        return where == place and any(re.search(rf"\b(?:{name})\b", told) for name in names)

    def is_well(self, goal: FaultTarget) -> bool:
        """Whether it is mended, looked at on the exchanger itself."""
        try:
            shell(self.well)(goal)
        except LabError:
            return False
        return True

    def asks(self, mx: Exchanger) -> FiredAlert | None:
        """Return its ticket; None: monitoring sees the fault."""
        if not self.ticket:
            return None
        text, _, section = self.ticket.partition("#")
        page = f"https://docs.example.org/mx/runbook.html#{section}"
        notes = {"summary": text.replace("HOST", mx.fqdn), "runbook": page}
        return FiredAlert({"alertname": "Ticket", "severity": "ticket", "instance": mx.fqdn}, notes)


def is_contained(goal: FaultTarget) -> bool:
    """Whether a run has the exchanger out of service, so that its fault meets no mail."""
    return is_out(goal.place, goal.mx)


def is_out(place: Stations, mx: Exchanger) -> bool:
    """Whether a run has an exchanger out of service."""
    seen = look(place, mx)
    return seen.claimed is True and seen.serving is False


def _hang_longer_than_bound(target: FaultTarget) -> None:
    script = f"systemctl show -p InactiveExitTimestampMonotonic --value {UNIT}; cut -d' ' -f1 /proc/uptime"

    def seconds() -> float:
        began, up = target.on_host(script).split()
        return float(up) - int(began) / 1e6

    wait_for("the generator to hang for longer than its bound", lambda: seconds() > BOUND_S, deadline=90, every=2)


def _cold_start(target: FaultTarget) -> None:
    target.on_host("sync")
    target.place.node.run(["gnt-instance", "reboot", "--shutdown-timeout=30", target.mx.fqdn], timeout=150)
    _stays_silent(target)


def _boot_once(target: FaultTarget) -> None:
    entry = lifecycle.image_facts(target.place.lab, target.mx).grub_entry(target.kernel)
    # not before the session is over: it would never end if the network went first
    later = "nohup sh -c 'sleep 2; systemctl --no-block reboot' >/dev/null 2>&1 </dev/null &"
    target.on_host(f"grub-reboot '{entry}'; sync; {later}")
    _stays_silent(target)


def _stays_silent(target: FaultTarget) -> None:
    """Wait until the exchanger has gone down, and has had the time in which a good boot would have come up."""
    knock = ["timeout", "4", "bash", "-c", f"exec 3<>/dev/tcp/{target.mx.v4}/22"]
    silent = 0

    def long() -> bool:
        nonlocal silent
        silent = 0 if target.place.operator.run(knock, check=False).returncode == 0 else silent + 1
        return silent >= 20

    wait_for(f"{target.mx.name} to stay silent", long, deadline=lifecycle.BOOT_DEADLINE, every=2)


_ANSWERS = "systemctl is-active -q exim4.service"
_ALIASES = f"! systemctl is-failed -q {UNIT} && test $(wc -l </etc/exim4/aliases/vrts_aliases) -ge 5 && " + (
    f"test $(systemctl show -p ActiveState --value {UNIT}) != activating"
)
_NO_ROOM = '[ "$(df --output=avail -B1 /var/spool | tail -n 1)" -gt 10485760 ]'
_DISK = r"(disk|file ?system|partition|spool|var|volume)"
_PREPARED = "grep -q ens6 /etc/network/interfaces || ls /etc/systemd/network/*.link"
_COLD = (
    "tonight Ganeti is to build the machine of HOST again (a cold start). Make sure that it can be reached if it "
    "does not come up.#before-a-cold-start"
)
_HANGS = r"(alias|generat).*\b(hangs|hanging|hung|stuck)"
_NO_BOOT = r"(does not|doesn't|will not|won't|cannot|can't|never) boots?"
_RENAMED = (r"rename[sd]?", "another name")

RIDDLES = {
    riddle.fault: riddle
    for riddle in (
        Riddle("nic-renumber", (*_RENAMED, "ens13"), well=_ANSWERS, provoke=_cold_start, takes_down=True, kind="down"),
        Riddle("second-disk", (*_RENAMED, "ens6", "(second|new|added|another) disk"), well=_PREPARED),
        Riddle(
            "bad-kernel",
            (
                "outbound-provider", "timeout after end of data", "conntrack", "(bad|broken|faulty|new|running) kernel",
                r"kernel\b.*\b(at fault|bad|breaks|broken|cuts|delays|drops|faulty|loses|stalls)",
            ),
            running=True, well="[ \"$(uname -r)\" != '@kernel@' ]",
        ),
        # What a kernel says when it panics is shown once, and nobody was attached: its console is silent from then on.
        Riddle(
            "kernel-panic", ("panic(s|ked)?", "console is silent", _NO_BOOT), well=_ANSWERS, provoke=_boot_once,
            takes_down=True, kind="down",
        ),
        Riddle(
            "kernel-hang",
            ("still booting", "boot never (ends|gets past)", r"(boot|kernel)\b.*\b(hang(s|ing)|hung|stuck)", _NO_BOOT),
            well=_ANSWERS, provoke=_boot_once, takes_down=True, kind="down",
        ),
        Riddle("stuck-aliases", (_HANGS,), well=_ALIASES, provoke=_hang_longer_than_bound, kind="aliases"),
        Riddle(
            "cut-aliases",
            (_HANGS, r"(alias|addresses).*\b(cut|incomplete|missing|too (few|small)|truncated|unknown|\d+ entries)"),
            well=_ALIASES, provoke=_hang_longer_than_bound, kind="aliases",
        ),
        Riddle(
            "stale-hints", ("hints?", "not tried", "untried"),
            well="! exim_dumpdb /var/spool/exim4 retry | grep -q ' [*]$'",
        ),
        Riddle("dead-spamd", ("spamd", "second (mail )?daemon"), well="systemctl is-active -q spamd.service"),
        Riddle("no-ferm", ("firewall", "ferm", "nftables"), well="systemctl is-active -q @firewall@.service"),
        Riddle(
            "disk-full",
            (
                rf"full {_DISK}", rf"{_DISK}\b.* full", "disk space", "(no|out of|without) (room|space)", "0 % free",
                "enospc",
            ),
            well=_NO_ROOM,
        ),
        Riddle(
            "console-password",
            (
                r"login\b.*\brefused", r"password\b.*\b(changed|differs|not the one|refused|wrong)",
                "(another|changed|other|wrong) password",
            ),
            ticket=_COLD, kind="console",
        ),
        Riddle(
            "console-busy",
            ("(somebody|someone) else", "busy", "(has|holds) the (serial )?console", "console is (held|in use|taken)"),
            ticket=_COLD, kind="console",
        ),
        Riddle("provider-4xx", where="provider", kind="provider"),
        Riddle("provider-down", where="provider", kind="provider"),
        Riddle("provider-stall", where="provider", kind="provider"),
        Riddle("etcd-down", where="etcd", kind="etcd"),
        Riddle("alertmanager-down", where="alertmanager", kind="alertmanager"),
        Riddle("rapi-down", where="ganeti", kind="ganeti"),
    )
}  # fmt: skip
