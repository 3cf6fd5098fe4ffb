"""Each fault shows its symptom on the real host or service, and goes away when mended."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import demo, lifecycle
from lab.faults import catalogue as faults
from lab.lifecycle import BOOT_DEADLINE, Stations, ssh, wait_ssh
from lab.place import CONSOLE_PASSWORD, EXCHANGERS, RAPI_READ_PASSWORD, Exchanger, exchanger
from lab.shell import wait_for
from lab.stations import infra, node, outside
from lab.stations.node import RAPI
from lab.world import worlds

MX1, MX2 = EXCHANGERS


def on(place: Stations, mx: Exchanger, script: str) -> str:
    done = ssh(place, mx, script, timeout=90)
    assert done.returncode == 0, f"{mx.name}: {script}: exit code {done.returncode}: {done.stdout}"
    return done.stdout


def deliver(place: Stations, mx: Exchanger, recipient: str, size: int = 2000) -> str:
    """Submit a mail on the host with immediate delivery; return its lines of the log."""
    body = f"head -c {size} /dev/zero | tr '\\0' x | fold -w 76"
    submit = (
        f"{{ printf 'Subject: fault test\\n\\n'; {body}; }} | exim4 -odf -f probe@world.test {recipient} 2>/dev/null"
    )
    log = worlds.of(place.lab, mx).main_log
    lines = on(place, mx, f"log={log}; n=$(wc -l < $log); {submit}; tail -n +$((n+1)) $log | grep -v '<='")
    on(place, mx, f"exiqgrep -i -r '{recipient}' | xargs -r exim4 -Mrm >/dev/null")
    return lines


def forget_hints(place: Stations, mx: Exchanger) -> None:
    """Clear Exim's hints on a destination, which outlive the fault and would delay later mail."""
    on(place, mx, "rm -f /var/spool/exim4/db/retry* /var/spool/exim4/db/wait-*")


def failed_units(place: Stations, mx: Exchanger) -> set[str]:
    return set(on(place, mx, "systemctl list-units --failed --plain --no-legend | cut -d' ' -f1").split())


@contextmanager
def read_console(place: Stations, mx: Exchanger) -> Iterator[Callable[[], str]]:
    """Read the serial console from now on: unread output is lost, and a later reader may miss the boot."""
    name = f"console-read-{mx.name}"
    log = place.lab.logs / f"{place.node.name}-{name}.log"
    log.unlink(missing_ok=True)
    place.node.serve(name, ["/usr/bin/socat", "-u", f"UNIX-CONNECT:{node.serial_socket(mx)}", "STDOUT"])
    try:
        yield lambda: log.read_text(errors="replace")
    finally:
        place.node.stop_serving(name)


def test_a_healthy_lab_has_no_failed_unit_and_takes_mail(place: Stations) -> None:
    for mx in EXCHANGERS:
        assert failed_units(place, mx) == set()
        assert on(place, mx, "systemctl is-system-running").strip() == "running"
        assert demo.is_serving(place, mx)
        for family in ("v4", "v6"):
            assert " => " in deliver(place, mx, f"user1@{family}.provider.test", 256_000)


def test_nothing_of_the_lab_shows_in_the_machines_own_network(place: Stations) -> None:
    listed = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    assert not [word for word in ("br-lab", "v-infra", "198.51.100.", "2001:db8:77:") if word in listed]
    assert str(place.lab.state) not in Path("/proc/self/mounts").read_text()


def test_nic_renumber(place: Stations, broken) -> None:
    with broken("nic-renumber"):
        assert node.card_slot(place.node, MX2) == node.OLD_SLOT
        assert "ens5" in on(place, MX2, "ip -br link"), "the live interface is not touched"
        on(place, MX2, "sync")
        place.node.run(["gnt-instance", "reboot", "--shutdown-timeout=0", MX2.fqdn], timeout=120)
        with read_console(place, MX2) as console:
            wait_for("the machine itself to come up", lambda: "login:" in console(), deadline=BOOT_DEADLINE)
        knock = ["timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{MX2.v4}/22"]
        assert place.operator.run(knock, check=False).returncode != 0, "but nobody reaches it"
        assert node.card_slot(place.node, MX2) == 13
    assert "ens5" in on(place, MX2, "ip -br addr | grep 192.0.2.21")


