"""Exim's main log for tests: lines, and an Exim that knows its settings and nothing else."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from mxlib.facts.source import read_facts
from mxlib.mta import growth
from mxlib.mta.event import LogGrowth
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.adapter import ADAPTER
from mxlib.protocols.host import Host

ID = "1xUaVg-00006e-2b"


def lines(*rests: str) -> str:
    """Lines about one message."""
    return "".join(f"2026-11-21 02:08:30 {ID} {rest}\n" for rest in rests)


def read_mark(host: Host) -> str:
    return read_facts(host, (ADAPTER.mark,)).get(ADAPTER.mark)


def read_growth(host: Host, mark: str) -> LogGrowth:
    return growth.read_growth(ADAPTER, host, mark)


def exim_says(directory: Path, **settings: str | bool) -> Callable[[str], str]:
    """Return what makes a script ask an exim4 in a directory, which answers with these settings as Exim does."""
    binary = directory / "exim4"
    said = "".join(
        f"{key}) echo '{('' if value else 'no_') + key if isinstance(value, bool) else f'{key} = {value}'}' ;;\n"
        for key, value in settings.items()
    )
    binary.write_text(f"#!/bin/sh\nshift\nfor asked; do case $asked in\n{said}esac; done\n")
    binary.chmod(0o755)
    return lambda script: script.replace(exim.BINARY, str(binary))


def ask(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
