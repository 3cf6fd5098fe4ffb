"""The Ganeti node: a real single-node cluster in a station, and the two virtual machines on it."""

import re
from pathlib import Path

from lab.place import (
    BRIDGE,
    CLUSTER,
    CLUSTER_V4,
    NODE,
    RAPI_READ_PASSWORD,
    RAPI_WRITE_PASSWORD,
    REPOSITORY,
    Exchanger,
    Lab,
)
from lab.shell import LabError, wait_for
from lab.stations.box import Box

# 4 is the layout of Ganeti before 2.16 with one disk: the interface is at PCI slot 5, hence ens5. Ganeti 3's default of
# 12 puts it at slot 13, hence ens13 (hv_kvm/__init__.py, _GetBusSlots): that difference is the incident's.
OLD_RESERVATIONS = 4
OLD_SLOT = 5
# One processor: with two emulated ones, about one boot in a hundred hung, as both hit the same breakpoint for ever
# while the kernel was patching its own code (a static key of getrandom; qemu 7.2).
MEMORY_MIB, CPUS, DISK_MIB = 768, 1, 3072
BOUNDS = (
    "min:memory-size=64,cpu-count=1,disk-count=1,disk-size=16,nic-count=1,spindle-use=1"
    "/max:memory-size=8192,cpu-count=8,disk-count=16,disk-size=1048576,nic-count=8,spindle-use=12"
)
RAPI = f"https://{CLUSTER}:5080"


def box(lab: Lab, labroot: Path) -> Box:
    """Return the node's station."""
    binds = (
        (lab.state / "disks", "/srv/ganeti/file-storage"),
        (lab.state / "images", "/srv/ganeti/boot"),
        (lab.keys, "/keys"),
        (lab.logs, "/logs"),
        (lab.outside, "/outside"),
        (REPOSITORY / "lab", "/opt/mxlab/lab"),
    )
    return Box(lab, NODE.name, labroot, binds)


CONFIGURE = f"""
printf '127.0.0.1 localhost\\n{NODE.v4} {NODE.fqdn} {NODE.name}\\n{CLUSTER_V4} {CLUSTER} ganeti-lab\\n' > /etc/hosts
echo {NODE.fqdn} > /etc/hostname; hostname {NODE.fqdn}
sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
umask 077; mkdir -p /root/.ssh
grep -qf /keys/root.pub /root/.ssh/authorized_keys 2>/dev/null || cat /keys/root.pub >> /root/.ssh/authorized_keys
umask 022
rm -f /etc/ssh/ssh_host_*; install -m 600 /keys/host-{NODE.name} /etc/ssh/ssh_host_ed25519_key
install -m 644 /keys/host-{NODE.name}.pub /etc/ssh/ssh_host_ed25519_key.pub
# Ganeti's own SSH set-up insists on an RSA host key as well.
[ -s /keys/host-{NODE.name}-rsa ] || ssh-keygen -q -t rsa -b 2048 -N '' -f /keys/host-{NODE.name}-rsa
install -m 600 /keys/host-{NODE.name}-rsa /etc/ssh/ssh_host_rsa_key
install -m 644 /keys/host-{NODE.name}-rsa.pub /etc/ssh/ssh_host_rsa_key.pub
cat > /etc/ssh/sshd_config.d/lab.conf <<'E'
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 100
E
pgrep -x sshd >/dev/null || /usr/sbin/sshd
for daemon in NODED CONFD MOND WCONFD LUXID KVMD; do echo "${{daemon}}_ARGS=''"; done > /etc/default/ganeti
echo 'RAPI_ARGS="-b 0.0.0.0 --require-authentication"' >> /etc/default/ganeti
echo /srv/ganeti/file-storage > /etc/ganeti/file-storage-paths; chmod 750 /srv/ganeti/file-storage
mkdir -p /var/lib/ganeti/rapi /var/log/ganeti
if [ ! -s /var/lib/ganeti/rapi/users ]; then
  # The cookbooks' user may read; that of the lab's faults may write.
  (umask 027; printf 'ops {RAPI_READ_PASSWORD} read\\nlab {RAPI_WRITE_PASSWORD} write\\n' > /var/lib/ganeti/rapi/users)
  chown -R gnt-rapi:gnt-masterd /var/lib/ganeti/rapi
  chmod 750 /var/lib/ganeti/rapi; chmod 640 /var/lib/ganeti/rapi/users
fi
mkdir -p /srv/ganeti/os/image; cd /srv/ganeti/os/image
for script in import export rename verify; do printf '#!/bin/sh\\nexit 0\\n' > $script; done
cat > create <<'E'
#!/bin/sh
# Puts the raw image named by the OS parameter "image" in the place of disk 0.
set -eu
exec mv "$OSP_IMAGE" "$(readlink -f "$DISK_0_PATH")"
E
chmod 755 create import export rename verify
echo 20 > ganeti_api_version; echo default > variants.list; echo 'image Path of a raw disk image' > parameters.list
"""

# One by one, as a running daemon makes `daemon-util start-all` fail.
DAEMONS = "u=/usr/lib/ganeti/daemon-util; for daemon in $($u list-start-daemons); do $u check-and-start $daemon; done"
# `init` makes a certificate for ganeti.example.com, which no client can verify; and it refuses a /var/lib/ganeti that
# is not empty, so ours is put there afterwards.
RAPI_CERTIFICATE = """
cd /var/lib/ganeti
cmp -s /keys/rapi.pem rapi.pem 2>/dev/null && exit 0
cat /keys/rapi.key /keys/rapi.crt > /keys/rapi.pem
install -o gnt-rapi -g gnt-masterd -m 440 /keys/rapi.pem rapi.pem.new; mv rapi.pem.new rapi.pem
/usr/lib/ganeti/daemon-util stop ganeti-rapi; /usr/lib/ganeti/daemon-util start ganeti-rapi
"""


