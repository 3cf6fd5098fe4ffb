"""Journals of runs: recorded in the lab, and whole ones that are made up; and a verification."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mxlib.base.journal import Event, read
from mxlib.base.verdict import Evidence, Status, Verdict
from mxlib.verify.request import HostReport

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "journal"
HOST, RUN, WHO = "mx2001.lab.test", "20261128T041924Z-fd31ab", "root@cumin1001.lab.test"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def recorded(name: str = "interrupted") -> tuple[Event, ...]:
    """A journal of the lab: a reboot that was interrupted after the order; a roll that was blocked."""
    return tuple(read(FOLDER / f"{name}.jsonl"))


class Writer:
    """Makes events in a time of its own."""

    def __init__(self, at: str) -> None:
        self.now = datetime.fromisoformat(at)

    def event(self, event: str, later: float = 0.0, /, **values: Any) -> Event:
        self.now += timedelta(seconds=later)
        return Event(event, self.now.isoformat(), json.loads(json.dumps(values)))

    def step(self, step: str, seconds: float, note: str, **evidence: Any) -> Iterator[Event]:
        yield self.event("begin", 0.4, step=step, why="")
        yield self.event("done", seconds, step=step, note=note, seconds=seconds, trips=1, **evidence)


def _drain(write: Writer, slow: str) -> Iterator[Event]:
    yield write.event("begin", 0.4, step="drain", why="")
    fast, held, done = 386, 24, 0
    yield write.event("queue", 1.5, left=fast + held, by={"provider.test": fast, slow: held})
    for _round in range(3):
        for _poll in range(12):
            gone = min(fast, 13 if _round == 0 else 9)
            fast, done = fast - gone, done + gone
            if done % 5 == 0 and held > 6:
                held, done = held - 1, done + 1
            yield write.event("queue", 3.0, left=fast + held, completed=done)
        yield write.event("queue", 1.0, left=fast + held, by={"provider.test": fast, slow: held})
    left = [
        {"domain": slow, "count": held, "frozen": 1, "oldest": "2026-11-28T01:10:00+00:00", "way": "remote at fault",
         "why": "connection refused", "deadline": "2026-12-02T01:10:00+00:00"},
    ]  # fmt: skip
    note = f"{done} messages completed in 1 min 52 s; {held} stay on disk, within the bound of 50"
    values = {"before": 410, "completed": done, "after": fast + held, "left": left}
    clients = ["198.51.100.25 (relay.customer.test): 3 connections"]
    yield write.event("done", 0.2, step="drain", note=note, seconds=112.8, trips=44, clients=clients, **values)


def _verdicts(events: tuple[Event, ...], pattern: str) -> list[dict[str, str]]:
    found = (event.values for event in events if event.name == "verdict" and re.match(pattern, event.values["check"]))
    return [{key: one[key] for key in ("check", "status", "why")} for one in found]


def _boot(text: str) -> list[str]:
    return [
        "[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12)",
        "[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-cloud-amd64 ro console=ttyS0 panic=30",
        *(f"[    {at / 10:8.6f}] pci 0000:00:0{at % 8}.0: [1af4:1000] type 00 class 0x020000" for at in range(20)),
        "[  OK  ] Started ssh.service - OpenBSD Secure Shell server.",
        "[FAILED] Failed to start " + text,
        "[  OK  ] Reached target multi-user.target - Multi-User System.",
        "",
        "Debian GNU/Linux 12 mx2001 ttyS0",
        "mx2001 login:",
    ]


def whole(hostile: str = "") -> tuple[Event, ...]:
    """A run that came to its end: as recorded up to the drain, then made up.

    Arguments:
        hostile: put wherever a remote host's words stand.
    """
    before = recorded()
    cut = next(number for number, one in enumerate(before) if one.values.get("step") == "drain")
    head = before[:cut]
    write = Writer(head[-1].at)
    held = [*_verdicts(before, "units|firewall|conntrack$|network|disk|kernel$"), *_verdicts(before, "outbound")]
    slow = [{**one, "status": "FAILED", "why": f"HELO {hostile or 'mx.lists.test'}: 450 4.7.1 try again later"}
            if one["check"] == "outbound-lists" else one for one in held]  # fmt: skip
    tail = [
        *_drain(write, f"lists.test{hostile}"),
        *write.step("stop and hold", 2.7, "exim4.service is stopped, held, and at rest after 1.0 s"),
        *write.step("ledger", 2.8, "31 messages to account for, 17 of them on disk", ledger=31, spool=17, holes=0),
        *write.step("boot entries", 1.0, "GRUB boots 6.1.0-56-cloud-amd64 for one boot, then 6.1.0-55-cloud-amd64"),
        *write.step("reboot", 7.1, "reboot into 6.1.0-56-cloud-amd64 ordered"),
        *write.step(
            "await boot", 48.0, "back after 48 s with 6.1.0-56-cloud-amd64, as wanted", boot="b2",
            console=_boot(hostile or "ifup@ens4.service - ifup for ens4."),
        ),
        *write.step("repair", 3.1, f"units: {hostile or 'ifup@ens4.service'} has failed; repaired: it was cleared"),
        write.event("begin", 0.5, step="prove outbound", why=""),
        write.event("failed", 21.0, step="prove outbound", error=f"mx9{hostile}.lab.test: no session"),
        *write.step("prove outbound", 19.0, "18 checks passed (accepted)", verdicts=slow),
        *write.step("start MTA", 2.2, "exim4.service runs and listens"),
        *write.step("prove inbound", 9.4, "3 checks passed", verdicts=_verdicts(before, "inbound|certificate"),
                    must=31, spool=16, missing=0, untraced=0),
        *write.step("keep kernel", 1.2, "6.1.0-56-cloud-amd64 stays"),
        *write.step("open ports", 3.2, "the mail ports are open again"),
        *write.step("pool in", 0.8, "confctl select 'name=mx2001.lab.test' set/pooled=yes"),
        write.event("begin", 0.3, step="soak", why=""),
        *(write.event("queue", 5.0, left=left) for left in (21, 19, 14, 9, 8, 6, 4, 4, 3, 3, 2, 2)),
        write.event("done", 1.0, step="soak", note="10 checks passed", seconds=61.0, trips=14,
                    verdicts=[*_verdicts(before, "units|firewall|disk|kernel$"),
                              {"check": "queue-trend", "status": "OK", "why": "21 messages at first, 2 in the end"}]),
        *write.step("puppet on", 1.2, "Puppet is enabled"),
        *write.step("unsilence", 0.9, "alerts are heard again"),
        *write.step("release", 0.8, "the host and the slot of the service are free"),
        write.event("end", 0.1, outcome="DONE", why="6.1.0-56-cloud-amd64 runs, in service", code=0),
    ]  # fmt: skip
    return tuple(sorted((*head, *tail, *_commands(write, hostile)), key=lambda one: one.at))


def _commands(write: Writer, hostile: str) -> list[Event]:
    begin = datetime.fromisoformat("2026-11-28T04:19:25+00:00")
    made = Writer(begin.isoformat())
    found = []
    for number in range(40):
        acts = number % 9 == 4
        script = {"script": f"# close the mail ports\nset -eu\nnft -f - <<'END'\n{hostile}\nEND\n"} if acts else {}
        read = ("read 31 facts", "ask whether it answers", "read 4 facts")[number % 3]
        what = "close the mail ports" if acts else read
        host = HOST if number % 6 else "mx1001.lab.test"
        code = None if number == 30 else 0
        found.append(made.event("command", 7.0, host=host, what=what, code=code, seconds=0.734, **script))
    return found


def rolled(hostile: str = "") -> tuple[Event, ...]:
    """A roll over three hosts that stopped at the second one, made up.

    Arguments:
        hostile: put wherever a host's words stand.
    """
    write = Writer("2026-11-28T01:00:00+00:00")
    names = ("mx2001.lab.test", "mx1001.lab.test", "mx1002.lab.test")

    def seen(*stands: str) -> Event:
        hosts = [{"host": host, "stand": stand, "why": "", "unwell": hostile, "newer": ""}
                 for host, stand in zip(names, stands, strict=True)]  # fmt: skip
        return write.event("seen", 20.0, hosts=hosts)

    def ended(host: str, outcome: str, seconds: float, why: str) -> Event:
        report = f"/var/log/spicerack/sre/mail/{host}.20261128T010021Z-0a1b2c.md"
        return write.event("host", seconds, host=host, outcome=outcome, why=why, seconds=seconds, report=report)

    return (
        write.event("start", run="20261128T010000Z-77aa01", who=WHO, why="security update - T4711", kernel="6.1.0-56"),
        seen("to do", "to do", "to do"),
        write.event("take", 1.0, host=names[0], resume=False),
        ended(names[0], "DONE", 1240.0, "6.1.0-56 runs, in service"),
        seen("done", "to do", "to do"),
        write.event("soak", 1800.0, hosts=[names[0]], proof="passed", why="412 delivered, 0 lost", seconds=1800.0),
        write.event("take", 1.0, host=names[1], resume=False),
        ended(names[1], "FELL_BACK", 1710.0, f"outbound-v6 FAILED: {hostile or '4 of 4 timed out'}"),
        seen("done", "to do", "to do"),
        write.event("end", 2.0, end="FELL_BACK", why=f"{names[1]}: large mail stalls {hostile}", code=12),
    )


def verified(hostile: str = "") -> tuple[HostReport, ...]:
    """A verification of three hosts, made up: one with a failure, one with a doubt, one that is well.

    Arguments:
        hostile: put wherever a host's words stand.
    """
    when = datetime.fromisoformat("2026-11-28T04:00:00+00:00")
    proof = (Evidence(f"exim4 -bpc {hostile}", f"12\n{hostile}\n{'=' * 200}", when),)
    well = [Verdict(f"check-{number}", Status.OK, f"as it is to be {hostile}", proof) for number in range(20)]
    warned = Verdict("certificate", Status.OK, "valid for another 22 days", proof, (f"ends within a month {hostile}",))
    lost = Verdict("outbound-v6", Status.FAILED, f"THIS HOST is at fault: 2 of 4 lost, Subject: {hostile}", proof)
    hung = Verdict("puppet", Status.UNKNOWN, f"no end within 20 s: {hostile}", proof)
    return (
        HostReport("mx2001.lab.test", (lost, hung, warned, *well), when, 12.4),
        HostReport(f"mx1001{hostile}.lab.test", (hung, *well), when, 11.9),
        HostReport("mx1002.lab.test", (*well, Verdict("outbound-v6", Status.OK, "4 of 4 delivered")), when, 10.2),
    )
