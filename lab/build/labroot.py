"""The userland of the lab's stations: a Debian 12 root directory, built once and cached by content."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab.build import mmdebstrap
from lab.shell import LabError

# Each line: what needs it.
PACKAGES = (
    *("ganeti", "qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu", "fping", "socat"),  # the Ganeti node
    *("openssh-server", "openssh-client", "openssl", "netbase", "iproute2", "procps", "iputils-ping", "curl"),
    *("dnsmasq-base", "etcd-server", "prometheus-alertmanager"),  # the services
    *("python3-aiosmtpd", "python3-dnspython", "python3-yaml", "tcpdump"),  # the outside world
    *("e2fsprogs", "fdisk"),
)


def digest() -> str:
    """Identity of the recipe."""
    return hashlib.sha256("\n".join((*PACKAGES, *mmdebstrap.OPTIONS)).encode()).hexdigest()[:12]


def build(cache: Path, say: Callable[[str], None]) -> Path:
    """Build the root directory if it is not in the cache.

    Arguments:
        cache: the lab's cache folder.
        say: prints what is going on.

    Raises:
        LabError: it cannot be built; nothing half-built stays under the final name.
    """
    root = cache / "labroot" / digest()
    if root.is_dir():
        return root
    say("building the stations' root directory (Debian 12, Ganeti, qemu, etcd, Alertmanager), once, about a minute")
    start = time.monotonic()
    work = root.with_name(f"{root.name}.{os.getpid()}")
    work.parent.mkdir(parents=True, exist_ok=True)
    try:
        mmdebstrap.make(cache, work, [*mmdebstrap.OPTIONS, f"--include={','.join(PACKAGES)}"])
        work.rename(root)
    except LabError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    say(f"root directory built in {time.monotonic() - start:.0f} s")
    return root
