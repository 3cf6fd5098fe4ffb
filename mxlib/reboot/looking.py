"""The target, as somebody is given it who changes it without the run's record: each change is answered with a look."""

import dataclasses

from mxlib.base import ids
from mxlib.facts.section import build_script, split_output
from mxlib.facts.source import Facts, sections_of
from mxlib.mta import standing
from mxlib.protocols.host import CommandResult
from mxlib.reboot.world import LOOK_S, RebootWorld


class LookingHost:
    """The target of a run. Where it stands is read in the same round trip as any script that changes it.

    So what takes longer than a look is good for, such as test mails, needs no round trip of its own behind it.
    """

    def __init__(self, world: RebootWorld) -> None:
        self._world = world

    @property
    def name(self) -> str:
        """Fully qualified name."""
        return self._world.target.name

    def read(self, script: str, *, timeout: float) -> CommandResult:
        """Run a read-only script."""
        return self._world.target.read(script, timeout=timeout)

    def act(self, script: str, *, timeout: float, ok_codes: tuple[int, ...] = (0,)) -> CommandResult:
        """Run a script that changes the host; its output and exit code are its own."""
        mark, sections = ids.mark(), sections_of([standing.source(self._world.mta)])
        look = build_script(sections, mark)
        whole = f"{script}\nacted=$?\nprintf '\\n%s looks\\n' {mark}\n{look}exit $acted\n"
        self._world.looked(None)
        result = self._world.target.act(whole, timeout=timeout + LOOK_S, ok_codes=ok_codes)
        said, found, looked = result.output.partition(f"\n{mark} looks\n")
        if found:
            outputs = split_output(dataclasses.replace(result, output=looked), sections, mark)
            self._world.keep_look(Facts(self.name, result.started, outputs))
        return dataclasses.replace(result, command=script, output=said)
