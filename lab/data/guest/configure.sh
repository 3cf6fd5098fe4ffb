#!/bin/sh
# Configures the root directory of a mail exchanger. $1 = the root directory, $2 = the folder of the recipe.
set -eu
root=$1 recipe=$2
umask 022
cp -r "$recipe/rootfs/." "$root/"
grep -v '^#' "$recipe/masked-units" | while read -r unit; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
printf '%s\n' virtio_pci virtio_blk virtio_net ext4 crc32c_generic libcrc32c > "$root/etc/initramfs-tools/modules"
echo "UUID=$FS_UUID / ext4 errors=remount-ro,noatime 0 1" > "$root/etc/fstab"
echo "root:$ROOT_PASSWORD" | chroot "$root" chpasswd
if [ -n "$LOCALES" ]; then
  for locale in $LOCALES; do echo "$locale ${locale#*.}"; done > "$root/etc/locale.gen"
  chroot "$root" locale-gen
fi
chroot "$root" chown -R root:Debian-exim /etc/exim4
chmod 640 "$root/etc/exim4/exim4.conf"
chroot "$root" systemctl --quiet enable serial-getty@ttyS0.service spamd.service generate_vrts_aliases.timer
# Each host gets one of the two firewalls.
chroot "$root" systemctl --quiet disable nftables.service ferm.service
rm -f "$root"/etc/ssh/ssh_host_*
# A lab guest has no way to a mirror.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
echo '# Nothing is installed in a guest of the lab.' > "$root/etc/apt/sources.list"
mkdir -p "$root/var/log/journal" "$root/var/lib/puppet/state"
