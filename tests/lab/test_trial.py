"""What happens to a host while its new kernel is on trial: the world fails, its firewall is reloaded, it panics."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import demo
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, Exchanger
from lab.world import worlds
from tests.lab.runs import MX2, events, finish, nothing_lost, reaches, run, start, taken

DONE, FELL_BACK, INCONCLUSIVE = 0, 12, 21
REASON = ("--reason", "on trial", "--soak", "5")
CONFIG = "/etc/spicerack/cookbooks/sre.mail.yaml"
PANIC_S = 15


@contextmanager
def site_says(place: Stations, old: str, new: str) -> Iterator[None]:
    """Change a line of the site's configuration for the length of a `with` block."""
    kept = place.operator.sh(f"cat {CONFIG}")
    assert kept.count(old) == 1
    place.operator.run(["/bin/sh", "-c", f"cat >{CONFIG}"], input_text=kept.replace(old, new))
    try:
        yield
    finally:
        place.operator.run(["/bin/sh", "-c", f"cat >{CONFIG}"], input_text=kept)


@pytest.mark.nightly
def test_where_the_world_fails_for_everybody_the_new_kernel_is_not_blamed(place: Stations, broken) -> None:
    kernel, known = demo.other_kernel(place, MX2), len(taken(place))
    with nothing_lost(place):
        child = start(place.operator, "--kernel", kernel, *REASON)
        reaches(place, child, "await boot", known)
        with broken("provider-down"):
            code, said = finish(child)
            assert code == INCONCLUSIVE, said
            assert demo.is_serving(place, MX2) is False
        code, said = run(place.management[1], "--resume", *REASON)
        assert code == DONE, said
    assert ssh(place, MX2, "uname -r").stdout.strip() == kernel
    assert taken(place)[known:].count("reboot") == 1


@pytest.mark.nightly
@pytest.mark.parametrize("mx", EXCHANGERS, ids=lambda mx: mx.name)
def test_a_firewall_that_is_reloaded_opens_no_port(place: Stations, mx: Exchanger) -> None:
    """Debian's nftables.conf flushes every table, the run's own too: both are loaded together."""
    known = len(taken(place, mx))
    with nothing_lost(place, mx):
        child = start(place.operator, "--kernel", demo.other_kernel(place, mx), *REASON, mx=mx)
        reaches(place, child, "await boot", known, mx)
        firewall = worlds.of(place.lab, mx).firewall
        ssh(place, mx, f"systemctl reload {firewall} || systemctl restart {firewall}")
        assert "mx_depool" in ssh(place, mx, "nft list tables").stdout
        assert finish(child)[0] == DONE


@pytest.mark.nightly
def test_a_panic_becomes_a_return_to_the_fallback_by_itself(place: Stations, broken) -> None:
    earlier, known = ssh(place, MX2, "uname -r").stdout, len(taken(place))
    kernel = demo.other_kernel(place, MX2)
    with site_says(place, "boot: {panic: 0}", f"boot: {{panic: {PANIC_S}}}"), nothing_lost(place):
        with broken("kernel-panic", kernel=kernel):
            code, said = run(place.operator, "--kernel", kernel, *REASON)
        assert code == FELL_BACK, said
    assert ssh(place, MX2, "uname -r").stdout == earlier
    assert "power cycle" not in taken(place)[known:]
    run_id = next(event["run"] for event in reversed(events(place)) if event["event"] == "start")
    boot = place.operator.sh(f"cat /var/log/spicerack/console/{MX2.fqdn}-{run_id}.log")
    assert "Kernel panic" in boot
    menu = ssh(place, MX2, "grep -c panic= /boot/grub/grub.cfg; ls /etc/default/grub.d").stdout
    assert menu.splitlines()[0] == "0", menu