def test_bad_kernel(place: Stations, broken) -> None:
    running = on(place, MX2, "uname -r").strip()
    other = demo.other_kernel(place, MX2)
    with broken("bad-kernel", kernel=other):
        assert " => " in deliver(place, MX2, "user1@v6.provider.test", 256_000), "the other kernel is as it was"
    with broken("bad-kernel", kernel=running):
        assert " => " in deliver(place, MX2, "user1@v6.provider.test", 2_000), "small mail passes"
        assert "timeout" in deliver(place, MX2, "user1@v6.provider.test", 150_000)
        assert " => " in deliver(place, MX2, "user1@v4.provider.test", 150_000), "IPv6 first"
        assert "timeout" in deliver(place, MX2, "user1@v4.provider.test", 256_000)
        for binary in ("ip6tables-legacy",):
            on(place, MX2, f"{binary} -I INPUT -s 2001:db8:51::10 -j ACCEPT")
            try:
                assert " => " in deliver(place, MX2, "user1@v6.provider.test", 150_000), (
                    "a hole lets it through, as in 2021"
                )
            finally:
                on(place, MX2, f"{binary} -D INPUT -s 2001:db8:51::10 -j ACCEPT")
    assert " => " in deliver(place, MX2, "user1@v6.provider.test", 256_000)
    forget_hints(place, MX2)


def test_bad_kernel_survives_a_reload_of_the_firewall(place: Stations, broken) -> None:
    with broken("bad-kernel", host="mx1001", kernel=on(place, MX1, "uname -r").strip()):
        on(place, MX1, "systemctl restart nftables")
        assert "timeout" in deliver(place, MX1, "user1@v6.provider.test", 150_000)
    forget_hints(place, MX1)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("kernel-panic", "end Kernel panic - not syncing"),
        ("kernel-hang", "Lab: this kernel's boot hangs"),
    ],
)
def test_kernel_that_does_not_boot(place: Stations, broken, name: str, marker: str) -> None:
    other = demo.other_kernel(place, MX2)
    facts = lifecycle.image_facts(place.lab, MX2)
    with broken(name, kernel=other):
        with read_console(place, MX2) as console:
            on(place, MX2, f"grub-reboot '{facts.grub_entry(other)}'; sync; systemctl --no-block reboot")
            wait_for(f"{marker!r} on the console", lambda: marker in console(), deadline=BOOT_DEADLINE)
        time.sleep(20 if name == "kernel-hang" else 0)
        assert ssh(place, MX2, "true").returncode != 0
        node.power_cycle(place.node, MX2)
        wait_ssh(place, MX2)
        assert on(place, MX2, "uname -r").strip() != other, "the next boot is the saved kernel's"


def test_stuck_aliases(place: Stations, broken) -> None:
    with broken("stuck-aliases"):
        time.sleep(3)
        show = "systemctl show generate_vrts_aliases.service -p ActiveState --value"
        assert on(place, MX2, show).strip() == "activating"
        assert on(place, MX1, show).strip() != "activating"
    assert on(place, MX2, show).strip() == "inactive"
    assert "support@lab.test" in on(place, MX2, "cat /etc/exim4/aliases/vrts_aliases")


def test_cut_aliases(place: Stations, broken) -> None:
    with broken("cut-aliases"):
        written = "wc -l < /etc/exim4/aliases/vrts_aliases"
        assert int(on(place, MX2, written)) == 1
        assert int(on(place, MX1, written)) > 1
    assert int(on(place, MX2, written)) > 1


def test_stale_hints(place: Stations, broken) -> None:
    with broken("stale-hints"):
        for family in ("v4", "v6"):
            log = deliver(place, MX2, f"user1@{family}.provider.test")
            assert "**" in log, family
            assert "retry" in log, family
    assert " => " in deliver(place, MX2, "user1@v4.provider.test")


@pytest.mark.parametrize(
    ("name", "mx", "unit"), [("dead-spamd", MX2, "spamd"), ("no-ferm", MX2, "ferm"), ("no-ferm", MX1, "nftables")]
)
def test_dead_unit(place: Stations, broken, name: str, mx: Exchanger, unit: str) -> None:
    with broken(name, host=mx.name):
        assert on(place, mx, f"systemctl is-active {unit} || true").strip() in ("failed", "inactive")
        if unit == "ferm":
            assert "-P INPUT ACCEPT" in on(place, mx, "iptables-legacy -S")
        if unit == "nftables":
            assert on(place, mx, "nft list ruleset").strip() == ""
    assert on(place, mx, f"systemctl is-active {unit}").strip() == "active"


