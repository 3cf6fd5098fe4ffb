"""One mail exchanger's own disk: a copy of the base image with its names, keys, firewall and saved kernel."""

import hashlib
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.build.image import PARTITION_OFFSET, PRIVATE, RECIPE, ImageFacts, read_facts
from lab.place import GATEWAY, INFRA
from lab.shell import LabError, run
from lab.world.guest import CACHE_PUPPET, GuestWorld

# Where each firewall's unit is wanted, as `systemctl enable` would link it.
FIREWALL_LINKS = {
    "nftables": ("etc/systemd/system/sysinit.target.wants/nftables.service", "/lib/systemd/system/nftables.service"),
    "ferm": ("etc/systemd/system/sysinit.target.wants/ferm.service", "/lib/systemd/system/ferm.service"),
}
NETWORKD_LINK = ("etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
                 "/lib/systemd/system/systemd-networkd.service")  # fmt: skip
WORLD_FILES = RECIPE.parent / "worlds"
LIBRARY = "usr/local/share/bash/puppet-common.sh"
GRUB_BLOCK = 1024


@dataclass(frozen=True)
class HostSpec:
    """What makes one mail exchanger out of the base image.

    Attributes:
        name: fully qualified name.
        v4: IPv4 address on the /24.
        v6: IPv6 address on the /64.
        world: what its system is like.
        ssh_host_key: private Ed25519 host key; the public one lies beside it with ``.pub``.
        authorized_keys: public keys that may log in as root, one a line.
        tls_cert: certificate (chain) in PEM.
        tls_key: its private key in PEM.
        saved_kernel: release that GRUB boots by default; empty means the older one of the image.
    """

    name: str
    v4: str
    v6: str
    world: GuestWorld
    ssh_host_key: Path
    authorized_keys: str
    tls_cert: Path
    tls_key: Path
    saved_kernel: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+", self.name):
            raise LabError(f"host name {self.name!r}: expected a fully qualified one")

    @property
    def short(self) -> str:
        """Host name without its domain."""
        return self.name.partition(".")[0]


_LEFTOVER = """\
# This file describes the network interfaces available on your system
# and how to activate them. For more information, see interfaces(5).

source /etc/network/interfaces.d/*

# The loopback network interface
auto lo
iface lo inet loopback
"""


def render_interfaces(spec: HostSpec) -> str:
    """``/etc/network/interfaces``, in the form Debian's installer leaves it; without a card where networkd has it."""
    if spec.world.network == "networkd":
        return _LEFTOVER
    return f"""\
{_LEFTOVER}
# The primary network interface
allow-hotplug ens5
iface ens5 inet static
	address {spec.v4}/24
	gateway {GATEWAY.v4}
iface ens5 inet6 static
	address {spec.v6}/64
	gateway {GATEWAY.v6}
	accept_ra 0
"""


def render_networkd(spec: HostSpec) -> str:
    """A file of systemd-networkd that says what :func:`render_interfaces` does for ifupdown."""
    return f"""\
[Match]
Name=ens5

[Network]
Address={spec.v4}/24
Address={spec.v6}/64
Gateway={GATEWAY.v4}
Gateway={GATEWAY.v6}
IPv6AcceptRA=no
"""


def render_hosts(spec: HostSpec) -> str:
    """``/etc/hosts``: the host itself only, everything else is asked of the name server."""
    return f"""\
127.0.0.1 localhost
{spec.v4} {spec.name} {spec.short}
{spec.v6} {spec.name} {spec.short}
::1 localhost ip6-localhost ip6-loopback
"""


def render_grubenv(entry: str) -> bytes:
    """GRUB's environment block with a saved entry: exactly 1024 bytes, as GRUB writes it in place."""
    return f"# GRUB Environment Block\nsaved_entry={entry}\n".encode().ljust(GRUB_BLOCK, b"#")


def render_puppet_summary(now: float) -> str:
    """A last Puppet run that succeeded, for the stand-in."""
    return f"---\ntime:\n  last_run: {now:.0f}\nresources:\n  failed: 0\nevents:\n  failure: 0\n"


def render_exim(spec: HostSpec) -> str:
    """``/etc/exim4/host.conf``: the first lines of Exim's main section."""
    world = spec.world
    lines = [f"primary_hostname = {spec.name}"]
    lines += [f"timezone = {world.exim_timezone}"] if world.exim_timezone else []
    lines += [f"log_file_path = {world.exim_log}"] if world.exim_log else []
    lines += ["split_spool_directory"] if world.split_spool else []
    return "\n".join(lines) + "\n"


def render_exim_config(world: GuestWorld) -> str:
    """Exim's whole configuration, where a world changes more of it than its main section; empty where it does not."""
    text = (RECIPE / "rootfs/etc/exim4/exim4.conf").read_text()
    changes = {}
    if world.retry_host:
        changes["begin retry\n"] = f"\n{world.retry_host}  *  F,2h,15m; F,2d,4h"
    if world.named_queue:
        changes["acl_check_rcpt:\n"] = f"  warn local_parts = ^list-\n       queue = {world.named_queue}\n"
    for place, lines in changes.items():
        text = text.replace(place, f"{place}{lines}\n")
    return text if changes else ""


