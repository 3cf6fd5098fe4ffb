"""A guest whose files are real and in a folder of their own, and whose tools do nothing."""

import base64
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from mxlib.base.errors import CommandFailedError
from mxlib.protocols.host import CommandResult
from tests.unit.support.nics import DEFAULT_LINK

TEXT = "auto lo\niface lo inet loopback\n\nallow-hotplug ens5\niface ens5 inet static\n\taddress 192.0.2.21/24\n"


class FakeGuest:
    """Runs the file parts of a script in a real shell over a made-up root; everything else is answered from a table."""

    def __init__(
        self,
        root: Path,
        nics: dict[str, str],
        answers: dict[str, tuple[int, str]] | None = None,
        *,
        enabled: str = "networking",
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.without = without
        self.root = root
        self.enabled = enabled
        self.answers = answers or {}
        self.acts: list[str] = []
        self.reads: list[str] = []
        for directory in (
            "etc/network/interfaces.d",
            "etc/systemd/network",
            "etc/sysctl.d",
            "var/lib/mx-cookbooks/nic",
            "sys/class/net",
            "run/network",
        ):
            (root / directory).mkdir(parents=True)
        (root / "etc/network/interfaces").write_text(TEXT)
        for slot, (name, mac) in enumerate(nics.items(), 13):
            device = root / f"sys/devices/pci0000:00/0000:00:{slot:02x}.0/virtio2"
            device.mkdir(parents=True)
            card = root / "sys/class/net" / name
            card.mkdir()
            (card / "address").write_text(mac + "\n")
            (card / "device").symlink_to(device)

    name = "mx2001.lab.test"

    def read(self, script: str, *, timeout: float) -> CommandResult:
        self.reads.append(script)
        return self._run(script)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        self.acts.append(script)
        result = self._run(script)
        if result.exit_code not in ok_codes:
            raise CommandFailedError(f"exit code {result.exit_code}: {result.output}")
        return result

    def _run(self, script: str) -> CommandResult:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        for part, (code, output) in self.answers.items():
            if part in script:
                return CommandResult(script, code, output, now, 0.0)
        # What the scripts were told about a file is its real place, which is under the root already.
        places = "etc|var/lib|sys/class|run/network|run/systemd|usr/local/lib|lib/systemd|lib/netplan"
        tops = rf"(?<!{re.escape(str(self.root))})(?<!\w)(?=/(?:{places})\b)"
        here = re.sub(tops, str(self.root), script)
        fakes = self.root / "bin"
        fakes.mkdir(exist_ok=True)
        says = {
            "udevadm": f'[ "$1" != info ] || echo ID_NET_LINK_FILE={DEFAULT_LINK}',
            "systemctl": f'[ "$1" = is-enabled ] || exit 0\n[ "$2" = {self.enabled}.service ] && echo enabled',
            "systemd-detect-virt": "echo kvm",
            "ip": """[ "$1 $2" != "-j addr" ] || echo '[{"ifname": "lo", "flags": ["LOOPBACK"]}]'""",
        }
        silent = "ifup ifdown ifquery networkctl update-initramfs lsinitramfs ss nft sync chown"
        for tool in {*says, *silent.split()} - self.without:
            (fakes / tool).write_text(f"#!/bin/sh\n{says.get(tool, '')}\nexit 0\n")
            (fakes / tool).chmod(0o755)
        # The sections set a PATH of their own.
        here = here.replace("PATH=/usr/local/sbin", f"PATH={fakes}:/usr/local/sbin")
        environment = {"PATH": f"{fakes}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["/bin/sh", "-c", here], capture_output=True, text=True, env=environment, check=False)
        output = (done.stdout + done.stderr).replace(str(self.root), "")
        output = re.sub(r"(?<=^file )\S+", self._without_root, output, flags=re.MULTILINE)
        return CommandResult(script, done.returncode, output, now, 0.0)

    def _without_root(self, packed: "re.Match[str]") -> str:
        path = base64.b64decode(packed[0]).decode().removeprefix(str(self.root))
        return base64.b64encode(path.encode()).decode()

    def file(self, path: str = "/etc/network/interfaces") -> str:
        return Path(f"{self.root}{path}").read_text()
