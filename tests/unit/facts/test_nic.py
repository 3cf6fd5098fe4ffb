"""The network cards of a host and the files that name them, as they are read."""

import base64
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import nic as nic_facts
from mxlib.facts.nic import DEVICES, FILES, ConfigFile, GuestNic, parse
from mxlib.facts.nic import NETWORKING as NETWORKING_SECTION
from mxlib.facts.section import SectionOutput
from tests.unit.support.facts import facts_of
from tests.unit.support.guests import INTERFACES, nic
from tests.unit.support.networkd import BY_NAME
from tests.unit.support.nics import (
    DEFAULT_LINK,
    HOST,
    MAC,
    MAC2,
    NETWORKING,
    UDEV,
    card,
    file_line,
)  # fmt: skip


def output(section: Any, text: str) -> SectionOutput:
    return SectionOutput(section.name, section.script, 0, text, "", datetime(2026, 1, 1, tzinfo=UTC))


def test_the_facts_of_a_guest() -> None:
    devices = (
        f"nic ens5\nmac {MAC}\nat /sys/devices/pci0000:00/0000:00:05.0/virtio2\n{UDEV}"
        f"nic ens1f0\nmac {MAC2}\nat /sys/devices/pci0000:00/0000:00:02.0/0000:01:00.0\nend\n"
    )
    files = "".join(
        f"file {base64.b64encode(path.encode()).decode()} {base64.b64encode(text).decode()}\n"
        for path, text in (
            ("/etc/network/interfaces", INTERFACES.encode()),
            ("/etc/network/interfaces.d/x", b"# \xff\n"),
        )
    )
    rest = {"nic-networking": output(NETWORKING_SECTION, NETWORKING + "end\n")}
    facts = parse({"nic-devices": output(DEVICES, devices), "nic-files": output(FILES, files + "end\n"), **rest})
    assert facts.nics == (nic(), GuestNic("ens1f0", MAC2, None, None))
    assert facts.files[0] == ConfigFile("/etc/network/interfaces", INTERFACES)
    assert facts.files[1].text.encode(errors="surrogateescape") == b"# \xff\n"
    for bad in (devices[:-4], devices.replace("mac", "mcc", 1)):
        with pytest.raises(ParseError):
            parse({"nic-devices": output(DEVICES, bad), "nic-files": output(FILES, "end\n"), **rest})



def test_what_the_host_answers_of_its_networking() -> None:
    files = file_line("/etc/systemd/network/20.network", BY_NAME)
    devices = (
        f"nic ens5\nmac {MAC}\nat /sys/devices/x\nlink /x\nchosen ens5\naltname enp0s5\naltname enxaa0000770021\n"
        "next PATH enp0s5\nnext SLOT ens5\nend\n"
    )
    unread = "unread L2V0Yy9uZXR3b3JrL2ludGVyZmFjZXM6IHNvdXJjZSAkWA==\nend\n"
    found = facts_of({
        nic_facts.DEVICES: devices, nic_facts.FILES: unread, nic_facts.NETWORKING: f"{NETWORKING}{files}end\n",
    }).get(nic_facts.SOURCE)  # fmt: skip
    assert found.unread == ("/etc/network/interfaces: source $X",)
    assert (found.nics[0].chosen, found.nics[0].next_name) == ("ens5", "ens5")
    assert found.nics[0].altnames == ("enp0s5", "enxaa0000770021")
    assert replace(found.networking, files=()) == HOST
    assert found.networking.files == (ConfigFile("/etc/systemd/network/20.network", BY_NAME),)


def in_shell(script: str, **environment: str) -> str:
    env = environment or None
    return subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env=env).stdout


INFO = f"DEVPATH=/devices/pci0000:00/0000:00:05.0/virtio2/net/ens5\nID_NET_LINK_FILE={DEFAULT_LINK}\nID_NET_NAME=ens5\n"
BY_PATH = "ID_NET_NAMING_SCHEME=v252\nID_NET_NAME_MAC=enxaa0000770021\nID_NET_NAME_PATH=enp0s5\n"
BY_SLOT = BY_PATH.replace("252", "257") + "ID_NET_NAME_SLOT=ens5\n"


