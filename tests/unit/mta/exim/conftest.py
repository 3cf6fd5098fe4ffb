"""A main log in a folder of the test's own, and a host that has it where Exim's is."""

from pathlib import Path

import pytest

from mxlib.mta.exim import names as exim
from mxlib.protocols.host import CommandResult
from tests.unit.support.facts import ShellHost


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "mainlog"


@pytest.fixture
def host(log: Path) -> ShellHost:
    class Local(ShellHost):
        def read(self, script: str, *, timeout: float) -> CommandResult:
            return super().read(script.replace(exim.MAINLOG, str(log)), timeout=timeout)

    return Local()
