"""A kernel rolled over both exchangers as by a timer: no terminal, mail flowing, judged from outside."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab import demo, lifecycle
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, Exchanger, exchanger
from lab.shell import wait_for
from lab.stations import management, outside
from lab.stations.box import Box
from lab.stations.infra import ETCD

MX1, MX2 = exchanger("mx1001"), exchanger("mx2001")
DONE, BLOCKED, FELL_BACK, TAKEN = 0, 44, 12, 42
# Two reboots and everything around them, on a machine that four other labs keep busy.
ROLL_S = 3600
LOOK = "cat /proc/sys/kernel/random/boot_id; uname -r; grub-editenv list; nft list tables; systemctl is-active exim4"
MEMORY = "/v2/keys/mx-cookbooks/mail-roll/failed"


def command(box: Box, *words: str) -> list[str]:
    """Start a roll as a systemd service does: no terminal, a session of its own, hardly any environment."""
    binary = management.virtual_environment(box) / "bin"
    path = f"{binary}:/usr/sbin:/usr/bin:/sbin:/bin"
    return box.inside(["env", "-i", f"PATH={path}", "USER=root", "PYTHONUNBUFFERED=1", "setsid", "--wait",
                       f"{binary}/cookbook", "sre.mail.roll-kernel", "--unattended", *words])  # fmt: skip


def roll(box: Box, *words: str) -> tuple[int, str]:
    """Return the exit code and the output."""
    argv = command(box, *words)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ROLL_S, check=False)
    print(done.stdout + done.stderr)
    return done.returncode, done.stdout + done.stderr


def on_both(place: Stations, script: str) -> list[str]:
    return [ssh(place, mx, script).stdout for mx in EXCHANGERS]


def newest(box: Box, pattern: str) -> str:
    return box.sh(f"ls -t /var/log/spicerack/sre/mail/{pattern} | head -n 1 | xargs cat", check=False)


def inbox(place: Stations) -> list[dict[str, str]]:
    listed = outside.program(place.world, "ledger", "inbox", "--state", "/outside", "--json")
    found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in found.splitlines()]


@contextmanager
def mail_by_the_canary(place: Stations) -> Iterator[None]:
    """Send real mail to mx2001, too: by the MX records it gets none while mx1001 serves, which would prove nothing."""
    words = ["send", "--state", "/outside", "--rate", "0.2", "--via", MX2.fqdn, "--drain", "60", *demo.sources()]
    words += [word for to in demo.RECIPIENTS for word in ("--to", to)]
    with (place.lab.logs / "world-senders.log").open("ab") as log:
        sender = subprocess.Popen(outside.program(place.world, "sender", *words), stdout=log, stderr=log)
        try:
            yield
        finally:
            lifecycle.send_signal(sender, signal.SIGTERM)
            sender.wait(timeout=120)


@contextmanager
def nothing_lost(place: Stations) -> Iterator[None]:
    """Let mail flow meanwhile; afterwards the outside ledger must balance and both exchangers serve."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    with demo.mail_flowing(place, 0.2), mail_by_the_canary(place):
        yield
    assert subprocess.run(demo.ledger_command(place, since, 180), check=False).returncode == 0
    assert all(demo.is_serving(place, mx) for mx in EXCHANGERS)


def kernels(place: Stations, mx: Exchanger) -> tuple[str, str]:
    """The two kernels that an exchanger has, older first."""
    return lifecycle.image_facts(place.lab, mx).kernels


def to_roll(place: Stations, mx: Exchanger) -> str:
    """What to roll out: the kernel that an exchanger does not run; "newest" where the two have different ones."""
    return demo.other_kernel(place, mx) if kernels(place, MX1) == kernels(place, MX2) else "newest"


def release(place: Stations, mx: Exchanger, kernel: str) -> str:
    """The release that an exchanger runs after a roll of ``kernel``."""
    return kernels(place, mx)[1] if kernel == "newest" else kernel


@pytest.fixture
def kernel(place: Stations) -> str:
    """What to roll out, which neither exchanger runs: who does is brought to its other kernel first."""
    target = to_roll(place, MX1)
    for mx in EXCHANGERS:
        if ssh(place, mx, "uname -r").stdout.strip() == release(place, mx, target):
            words = ("--kernel", demo.other_kernel(place, mx), "--query", mx.fqdn, "--canary", mx.fqdn)
            assert roll(place.operator, *words)[0] == DONE
    return target


@pytest.fixture
def forgetful(place: Stations) -> Iterator[None]:
    """Forget afterwards that a host has failed."""
    yield
    script = f"import urllib.request as r; r.urlopen(r.Request('{ETCD}{MEMORY}', method='DELETE'))"
    place.operator.run(["/usr/bin/python3", "-c", script], check=False)


@contextmanager
def out_of_the_pool(place: Stations, mx: Exchanger) -> Iterator[None]:
    """Take an exchanger out by hand, as somebody would who does not know these cookbooks."""
    confctl = management.virtual_environment(place.operator) / "bin" / "confctl"

    def put(value: str) -> None:
        words = [str(confctl), "--quiet", "select", f"name={mx.fqdn}", f"set/pooled={value}"]
        place.operator.run(words, timeout=60)

    put("no")
    try:
        yield
    finally:
        put("yes")


