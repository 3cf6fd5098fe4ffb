"""What GRUB's environment held before a run is written back as it was, whatever form it has."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.reboot.steps import entries
from tests.unit.support.fakes import FakeClock
from tests.unit.support.records import RECORD

# grub-editenv FILE set NAME=VALUE | unset NAME | list, on a file of lines
EDITENV = """\
#!/bin/sh
case $2 in
list) cat "$BLOCK" ;;
set) grep -v "^${3%%=*}=" "$BLOCK" >"$BLOCK.new"; printf '%s\\n' "$3" >>"$BLOCK.new"; mv "$BLOCK.new" "$BLOCK" ;;
unset) grep -v "^$3=" "$BLOCK" >"$BLOCK.new"; mv "$BLOCK.new" "$BLOCK" ;;
esac
"""


class Machine:
    """A machine with an environment block of GRUB."""

    def __init__(self, folder: Path) -> None:
        self.block, self.folder = folder / "block", folder
        self.block.write_text("saved_entry=other\nnext_entry=once\n", encoding="utf-8")
        (folder / "grub-editenv").write_text(EDITENV, encoding="utf-8")
        (folder / "grub-editenv").chmod(0o755)

    def act(self, script: str, timeout: float) -> Any:
        del timeout
        environment = {"PATH": f"{self.folder}:{os.environ['PATH']}", "BLOCK": str(self.block)}
        text = script.replace(entries._ENVIRONMENT, str(self.block))
        argv = ["sh", "-euc", text]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True, env=environment)
        return SimpleNamespace(output=done.stdout)


@pytest.mark.parametrize(
    "before",
    [
        "Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-43-amd64",
        "Erweiterte Optionen für Debian GNU/Linux>Debian GNU/Linux, mit Linux 6.1.0-43-amd64",
        "1>2",
        "0",
        'it\'s $(touch /tmp/x) `y` "quoted"',
        "gnulinux-advanced-/dev/mapper/vg-root>gnulinux-6.1.0-43-amd64-advanced-/dev/mapper/vg-root",
    ],
)
def test_any_name_is_written_back(tmp_path: Path, before: str) -> None:
    machine: Any = Machine(tmp_path)
    entries.set_entries(machine, before, "")
    assert machine.block.read_text(encoding="utf-8") == f"saved_entry={before}\n"


def test_a_name_that_would_be_two_lines_is_refused(tmp_path: Path) -> None:
    machine: Any = Machine(tmp_path)
    with pytest.raises(StepError, match="not the name of a boot entry"):
        entries.set_entries(machine, "0\nnext_entry=1", "")
    assert "saved_entry=other" in machine.block.read_text(encoding="utf-8")


def test_a_kept_kernel_is_noted_with_the_build_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts: list[str] = []
    world: Any = SimpleNamespace(
        target=SimpleNamespace(name="mx2001"),
        clock=FakeClock(),
    )
    noted = lambda _world, _saved, _next, first, timeout: scripts.append(first) or ""  # noqa: E731
    monkeypatch.setattr(entries, "set_entries", noted)
    host = SimpleNamespace(kernel=RECORD.target.release, build="6.1.192-2")
    entries.keep(world, SimpleNamespace(record=RECORD, host=host))  # type: ignore[arg-type]
    (noted,) = [line for line in scripts[-1].splitlines() if '"release"' in line]
    assert f'"release": "{RECORD.target.release}"' in noted
    assert '"version": "6.1.192-2"' in noted
