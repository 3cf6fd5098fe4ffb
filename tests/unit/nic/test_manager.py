"""What configures a host's network."""

from dataclasses import replace

import pytest

from mxlib.facts.nic import ConfigFile, Networking, NicFacts
from mxlib.nic.manager import Manager, managed
from mxlib.nic.names import work_out
from tests.unit.support.networkd import BY_NAME, ENS5, LEFTOVER
from tests.unit.support.nics import (
    EN_ALL,
    MAC,
    OFF,
    TOOLS,
    card,
    ifupdown,
    networkd,
)  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "by"),
    [
        (ifupdown(ENS5), Manager.IFUPDOWN),
        (ifupdown(LEFTOVER), Manager.UNKNOWN),
        (ifupdown(ENS5, unread=("/etc/network/interfaces: source $X",)), Manager.UNKNOWN),
        (networkd({"20.network": BY_NAME}), Manager.NETWORKD),
        (networkd({"20.network": BY_NAME}, interfaces=LEFTOVER), Manager.NETWORKD),
        (networkd({"20.network": EN_ALL}, interfaces=LEFTOVER), Manager.NETWORKD),
        (networkd({"20.network": EN_ALL}, interfaces=ENS5, tools=TOOLS - {"ifup"}), Manager.NETWORKD),
        (networkd({"20.network": EN_ALL}, interfaces=ENS5), Manager.UNKNOWN),
        (networkd({"20.network": "[Match]\nName=wg0\n", "20.netdev": "[NetDev]\nName=wg0\n"}), Manager.UNKNOWN),
        (networkd({"/run/systemd/network/10-netplan-ens5.network": BY_NAME}), Manager.NETPLAN),
        (networkd({}), Manager.UNKNOWN),
    ],
)
def test_what_configures_a_host(facts: NicFacts, by: Manager) -> None:
    assert managed(facts).by is by


def test_networkd_that_is_off_and_network_manager() -> None:
    files = (ConfigFile("/etc/systemd/network/20.network", BY_NAME),)
    off = NicFacts((card(),), (), (), Networking(OFF, TOOLS, "kvm", files))
    assert managed(off).by is Manager.UNKNOWN
    on = OFF | {"NetworkManager": ("enabled", "active")}
    desktop = NicFacts((card(),), (), (), Networking(on, TOOLS, "kvm", ()))
    assert managed(desktop).by is Manager.NETWORK_MANAGER
    assert "NetworkManager configures it, which is not served" in work_out(desktop, (MAC,), None).doubt
    both = replace(ifupdown(ENS5), networking=desktop.networking)
    assert managed(both).by is Manager.IFUPDOWN
