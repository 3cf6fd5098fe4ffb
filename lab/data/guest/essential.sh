#!/bin/sh
# mmdebstrap essential hook: what must be there before the packages are configured. $1 = the root directory.
set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d"
# Built on another machine: MODULES=dep would look at that machine's hardware.
printf 'MODULES=list\nCOMPRESS=lz4\n' > "$1/etc/initramfs-tools/conf.d/lab"
chroot "$1" debconf-set-selections <<'D'
grub-pc grub-pc/install_devices multiselect
grub-pc grub-pc/install_devices_empty boolean true
exim4-config exim4/dc_eximconfig_configtype select no configuration at this time
exim4-config exim4/mailname string lab.test
D
