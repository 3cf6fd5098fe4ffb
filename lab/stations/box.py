"""A station: a private set of pid, mount, net, uts and ipc namespaces, held together by its pid 1 alone.

Killing that process ends every process in it and removes its network devices and mounts: there is nothing to clean up
afterwards, and nothing of it ever shows in the machine's own network or mount table.
"""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.place import Lab
from lab.shell import LabError, run, wait_for

# Reaps orphans until SIGTERM; the last argument marks it as ours.
INIT = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        time.sleep(0.5)
"""
# Device nodes of a station: name, major, minor (Linux Documentation/admin-guide/devices.txt).
DEVICES = (
    *(("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)),
    *(("net/tun", 10, 200), ("kvm", 10, 232)),
)
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_TIED = ("setpriv", "--pdeathsig", "KILL")


def tied(command: Sequence[str]) -> list[str]:
    """Return a command line of :meth:`Box.inside` whose program is killed when its parent dies, however that dies.

    ``nsenter`` is tied to who starts it, and the program to ``nsenter``. Who starts it is a thread, for the kernel.
    """
    program = command.index("env")
    return [*_TIED, *command[:program], *_TIED, *command[program:]]


@dataclass(frozen=True)
class Box:
    """One station.

    Attributes:
        lab: the lab it belongs to.
        name: host name.
        labroot: its root directory, under an overlay of its own; None for the machine's own userland with a private
            ``/etc`` and ``/var/log``.
        binds: folders of the machine that are mounted in it: (source, target).
    """

    lab: Lab
    name: str
    labroot: Path | None
    binds: tuple[tuple[Path, str], ...] = field(default=())

    @property
    def folder(self) -> Path:
        """Folder of its overlay and its pid file."""
        return self.lab.state / "stations" / self.name

    @property
    def _mark(self) -> str:
        return f"mxlab:{self.lab.state}:{self.name}"

    @property
    def pid(self) -> int | None:
        """Process id of its pid 1 as the machine sees it; None if it is not up."""
        try:
            pid = int((self.folder / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            return None
        return pid if self._mark in command else None

    def start(self) -> None:
        """Bring it up, empty: loopback only. Does nothing if it is up.

        Raises:
            LabError: the kernel or the file system refuses.
        """
        if self.pid:
            return
        for part in ("upper", "work", "root", "etc.upper", "etc.work", "log.upper", "log.work"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        log = (self.folder / "start.log").open("wb")
        words = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--uts", "--ipc"]
        words += ["--propagation", "private", "/bin/sh", "-euc", self._setup()]
        parent = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for(
            f"station {self.name}",
            lambda: self._adopt(parent),
            deadline=15,
            every=0.05,
            evidence=lambda: (self.folder / "start.log").read_text(errors="replace"),
        )

    def _adopt(self, parent: "subprocess.Popen[bytes]") -> bool:
        """Write the pid file once the child of ``unshare`` has become our init."""
        if parent.poll() is not None:
            raise LabError(f"station {self.name}: {(self.folder / 'start.log').read_text(errors='replace').strip()}")
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        if not children:
            return False
        (self.folder / "pid").write_text(children[0])
        return self.pid is not None

    def _setup(self) -> str:
        quoted = {"state": shlex.quote(str(self.folder)), "init": shlex.quote(INIT), "mark": shlex.quote(self._mark)}
        mounts = self._own_root() if self.labroot else self._machine_root()
        finish = "ip link set lo up; exec python3 -c {init} {mark}".format(**quoted)
        return f"hostname {shlex.quote(self.name)}\n{mounts}\n{finish}"

    def _own_root(self) -> str:
        root = shlex.quote(str(self.folder / "root"))
        lines = [
            f"mount -t overlay overlay -o lowerdir={self.labroot},upperdir={self.folder}/upper,"
            f"workdir={self.folder}/work {root}",
            f"cd {root}",
            "mount -t proc proc proc; mount -t sysfs sysfs sys",
            *self._devices(),
            "mount -t tmpfs -o mode=755,size=256m run run",
            "mkdir -p run/lock run/lab run/sshd",
            *(self._bind(source, f".{target}") for source, target in self.binds),
            "pivot_root . mnt; cd /; umount -l /mnt",
            f"export PATH={PATH}",
        ]
        return "\n".join(lines)

    def _machine_root(self) -> str:
        folder = self.folder
        lines = [
            # temporary mounts of others were copied with the namespace, which would keep them busy
            "for m in $(awk '$5 ~ \"^/tmp/\" {print $5}' /proc/self/mountinfo | sort -r); do umount -l $m; done",
            "mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs -o mode=755 run /run; mkdir /run/lab",
            "cd /",
            *self._devices(),
            *(
                f"mount -t overlay overlay {lower} "
                f"-o lowerdir={lower},upperdir={folder}/{name}.upper,workdir={folder}/{name}.work"
                for name, lower in (("etc", "/etc"), ("log", "/var/log"))
            ),
            *(self._bind(source, target) for source, target in self.binds),
            f"cd {shlex.quote(str(folder))}",
        ]
        return "\n".join(lines)

    def _devices(self) -> list[str]:
        """Return shell lines that make a ``/dev`` of its own in the current folder."""
        return [
            "mount -t tmpfs -o mode=755 dev dev; mkdir -p dev/net dev/pts dev/shm",
            *(f"mknod -m 666 dev/{name} c {major} {minor}" for name, major, minor in DEVICES if self._present(name)),
            "ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr",
            "mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts; ln -s pts/ptmx dev/ptmx",
            "mount -t tmpfs shm dev/shm",
        ]

    @staticmethod
    def _present(device: str) -> bool:
        return Path("/dev", device).exists()

    @staticmethod
    def _bind(source: Path, target: str) -> str:
        return f"mkdir -p {shlex.quote(target)}; mount --bind {shlex.quote(str(source))} {shlex.quote(target)}"

    def inside(self, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> list[str]:
        """Return the command line that runs ``argv`` in this station.

        Raises:
            LabError: the station is not up.
        """
        if not self.pid:
            raise LabError(f"station {self.name} of lab {self.lab.name} is not up: start it with `lab/mxlab up`")
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--wdns=/"]
        home = "/root" if self.labroot else str(self.folder)
        base = {"HOME": home, "USER": "root", "LANG": "C.UTF-8", "PATH": PATH, "TERM": os.environ.get("TERM", "dumb")}
        variables = [f"{key}={value}" for key, value in {**base, **(env or {})}.items()]
        return [*enter, "env", "-i", *variables, *(str(word) for word in argv)]

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        timeout: float = 60,
        check: bool = True,
        input_text: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in it to its end."""
        return run(self.inside(argv, env), timeout=timeout, check=check, input_text=input_text)

    def sh(self, script: str, *, timeout: float = 60, check: bool = True) -> str:
        """Run a shell script in it and return what it printed."""
        return self.run(["/bin/sh", "-euc", script], timeout=timeout, check=check).stdout

    def serve(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start a long-running program in it, by Debian's start-stop-daemon. Does nothing if it runs."""
        self.lab.logs.mkdir(parents=True, exist_ok=True)
        folder = "/logs" if self.labroot else str(self.lab.logs)
        words = ["start-stop-daemon", "--start", "--oknodo", "--background", "--make-pidfile"]
        words += ["--pidfile", f"/run/lab/{name}.pid", "--output", f"{folder}/{self.name}-{name}.log"]
        self.run([*words, "--startas", argv[0], "--", *argv[1:]], env=env)

    def stop_serving(self, name: str) -> None:
        """End a program started by :meth:`serve` (TERM, then KILL). Does nothing if it does not run."""
        words = ["start-stop-daemon", "--stop", "--oknodo", "--retry", "TERM/5/KILL/5", "--remove-pidfile"]
        self.run([*words, "--pidfile", f"/run/lab/{name}.pid"])

    def serving(self, name: str) -> bool:
        """Whether a program started by :meth:`serve` runs."""
        status = ["start-stop-daemon", "--status", "--pidfile", f"/run/lab/{name}.pid"]
        return self.run(status, check=False).returncode == 0

    def stop(self) -> None:
        """End it: pid 1 is killed, the kernel does the rest. Does nothing if it is not up."""
        pid = self.pid
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_for(f"end of station {self.name}", lambda: not Path(f"/proc/{pid}").exists(), deadline=20, every=0.05)
        (self.folder / "pid").unlink(missing_ok=True)
