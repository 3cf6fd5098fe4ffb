"""The lab's one network segment: a bridge inside the Ganeti node, and a veth pair to every other station.

Both ends are made in the namespaces they belong to, so nothing ever shows in the machine's own network.
"""

import shlex
from collections.abc import Iterable, Sequence

from lab.place import BRIDGE, GATEWAY, Station
from lab.shell import LabError, run
from lab.stations.box import Box


def _in_net(box: Box, script: str) -> None:
    """Run a script with the machine's ``ip`` in a station's network namespace (pids are the machine's)."""
    if not box.pid:
        raise LabError(f"station {box.name} is not up")
    run(["nsenter", "--target", str(box.pid), "--net", "/bin/sh", "-euc", script])


def make_bridge(node: Box, station: Station) -> None:
    """Make the bridge inside the node, with the node's own addresses on it."""
    _in_net(
        node,
        # A bridge without a fixed address takes that of a port, and changes it as ports come and go. Without a querier
        # on the segment, multicast snooping would lose IPv6 neighbour discovery.
        f"""ip link show {BRIDGE} >/dev/null 2>&1 && exit 0
        ip link add {BRIDGE} address aa:00:00:77:00:01 type bridge forward_delay 0 mcast_snooping 0
        ip addr add {station.v4}/24 dev {BRIDGE}
        ip -6 addr add {station.v6}/64 dev {BRIDGE} nodad
        ip link set {BRIDGE} up
        ip route add default via {GATEWAY.v4}; ip -6 route add default via {GATEWAY.v6}""",
    )


def attach(node: Box, box: Box, stations: Sequence[Station]) -> None:
    """Connect a station to the segment, with the addresses of all names it stands for."""
    port = f"v-{box.name}"[:15]
    _in_net(
        node,
        f"""ip link show {port} >/dev/null 2>&1 && exit 0
        ip link add {port} type veth peer name eth0 netns {box.pid}
        ip link set {port} master {BRIDGE} up""",
    )
    lines = ["ip link set eth0 up"]
    # Only the first address is a source by default: the others are marked deprecated (RFC 6724, rule 3).
    for place, station in enumerate(stations):
        life = " preferred_lft 0" if place else ""
        lines += [f"ip addr replace {station.v4}/24 dev eth0"]
        lines += [f"ip -6 addr replace {station.v6}/64 dev eth0 nodad{life}"]
    if GATEWAY not in stations:
        lines += [f"ip route replace default via {GATEWAY.v4}; ip -6 route replace default via {GATEWAY.v6}"]
    _in_net(box, "\n".join(lines))


def add_outside(world: Box, addresses: Iterable[str]) -> None:
    """Give the outside world its public addresses, behind the gateway."""
    # On the loopback device, which every kernel has, unlike dummy devices.
    _in_net(world, "\n".join(f"ip addr replace {shlex.quote(address)} dev lo" for address in addresses))
