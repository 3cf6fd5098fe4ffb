"""The drain in the lab while mail flows: what is tried, what is left alone; nothing is lost or bounced."""

import base64
import gzip
import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from lab import demo, lifecycle
from lab.lifecycle import Stations, ssh
from lab.place import CLIENT, EXCHANGERS, Exchanger, exchanger
from lab.shell import wait_for
from lab.stations import node, outside
from lab.world import jsonl, worlds
from lab.world.ledger import SENT_FILE
from lab.world.message import Message, make
from mxlib.model.outcome import Outcome

MX2 = exchanger("mx2001")
DOWN = {"mode": "refuse"}
BATCH = 400
SPOOL = "/var/spool/exim4"
PATIENT = ("--drain-timeout", "1800")
FLOWING = ("user1@lab.test", "v4user2@lab.test", "v6user3@lab.test", "support@lab.test")
"""No mail to the lists, which are down here."""


def on(place: Stations, mx: Exchanger, script: str) -> str:
    done = ssh(place, mx, script, timeout=120)
    assert done.returncode == 0, f"{mx.name}: {script}: exit code {done.returncode}: {done.stdout}"
    return done.stdout


def cookbook(place: Stations, *words: str) -> subprocess.CompletedProcess[str]:
    command = demo.cookbook(place.operator, *words)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def fill(place: Stations, mx: Exchanger, to: str, count: int, *, sender: str = "outside@world.test") -> None:
    """Put so many messages into the queue, untried, by one batch; the outside ledger takes them for sent.

    Over SMTP each would take a second under emulation. The spool cannot tell the difference.
    """
    before = demo.queue(place, mx)
    sent = jsonl.Appender(place.lab.outside / SENT_FILE)
    for begin in range(0, count, BATCH):
        messages = [make(sender, (to,), 600) for _ in range(min(BATCH, count - begin))]
        batch = b"".join(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (sender.encode(), to.encode()) + one.payload
                         for one in messages)  # fmt: skip
        packed = base64.b64encode(gzip.compress(batch)).decode()
        on(place, mx, f"echo {packed} | base64 -d | gunzip | exim4 -odq -bS")
        for one in messages:
            sent.append(line_of(one, mx))
    sent.close()
    found = demo.queue(place, mx)
    assert found >= before + count, f"{found} messages in the queue, {before} before"


def line_of(message: Message, mx: Exchanger) -> dict[str, object]:
    return {
        "time": jsonl.now(), "id": message.lab_id, "from": message.sender, "to": list(message.recipients),
        "size": len(message.payload), "body_size": message.body_size, "body_sha256": message.body_sha256,
        "accepted": True, "fate": "accepted", "why": "", "via": mx.fqdn, "ip": str(mx.v4), "family": "v4",
        "reply": "250 batch", "waited": 0.0, "ambiguous": 0, "attempts": [],
    }  # fmt: skip


def stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def bounced(place: Stations, mx: Exchanger, mark: int) -> list[str]:
    """Return the recipients given up on since the log had this length."""
    log = worlds.of(place.lab, mx).main_log
    return on(place, mx, f"tail -c +{mark + 1} {log} | grep -F ' ** ' || true").splitlines()


def log_size(place: Stations, mx: Exchanger) -> int:
    return int(on(place, mx, f"stat -c %s {worlds.of(place.lab, mx).main_log}"))


def balanced(place: Stations, since: str, wait: int = 120) -> bool:
    return subprocess.run(demo.ledger_command(place, since, wait), check=False).returncode == 0


def lost(place: Stations, since: str) -> list[str]:
    """Return what the outside ledger misses. A power cut in a delivery may duplicate mail: no MTA can prevent that."""
    listed = subprocess.run(demo.ledger_command(place, since, 120, as_json=True), capture_output=True, check=False)
    ledger = json.loads(listed.stdout)
    return [*ledger["missing"], *ledger["bounced"], *ledger["altered"]]


