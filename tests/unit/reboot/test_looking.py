"""A host whose every change is answered with where it stands."""

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.mta.find import find
from mxlib.protocols.host import CommandResult
from mxlib.reboot.looking import LookingHost
from tests.unit.support.facts import ShellHost


class Shell(ShellHost):
    """This machine, which also acts."""

    def __init__(self) -> None:
        self.given: list[tuple[float, tuple[int, ...]]] = []

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        self.given.append((timeout, ok_codes))
        return self.read(script, timeout=timeout)


class World(SimpleNamespace):
    """What a run keeps of its looks, in order."""

    def __init__(self) -> None:
        super().__init__(target=Shell(), mta=find("exim"), looks=[])

    def looked(self, found: Any) -> None:
        self.looks.append(found)

    def keep_look(self, facts: Any) -> None:
        self.looks.append(facts)


@pytest.mark.parametrize(("script", "code"), [("echo out", 0), ("echo out\n(exit 3)", 3)])
def test_a_script_that_acts_is_answered_as_ever_and_with_a_look(script: str, code: int) -> None:
    world: Any = World()
    result = LookingHost(world).act(script, timeout=30, ok_codes=(0, 3))
    assert (result.exit_code, result.output, result.command) == (code, "out\n", script)
    before, facts = world.looks
    assert before is None, "what was seen before it says nothing any more"
    assert facts.host == "localhost.lab.test"
    assert (facts.outputs["standing"].problem, facts.outputs["depool"].problem) == ("", "")
    boot = subprocess.run(["cat", "/proc/sys/kernel/random/boot_id"], capture_output=True, check=True, text=True)
    assert facts.outputs["standing"].output.startswith(f"boot {boot.stdout}")
    assert world.target.given == [(80, (0, 3))], "the look has its own time"


def test_a_script_that_ends_by_itself_leaves_the_run_without_a_look() -> None:
    world: Any = World()
    result = LookingHost(world).act("echo out\nexit 0", timeout=30)
    assert (result.output, world.looks) == ("out\n", [None])


def test_what_only_reads_is_left_as_it_is() -> None:
    world: Any = World()
    host = LookingHost(world)
    assert (host.read("echo read", timeout=5).output, world.looks) == ("read\n", [])
    assert host.name == world.target.name
