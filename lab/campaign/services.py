"""Disturbances of what the lab is made of: power, etcd's data, clocks, the room for journals."""

import threading

from lab import demo, lifecycle
from lab.campaign.scene import NotDoneError, Scene, must_be_up
from lab.lifecycle import RIGHT_CLOCK, Stations, ssh
from lab.place import EXCHANGERS, Exchanger
from lab.shell import LabError, wait_for
from lab.stations import infra, management, node

_DATA, _COPY = "/var/lib/etcd-lab", "/var/lib/etcd-lab-copy"
JOURNALS = "/var/log/spicerack/sre/mail"
# Two powers may come back in the same moment, and only one `up` of a lab goes on at a time.
_POWER = threading.Lock()


# --- etcd


def copy_etcd(place: Stations) -> None:
    """Keep what etcd holds now, for :func:`restore_etcd`."""
    place.infra.stop_serving(infra.ETCD_NAME)
    place.infra.sh(f"rm -rf {_COPY}; cp -a {_DATA} {_COPY}")
    _start_etcd(place)


def restore_etcd(scene: Scene) -> None:
    """Put etcd back to what was kept."""
    scene.place.infra.stop_serving(infra.ETCD_NAME)
    scene.place.infra.sh(f"rm -rf {_DATA}; cp -a {_COPY} {_DATA}")
    _start_etcd(scene.place)


def empty_etcd(scene: Scene) -> None:
    """Let etcd begin with nothing."""
    scene.place.infra.stop_serving(infra.ETCD_NAME)
    scene.place.infra.sh(f"rm -rf {_DATA}")
    _start_etcd(scene.place)


def fill_etcd(scene: Scene) -> None:
    """Enter into conftool what is not there, pooled."""
    host = scene.place.operator
    management.pool_everything(host, management.virtual_environment(host))


def _start_etcd(place: Stations) -> None:
    infra.start_etcd(place.infra)
    infra.ready(place.infra)


# --- power


def cut_power(scene: Scene) -> None:
    """Cut the exchanger's power.

    Raises:
        NotDoneError: it is off, as in the middle of a cold start.
    """
    must_be_up(scene.place.node)
    pid = f"/var/run/ganeti/kvm-hypervisor/pid/{scene.mx.fqdn}"
    if scene.place.node.run(["/bin/sh", "-c", f"kill -KILL $(cat {pid})"], check=False).returncode:
        raise NotDoneError(f"{scene.mx.name} is off")


def power_on(scene: Scene) -> None:
    """Start the exchanger, unless somebody else has."""
    try:
        if node.instances(scene.place.node).get(scene.mx.fqdn) != "running":
            node.start(scene.place.node, scene.mx)
    except LabError:
        if node.instances(scene.place.node).get(scene.mx.fqdn) != "running":
            raise


def cut_node_power(scene: Scene) -> None:
    """End the node's station, and with it every virtual machine.

    Raises:
        NotDoneError: it is off.
    """
    must_be_up(scene.place.node)
    scene.place.node.stop()


def node_on(scene: Scene) -> None:
    """Start the node and its machines again, unless another power that came back has."""
    with _POWER:
        if scene.place.node.pid is None:
            _start_node(scene)


def _start_node(scene: Scene) -> None:
    others = [box for box in scene.place.all if box.name != scene.place.node.name and box.pid]
    # Their ends of the cables go with the node's, but not at once.
    for box in others:
        wait_for(
            f"the cable of {box.name} to be gone",
            lambda box=box: "eth0" not in box.sh("ip -o link"),  # type: ignore[misc]
            deadline=30,
        )
    lifecycle.up(scene.place.lab, lambda _text: None)


def cut_management_power(scene: Scene) -> None:
    """End the management host's station, and with it the cookbook.

    Raises:
        NotDoneError: it is off.
    """
    must_be_up(scene.host)
    scene.host.stop()


def management_on(scene: Scene) -> None:
    """Start the management host again, and nothing else, unless another power that came back has."""
    with _POWER:
        if scene.place.node.pid is None:
            _start_node(scene)  # all stations hang on its bridge
        if scene.host.pid is None:
            lifecycle.start_stations(scene.place)
            management.configure(scene.host)


def boot_before(place: Stations, mx: Exchanger, kernel: str, *, same: bool) -> None:
    """Let an exchanger run what it has to run before a run boots a kernel.

    Arguments:
        kernel: the one of the run.
        same: the exchanger is to run it already; else it is to run the other one.

    Raises:
        LabError: there is no such kernel, or the one to run does not come up.
    """
    kernels = lifecycle.image_facts(place.lab, mx).kernels
    if kernel not in kernels:
        raise LabError(f"{mx.name} has no kernel {kernel!r}: expected one of {', '.join(kernels)}")
    goal = kernel if same else next(one for one in kernels if one != kernel)
    runs = "uname -r"
    if ssh(place, mx, runs).stdout.strip() == goal:
        return
    entry = lifecycle.image_facts(place.lab, mx).grub_entry(goal)
    ssh(place, mx, f"grub-set-default '{entry}'; sync; systemctl --no-block reboot")
    wait_for(
        f"{mx.name} to run {goal}",
        lambda: ssh(place, mx, runs).stdout.strip() == goal and demo.is_serving(place, mx) is True,
        deadline=lifecycle.BOOT_DEADLINE, every=2,
    )  # fmt: skip


# --- clocks and disks


def set_clock(scene: Scene) -> None:
    """Set the exchangers' clocks right; see :func:`set_clocks`."""
    set_clocks(scene.place)


def set_clocks(place: Stations) -> None:
    """Set the exchangers' clocks right.

    Raises:
        LabError: one of them does not answer; the other's is set.
    """
    wrong = []
    for mx in EXCHANGERS:
        try:
            done = ssh(place, mx, RIGHT_CLOCK)
            wrong += [f"the clock of {mx.name} was not set: {done.stdout.strip()[-300:]}"] if done.returncode else []
        except LabError as error:
            wrong.append(str(error))
    if wrong:
        raise LabError("; ".join(wrong))


def fill_logs(scene: Scene) -> None:
    """Leave no room for new journals and reports on the management host.

    Raises:
        NotDoneError: it is off.
    """
    must_be_up(scene.host)
    scene.host.sh(
        f"mkdir -p {JOURNALS}; mount -t tmpfs -o size=64k full {JOURNALS}; "
        f"head -c 65536 /dev/zero >{JOURNALS}/full 2>/dev/null || true"
    )


def free_logs(scene: Scene) -> None:
    """Make room again.

    Raises:
        NotDoneError: it is off, and what filled it went with it.
    """
    must_be_up(scene.host)
    scene.host.sh(f"while mountpoint -q {JOURNALS}; do umount -l {JOURNALS}; done", check=False)