def settle(place: Stations) -> None:
    """Restore everything: waiting mail goes out, and no hint stays behind."""
    for name in ("lists", "provider", "tickets"):
        outside.change(place.lab, name, None)
    for mx in EXCHANGERS:
        done = cookbook(place, "sre.mail.drain-queue", mx.fqdn, "--max-residual", "0")
        assert done.returncode == 0, done.stdout
        on(place, mx, "rm -f /var/spool/exim4/db/retry* /var/spool/exim4/db/wait-*")


def seed_old_hints(place: Stations, mx: Exchanger, host: str) -> None:
    """Make the hints on a host look like those of a fault that has lasted for six days."""
    old = (datetime.now(UTC) - timedelta(days=6)).strftime("%y%m%d%H%M")
    dump = f"exim_dumpdb {SPOOL} retry | grep -o '^  T:{host}:[^ ]*'"
    change = f"while read -r key; do printf '%s\\n2 {old}\\n5 yes\\n' \"$key\"; done; echo q"
    fix = f"exim_fixdb {SPOOL} retry >/dev/null"
    on(place, mx, f'export TZ=UTC; keys=$({dump})\necho "$keys" | {{ {change}; }} | {fix}')
    expired = on(place, mx, f"exim_dumpdb {SPOOL} retry | grep -A 1 'T:{host}:' | grep -c '[*]$'")
    assert expired.strip() == "2", "both families"


def fail_once(place: Stations, mx: Exchanger, server: str, host: str, to: str) -> None:
    """Let a delivery fail, so that the MTA remembers it."""
    outside.change(place.lab, server, DOWN)
    fill(place, mx, to, 1)
    on(place, mx, "exim4 -q")
    dump = f"exim_dumpdb {SPOOL} retry 2>/dev/null || true"
    wait_for("a retry hint", lambda: f"T:{host}:" in on(place, mx, dump), deadline=60, every=1)


def test_what_is_down_is_left_and_nothing_bounces(place: Stations) -> None:
    """Even past the cutoff of hints: the tickets' server is well again, but hints say that it failed for six days."""
    since, mark = stamp(), log_size(place, MX2)
    try:
        fail_once(place, MX2, "tickets", "mx.tickets.test", "support@lab.test")
        outside.change(place.lab, "tickets", None)
        seed_old_hints(place, MX2, "mx.tickets.test")
        outside.change(place.lab, "lists", DOWN)
        fill(place, MX2, "list-friends@lab.test", 8)
        fill(place, MX2, "support@lab.test", 4)
        fill(place, MX2, "user1@lab.test", 20)
        within = cookbook(place, "sre.mail.drain-queue", MX2.fqdn, "--max-residual", "8")
        assert within.returncode == 0, within.stdout
        assert demo.queue(place, MX2) == 8
        beyond = cookbook(place, "sre.mail.drain-queue", MX2.fqdn, "--max-residual", "0")
        assert beyond.returncode == Outcome.QUEUE_LEFT.value, beyond.stdout
        assert "lists.test: 8 messages" in beyond.stdout
        assert "remote at fault: connection refused" in beyond.stdout
        assert bounced(place, MX2, mark) == []
    finally:
        settle(place)
    assert balanced(place, since)


@pytest.mark.nightly
def test_past_the_cutoff_of_its_hints_what_cannot_be_proven_is_not_tried(place: Stations) -> None:
    """No test mail goes to world.test: one more failure there would be final, so its messages stay and are reported."""
    since, mark = stamp(), log_size(place, MX2)
    try:
        fail_once(place, MX2, "world", "sender.world.test", "postmaster@world.test")
        seed_old_hints(place, MX2, "sender.world.test")
        outside.change(place.lab, "world", None)
        fill(place, MX2, "postmaster@world.test", 3)
        done = cookbook(place, "sre.mail.drain-queue", MX2.fqdn, "--max-residual", "4")
        assert done.returncode == 0, done.stdout
        assert "A FAILED ATTEMPT BOUNCES since" in done.stdout
        assert demo.queue(place, MX2) == 4
        assert bounced(place, MX2, mark) == []
    finally:
        outside.change(place.lab, "world", None)
        # A drain leaves a destination alone that has just refused and has no test mail: the MTA's own runner delivers.
        on(place, MX2, f"rm -f {SPOOL}/db/retry*; exim4 -q")
        settle(place)
    assert balanced(place, since)


