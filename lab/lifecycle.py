"""Bringing the lab up and down."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import preflight
from lab.build import acceleration, image, image_host, labroot
from lab.build import release as releases
from lab.build.apt import SUITE
from lab.place import EXCHANGERS, GATEWAY, MANAGEMENT, NODE, REPOSITORY, Exchanger, Lab, cache
from lab.shell import LabError, wait_for
from lab.stations import infra, management, network, node, outside, pki
from lab.stations.box import Box
from lab.world import worlds

Say = Callable[[str], None]
# Seconds from Ganeti's start of a virtual machine to its SSH banner, emulated, with both booting at once on a busy
# machine, where the shutdown and the first 15 s of a kernel have taken more than two minutes.
BOOT_DEADLINE = 480
# Sets an exchanger's clock by its hardware's, which is this machine's, as a time service would; the lab has none. A
# guest's clock stands still while this machine is suspended, and the cookbooks refuse a host that is late.
RIGHT_CLOCK = "date -s @$(cat /sys/class/rtc/rtc0/since_epoch)"


class ProgressLog:
    """Prints what is going on, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        """Print one line."""
        print(f"[{time.monotonic() - self._start:6.1f}s] {text}", flush=True)


@dataclass(frozen=True)
class Stations:
    """All stations of a lab."""

    lab: Lab
    node: Box
    infra: Box
    world: Box
    management: tuple[Box, ...]

    @property
    def all(self) -> tuple[Box, ...]:
        """All of them, in the order of their start."""
        return (self.node, self.infra, self.world, *self.management)

    @property
    def operator(self) -> Box:
        """The management host that is used by default."""
        return self.management[0]


def stations(lab: Lab) -> Stations:
    """Return a lab's stations, whether they are up or not."""
    root = labroot.path(cache(), SUITE)
    return Stations(
        lab,
        node.box(lab, labroot.path(cache(), worlds.node_release(lab))),
        infra.box(lab, root, REPOSITORY),
        outside.box(lab, root, REPOSITORY),
        tuple(management.box(lab, station) for station in MANAGEMENT),
    )


