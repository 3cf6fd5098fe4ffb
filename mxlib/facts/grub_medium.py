"""Whether GRUB will boot an entry that is set, and can write its environment block."""

from mxlib.facts.section import Section

# GRUB cannot write its environment block on LVM, md RAID, btrfs or ZFS, and only into the 1024 bytes that are there
# (GRUB manual, "The GRUB environment block"). BOOT_IMAGE= is put in by GRUB's own "linux", also by hand; kexec
# keeps it. A kernel that is loaded for kexec is what systemd boots at a "reboot" since 254. So does the init script of
# Debian 12's kexec-tools where its unit is not masked, and LOAD_KEXEC=true loads one at the shutdown.
SECTION = Section(
    "grub-medium",
    r"""
printf 'abstraction %s\n' "$(grub-probe --target=abstraction /boot/grub)" || exit
printf 'filesystem %s\n' "$(grub-probe --target=fs /boot/grub)" || exit
grep -q BOOT_IMAGE= /proc/cmdline || echo 'loader this boot did not come through GRUB: no BOOT_IMAGE= in /proc/cmdline'
past='loader the next boot may not come through GRUB:'
! grep -qsx 1 /sys/kernel/kexec_loaded || echo "$past a kernel is loaded for kexec (kexec -u unloads it)"
! grep -hs '^[[:space:]]*LOAD_KEXEC=' /etc/default/kexec /etc/default/kexec.d/* | grep -qv '=.\{0,1\}false' ||
case $(systemctl show --property=LoadState --value kexec.service) in
masked | not-found) ;;
*) echo "$past LOAD_KEXEC of kexec-tools is not false" ;;
esac
stat -c 'size %s' /boot/grub/grubenv
head -n 1 /boot/grub/grubenv
""",
    timeout_s=60,  # grub-probe, twice, on a busy host
)
_UNWRITABLE = frozenset({"btrfs", "zfs", "squash4", "iso9660"})
_SIGNATURE = "# GRUB Environment Block"


def problem(text: str) -> str:
    """Return why GRUB would not boot a one-time entry, or boot it more than once; empty if it would.

    Args:
        text: the answer of the section.
    """
    known = {key: value for key, _, value in (line.partition(" ") for line in text.splitlines())}
    if known.get("abstraction", "?").strip():
        return f"/boot/grub is on {known.get('abstraction', 'something unknown')}"
    if known.get("filesystem", "") in _UNWRITABLE | {""}:
        return f"/boot/grub is on the file system {known.get('filesystem') or 'unknown'}"
    if known.get("size") != "1024" or _SIGNATURE not in text:
        return "/boot/grub/grubenv is not an environment block of 1024 bytes"
    return known.get("loader", "")
