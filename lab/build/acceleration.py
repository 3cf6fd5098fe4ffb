"""Hardware virtualisation: used where it is proven by a boot.

A device node proves nothing: there are machines whose /dev/kvm opens and accepts a guest, which then never gets past
its boot loader. So the lab's own image is booted once, and the answer kept for this kernel and processor.
"""

import json
import platform
import re
from pathlib import Path

from lab.shell import LabError, wait_for
from lab.stations.box import Box

# A real boot with hardware virtualisation shows its kernel's first line about 3 s after power on.
SECONDS_TO_KERNEL = 12


def proven(node: Box, image: str, cache: Path) -> bool:
    """Whether a guest boots with hardware virtualisation here.

    Arguments:
        node: the Ganeti node, started.
        image: path of a bootable disk image inside it; it is not written to.
        cache: where the answer is kept.
    """
    if not Path("/dev/kvm").exists():
        return False
    key = f"{platform.release()} {_processor()}"
    answers = cache / "acceleration.json"
    known: dict[str, bool] = json.loads(answers.read_text()) if answers.exists() else {}
    if key not in known:
        known[key] = _boots(node, image)
        answers.write_text(json.dumps(known, indent=1))
    return known[key]


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else "unknown processor"


def _boots(node: Box, image: str) -> bool:
    words = [
        "/usr/bin/qemu-system-x86_64",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "512",
        "-nodefaults",
        "-display",
        "none",
    ]
    words += ["-snapshot", "-drive", f"file={image},format=raw,if=virtio", "-serial", "file:/run/lab/accel.serial"]
    node.sh("rm -f /run/lab/accel.serial")
    node.serve("accel", words)
    try:
        wait_for("a kernel line", lambda: _seen(node), deadline=SECONDS_TO_KERNEL, every=0.5)
    except LabError:
        return False
    else:
        return True
    finally:
        node.stop_serving("accel")


def _seen(node: Box) -> bool:
    return node.run(["grep", "-q", "Linux version", "/run/lab/accel.serial"], check=False).returncode == 0
