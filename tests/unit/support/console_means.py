"""A cluster whose consoles are played by a program on this machine, and the check that no password got out."""

import sys

from mxlib.adapters.console_repair import Means
from mxlib.base.errors import HostError
from mxlib.nic.instance import Instance
from tests.unit.support import consoles
from tests.unit.support.rapi import MAC, NAME

RUNNING = Instance(NAME, "ganeti01.lab.test", "running", (MAC,), 1, {})


class FakeCluster:
    """Its console is the simulated one, with these options."""

    def __init__(self, *options: str, holders: tuple[str, ...] | HostError = ()) -> None:
        self._options = options
        self._holders = holders

    def console_argv(self, name: str, ssh_options: tuple[str, ...]) -> tuple[str, ...]:
        return (sys.executable, str(consoles.FAKE), *self._options)

    def console_holders(self, name: str, node: str | None) -> tuple[str, ...]:
        if isinstance(self._holders, HostError):
            raise self._holders
        return self._holders

    def known_as(self, name: str) -> str:
        return name.partition(".")[0]


def nowhere(means: Means, text: str) -> None:
    """The password is in no transcript and no text."""
    assert consoles.PASSWORD.reveal() not in text
    for path in means.transcripts.glob("*"):
        assert consoles.PASSWORD.reveal() not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0
