"""The userland of the lab's stations: a root directory of a Debian release, built once and cached by content."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab.build import mmdebstrap
from lab.build import release as releases
from lab.shell import LabError

# Each line: what needs it.
PACKAGES = (
    *("ganeti", "qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu", "fping", "socat"),  # the Ganeti node
    *("openssh-server", "openssh-client", "openssl", "netbase", "iproute2", "procps", "iputils-ping", "curl"),
    *("dnsmasq-base", "etcd-server", "prometheus-alertmanager"),  # the services
    *("python3-aiosmtpd", "python3-dnspython", "python3-yaml", "tcpdump"),  # the outside world
    *("e2fsprogs", "fdisk"),
)


def path(cache: Path, suite: str) -> Path:
    """Return where the root directory of a release is, built or not.

    Arguments:
        cache: the lab's cache folder.
        suite: the release, by its code name.
    """
    recipe = "\n".join((suite, *PACKAGES, *mmdebstrap.OPTIONS))
    return cache / "labroot" / hashlib.sha256(recipe.encode()).hexdigest()[:12]


def build(cache: Path, say: Callable[[str], None], suite: str) -> Path:
    """Build the root directory of a release if it is not in the cache.

    Arguments:
        cache: the lab's cache folder.
        say: prints what is going on.
        suite: the release, by its code name.

    Raises:
        LabError: it cannot be built; nothing half-built stays under the final name.
    """
    root = path(cache, suite)
    if root.is_dir():
        return root
    debian = f"Debian {releases.find(suite).number}"
    say(f"building the stations' root directory ({debian}, Ganeti, qemu, etcd, Alertmanager), once, about a minute")
    start = time.monotonic()
    work = root.with_name(f"{root.name}.{os.getpid()}")
    work.parent.mkdir(parents=True, exist_ok=True)
    try:
        mmdebstrap.make(cache, work, [*mmdebstrap.OPTIONS, f"--include={','.join(PACKAGES)}"], suite=suite)
        work.rename(root)
    except LabError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    say(f"root directory built in {time.monotonic() - start:.0f} s")
    return root
