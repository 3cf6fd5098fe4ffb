"""The management hosts: Spicerack, cumin and conftool from a virtual environment, as on a cumin host."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from lab import preflight
from lab.place import (
    CONSOLE_PASSWORD,
    EXCHANGERS,
    INFRA,
    NODE,
    RAPI_READ_PASSWORD,
    REPOSITORY,
    Lab,
    Station,
)
from lab.shell import LabError, run
from lab.stations.box import Box
from lab.stations.infra import ALERTMANAGER, ETCD
from lab.stations.pki import known_hosts
from lab.world import worlds

ETC = REPOSITORY / "lab" / "data" / "management"


def virtual_environment(host: Box) -> Path:
    """Return the environment a management host's cookbooks run in; the same command makes it as for the tests.

    Raises:
        LabError: it cannot be made, or the machine has no Python of that host's version.
    """
    version = worlds.python(host.lab, host.name)
    python = ["--python", version] if version else []
    made = run([REPOSITORY / "tests" / "run", *python, "--venv"], timeout=900, env=dict(os.environ)).stdout.split()
    if not made or not Path(made[-1], "bin", "cookbook").exists():
        raise LabError(f"no Spicerack in the virtual environment that `tests/run --venv` made: {made[-1:]}")
    return Path(made[-1])


def box(lab: Lab, station: Station) -> Box:
    """A management host: the machine's userland with /etc and /var/log of its own."""
    return Box(lab, station.name, None)


def configure(host: Box) -> None:
    """Lay down the configuration of Spicerack, cumin, conftool and the cookbooks, and the keys."""
    secrets = host.folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    for name in ("root", "ca.crt"):
        shutil.copy(host.lab.keys / name, secrets / name)
    (secrets / "root").chmod(0o600)
    (secrets / "known_hosts").write_text(known_hosts(host.lab))
    for name, secret in (("console-password", CONSOLE_PASSWORD), ("rapi-password", RAPI_READ_PASSWORD)):
        (secrets / name).touch(mode=0o600)
        (secrets / name).write_text(secret + "\n")
    values = {
        "REPOSITORY": str(REPOSITORY),
        "SECRETS": str(secrets),
        "ETCD_HOST": str(INFRA.v4),
        "ETCD": ETCD,
        "ALERTMANAGER": ALERTMANAGER,
        "NODE": NODE.fqdn,
        "RAPI_READ_PASSWORD": RAPI_READ_PASSWORD,
    }
    hosts = f"127.0.0.1 localhost {host.name}.lab.test {host.name}\n"
    files = {"hosts": hosts, "resolv.conf": f"nameserver {INFRA.v4}\n", "hostname": host.name + "\n"}
    for source in sorted(ETC.rglob("*")):
        if source.is_file():
            text = source.read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            files[str(source.relative_to(ETC))] = text
    for name, text in files.items():
        host.run(
            ["/bin/sh", "-c", 'mkdir -p "$(dirname "$1")"; rm -f "$1"; cat > "$1"', "sh", f"/etc/{name}"],
            input_text=text,
        )
    host.run(["mkdir", "-p", "/var/log/spicerack"])
    host.run(["mkdir", "-p", "-m", "700", "/run/mx-ssh"])
    host.serve("syslog", [preflight.python(), str(REPOSITORY / "lab" / "stations" / "syslog.py")])


def pool_everything(host: Box, environment: Path) -> None:
    """Enter the exchangers into conftool, pooled, by conftool's own tools; those already known are left as they are."""
    tools = str(environment / "bin")

    def known() -> str:
        return host.run([f"{tools}/confctl", "--quiet", "select", "cluster=mail", "get"], check=False).stdout

    if not all(mx.fqdn in known() for mx in EXCHANGERS):
        host.run([f"{tools}/conftool-sync", "--directory", "/etc/conftool/data"], timeout=60)
    for line in known().splitlines():
        # conftool enters what is new as "inactive". One at a time: asked for all of a service, it wants a confirmation.
        new = re.match(r'\{"([^"]+)":.*"inactive"', line)
        if new:
            select = [f"{tools}/confctl", "--quiet", "select", f"name={new[1]}"]
            host.run([*select, "set/pooled=yes:weight=10"], timeout=60)


def command(host: Box, environment: Path, argv: Sequence[str]) -> list[str]:
    """The command line that runs a tool of the environment on a management host, as an operator there would.

    No temporary proxy or certificate settings of the machine reach it: the environment is the host's own.
    """
    path = f"{environment}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return host.inside(argv, {"PATH": path, "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})
