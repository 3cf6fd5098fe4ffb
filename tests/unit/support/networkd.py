"""Samples of files of systemd-networkd."""

from tests.unit.support.nics import (
    MAC,
)  # fmt: skip

LEFTOVER = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n"
ENS5 = "auto ens5\niface ens5 inet dhcp\n"
BY_NAME = "[Match]\nName=ens5\n\n[Network]\nDHCP=yes\n"
BY_MAC = f"[Match]\nMACAddress={MAC.upper()}\n[Network]\nAddress=192.0.2.21/24\n"