def saved_entry(facts: ImageFacts, kernel: str, style: str) -> str:
    """What GRUB's environment block names a kernel by: all three boot the same entry.

    In the menu the newest kernel is first, and each is followed by its recovery mode.
    """
    position = 2 * (len(facts.kernels) - 1 - facts.kernels.index(kernel))
    return {
        "id": facts.grub_entry(kernel),
        "title": f"Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux {kernel}",
        "number": f"1>{position}",
    }[style]


def world_files(world: GuestWorld) -> dict[str, str]:
    """Files by which a host has its language, zone, prompt and way of login."""
    texts = {
        "etc/timezone": f"{world.timezone}\n",
        "etc/ssh/sshd_config.d/host.conf": f"UsePAM {'yes' if world.pam else 'no'}\n",
    }
    if world.locale:
        texts |= dict.fromkeys(("etc/locale.conf", "etc/default/locale"), f"LANG={world.locale}\n")
    if world.ruleset == "jumps":
        texts["etc/nftables.conf"] = (WORLD_FILES / "nftables-jumps.conf").read_text()
    if config := render_exim_config(world):
        texts["etc/exim4/exim4.conf"] = config
    if world.prompt:
        texts["root/.bashrc"] = f"PS1='{world.prompt}'\n"
    return texts


def puppet_files(world: GuestWorld, now: float) -> dict[str, str]:
    """Puppet's last run, and where it keeps its state, if that is not where the image has it."""
    if world.puppet != CACHE_PUPPET:
        return {f"{world.puppet.lstrip('/')}/state/last_run_summary.yaml": render_puppet_summary(now)}
    library = (RECIPE / "rootfs" / LIBRARY).read_text()
    here = CACHE_PUPPET.lstrip("/")
    return {
        # The lock is below state, the summary below public.
        LIBRARY: library.replace("/var/lib/puppet", CACHE_PUPPET).replace(
            "PUPPET_SUMMARY=$PUPPET_STATE/", f"PUPPET_SUMMARY={CACHE_PUPPET}/public/"
        ),
        f"{here}/state/classes.txt": "",
        f"{here}/public/last_run_summary.yaml": render_puppet_summary(now),
    }


def host_links(world: GuestWorld) -> dict[str, str]:
    """Symbolic links of a host, by their path below ``/``."""
    link, target = FIREWALL_LINKS[world.firewall]
    networkd = dict([NETWORKD_LINK]) if world.network == "networkd" else {}
    return {link: target, "etc/localtime": f"/usr/share/zoneinfo/{world.timezone}", **networkd}


def host_files(spec: HostSpec, grub_entry: str, now: float) -> dict[str, bytes]:
    """Every file of a host that differs from the base image, by its path below ``/``."""
    texts = {
        "etc/hostname": f"{spec.short}\n",
        "etc/mailname": f"{spec.name}\n",
        "etc/hosts": render_hosts(spec),
        "etc/machine-id": f"{hashlib.sha256(spec.name.encode()).hexdigest()[:32]}\n",
        "etc/network/interfaces": render_interfaces(spec),
        "etc/resolv.conf": f"search lab.test\nnameserver {INFRA.v4}\noptions timeout:2 attempts:2\n",
        "etc/exim4/host.conf": render_exim(spec),
        "root/.ssh/authorized_keys": spec.authorized_keys.rstrip("\n") + "\n",
        **puppet_files(spec.world, now),
        **world_files(spec.world),
    }
    if spec.world.network == "networkd":
        texts[spec.world.network_file.lstrip("/")] = render_networkd(spec)
    copies = {
        "etc/ssh/ssh_host_ed25519_key": spec.ssh_host_key,
        "etc/ssh/ssh_host_ed25519_key.pub": Path(f"{spec.ssh_host_key}.pub"),
        "etc/exim4/exim.crt": spec.tls_cert,
        "etc/exim4/exim.key": spec.tls_key,
    }
    files = {name: text.encode() for name, text in texts.items()}
    files.update({name: path.read_bytes() for name, path in copies.items()})
    return {**files, "boot/grub/grubenv": render_grubenv(grub_entry)}


def make_host_image(base: Path, spec: HostSpec, out: Path) -> None:
    """Make a host's disk: a sparse copy of the base image with the host's files.

    Arguments:
        base: an image of :func:`lab.build.image.build_base`.
        spec: the host.
        out: the disk to make (raw); an older one of that name is replaced once the new one is whole.

    Raises:
        LabError: it cannot be made; no half-made disk, mount or loop device stays.
    """
    facts = read_facts(base)
    kernel = spec.saved_kernel or facts.kernels[0]
    if kernel not in facts.kernels:
        raise LabError(f"{spec.name}: kernel {kernel!r} is not in {base}: expected one of {', '.join(facts.kernels)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        files, image = Path(work) / "files", Path(work) / "disk.raw"
        entry = saved_entry(facts, kernel, spec.world.entry)
        _stage(files, host_files(spec, entry, time.time()), host_links(spec.world))
        run(["cp", "--sparse=always", "--reflink=auto", base, image], timeout=120)
        run([*PRIVATE, "/bin/sh", RECIPE / "host.sh", image, files, str(PARTITION_OFFSET)], timeout=60)
        shutil.move(image, out)


def _stage(folder: Path, files: dict[str, bytes], links: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, target in links.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
