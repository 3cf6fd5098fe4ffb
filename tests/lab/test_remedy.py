"""remedy-mx on the real hosts: what it repairs, what it gives way to, and a hole that closes by itself."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from lab import demo, lifecycle
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, Exchanger
from lab.shell import wait_for
from lab.world import worlds
from mxlib.model.outcome import Outcome

MX1, MX2 = EXCHANGERS
PEER = "2001:db8:51::10"
RULES = {"nftables": "nft list ruleset", "ferm": "ip6tables-legacy-save"}


def on(place: Stations, mx: Exchanger, script: str) -> str:
    done = ssh(place, mx, script, timeout=120)
    assert done.returncode == 0, f"{mx.name}: {script}: exit code {done.returncode}: {done.stdout}"
    return done.stdout


def cookbook(place: Stations, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        demo.cookbook(place.operator, *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    print(done.stdout)
    return done.returncode, done.stdout


def remedy(place: Stations, mx: Exchanger, *words: str) -> tuple[Outcome, str]:
    code, said = cookbook(place, "sre.mail.remedy-mx", mx.fqdn, *words)
    return Outcome(code), said


def verify(place: Stations, mx: Exchanger, *checks: str) -> Outcome:
    code, _ = cookbook(
        place, "sre.mail.verify-mx", mx.fqdn, "--no-probes", *(w for one in checks for w in ("--only", one))
    )
    return Outcome(code)


def holes(place: Stations, mx: Exchanger) -> int:
    return int(on(place, mx, f"{RULES[worlds.of(place.lab, mx).firewall]} | grep -c mx-hole- || true"))


def left_behind(place: Stations, mx: Exchanger) -> str:
    """Return what a closed hole must not leave behind: notes, timers."""
    listed = "ls /run/mx-cookbooks/holes 2>/dev/null; systemctl list-units 'mx-hole-*' --all --plain --no-legend"
    return on(place, mx, f"{listed}; true").strip()


def test_a_dead_unit_is_restarted(place: Stations, broken) -> None:
    with broken("dead-spamd"):
        outcome, said = remedy(place, MX2, "--suggest", "--no-probes")
        assert outcome is Outcome.FAILED
        assert "sre.mail.remedy-mx mx2001.lab.test restart-unit spamd.service" in said
        outcome, said = remedy(place, MX2, "restart-unit", "spamd.service")
        assert outcome is Outcome.DONE
        assert "OK      units" in said
    assert "mx-cookbooks" in on(place, MX2, "journalctl -q --no-pager -t mx-cookbooks -n 1")


@pytest.fixture
def out_of_service(place: Stations) -> Iterator[str]:
    """mx1001, whose nftables.conf begins with `flush ruleset`, taken out by a run; the run's id."""
    code, said = cookbook(place, "sre.mail.depool-mx", MX1.fqdn, "--reason", "test of remedies")
    assert code == 0
    found = re.search(r"run (\S+) on mx1001", said)
    try:
        assert found
        yield found[1]
    finally:
        assert cookbook(place, "sre.mail.pool-mx", MX1.fqdn, "--soak", "0")[0] == 0


@pytest.mark.nightly
def test_a_reload_of_the_firewall_leaves_the_ports_closed(place: Stations, out_of_service: str) -> None:
    outcome, said = remedy(place, MX1, "reload-firewall")
    assert outcome is Outcome.REFUSED, "somebody else's run has claimed the host"
    assert out_of_service in said
    on(place, MX1, "nft add rule inet filter input counter comment by-hand")
    outcome, said = remedy(place, MX1, "reload-firewall", "--run", out_of_service)
    assert outcome is Outcome.DONE
    assert "the mail ports are closed, as before" in said
    assert "by-hand" not in on(place, MX1, "nft list ruleset"), "it was reloaded"
    assert "tcp dport { 25, 465, 587 }" in on(place, MX1, "nft list table inet mx_depool")
    assert demo.is_serving(place, MX1) is False
    assert on(place, MX1, "systemctl list-units 'mx-firewall-undo*' --all --plain --no-legend") == ""


