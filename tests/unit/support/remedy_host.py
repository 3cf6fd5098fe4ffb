"""What several tests of remedies stand on: a site, and a folder that plays the host."""

import ipaddress
import os
import subprocess
from dataclasses import replace
from pathlib import Path

from mxlib.config.load import parse
from mxlib.facts import hole
from mxlib.model.on_host import DIRECTORY as STATE
from tests.unit.support.healthy import POLICY
from tests.unit.support.site import TEN_LINES

SITE = replace(parse(TEN_LINES, "test"), verify=POLICY)
TOOLS = ("systemctl", "systemd-run", "journalctl", "logger", "nft", "ip6tables-legacy", "ip6tables-legacy-save")
PEER = ipaddress.ip_network("2001:db8:51::10")


def sh(script: str, tmp_path: Path, **tools: str) -> "subprocess.CompletedProcess[str]":
    """Run a script for a host in a folder, with stand-ins for the tools that would change a machine."""
    script = script.replace(STATE, str(tmp_path / "state")).replace(hole.DIRECTORY, str(tmp_path / "holes"))
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    note = f'echo "${{0##*/}} $*" >>{tmp_path}/called\n'
    for name in TOOLS:
        body = tools.get(name.replace("-", "_"), "exit 0")
        (programs / name).write_text(f"#!/bin/sh\n{note}{body}\n")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    # a signal that is ignored from the start, as under nohup(1), no shell can trap
    argv = ["env", "--default-signal=HUP", "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)


def called(tmp_path: Path) -> list[str]:
    """The tools that a script has called, each with its arguments, in order."""
    path = tmp_path / "called"
    return path.read_text().splitlines() if path.exists() else []