@contextmanager
def alone(lab: Lab) -> Iterator[None]:
    """Hold the lab's lock: one `up` or `down` at a time.

    Raises:
        LabError: another process holds it.
    """
    lab.state.mkdir(parents=True, exist_ok=True)
    with (lab.state / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LabError(f"lab {lab.name}: another `mxlab up` or `down` is under way") from error
        yield


def up(lab: Lab, say: Say, *, install_packages: bool = False, world: str = "") -> None:
    """Bring the lab up: build what is not cached, start what does not run. Safe to run again at any time.

    Args:
        world: name of the worlds of a new lab's exchangers; empty: those the lab has, or the default.

    Raises:
        LabError: one sentence that says what is missing or did not come up.
    """
    starting = not stations(lab).node.pid
    preflight.check(may_install=install_packages, starting=starting)
    with alone(lab), ThreadPoolExecutor(8) as pool:
        worlds.settle(lab, world)
        environments = [pool.submit(management.virtual_environment, box) for box in stations(lab).management]
        root = labroot.build(cache(), say, SUITE)
        labroot.build(cache(), say, worlds.node_release(lab))
        suites = [releases.find(worlds.of(lab, mx).release) for mx in EXCHANGERS]
        bases = pool.submit(image.build_bases, cache(), say, suites)
        pki.make_all(lab, root)
        place = stations(lab)
        start_stations(place)
        say("stations up: " + ", ".join(box.name for box in place.all))
        services = pool.submit(_start_services, place, say)
        configured = [pool.submit(management.configure, box) for box in place.management]
        node.configure(place.node)
        node.start_cluster(place.node)
        say("Ganeti cluster up, RAPI answers")
        _accelerate(place.node, bases.result()[suites[0].suite], say)
        for task in (services, *configured):
            task.result()
        operators, *_ = [made.result() for made in environments]
        pooled = pool.submit(management.pool_everything, place.operator, operators)
        _start_exchangers(place, bases.result(), pool, say)
        pooled.result()


def start_stations(place: Stations) -> None:
    """Start every station and connect them; nothing runs in them yet."""
    lab = place.lab
    for folder in (lab.state / "disks", lab.state / "images", lab.logs, lab.outside, lab.keys):
        folder.mkdir(parents=True, exist_ok=True)
    for box in place.all:
        box.start()
    network.make_bridge(place.node, NODE)
    network.attach(place.node, place.infra, infra.STANDS_FOR)
    network.attach(place.node, place.world, (GATEWAY,))
    for box, station in zip(place.management, MANAGEMENT, strict=True):
        network.attach(place.node, box, (station,))


def _start_services(place: Stations, say: Say) -> None:
    infra.start_dns(place.infra)
    infra.start_etcd(place.infra)
    infra.start_alertmanager(place.infra)
    infra.start_alias_peer(place.infra)
    outside.start(place.world)
    outside.start_observer(place.node)
    infra.ready(place.infra)
    say("name server, etcd, Alertmanager and the outside world answer")


def _accelerate(box: Box, base: Path, say: Say) -> None:
    """Use hardware virtualisation from the next start on, if a boot has proven that it works here."""
    image_name = "proof.raw"
    target = box.lab.state / "images" / image_name
    target.unlink(missing_ok=True)
    target.hardlink_to(base)
    accelerated = acceleration.proven(box, f"/srv/ganeti/boot/{image_name}", cache())
    target.unlink()
    node.set_acceleration(box, accelerated)
    say(
        "virtual machines run by "
        + ("hardware virtualisation, proven by a boot" if accelerated else "software emulation")
    )


def _start_exchangers(place: Stations, bases: dict[str, Path], pool: ThreadPoolExecutor, say: Say) -> None:
    known = node.instances(place.node)
    running = [mx for mx in EXCHANGERS if known.get(mx.fqdn) == "running"]
    for mx in EXCHANGERS:
        base, kept = bases[worlds.of(place.lab, mx).release], _image(place.lab, mx)
        if mx.fqdn not in known:
            shutil.copy(f"{base}.json", f"{kept}.json")
            kept.write_text(base.name)
            image_host.make_host_image(base, host_spec(place.lab, mx), place.lab.state / "images" / f"{mx.name}.raw")
            node.add(place.node, mx)
        elif not kept.exists() or kept.read_text() != base.name:
            say(f"note: {mx.name} was made by an older recipe; `down --purge` and `up` make it again")
        if mx.fqdn in known and mx not in running:
            node.start(place.node, mx)
        if mx not in running:
            say(f"{mx.name} started by Ganeti")
    for task in [pool.submit(_answering, place, mx, say, was_running=mx in running) for mx in EXCHANGERS]:
        task.result()


def _answering(place: Stations, mx: Exchanger, say: Say, *, was_running: bool) -> None:
    if was_running:
        revive(place, mx, say)
    else:
        wait_ssh(place, mx)
    # The image's alias file is not the peer's, and the timer would only renew it a minute after the boot; on a busy
    # machine that run may find no name server. So the unit runs to its end here, before a fault meets it at work. The
    # age of the file says nothing: an image that was just built has a new one.
    unit = "generate_vrts_aliases.service"
    ended = f"systemctl show -p ExecMainExitTimestampMonotonic --value {unit}"
    ran = f"{ended} | grep -qvx 0 && ! systemctl -q is-failed {unit}"
    ssh(place, mx, f"{{ {ran}; }} || timeout 60 systemctl start {unit}", timeout=90)
    ssh(place, mx, RIGHT_CLOCK)
    say(f"{mx.name} answers SSH")


def _image(lab: Lab, mx: Exchanger) -> Path:
    """Return the file with the name of the image that an exchanger was made from; the image's facts lie beside it."""
    return lab.state / f"image-{mx.name}"


def image_facts(lab: Lab, mx: Exchanger) -> image.ImageFacts:
    """Return the facts of the image that an exchanger was made from, such as its kernels.

    Raises:
        LabError: the exchanger was not made yet.
    """
    return image.read_facts(_image(lab, mx))


def host_spec(lab: Lab, mx: Exchanger) -> image_host.HostSpec:
    """Return what turns the base image into an exchanger's disk."""
    key = lab.keys / mx.name
    return image_host.HostSpec(
        name=mx.fqdn,
        v4=str(mx.v4),
        v6=str(mx.v6),
        world=worlds.of(lab, mx),
        ssh_host_key=lab.keys / f"host-{mx.name}",
        authorized_keys=(lab.keys / "root.pub").read_text(),
        tls_cert=key.with_suffix(".crt"),
        tls_key=key.with_suffix(".key"),
    )


def wait_ssh(place: Stations, mx: Exchanger, deadline: float = BOOT_DEADLINE) -> float:
    """Wait until an exchanger runs commands over SSH.

    Returns:
        The seconds it took.

    Raises:
        LabError: it does not within the deadline (seconds).
    """
    banner = f'exec 3<>/dev/tcp/{mx.v4}/22 && read -t 3 -u 3 line && [ -n "$line" ]'
    knock = ["timeout", "4", "bash", "-c", banner]
    return wait_for(
        f"SSH of {mx.name}",
        lambda: place.operator.run(knock, check=False).returncode == 0 and ssh(place, mx, "true").returncode == 0,
        deadline=deadline,
        every=0.5,
    )


def revive(place: Stations, mx: Exchanger, say: Say = lambda text: None) -> None:
    """Power-cycle an exchanger that does not answer in time: its kernel may have panicked, or hang.

    Raises:
        LabError: it does not answer after that either.
    """
    try:
        wait_ssh(place, mx, 90)
    except LabError:
        say(f"{mx.name} does not answer: power cycle")
        node.power_cycle(place.node, mx)
        wait_ssh(place, mx)


def send_signal(child: "subprocess.Popen[bytes]", number: int) -> bool:
    """Send a signal to a program in a station, the child of ``nsenter``, which does not pass signals on.

    It stops itself when the program is stopped, and would not notice then that it goes on, or has ended.

    Returns:
        Whether there was a program.
    """
    pids = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    for pid in pids:
        os.kill(int(pid), number)
    if number in (signal.SIGCONT, signal.SIGKILL):
        child.send_signal(signal.SIGCONT)
    return bool(pids)


def ssh(
    place: Stations, mx: Exchanger, script: str, timeout: float = 60, host: Box | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a script on an exchanger over SSH from a management host, the first if no other is said."""
    words = ["ssh", "-F", "/etc/cumin/ssh_config", "-o", "ConnectTimeout=15", mx.fqdn, "--", script]
    return (host or place.operator).run(words, timeout=timeout, check=False)


def down(lab: Lab, say: Say, *, purge: bool = False) -> None:
    """End the lab; its disks, queues and cluster stay for the next `up` unless ``purge``.

    The exchangers' disks are synced, then their power is cut: a clean shutdown would take too long.
    """
    if not lab.state.exists():
        say(f"lab {lab.name}: nothing there")
        return
    with alone(lab):
        place = stations(lab)
        if place.node.pid and place.operator.pid and not purge:
            with ThreadPoolExecutor(len(EXCHANGERS)) as pool:
                list(pool.map(lambda mx: _sync(place, mx), EXCHANGERS))
        for box in reversed(place.all):
            box.stop()
        say("every station ended, with all its processes, devices and mounts")
        if purge:
            shutil.rmtree(lab.state)
            say(f"removed {lab.state}; the cache of built images stays in {cache()}")


def _sync(place: Stations, mx: Exchanger) -> None:
    """Sync an exchanger's disk, if it answers at once."""
    words = ["ssh", "-F", "/etc/cumin/ssh_config", "-o", "ConnectTimeout=2", mx.fqdn, "--", "timeout 4 sync"]
    try:
        place.operator.run(words, timeout=6, check=False)
    except LabError:
        return
