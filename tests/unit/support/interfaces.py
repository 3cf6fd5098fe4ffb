"""Samples of interfaces(5), usual and rich."""

from hypothesis import strategies as st

from mxlib.facts.nic import ConfigFile

DEBIAN = """\
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug ens5
iface ens5 inet static
	address 10.77.0.10/24
	gateway 10.77.0.1
"""
RICH = """\
auto lo ens5 ens5.100
allow-hotplug ens50 \\
    ens5
# ens5 stays in a comment \\
iface ens5 inet static
    address 192.0.2.11/24
    up ip -6 addr add 2001:db8:77::11/64 dev ens5
    up sysctl -w net.ipv6.conf.ens5.accept_ra=0; echo 1 >/proc/sys/net/ipv4/conf/ens5/rp_filter
    down ip link set "ens5" down
    post-up /usr/local/sbin/tell-ens5 --log /var/log/ens5.log
iface ens5 inet6 static inherits ens5
\taddress 2001:db8:77::11/64
iface ens5.100 inet manual
    vlan-raw-device ens5
iface ens5:1 inet static
    address 192.0.2.12/24
iface br0 inet manual
    bridge_ports ens5 ens6
    bridge_pathcost ens5 4
    x-note ens5 is the uplink
iface ens50 inet manual"""


def one(text: str, path: str = "/etc/network/interfaces") -> tuple[ConfigFile, ...]:
    return (ConfigFile(path, text),)


NAMES = st.sampled_from(["ens5", "ens13", "ens6", "eth0", "ens5.7", "ens5:1", "ens50", "br0", "lo", "enp0s5"])
LINES = st.one_of(
    st.builds(
        lambda k, n: f"{k} {' '.join(n)}", st.sampled_from(["auto", "allow-hotplug"]), st.lists(NAMES, max_size=3)
    ),
    st.builds(lambda n: f"iface {n} inet static", NAMES),
    st.builds(
        lambda i, k, n: f"{i}{k} {n}",
        st.sampled_from(["\t", "  "]),
        st.sampled_from(["bridge_ports", "up ip l set"]),
        NAMES,
    ),
    st.sampled_from(
        ["", "# ens5", "\taddress 192.0.2.11/24", "source interfaces.d/*", "auto \\", "up a \\\\", "é\x0b\u2028 x"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20),
)
FILES = st.builds(lambda lines, end: "\n".join(lines) + end, st.lists(LINES, max_size=12), st.sampled_from(["", "\n"]))
