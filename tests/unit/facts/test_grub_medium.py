"""Whether a boot comes through GRUB, and GRUB can write its environment block."""

import pytest

from mxlib.facts import grub_medium
from tests.unit.support.facts import ShellHost

MEDIUM = "abstraction \nfilesystem ext2\nsize 1024\n# GRUB Environment Block\n"


@pytest.mark.parametrize(
    ("medium", "why"),
    [
        (MEDIUM.replace("abstraction ", "abstraction lvm"), "lvm"),
        (MEDIUM.replace("abstraction ", "abstraction diskfilter mdraid1x"), "mdraid1x"),
        (MEDIUM.replace("ext2", "btrfs"), "btrfs"),
        (MEDIUM.replace("1024", "512"), "1024"),
        (MEDIUM.replace("# GRUB", "GRUB"), "environment block"),
        ("filesystem ext2\nsize 1024\n# GRUB Environment Block\n", "something unknown"),
        (MEDIUM.replace("ext2", ""), "unknown"),
    ],
)
def test_an_environment_that_grub_cannot_write(medium, why):
    assert why in grub_medium.problem(medium)


@pytest.mark.parametrize(
    ("command_line", "through_grub"),
    [
        ("BOOT_IMAGE=/boot/vmlinuz-6.1.0-56 root=/dev/vda1 ro\n", True),
        ("BOOT_IMAGE=(hd0,gpt2)/vmlinuz root=/dev/vda1\n", True),
        ("initrd=\\\\abc\\\\6.1.0-56\\\\initrd.img root=/dev/vda1 ro\n", False),
        ("root=/dev/vda1 ro\n", False),
        (None, False),
    ],
)
def test_a_boot_past_grub_has_no_one_time_entry(tmp_path, command_line, through_grub):
    """As by systemd-boot, kexec, or a kernel from Ganeti's node."""
    if command_line is not None:
        (tmp_path / "cmdline").write_text(command_line)
    assert ("this boot did not come through GRUB" in _problem(tmp_path)) is not through_grub


@pytest.mark.parametrize(
    ("loaded", "default", "snippet", "unit", "why"),
    [
        ("0\n", "# LOAD_KEXEC=true\nLOAD_KEXEC=false\n", "", "loaded", ""),
        ("1\n", "LOAD_KEXEC=false\n", "", "not-found", "a kernel is loaded for kexec (kexec -u unloads it)"),
        ("0\n", "LOAD_KEXEC=true\n", "", "loaded", "LOAD_KEXEC of kexec-tools is not false"),
        ("0\n", "LOAD_KEXEC=false\n", 'LOAD_KEXEC="true"\n', "loaded", "LOAD_KEXEC of kexec-tools is not false"),
        (None, 'LOAD_KEXEC="true"\n', "", "loaded", "LOAD_KEXEC of kexec-tools is not false"),
        ("0\n", "LOAD_KEXEC=$X\n", "", "", "LOAD_KEXEC of kexec-tools is not false"),
        ("0\n", 'LOAD_KEXEC="false"\n', "", "loaded", ""),
        ("0\n", "LOAD_KEXEC=true\n", "", "masked", ""),
        ("0\n", "LOAD_KEXEC=true\n", "", "not-found", ""),
    ],
)
def test_a_reboot_that_would_be_a_kexec_has_no_one_time_entry(tmp_path, loaded, default, snippet, unit, why):
    """As with a loaded kernel on Debian 13, and by the init script of Debian 12, which later packages mask."""
    (tmp_path / "cmdline").write_text("BOOT_IMAGE=/boot/vmlinuz-6.1.0-56 root=/dev/vda1 ro\n")
    if loaded is not None:
        (tmp_path / "kexec_loaded").write_text(loaded)
    (tmp_path / "kexec").write_text(default)
    (tmp_path / "kexec.d").mkdir()
    (tmp_path / "kexec.d" / "site").write_text(snippet)
    assert _problem(tmp_path, unit) == (why and f"the next boot may not come through GRUB: {why}")


def _problem(folder, kexec_unit="not-found"):
    (folder / "grubenv").write_text("# GRUB Environment Block\n".ljust(1024, "#"))
    commands = {"grub-probe": '[ "$1" = --target=abstraction ] || echo ext2', "systemctl": f"echo {kexec_unit}"}
    for name, script in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    script = grub_medium.SECTION.script
    for real in ("/proc/", "/sys/kernel/", "/etc/default/", "/boot/grub/"):
        script = script.replace(real, f"{folder}/")
    return grub_medium.problem(ShellHost().read(f"PATH={folder}:$PATH\n{script}", timeout=5).output)
