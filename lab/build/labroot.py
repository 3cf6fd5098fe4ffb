"""The userland of the lab's stations: a Debian 12 root directory, built once and cached by content."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab.build.apt import PrivateApt, debian_sources
from lab.shell import LabError, run

# Each line: what needs it.
PACKAGES = (
    *("ganeti", "qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu", "fping", "socat"),  # the Ganeti node
    *("openssh-server", "openssh-client", "openssl", "netbase", "iproute2", "procps", "iputils-ping", "curl"),
    *("dnsmasq-base", "etcd-server", "prometheus-alertmanager"),  # the services
    *("python3-aiosmtpd", "python3-dnspython", "python3-yaml", "tcpdump"),  # the outside world
    *("e2fsprogs", "fdisk"),
)
OPTIONS = (
    "--mode=root",
    "--variant=minbase",
    "--skip=check/empty",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=force-unsafe-io",
)


def digest() -> str:
    """Identity of the recipe."""
    return hashlib.sha256("\n".join((*PACKAGES, *OPTIONS)).encode()).hexdigest()[:12]


def mmdebstrap(cache: Path) -> Path:
    """Path of an mmdebstrap: the machine's, else one unpacked into the cache (it is one Perl script)."""
    found = shutil.which("mmdebstrap")
    unpacked = cache / "tools" / "usr" / "bin" / "mmdebstrap"
    if found:
        return Path(found)
    if not unpacked.exists():
        apt = PrivateApt(cache / "apt")
        apt.update()
        apt.unpack("mmdebstrap", cache / "tools")
    return unpacked


def build(cache: Path, say: Callable[[str], None]) -> Path:
    """Build the root directory if it is not in the cache.

    Arguments:
        cache: the lab's cache folder.
        say: told what is going on.

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
        tool = mmdebstrap(cache)
        run([tool, *OPTIONS, f"--include={','.join(PACKAGES)}", "bookworm", work, *debian_sources()], timeout=900)
        work.rename(root)
    except LabError:
        shutil.rmtree(work, ignore_errors=True)
        raise
    say(f"root directory built in {time.monotonic() - start:.0f} s")
    return root
