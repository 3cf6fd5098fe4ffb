"""Real nft on a real network: a host and its peer in namespaces of their own, a ruleset loaded, connections tried.

Run as root, beside nft: ``python3 -m tests.unit.support.filter_box`` records the answers of RULESETS again.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "fixtures" / "firewall" / "rulesets.json"
HOSTS = {4: "192.0.2.11", 6: "2001:db8:77::11"}
SENDERS = {4: ("192.0.2.50", "198.51.100.9"), 6: ("2001:db8:77::50", "2001:db8:51::9")}
PORTS = (22, 25, 26, 465, 2525)
ANSWERED = 25
"""Port of the peer that the host connects to."""
INTERFACE = "va"
_INPUT = (
    "type filter hook input priority filter; policy drop; ct state established,related accept;"
    "meta l4proto ipv6-icmp accept;"
)


def chain(rules: str, others: str = "") -> str:
    """A table that drops, with these rules in its input chain, and other parts before that."""
    return f"table inet filter {{ {others}\nchain input {{ {_INPUT}\n{rules}\n}}\n}}\n"


def base(table: str, hook: str, rules: str) -> str:
    """A table with one chain that is hooked in."""
    return f"table {table} {{\nchain base {{ type filter hook {hook}; {rules};\n}}\n}}\n"


_STATES = "ct state established accept; "
RULESETS = {
    "plain": chain("tcp dport 25 accept"),
    "a set": chain("tcp dport { 25, 465 } accept"),
    "a jump on the port": chain("tcp dport 25 jump smtp", "chain smtp { accept; }"),
    "a jump that comes back": chain(
        "tcp dport 25 jump smtp\ntcp dport 26 accept", "chain smtp { tcp dport 1 accept; }"
    ),
    "a return in a jump": chain(
        "jump smtp\ntcp dport { 25, 26 } accept", "chain smtp { tcp dport 25 return; tcp dport 26 drop; }"
    ),
    "a goto": chain("tcp dport 25 goto smtp", "chain smtp { accept; }"),
    "a goto that never comes back": chain("goto smtp\ntcp dport 25 accept", "chain smtp { tcp dport 26 accept; }"),
    "a verdict map": chain("tcp dport vmap { 22 : accept, 25 : accept, 465 : accept }"),
    "a named verdict map": chain(
        "tcp dport vmap @services",
        "map services { type inet_service : verdict; elements = { 22 : accept, 25 : accept } }",
    ),
    "a verdict map of intervals": chain("tcp dport vmap { 20-25 : jump smtp, 465 : drop }", "chain smtp { accept; }"),
    "a verdict map with a rest": chain("tcp dport vmap { 26 : drop, * : accept }"),
    "a verdict map of states": chain(
        "ct state vmap { established : accept, new : jump new }", "chain new { tcp dport 25 accept; }"
    ),
    "a named set of intervals and a limit": chain(
        "ct state new tcp dport @mail jump smtp",
        "set mail { type inet_service; flags interval; elements = { 20-25, 465, 587 } }\n"
        "chain smtp { limit rate over 500/second burst 100 packets drop; accept; }",
    ),
    "a limit that is kept": chain("tcp dport 25 limit rate 500/second burst 100 packets accept"),
    "a concatenation": chain("ip saddr . tcp dport { 198.51.100.9 . 25, 192.0.2.50 . 465 } accept"),
    "a concatenation of intervals": chain(
        "ip saddr . tcp dport @who accept",
        "set who { type ipv4_addr . inet_service; flags interval; elements = { 198.51.100.0/24 . 20-30 } }",
    ),
    "a verdict map of a concatenation": chain(
        "meta nfproto . tcp dport vmap { ipv4 . 25 : accept, ipv6 . 26 : accept }"
    ),
    "a protocol and a port joined": chain("meta l4proto . th dport { tcp . 25, udp . 26 } accept"),
    "a list of blocked senders": chain(
        "ip saddr 198.51.100.0/24 drop\nip6 saddr 2001:db8:51::/48 drop\ntcp dport 25 accept"
    ),
    "a named list of blocked senders": chain(
        "ip saddr @bad drop\ntcp dport 25 accept",
        "set bad { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 } }",
    ),
    "all but some senders": chain("ip saddr != 192.0.2.0/24 tcp dport 25 accept"),
    "all but a port": chain("tcp dport != 26 accept"),
    "a port below": chain("tcp dport < 26 accept"),
    "another protocol": chain("udp dport 25 accept\ntcp dport 26 accept"),
    "one family": chain("meta nfproto ipv6 tcp dport 25 accept"),
    "an interface": chain('iifname "va" tcp dport 25 accept\niifname "eth*" tcp dport 26 accept'),
    "interfaces by pattern": chain('iifname "v*" tcp dport 25 accept\niif "lo" accept'),
    "flags": chain(
        "tcp flags & (fin | syn | rst | ack) == syn tcp dport 25 accept\ntcp flags & ack == ack tcp dport 26 accept"
    ),
    "the host itself": chain("ip daddr 192.0.2.11 tcp dport 25 accept\nip6 daddr 2001:db8::1 tcp dport 25 accept"),
    "by the routes": chain("fib daddr type local tcp dport 25 accept"),
    "a reject": chain("tcp dport 26 reject with tcp reset\naccept"),
    "accepted and dropped": chain("tcp dport 25 accept") + base("inet late", "input priority 10", "tcp dport 25 drop"),
    "dropped before it is routed": chain("accept") + base("inet raw", "prerouting priority -300", "tcp dport 25 drop"),
    "tables of one family": base("ip filter", "input priority 0; policy drop", _STATES + "tcp dport 25 accept")
    + base(
        "ip6 filter", "input priority 0; policy drop", f"{_STATES}meta l4proto ipv6-icmp accept; tcp dport 26 accept"
    ),
    "senders that are counted": chain(
        "tcp dport 25 ct state new add @seen { ip saddr limit rate over 1000/second burst 100 packets } drop\n"
        "tcp dport { 25, 26 } accept",
        "set seen { type ipv4_addr; flags dynamic; timeout 1m; }",
    ),
    "a quota": chain("tcp dport 25 quota until 100 mbytes accept"),
    "a port with a mark set": chain("tcp dport 25 meta mark set 7 accept"),
    "answers dropped by interface": base("inet early", "input priority -10", 'iifname "va" ct state established drop')
    + chain("tcp dport 25 accept"),
    "answers dropped by port": base("inet raw", "prerouting priority -300", "tcp sport 25 drop")
    + chain("tcp dport 25 accept"),
    "answers dropped by flags": base("inet early", "input priority -10", "tcp flags & (syn | ack) == syn | ack drop")
    + chain("tcp dport 25 accept"),
    "answers dropped by sender": base(
        "inet early", "input priority -10", "ip saddr 198.51.100.0/24 ct state != new drop"
    )
    + chain("tcp dport 25 accept"),
    "answers dropped at the card": base("netdev guard", "ingress device va priority -500", "tcp sport 25 drop")
    + chain("tcp dport 25 accept"),
    "answers that are not accepted": base("inet filter", "input priority 0; policy drop", "tcp dport 25 accept"),
    "an unknown length": chain("meta length 1000-1500 tcp dport 25 accept\ntcp dport 26 accept"),
}


def why_not() -> str:
    """Why nothing can be tried on this machine; empty if it can."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in ("nft", "ip", "unshare", "nsenter") if not shutil.which(tool)]
    if missing:
        return f"no {', '.join(missing)} (Debian: nftables, iproute2, util-linux)"
    done = subprocess.run(["unshare", "-n", "nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no nftables in a namespace: {done.stderr.strip()[:200]}"


def measure(rulesets: dict[str, str]) -> dict[str, Any]:
    """Load each ruleset and connect; its form as nft prints it, who reaches which port, and who answers the host."""
    argv = ["unshare", "-n", sys.executable, str(Path(__file__).resolve()), "--inside"]
    done = subprocess.run(argv, input=json.dumps(rulesets), capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run(*argv: str, stdin: str = "") -> str:
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True, timeout=60).stdout


@contextmanager
def _peer() -> Iterator[str]:
    """The peer's namespace, joined to this one; its pid."""
    with subprocess.Popen(["unshare", "-n", "sleep", "600"]) as child:
        try:
            pid = str(child.pid)
            while Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                time.sleep(0.01)
            for argv in (
                "ip link set lo up", f"ip link add {INTERFACE} type veth peer name vb", f"ip link set vb netns {pid}",
                f"ip addr add {HOSTS[4]}/24 dev {INTERFACE}", f"ip addr add {HOSTS[6]}/64 dev {INTERFACE} nodad",
                f"ip link set {INTERFACE} up", "ip route add 198.51.100.0/24 via 192.0.2.50",
                f"nsenter -t {pid} -n ip addr add 192.0.2.50/24 dev vb",
                f"nsenter -t {pid} -n ip addr add 198.51.100.9/32 dev vb",
                f"nsenter -t {pid} -n ip addr add 2001:db8:77::50/64 dev vb nodad",
                f"nsenter -t {pid} -n ip addr add 2001:db8:51::9/128 dev vb nodad",
                f"nsenter -t {pid} -n ip link set vb up", f"ip -6 route add 2001:db8:51::/48 via {SENDERS[6][0]}",
            ):  # fmt: skip
                _run(*argv.split())
            yield pid
        finally:
            child.kill()


def _listen(ports: Iterable[int]) -> None:
    for port in ports:
        server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        threading.Thread(target=_accept, args=(server,), daemon=True).start()


def _accept(server: socket.socket) -> None:
    while True:
        server.accept()[0].close()


def _inside() -> None:
    rulesets = json.load(sys.stdin)
    found = {}
    with _peer() as pid, _answering(pid):
        _listen(PORTS)
        for name, ruleset in rulesets.items():
            _run("nft", "-f", "-", stdin=f"flush ruleset\n{ruleset}")
            shown = _run("nft", "-j", "list", "ruleset")
            reached = json.loads(_run("nsenter", "-t", pid, "-n", sys.executable, __file__, "--connect"))
            with ThreadPoolExecutor(len(peers())) as pool:
                found[name] = {"nft": shown.strip(), "reached": reached, "answered": list(pool.map(_ask, peers()))}
    print(json.dumps(found))


@contextmanager
def _answering(pid: str) -> Iterator[None]:
    """The peer takes connections of the host."""
    argv = ("nsenter", "-t", pid, "-n", sys.executable, __file__, "--answer")
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            yield
        finally:
            child.kill()


def _answer() -> None:
    _listen((ANSWERED,))
    print("listening", flush=True)
    threading.Event().wait()


def _ask(peer: str) -> bool:
    try:
        with socket.create_connection((peer, ANSWERED), timeout=0.7):
            return True
    except OSError:
        return False


def peers() -> list[str]:
    """Addresses of the peer that the host connects to."""
    return [sender for family in (4, 6) for sender in SENDERS[family]]


def _try(way: tuple[int, str, int]) -> bool:
    family, sender, port = way
    try:
        with socket.create_connection((HOSTS[family], port), timeout=0.7, source_address=(sender, 0)):
            return True
    except OSError:
        return False


def ways() -> list[tuple[int, str, int]]:
    """Family, sender and port of each connection that is tried."""
    return [(family, sender, port) for family in (4, 6) for sender in SENDERS[family] for port in PORTS]


def _connect() -> None:
    with ThreadPoolExecutor(len(ways())) as pool:
        print(json.dumps(list(pool.map(_try, ways()))))


if __name__ == "__main__":
    if "--inside" in sys.argv:
        _inside()
    elif "--answer" in sys.argv:
        _answer()
    elif "--connect" in sys.argv:
        _connect()
    else:
        RECORDED.write_text(json.dumps(measure(RULESETS), indent=1) + "\n", encoding="utf-8")
