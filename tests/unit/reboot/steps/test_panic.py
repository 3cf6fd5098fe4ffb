"""The run's own file for GRUB, in a real shell over a made-up root."""

import subprocess
from pathlib import Path

import pytest

from mxlib.model.on_host import PUT
from mxlib.reboot.steps import panic

MENU = "menuentry 'Debian' {\n\tlinux /boot/vmlinuz-6.1.0-56 root=UUID=x ro console=ttyS0\n}\n"
UPDATE = """#!/bin/sh
# What update-grub does with the files it reads, cut down to the one parameter.
[ ! -e {root}/fails ] || exit 1
echo ran >>{root}/updates
GRUB_CMDLINE_LINUX=console=ttyS0
for file in {root}/etc/default/grub.d/*.cfg; do [ ! -e "$file" ] || . "$file"; done
printf 'menuentry x {{\\n\\tlinux /boot/vmlinuz ro %s\\n}}\\n' "$GRUB_CMDLINE_LINUX" >{root}/boot/grub/grub.cfg
"""


class Host:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "boot/grub").mkdir(parents=True)
        (root / "bin").mkdir()
        self.menu.write_text(MENU)
        (root / "bin/update-grub").write_text(UPDATE.replace("{root}", str(root)).replace("{{", "{").replace("}}", "}"))
        (root / "bin/update-grub").chmod(0o755)

    @property
    def menu(self) -> Path:
        return self.root / "boot/grub/grub.cfg"

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("etc/default/grub.d/*"))

    @property
    def updates(self) -> int:
        return len((self.root / "updates").read_text().split()) if (self.root / "updates").exists() else 0

    def run(self, script: str) -> int:
        here = script.replace("/etc/default", f"{self.root}/etc/default").replace(
            "/boot/grub", f"{self.root}/boot/grub"
        )
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin"}
        return subprocess.run(["/bin/sh", "-euc", f"{PUT}{here}"], env=environment, check=False).returncode


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_armed_and_disarmed_the_menu_is_as_it_was(host: Host) -> None:
    assert host.run(panic.arm_script(20)) == 0
    assert "panic=20" in host.menu.read_text()
    assert host.run(panic.arm_script(20)) == 0
    assert host.updates == 1
    assert host.run(panic.disarm_script()) == 0
    assert "panic" not in host.menu.read_text()
    assert host.files == []
    assert host.run(panic.disarm_script()) == 0
    assert host.updates == 2


def test_a_site_that_says_it_itself_is_left_alone(host: Host) -> None:
    host.menu.write_text(MENU.replace("console=ttyS0", "console=ttyS0 panic=60"))
    assert host.run(panic.arm_script(20)) == 0
    assert (host.updates, host.files) == (0, [])


def test_a_menu_that_does_not_take_it_is_an_error(host: Host) -> None:
    (host.root / "fails").touch()
    assert host.run(panic.arm_script(20)) != 0


def test_disarming_that_was_cut_short_is_finished(host: Host) -> None:
    host.run(panic.arm_script(20))
    (host.root / "fails").touch()
    assert host.run(panic.disarm_script()) != 0
    assert host.files == ["zz-mx-cookbooks-trial.cfg.gone"]
    (host.root / "fails").unlink()
    assert host.run(panic.disarm_script()) == 0
    assert "panic" not in host.menu.read_text()
