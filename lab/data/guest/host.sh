#!/bin/sh
# Lays one host's files over a copied image. $1 = the image, $2 = the folder of its files, $3 = the partition's offset.
# Runs in a mount namespace of its own, so that nothing of it is left, however it ends.
set -eu
image=$1 files=$2 offset=$3
mnt=$files.mnt
umask 022
mkdir -p "$mnt"
mount -o "loop,offset=$offset" "$image" "$mnt"
# What is a link there (the time zone, the language) is replaced, not written through.
cp -r --remove-destination "$files/." "$mnt/"
chmod 700 "$mnt/root/.ssh"
chmod 600 "$mnt/root/.ssh/authorized_keys"
for key in "$mnt"/etc/ssh/ssh_host_*_key; do chmod 600 "$key"; done
chroot "$mnt" chgrp Debian-exim /etc/exim4/exim.key /etc/exim4/host.conf
chmod 640 "$mnt/etc/exim4/exim.key"
chroot "$mnt" test -e /etc/localtime || { echo "no such time zone: $(readlink "$mnt/etc/localtime")" >&2; exit 1; }
umount "$mnt"
