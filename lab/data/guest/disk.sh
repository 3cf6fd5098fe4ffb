#!/bin/sh
# Makes the disk of a root directory bootable. $1 = the root directory, $2 = a partitioned image file.
# Runs in a mount namespace of its own: when it ends, however it ends, no mount and no loop device is left.
set -eu
root=$1 image=$2
loop=$(losetup --find --show --partscan "$image")
trap 'losetup --detach "$loop" 2>/dev/null || :' EXIT
# Not every kernel reads partition tables by itself.
partx --update "$loop"
name=${loop#/dev/}
# A private /dev: the nodes that are needed, and the link by UUID without which update-grub writes root=/dev/loopN.
dev=$(dirname "$image")/dev
mkdir "$dev"
mount -t tmpfs -o mode=755 dev "$dev"
cp -a /dev/null /dev/zero /dev/random /dev/urandom "$dev/"
node() { mknod "$dev/$1" b "$(cut -d: -f1 "/sys/class/block/$1/dev")" "$(cut -d: -f2 "/sys/class/block/$1/dev")"; }
node "$name"
node "${name}p1"
mkdir -p "$dev/disk/by-uuid"
ln -s "../../${name}p1" "$dev/disk/by-uuid/$FS_UUID"
mount --bind "$dev" /dev
# No feature that the guest's GRUB 2.06 cannot read.
mke2fs -q -t ext4 -U "$FS_UUID" -L mxlab -O ^metadata_csum_seed,^orphan_file \
  -E lazy_itable_init=1,lazy_journal_init=1,nodiscard -d "$root" "/dev/${name}p1"
disk=$(dirname "$image")/disk
mkdir "$disk"
mount "/dev/${name}p1" "$disk"
# From now on the loop device lives as long as the mount.
losetup --detach "$loop"
trap - EXIT
mount --bind /dev "$disk/dev"
mount -t proc proc "$disk/proc"
mount -t sysfs sysfs "$disk/sys"
chroot "$disk" update-initramfs -u -k all
chroot "$disk" grub-install --target=i386-pc --no-floppy "$loop"
chroot "$disk" grub-editenv - create
chroot "$disk" update-grub
umount "$disk/sys" "$disk/proc" "$disk/dev" "$disk"
