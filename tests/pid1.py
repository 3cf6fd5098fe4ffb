"""A real systemd as the first process of namespaces of its own: units run as confined, whatever the machine's init is.

Needs root and a cgroup2 file system; nothing of it is left when it ends, and nothing is mounted outside.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
# What every unit depends on without saying so, for a root whose own units are left out.
STAND_INS = ("sysinit", "basic", "shutdown", "network-online", "timers", "umount", "local-fs")
JOB = """[Unit]
DefaultDependencies=no
Wants=basic.target
After=basic.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sh /exchange/job </dev/null >/exchange/output 2>&1; echo $$? >/exchange/code'
TimeoutStartSec=infinity
"""
# $1: the root directory. $2: the folder that is /exchange in it. $3: search path of units. $4: "layer" to keep all
# changes in memory. $5: a folder that is /exchange/shared, or nothing.
ENTER = r"""
set -e
root=$1
if [ "$4" = layer ]; then
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work /mnt/root
    mount -t overlay -o "lowerdir=$root,upperdir=/mnt/upper,workdir=/mnt/work" overlay /mnt/root
    root=/mnt/root
else
    mount --bind "$root" "$root"
fi
mkdir -p "$root/exchange"
mount --bind "$2" "$root/exchange"
if [ -n "$5" ]; then
    mkdir "$root/exchange/shared"
    mount --bind "$5" "$root/exchange/shared"
fi
mount -t proc proc "$root/proc"
# The kernel is the machine's: its parameters, clock and modules are out of reach.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# Not chroot alone: what a unit's sandbox remounts has to be found from the root of this namespace.
mkdir -p "$root/exchange/old"
cd "$root"
pivot_root . exchange/old
umount -l exchange/old
exec env -i container=mx "SYSTEMD_UNIT_PATH=$3" PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set -sys_module,-sys_time,-sys_rawio,-syslog \
    chroot . /lib/systemd/systemd --system --unit=mx-job.service --show-status=false
"""


@dataclass(frozen=True)
class Ended:
    """How a script ended.

    Attributes:
        code: its exit code; None: systemd did not come to it, or it did not end in time.
        output: what it printed, both streams.
    """

    code: int | None
    output: str


def lacking() -> str:
    """What this machine lacks to do it; empty: nothing."""
    if os.geteuid() != 0:
        return "needs root: it makes namespaces and mounts"
    if not SYSTEMD.exists():
        return f"needs systemd's programs: there is no {SYSTEMD}"
    if not _cgroups():
        return "needs a cgroup2 file system, mounted"
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="utf-8"):
        return "needs the overlay file system"
    return ""


def run(
    root: Path,
    script: str,
    *,
    units: Mapping[str, str] | None = None,
    layer: bool = False,
    network: int | None = None,
    shared: Path | None = None,
    timeout: float = 60,
) -> Ended:
    """Run a shell script as root in a root directory, under a systemd of its own.

    Arguments:
        root: a root directory with systemd in it.
        script: may call ``systemctl``; what it leaves in /exchange is lost.
        units: unit files by name, the only ones that there are; None: the root directory's own.
        layer: leave the root directory as it is.
        network: a process whose network it has; None: a loopback device alone.
        shared: a folder that is /exchange/shared in it.
        timeout: seconds for all of it.
    """
    with tempfile.TemporaryDirectory(prefix="pid1-") as name:
        exchange = Path(name)
        (exchange / "job").write_text(script, encoding="utf-8")
        (exchange / "units").mkdir()
        given = {"mx-job.service": JOB, **(units or {})}
        if units is not None:
            given |= {f"{target}.target": "[Unit]\nDefaultDependencies=no\n" for target in STAND_INS}
        for unit, text in given.items():
            (exchange / "units" / unit).write_text(text, encoding="utf-8")
        path = "/exchange/units" if units is not None else "/exchange/units:"  # a colon at the end: and the usual ones
        words = [str(root), name, path, "layer" if layer else "", str(shared or "")]
        _boot(["bash", "-c", ENTER, "enter", *words], network, timeout)
        said, code = exchange / "output", exchange / "code"
        return Ended(
            int(code.read_text()) if code.exists() and code.read_text().strip() else None,
            said.read_text(encoding="utf-8", errors="replace") if said.exists() else "",
        )


def _boot(enter: list[str], network: int | None, timeout: float) -> None:
    group = Path(_cgroups(), f"mx-pid1-{os.getpid()}-{time.monotonic_ns()}")
    group.mkdir()
    apart = ["nsenter", f"--net=/proc/{network}/ns/net"] if network else []
    apart += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc"]
    apart += ["--propagation", "private", *([] if network else ["--net"])]
    join = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
    command = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", join, "join", str(group), *apart, *enter]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        pass  # the caller sees that there is no exit code
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Remove a control group with all below it; its processes are dying, which takes a moment."""
    for _ in range(50):
        try:
            for folder, _, _ in sorted(os.walk(group), reverse=True):
                Path(folder).rmdir()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _cgroups() -> str:
    """Where the machine has its cgroup2 file system; empty: nowhere."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return before.split()[4]
    return ""