def configure(node: Box) -> None:
    """Lay down the node's configuration and start its SSH server."""
    node.sh(CONFIGURE)


def start_cluster(node: Box) -> None:
    """Initialise the cluster, or start its daemons again.

    Raises:
        LabError: Ganeti refuses, or its master does not answer in time.
    """
    if node.run(["test", "-s", "/var/lib/ganeti/config.data"], check=False).returncode:
        node.run(INIT, timeout=120)
    else:
        node.sh(DAEMONS, timeout=60)
    answers = f"gnt-job list >/dev/null 2>&1 && ip -4 -o addr show to {CLUSTER_V4} | grep -q ."
    wait_for(
        "the Ganeti master",
        lambda: node.run(["sh", "-c", answers], check=False).returncode == 0,
        deadline=60,
        evidence=lambda: node.sh("tail -n 5 /var/log/ganeti/*.log", check=False),
    )
    node.sh(RAPI_CERTIFICATE)


# Without cmpxchg16b: Linux 6.12 uses it in every kmalloc, and double-faults sooner or later (qemu 7.2). Ganeti wants
# the comma escaped. A binary whose name ends in "kvm" tries /dev/kvm whatever kvm_flag says; the plain one does not.
EMULATION = "kvm_flag=disabled,kvm_path=/usr/bin/qemu-system-x86_64,cpu_type=qemu64\\,-cx16"
HARDWARE = "kvm_flag=enabled,kvm_path=/usr/bin/kvm,cpu_type=host"
INIT = (
    *("gnt-cluster", "init", "--enabled-hypervisors=kvm", "--enabled-disk-templates=file"),
    *("--file-storage-dir=/srv/ganeti/file-storage", f"--master-netdev={BRIDGE}", "--master-netmask=32"),
    *("--no-etc-hosts", "--mac-prefix=aa:00:00", f"--nic-parameters=link={BRIDGE},mode=bridged"),
    f"--ipolicy-bounds-specs={BOUNDS}",
    f"--hypervisor-parameters=kvm:{EMULATION},kernel_path=,serial_console=true,vhost_net=false,disk_aio=threads,vnc_bind_address=",
    CLUSTER,
)


def set_acceleration(node: Box, accelerated: bool) -> None:
    """Choose hardware virtualisation or software emulation for the next starts of the machines."""
    chosen = HARDWARE if accelerated else EMULATION
    kept = node.folder / "acceleration"
    if (kept.read_text() if kept.exists() else EMULATION) != chosen:
        node.run(["gnt-cluster", "modify", "-H", f"kvm:{chosen}"])
        kept.write_text(chosen)


def instances(node: Box) -> dict[str, str]:
    """Return the instances and their Ganeti status."""
    listed = node.run(["gnt-instance", "list", "--no-headers", "--separator=|", "-o", "name,status"]).stdout
    return dict(line.split("|", 1) for line in listed.split() if "|" in line)


def add(node: Box, mx: Exchanger) -> None:
    """Add an exchanger from its disk image (``images/NAME.raw``, which is moved) and start it."""
    words = ["gnt-instance", "add", "-t", "file", "-n", NODE.fqdn, "--disk", f"0:size={DISK_MIB}M"]
    words += ["--net", f"0:link={BRIDGE},mode=bridged,mac={mx.mac}", "--no-name-check", "--no-ip-check"]
    words += ["-B", f"minmem={MEMORY_MIB},maxmem={MEMORY_MIB},vcpus={CPUS}", "-o", "image+default"]
    words += ["-O", f"image=/srv/ganeti/boot/{mx.name}.raw", "-H", f"kvm:kvm_pci_reservations={OLD_RESERVATIONS}"]
    node.run([*words, mx.fqdn], timeout=120)


def start(node: Box, mx: Exchanger) -> None:
    """Start a stopped exchanger.

    Raises:
        LabError: Ganeti could not start it; with qemu's error, which Ganeti does not pass on.
    """
    try:
        node.run(["gnt-instance", "start", mx.fqdn], timeout=90)
    except LabError as error:
        raise LabError(f"{error}\n{node.sh(f'tail -n 5 /var/log/ganeti/kvm/{mx.fqdn}.log', check=False)}") from error


def power_cycle(node: Box, mx: Exchanger) -> None:
    """Cut an exchanger's power and start it again; ``soft`` keeps its cards in their slots."""
    node.run(["gnt-instance", "reboot", "--type=soft", mx.fqdn], timeout=150)


def serial_socket(mx: Exchanger) -> str:
    """Return the socket on the node where QEMU offers an exchanger's serial console, to one client at a time."""
    return f"/var/run/ganeti/kvm-hypervisor/ctrl/{mx.fqdn}.serial"


def card_slot(node: Box, mx: Exchanger) -> int | None:
    """Return the PCI slot of the network card of a running exchanger; None if it does not run."""
    words = f"tr '\\0' '\\n' </proc/$(cat /var/run/ganeti/kvm-hypervisor/pid/{mx.fqdn})/cmdline"
    found = re.search(r"^virtio-net-pci,.*\baddr=(0x[0-9a-f]+)", node.sh(words, check=False), re.MULTILINE)
    return int(found[1], 16) if found else None
