"""What the lab needs from the machine, checked before anything is changed."""

import os
import platform
import shutil
from pathlib import Path

from lab.place import cache
from lab.shell import LabError, run

# Tools that no essential package of Debian has. Tool → the package that brings it.
TOOLS = {
    "git": "git",  # Spicerack's, which does not start without
    "ip": "iproute2",
    "losetup": "mount",
    "mke2fs": "e2fsprogs",
    "modprobe": "kmod",
    "ssh": "openssh-client",
}
# Packages that a program on PATH does not prove. Package → a command that succeeds only if it is installed.
PROOFS = {
    "perl": ("perl", "-MPod::Usage", "-e", 'require "syscall.ph"'),  # mmdebstrap's; a bare perl is in every Debian
    "python3-venv": ("python3", "-c", "import ensurepip, venv"),
}
MEMORY_MIB, DISK_MIB = 3500, 9000


def missing_packages() -> list[str]:
    """Return the Debian packages that would bring what is missing."""
    packages = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    return sorted(packages | {package for package, proof in PROOFS.items() if run(proof, check=False).returncode})


def python() -> str:
    """Return the path of the machine's Python."""
    return shutil.which("python3") or "/usr/bin/python3"


def install(packages: list[str]) -> None:
    """Install packages on the machine; only called if an option asks for it."""
    run(["apt-get", "update", "-qq"], timeout=300)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
    run([*words, *packages], timeout=600, env=environment)


def available_mib() -> int:
    """Return the memory that is available without swapping, in MiB."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    raise LabError("/proc/meminfo has no MemAvailable: expected Linux 3.14 or later")


def free_mib(folder: Path) -> int:
    """Return the free space where a folder is or will be, in MiB."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 2**20


def check(*, may_install: bool, starting: bool) -> None:
    """Refuse a machine on which the lab cannot work.

    Arguments:
        may_install: install missing Debian packages instead of refusing.
        starting: the lab is not up yet, so its memory and disk space must still be free.

    Raises:
        LabError: one sentence that says what is missing.
    """
    if os.geteuid() != 0:
        raise LabError(f"must be run as root (namespaces, loop devices), not as user id {os.geteuid()}: use sudo")
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise LabError(f"{platform.system()} on {platform.machine()}: expected Linux on x86_64")
    if not shutil.which("apt-get"):
        raise LabError("no apt-get: expected a Debian system, whose package sources the lab is built from")
    _check_packages(may_install)
    for device in ("net/tun", "loop-control"):
        if not Path("/dev", device).exists():
            raise LabError(f"/dev/{device} is missing: expected a machine, or a container with its devices")
    if "overlay" not in Path("/proc/filesystems").read_text() and run(["modprobe", "overlay"], check=False).returncode:
        raise LabError("the kernel has no overlay file system (/proc/filesystems): expected one")
    if starting:
        _check_room()


def _check_packages(may_install: bool) -> None:
    packages = missing_packages()
    if packages and not may_install:
        names = " ".join(packages)
        raise LabError(f"missing Debian packages: {names}; `apt-get install {names}`, or give --install-packages")
    if packages:
        install(packages)


def _check_room() -> None:
    if available_mib() < MEMORY_MIB:
        raise LabError(f"{available_mib()} MiB of memory available: expected at least {MEMORY_MIB}")
    wanted = DISK_MIB if not any((cache() / "images").glob("base-*.raw")) else DISK_MIB // 3
    if free_mib(cache()) < wanted:
        raise LabError(f"{free_mib(cache())} MiB free for {cache()}: expected at least {wanted}; MXLAB_CACHE moves it")