@pytest.mark.nightly
def test_while_the_firewall_is_reloaded_nobody_gets_in(place: Stations, out_of_service: str) -> None:
    """A client connects without a pause while the ruleset is flushed again and again."""
    knock = f"exec 2>/dev/null; while :; do (exec 3<>/dev/tcp/{MX1.v4}/25) && echo in || echo refused; done"
    knocking = place.world.inside(["timeout", "60", "bash", "-c", knock])
    child = subprocess.Popen(knocking, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        on(place, MX1, "for i in 1 2 3 4 5 6 7 8 9 10; do systemctl reload nftables; done")
    finally:
        lifecycle.send_signal(child, signal.SIGTERM)
    outcomes = child.communicate(timeout=20)[0].decode().split()
    assert outcomes.count("refused") > 100
    assert "in" not in outcomes


@pytest.mark.nightly
@pytest.mark.parametrize(("mx", "unit"), [(MX1, "nftables"), (MX2, "ferm")])
def test_a_firewall_that_is_not_loaded_is_loaded(place: Stations, broken, mx: Exchanger, unit: str) -> None:
    with broken("no-ferm", host=mx.name):
        assert verify(place, mx, "firewall") is Outcome.FAILED
        assert remedy(place, mx, "reload-firewall")[0] is Outcome.DONE
        assert on(place, mx, f"systemctl is-active {unit}").strip() == "active"


@pytest.mark.nightly
def test_a_wrong_ruleset_is_not_loaded(place: Stations) -> None:
    on(place, MX1, "cp -p /etc/nftables.conf /root/kept; echo 'table inet x { nonsense }' >> /etc/nftables.conf")
    try:
        outcome, _ = remedy(place, MX1, "reload-firewall")
        assert outcome is Outcome.FAILED
        assert verify(place, MX1, "firewall") is Outcome.DONE, "what was loaded stays"
    finally:
        on(place, MX1, "mv /root/kept /etc/nftables.conf")


def knocks(place: Stations) -> int:
    return place.operator.run(["timeout", "6", "bash", "-c", f"exec 3<>/dev/tcp/{MX1.v4}/22"], check=False).returncode


@pytest.mark.nightly
def test_the_host_undoes_a_ruleset_that_locks_everybody_out(place: Stations) -> None:
    """A session over the old connection would still pass, so a new connection is tested."""
    on(place, MX1, "cp -p /etc/nftables.conf /root/kept; sed -i '/dport 22/d' /etc/nftables.conf")
    try:
        outcome, said = remedy(place, MX1, "reload-firewall")
        assert outcome is Outcome.FAILED
        assert "takes it back" in said
        assert knocks(place) != 0
        wait_for("the host to let us in again", lambda: knocks(place) == 0, deadline=240)
        assert "dport 22" in on(place, MX1, "nft list ruleset")
    finally:
        on(place, MX1, "mv /root/kept /etc/nftables.conf; systemctl reload nftables")
    assert verify(place, MX1, "firewall", "units") is Outcome.DONE


@pytest.mark.nightly
@pytest.mark.parametrize("mx", EXCHANGERS, ids=lambda mx: mx.name)
def test_a_hole_lets_mail_through_and_closes_without_the_cookbook(place: Stations, broken, mx: Exchanger) -> None:
    with broken("bad-kernel", host=mx.name, kernel=on(place, mx, "uname -r").strip()):
        words = ["allow", "--from", PEER, "--for", "90s", "--prove", "provider-v6"]
        run = subprocess.Popen(
            demo.cookbook(place.operator, "sre.mail.remedy-mx", mx.fqdn, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert run.stdout is not None
        said = []
        for line in run.stdout:
            said.append(line)
            if "outbound-provider-v6" in line:
                lifecycle.send_signal(run, signal.SIGKILL)
                break
        run.wait(timeout=60)
        assert "OK      outbound-provider-v6" in said[-1], "".join(said)
        assert holes(place, mx) >= 1
        assert verify(place, mx, "temporary-hole") is Outcome.FAILED, "an open hole is reported"
        wait_for("the hole to close", lambda: holes(place, mx) == 0, deadline=180, every=3)
        wait_for("nothing of it to be left", lambda: left_behind(place, mx) == "", deadline=30, every=3)
    assert verify(place, mx, "temporary-hole", "firewall", "units") is Outcome.DONE
    forget_hints(place, mx)


def forget_hints(place: Stations, mx: Exchanger) -> None:
    on(place, mx, "rm -f /var/spool/exim4/db/retry* /var/spool/exim4/db/wait-*")


def test_a_hole_is_closed_by_a_reload_of_the_firewall_and_by_its_command(place: Stations) -> None:
    assert remedy(place, MX1, "allow", "--from", PEER, "--for", "20m")[0] is Outcome.DONE
    on(place, MX1, "systemctl reload nftables")
    assert holes(place, MX1) == 0
    assert verify(place, MX1, "temporary-hole") is Outcome.FAILED, "mail may be stuck again, and that is reported"
    assert remedy(place, MX1, "close-hole")[0] is Outcome.DONE
    assert left_behind(place, MX1) == ""


@pytest.mark.nightly
def test_hints_are_cleared_once_their_destination_is_proven(place: Stations, broken) -> None:
    keys = "exim_dumpdb /var/spool/exim4 retry | grep -o '^  [TR]:[^ ]*' || true"
    with broken("stale-hints"):
        with broken("provider-down"):
            time.sleep(1)
            outcome, said = remedy(place, MX2, "clear-hints", "provider-v4")
            assert outcome is not Outcome.DONE
            assert "its hints stay" in said
            assert "mx4.provider.test:198.51.100.10" in on(place, MX2, keys)
        outcome, said = remedy(place, MX2, "clear-hints", "provider-v4")
        assert outcome is Outcome.DONE, said
        left = on(place, MX2, keys)
        assert "198.51.100.10" not in left
        assert "mx6.provider.test:2001:db8:51::10" in left, "what was not proven keeps its hints"
    forget_hints(place, MX2)


def test_a_kernel_parameter_is_set_and_reset(place: Stations) -> None:
    key = "net.ipv4.tcp_fastopen_blackhole_timeout_sec"
    before = on(place, MX2, f"sysctl -n {key}").strip()
    assert remedy(place, MX2, "set-sysctl", f"{key}=3600")[0] is Outcome.DONE
    assert on(place, MX2, f"sysctl -n {key}; cat /etc/sysctl.d/90-mx-remedy-{key}.conf").startswith("3600")
    assert remedy(place, MX2, "unset-sysctl", key)[0] is Outcome.DONE
    assert on(place, MX2, f"sysctl -n {key}; ls /etc/sysctl.d").split()[0] == before
    assert "mx-remedy" not in on(place, MX2, "ls /etc/sysctl.d")