def test_the_plan_says_the_order_and_changes_nothing(place: Stations) -> None:
    before = on_both(place, LOOK)
    code, said = roll(place.operator, "--kernel", to_roll(place, MX1), "--plan")
    assert code == DONE
    lines = [line for line in said.splitlines() if ".lab.test  " in line]
    assert [mx.name in line for mx, line in zip((MX2, MX1), lines, strict=True)] == [True, True]
    assert on_both(place, LOOK) == before


def test_an_exchanger_depooled_by_hand_is_not_touched_nor_is_the_other(place: Stations) -> None:
    before = on_both(place, LOOK)
    kernel = demo.other_kernel(place, MX2)
    with out_of_the_pool(place, MX1):
        code, said = roll(place.operator, "--kernel", kernel, "--reason", "one is out already")
    assert code == BLOCKED
    assert "somebody has taken it out of the pool (smtp=no)" in said
    assert on_both(place, LOOK) == before


@pytest.mark.nightly
def test_both_go_to_the_other_kernel_and_a_second_run_does_nothing(place: Stations, kernel: str) -> None:
    with nothing_lost(place):
        code, said = roll(place.operator, "--kernel", kernel, "--reason", "the nightly roll")
        assert code == DONE, said
    assert on_both(place, "uname -r") == [f"{release(place, mx, kernel)}\n" for mx in EXCHANGERS]
    summary = json.loads(newest(place.operator, "roll-kernel.*.json"))
    assert [one["outcome"] for one in summary["hosts"]] == ["DONE", "DONE"]
    assert [one["report"].endswith(".md") for one in summary["hosts"]] == [True, True]
    assert said.index(f"--- {MX2.fqdn}: next") < said.index("soak passed") < said.index(f"--- {MX1.fqdn}: next")
    assert "mx_roll_stopped" in place.operator.sh("cat /var/log/spicerack/mx_roll.prom")
    before = on_both(place, LOOK)
    assert roll(place.management[1], "--kernel", kernel)[0] == DONE
    assert on_both(place, LOOK) == before


@pytest.mark.nightly
@pytest.mark.parametrize("fault", ["bad-kernel", "kernel-panic"])
def test_the_canary_falls_back_and_the_other_is_never_touched(
    place: Stations, broken, kernel: str, forgetful: None, fault: str
) -> None:
    del forgetful
    other = ssh(place, MX1, LOOK).stdout
    target = release(place, MX2, kernel)
    with broken(fault, kernel=target):
        with nothing_lost(place):
            code, said = roll(place.operator, "--kernel", kernel, "--reason", f"with {fault}")
            assert code == FELL_BACK, said
        assert ssh(place, MX2, "uname -r").stdout.strip() != target
        after = ssh(place, MX2, LOOK).stdout
        code, said = roll(place.management[1], "--kernel", kernel, "--reason", "the next night")
        assert code == FELL_BACK, "the next night, on the other management host, it is known"
        assert ssh(place, MX2, LOOK).stdout == after, "and the canary is left alone"
    assert ssh(place, MX1, LOOK).stdout == other
    assert any("fell back" in str(mail) for mail in inbox(place)), "the operators got a mail"


@pytest.mark.nightly
def test_killed_in_the_middle_it_is_finished_from_the_other_host(place: Stations, kernel: str) -> None:
    with nothing_lost(place):
        child = subprocess.Popen(command(place.operator, "--kernel", kernel), stdin=subprocess.DEVNULL)
        held = "test -e /var/lib/mx-cookbooks/hold && echo held"
        try:
            wait_for(
                "the canary's MTA to be held",
                lambda: "held" in ssh(place, MX2, held).stdout or child.poll() is not None,
                deadline=900,
            )
            assert child.poll() is None, "the roll ended before it had taken the canary out"
            code, said = roll(place.management[1], "--kernel", kernel)
            assert (code, "a roll is under way" in said) == (TAKEN, True)
        finally:
            lifecycle.send_signal(child, signal.SIGKILL)
            child.wait(timeout=30)
        code, said = roll(place.management[1], "--kernel", kernel, "--reason", "the other timer")
        assert code == DONE, said
    assert "resuming what an earlier run left" in said
    assert on_both(place, "uname -r") == [f"{release(place, mx, kernel)}\n" for mx in EXCHANGERS]


@pytest.mark.nightly
def test_the_shipped_units_are_right(place: Stations) -> None:
    """Check them on an exchanger, which has a complete systemd; nothing is enabled there."""
    units = Path(__file__).parents[2] / "systemd"
    for unit in sorted(units.glob("mx-roll-kernel.*")):
        text = unit.read_text().replace("/srv/mx-cookbooks.venv/bin/cookbook", "/bin/true")
        words = ["ssh", "-F", "/etc/cumin/ssh_config", MX2.fqdn, f"cat >/run/{unit.name}"]
        place.operator.run(words, input_text=text)
    said = ssh(place, MX2, "systemd-analyze verify /run/mx-roll-kernel.service /run/mx-roll-kernel.timer 2>&1; echo $?")
    ssh(place, MX2, "rm -f /run/mx-roll-kernel.*")
    assert said.stdout.strip() == "0"
