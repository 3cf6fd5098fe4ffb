"""The services station: name server, etcd, Alertmanager; the internal client and the ticket system live here too."""

import json
from pathlib import Path

from lab.place import CLIENT, CLUSTER, CLUSTER_V4, EXCHANGERS, INFRA, STATIONS, VRTS, Lab
from lab.shell import LabError, wait_for
from lab.stations.box import Box

STANDS_FOR = (INFRA, CLIENT, VRTS)
ETCD = f"http://{INFRA.v4}:2379"
ALERTMANAGER = f"http://{INFRA.v4}:9093"
DNS, ETCD_NAME, ALERTMANAGER_NAME, PEER = "dnsmasq", "etcd", "alertmanager", "aliaspeer"
# Outside hosts: name, IPv4, IPv6. A name with a single address has one address family only.
OUTSIDE_HOSTS = (
    ("mx.provider.test", "198.51.100.10", "2001:db8:51::10"),
    ("mx4.provider.test", "198.51.100.10", ""),
    ("mx6.provider.test", "", "2001:db8:51::10"),
    ("mx.tickets.test", "198.51.100.20", "2001:db8:51::20"),
    ("mx.lists.test", "198.51.100.30", "2001:db8:51::30"),
    ("sender.world.test", "198.51.100.100", "2001:db8:51::100"),
)
OUTSIDE_SENDER = ("198.51.100.100", "2001:db8:51::100")
OUTSIDE_MAIL = {
    "provider.test": "mx.provider.test",
    "v4.provider.test": "mx4.provider.test",
    "v6.provider.test": "mx6.provider.test",
    "tickets.test": "mx.tickets.test",
    "lists.test": "mx.lists.test",
    "world.test": "sender.world.test",
}


def box(lab: Lab, labroot: Path, repository: Path) -> Box:
    """Return the services station."""
    binds = ((lab.logs, "/logs"), (lab.outside, "/outside"), (repository / "lab", "/opt/mxlab/lab"))
    return Box(lab, INFRA.name, labroot, binds)


def zone() -> str:
    """Return the configuration of dnsmasq: all forward, reverse and mail records of the lab, and nothing else."""
    lines = ["no-resolv", "no-hosts", "port=53", "bind-interfaces", "user=root", "pid-file=/run/lab/dnsmasq-own.pid"]
    lines += [f"listen-address={INFRA.v4}", f"listen-address={INFRA.v6}", "local=/#/", "cache-size=0"]
    for station in STATIONS:
        lines.append(f"host-record={station.fqdn},{station.v4},{station.v6}")
    lines.append(f"host-record={CLUSTER},{CLUSTER_V4}")
    lines += [f"host-record={name}.lab.test,{INFRA.v4},{INFRA.v6}" for name in ("ns1", "etcd1001", "alert1001")]
    for name, v4, v6 in OUTSIDE_HOSTS:
        lines.append(f"host-record={','.join(part for part in (name, v4, v6) if part)}")
    lines += [f"mx-host=lab.test,{mx.fqdn},{mx.preference}" for mx in EXCHANGERS]
    lines += [f"mx-host={domain},{host},10" for domain, host in OUTSIDE_MAIL.items()]
    return "\n".join(lines) + "\n"


def start_dns(infra: Box) -> None:
    """Start the name server."""
    infra.run(["tee", "/etc/dnsmasq-lab.conf"], input_text=zone())
    infra.serve(DNS, ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/etc/dnsmasq-lab.conf"])


def start_etcd(infra: Box) -> None:
    """Start etcd, with the v2 API that Spicerack's locks and conftool use."""
    words = ["/usr/bin/etcd", "--enable-v2", "--data-dir", "/var/lib/etcd-lab", "--log-level", "warn"]
    words += ["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD]
    infra.serve(ETCD_NAME, [*words, "--listen-peer-urls", "http://127.0.0.1:2380"])


def start_alertmanager(infra: Box) -> None:
    """Start Alertmanager with one receiver that notifies nobody."""
    config = "route: {receiver: none}\nreceivers: [{name: none}]\n"
    infra.run(["tee", "/etc/alertmanager-lab.yml"], input_text=config)
    words = ["/usr/bin/prometheus-alertmanager", "--config.file=/etc/alertmanager-lab.yml", "--cluster.listen-address="]
    words += ["--storage.path=/var/lib/alertmanager-lab", f"--web.listen-address={INFRA.v4}:9093"]
    infra.serve(ALERTMANAGER_NAME, words)


def start_alias_peer(infra: Box) -> None:
    """Start the peer that the exchangers' alias generators ask; its answers come from a file that can be edited."""
    aliases = infra.lab.outside / "aliases.json"
    if not aliases.exists():
        queues = ("support", "billing", "legal", "press", "volunteers")
        aliases.write_text(json.dumps({f"{queue}@lab.test": f"{queue}@tickets.test" for queue in queues}, indent=1))
    words = [
        "/usr/bin/python3",
        "-m",
        "lab.world.aliaspeer",
        "--state",
        "/outside",
        "--listen",
        str(VRTS.v4),
        str(VRTS.v6),
    ]
    infra.serve(PEER, words, {"PYTHONPATH": "/opt/mxlab"})


def ready(infra: Box) -> None:
    """Wait until etcd and Alertmanager answer.

    Raises:
        LabError: one of them does not.
    """
    for what, url in (("etcd", f"{ETCD}/health"), ("Alertmanager", f"{ALERTMANAGER}/-/ready")):
        probe = ["curl", "-sf", "--max-time", "2", "--noproxy", "*", "-o", "/dev/null", url]
        wait_for(what, lambda probe=probe: infra.run(probe, check=False).returncode == 0, deadline=30)  # type: ignore[misc]


def etcd_get(infra: Box, key: str) -> str | None:
    """Return the value of a v2 key; None if it does not exist.

    Raises:
        LabError: etcd does not answer.
    """
    url = f"{ETCD}/v2/keys{key}"
    answer = json.loads(infra.run(["curl", "-s", "--max-time", "5", "--noproxy", "*", url]).stdout)
    if "node" in answer:
        return str(answer["node"].get("value", ""))
    if answer.get("errorCode") == 100:
        return None
    raise LabError(f"etcd key {key}: {answer}")


def running(infra: Box) -> dict[str, bool]:
    """Return which services run."""
    return {name: infra.serving(name) for name in (DNS, ETCD_NAME, ALERTMANAGER_NAME, PEER)}