def test_disk_full(place: Stations, broken) -> None:
    sender = [
        "send",
        "--state",
        "/outside",
        "--to",
        "user1@lab.test",
        "--via",
        MX2.fqdn,
        "--count",
        "1",
        "--no-queue",
        "--deadline",
        "20",
    ]
    with broken("disk-full"):
        assert int(on(place, MX2, "df --output=avail -B1M /var/spool | tail -n 1")) < 10
        done = subprocess.run(
            outside.program(place.world, "sender", *sender, *demo.sources()),
            capture_output=True,
            text=True,
            check=False,
        )
        assert '"accepted": 0' in done.stdout
    assert int(on(place, MX2, "df --output=avail -B1M /var/spool | tail -n 1")) > 100


def test_console_password(place: Stations, broken) -> None:
    field = "$h = (split /:/, `grep ^root: /etc/shadow`)[1]"
    check = f"perl -e '{field}; print crypt(q({CONSOLE_PASSWORD}), $h) eq $h ? q(same) : q(other)'"
    assert on(place, MX2, check) == "same"
    with broken("console-password"):
        assert on(place, MX2, check) == "other"
    assert on(place, MX2, check) == "same"


def console_answers(place: Stations) -> bool:
    """Whether Enter on the serial console, typed by a new client, is answered."""
    socket = node.serial_socket(MX2)
    script = f"(sleep 1; printf '\\r'; sleep 5) | timeout 8 socat - UNIX-CONNECT:{socket} | tr -d '\\0' | wc -c"
    return int(place.node.sh(script)) > 0


def test_console_busy(place: Stations, broken) -> None:
    assert console_answers(place)
    with broken("console-busy"):
        time.sleep(1)
        assert not console_answers(place)
    assert console_answers(place)


@pytest.mark.parametrize(
    ("name", "size", "text"),
    [("provider-4xx", 2_000, "450"), ("provider-down", 2_000, "refused"), ("provider-stall", 150_000, "timeout")],
)
def test_provider(place: Stations, broken, name: str, size: int, text: str) -> None:
    with broken(name):
        time.sleep(1)
        assert text in deliver(place, MX2, "user2@v4.provider.test", size)
        assert " => " in deliver(place, MX2, "support@tickets.test", size), "only the provider is concerned"
    forget_hints(place, MX2)
    assert " => " in deliver(place, MX2, "user2@v4.provider.test", size)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("etcd-down", f"{infra.ETCD}/health"),
        ("alertmanager-down", f"{infra.ALERTMANAGER}/-/ready"),
        ("rapi-down", f"{RAPI}/2/info"),
    ],
)
def test_service_down(place: Stations, broken, name: str, url: str) -> None:
    ask = [
        "curl",
        "-sf",
        "-o",
        "/dev/null",
        "--noproxy",
        "*",
        "--max-time",
        "5",
        "-u",
        f"ops:{RAPI_READ_PASSWORD}",
        "-k",
        url,
    ]

    def answers() -> bool:
        # Not from a management host, which has the machine's programs: curl may be missing.
        return place.world.run(ask, check=False).returncode == 0

    assert answers()
    with broken(name):
        assert not answers()
    wait_for(f"{url} to answer again", answers, deadline=20)


def test_every_fault_is_tested(place: Stations) -> None:
    tested = {
        *(
            "nic-renumber",
            "bad-kernel",
            "kernel-panic",
            "kernel-hang",
            "stuck-aliases",
            "cut-aliases",
            "stale-hints",
            "dead-spamd",
            "no-ferm",
        ),
        *("disk-full", "console-password", "console-busy", "provider-4xx", "provider-down", "provider-stall"),
        *("etcd-down", "alertmanager-down", "rapi-down"),
        # It shows only after the next start of the machine: in test_cold.py and test_verify_matrix.py.
        "second-disk",
    }
    assert set(faults.FAULTS) == tested
    assert faults.broken(place.lab) == []
    assert exchanger("mx2001") is MX2