@pytest.mark.nightly
def test_two_thousand_messages_of_which_two_hundred_wait_for_what_is_down(place: Stations) -> None:
    since, mark, kernel = stamp(), log_size(place, MX2), demo.other_kernel(place, MX2)
    try:
        outside.change(place.lab, "lists", DOWN)
        fill(place, MX2, "list-friends@lab.test", 200)
        fill(place, MX2, "user7@lab.test", 1800)
        with demo.mail_flowing(place, 0.5, FLOWING):
            words = ["--kernel", kernel, "--reason", "2000 in the queue", "--max-residual", "250"]
            done = cookbook(place, "sre.mail.reboot-mx", MX2.fqdn, *words, "--accept", "outbound-lists", *PATIENT)
            print(done.stdout)
        assert done.returncode == 0, done.stdout
        report = demo.report(place.operator, MX2)
        print(report)
        assert "| lists.test | 200 |" in report
        assert "out of service for" in report
        assert bounced(place, MX2, mark) == []
    finally:
        settle(place)
    assert balanced(place, since)


@pytest.mark.nightly
@pytest.mark.parametrize(("way", "code"), [("--resume", 0), ("--abort", 11)])
def test_a_power_cut_in_mid_drain_loses_nothing(place: Stations, way: str, code: int) -> None:
    """The run dies together with the machine; another management host resumes it, or undoes it."""
    since, mark, kernel = stamp(), log_size(place, MX2), demo.other_kernel(place, MX2)
    try:
        fill(place, MX2, "user7@lab.test", 300)
        with demo.mail_flowing(place, 0.5, FLOWING):
            words = ["sre.mail.reboot-mx", MX2.fqdn, "--kernel", kernel, "--reason", "power cut", *PATIENT]
            child = subprocess.Popen(demo.cookbook(place.management[0], *words), stdin=subprocess.DEVNULL)
            wait_for("the queue to go down", lambda: 0 <= demo.queue(place, MX2) < 250, deadline=900, every=1)
            lifecycle.send_signal(child, signal.SIGKILL)
            child.wait(timeout=20)
            node.power_cycle(place.node, MX2)
            lifecycle.wait_ssh(place, MX2)
            words = ["sre.mail.reboot-mx", MX2.fqdn, way, "--reason", "after the power cut", *PATIENT]
            done = subprocess.run(
                demo.cookbook(place.management[1], *words),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            print(done.stdout)
        assert done.returncode == code, done.stdout
        assert bounced(place, MX2, mark) == []
    finally:
        settle(place)
    assert lost(place, since) == []
    assert all(demo.is_serving(place, mx) for mx in EXCHANGERS)


@pytest.mark.nightly
def test_an_internal_client_without_another_exchanger_keeps_the_host_in_service(place: Stations) -> None:
    """It tries mx2001 only, and for ever, as a program with a fixed smarthost does."""
    since, kernel = stamp(), demo.other_kernel(place, MX2)
    words = ["send", "--state", "/outside", "--to", "user1@lab.test", "--rate", "0.2", "--via", MX2.fqdn]
    words += ["--no-failover", "--drain", "60"]
    words += [word for address in (CLIENT.v4, CLIENT.v6) for word in ("--source", str(address))]
    log = (place.lab.logs / "world-senders.log").open("ab")
    sender = subprocess.Popen(outside.program(place.infra, "sender", *words), stdout=log, stderr=log)
    try:
        done = cookbook(
            place, "sre.mail.reboot-mx", MX2.fqdn, "--kernel", kernel, "--reason", "a client stays", *PATIENT
        )
    finally:
        lifecycle.send_signal(sender, signal.SIGTERM)
        sender.wait(timeout=90)
    print(done.stdout)
    assert done.returncode == 11, done.stdout
    assert f"client1001.lab.test ({CLIENT.v4}):" in done.stdout or f"({CLIENT.v6}):" in done.stdout
    assert "--accept clients" in done.stdout
    assert balanced(place, since)