# What udevadm 247, 252 and 257 printed of a virtio card and of one without such names, with exit code 0. It was 1, with
# nothing on standard output, for a card that is not there and where udevadm could not run.
@pytest.mark.parametrize(
    ("info", "net_id", "cmdline", "found"),
    [
        (INFO, BY_SLOT, "quiet", card()),
        (INFO, BY_PATH, "quiet", replace(card(), next_name="enp0s5")),
        (INFO, "ID_NET_NAMING_SCHEME=v247\n", "quiet", replace(card(), next_name="")),
        (INFO, BY_SLOT, "net.ifnames=0 quiet", replace(card(), next_name="")),
        (INFO, None, "quiet", replace(card(), next_name=None)),
        (None, None, "quiet", GuestNic("ens5", MAC, 5, None)),
    ],
)
def test_what_udev_does_not_answer_is_not_known(
    tmp_path: Path, info: str | None, net_id: str | None, cmdline: str, found: GuestNic
) -> None:
    device = tmp_path / "devices/pci0000:00/0000:00:05.0/virtio2"
    seen = tmp_path / "net/ens5"
    for folder in (device, seen, tmp_path / "bin"):
        folder.mkdir(parents=True)
    (seen / "address").write_text(f"{MAC}\n")
    (seen / "device").symlink_to(device)
    (tmp_path / "cmdline").write_text(f"BOOT_IMAGE=/vmlinuz {cmdline}\n")
    if info is not None:
        for name, text in (("info", info), ("net_id", net_id or "")):
            (tmp_path / name).write_text(text)
        says = f"[ $1 = info ] && cat {tmp_path}/info || cat {tmp_path}/net_id"
        (tmp_path / "bin/udevadm").write_text(f"#!/bin/sh\n{says}\nexit {int(net_id is None)}\n")
        (tmp_path / "bin/udevadm").chmod(0o755)
    script = DEVICES.script.replace("/sys/class/net", f"{tmp_path}/net").replace("/proc/cmdline", f"{tmp_path}/cmdline")
    said = in_shell(script, PATH=f"{tmp_path}/bin:/usr/bin:/bin").replace(str(tmp_path), "/sys")
    assert nic_facts._nics(said.removesuffix("end\n")) == (found,)


# What ifquery of ifupdown 0.8.41 read of each, tried side by side with this reader.
@pytest.mark.parametrize(
    ("line", "read", "unread"),
    [
        ("source @/interfaces.d/*", ["ens5", "x.cfg"], False),
        ("source interfaces.d/ens5", ["ens5"], False),
        ("source-directory interfaces.d", ["ens5"], False),
        ("source-dir @/interfaces.d", ["ens5"], False),
        ("source-dir @/interfaces.*", ["ens5"], False),
        ("source \\\n @/interfaces.d/ens5", ["ens5"], False),
        ("sour\\\nce @/interfaces.d/ens5", ["ens5"], False),
        ("# a comment \\\nsource @/interfaces.d/ens5", ["ens5"], False),
        ("\tsource\t@/interfaces.d/ens5 @/interfaces.d/x.cfg", ["ens5", "x.cfg"], False),
        ("source @/interfaces.d/ens5 # why", ["ens5"], False),
        ("source @/nothing/*", [], False),
        ("source $HOME/interfaces", [], True),
        ("source @/interfaces.d/{ens5,ens6}", [], True),
        ("source nothing interfaces.d/*", [], True),
    ],
)
def test_files_are_included_as_ifupdown_includes_them(tmp_path: Path, line: str, read: list[str], unread: bool) -> None:
    included = tmp_path / "interfaces.d"
    included.mkdir()
    for name in ("ens5", "x.cfg"):
        (included / name).write_text(f"auto {name}\n")
    (tmp_path / "interfaces").write_text(line.replace("@", str(tmp_path)) + "\n")
    script = nic_facts.FILES.script.replace("/etc/network/interfaces", str(tmp_path / "interfaces"))
    found = facts_of({
        nic_facts.DEVICES: "end\n", nic_facts.FILES: in_shell(script), nic_facts.NETWORKING: f"{NETWORKING}end\n",
    }).get(nic_facts.SOURCE)  # fmt: skip
    assert [Path(file.path).name for file in found.files] == ["interfaces", *read]
    assert bool(found.unread) is unread
