"""Keys of one lab: its certificate authority, certificates, SSH keys. Made once; they open nothing outside the lab."""

from pathlib import Path

from lab.place import CLUSTER, CLUSTER_V4, EXCHANGERS, NODE, Lab, Station
from lab.shell import run

DAYS = "3650"
# From Python 3.13 on a client trusts no authority without a key usage (RFC 5280, 4.2.1.3).
KEY_USAGE = "keyUsage=critical,keyCertSign,cRLSign"


def make_ssh_key(path: Path, comment: str) -> None:
    """Make an Ed25519 key pair if it is missing."""
    if not path.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])


def _in_root(labroot: Path, keys: Path, script: str) -> None:
    """Run a script with openssl from the stations' root directory in the folder of keys, in its own mount namespace."""
    mount = 'mount --bind "$1" "$2/mnt"; exec chroot "$2" /bin/sh -euc "cd /mnt; $3"'
    words = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-euc", mount, "sh"]
    run([*words, str(keys), str(labroot), script])


def make_authority(labroot: Path, keys: Path) -> None:
    """Make the lab's certificate authority if it is missing."""
    if not (keys / "ca.crt").exists():
        subject = "/CN=mxlab certificate authority"
        _in_root(
            labroot,
            keys,
            f"openssl req -x509 -newkey rsa:2048 -nodes -days {DAYS} -subj '{subject}' -addext {KEY_USAGE}"
            " -keyout ca.key -out ca.crt 2>&1",
        )


def make_certificate(labroot: Path, keys: Path, name: str, names: list[str]) -> None:
    """Make ``NAME.key`` and ``NAME.crt``, valid for the given names (``DNS:...``, ``IP:...``), if missing."""
    if (keys / f"{name}.crt").exists():
        return
    (keys / f"{name}.ext").write_text(f"subjectAltName={','.join(names)}\n")
    _in_root(
        labroot,
        keys,
        f"openssl req -new -newkey rsa:2048 -nodes -subj '/CN={name}' -keyout {name}.key -out {name}.csr 2>&1;"
        f"openssl x509 -req -days {DAYS} -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial"
        f" -extfile {name}.ext -out {name}.crt.new 2>&1; mv {name}.crt.new {name}.crt",
    )


def station_names(station: Station) -> list[str]:
    """Return the subject alternative names of a station."""
    return [f"DNS:{station.fqdn}", f"DNS:{station.name}", f"IP:{station.v4}", f"IP:{station.v6}"]


def make_all(lab: Lab, labroot: Path) -> None:
    """Make everything that is missing."""
    lab.keys.mkdir(parents=True, exist_ok=True)
    lab.keys.chmod(0o700)
    make_ssh_key(lab.keys / "root", "root@mxlab")
    for station in (NODE, *EXCHANGERS):
        make_ssh_key(lab.keys / f"host-{station.name}", station.fqdn)
    make_authority(labroot, lab.keys)
    make_certificate(labroot, lab.keys, "rapi", [*station_names(NODE), f"DNS:{CLUSTER}", f"IP:{CLUSTER_V4}"])
    for station in EXCHANGERS:
        make_certificate(labroot, lab.keys, station.name, [*station_names(station), "DNS:lab.test"])


def known_hosts(lab: Lab) -> str:
    """Return the host keys of all SSH servers, by name and address, for ``known_hosts``."""
    lines = []
    for station in (NODE, *EXCHANGERS):
        key = (lab.keys / f"host-{station.name}.pub").read_text().strip()
        aliases = [station.fqdn, station.name, str(station.v4), str(station.v6)]
        if station is NODE:
            aliases += [CLUSTER, CLUSTER_V4]
        lines.append(f"{','.join(aliases)} {key}")
    return "\n".join(lines) + "\n"
