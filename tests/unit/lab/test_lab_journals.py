"""What the lab reads in the journals of the runs on its management hosts."""

import json
from types import SimpleNamespace
from typing import cast

import pytest

from lab import journals
from lab.lifecycle import Stations
from lab.place import exchanger

MX = exchanger("mx2001")


@pytest.mark.parametrize(
    ("step", "event", "kind", "expected"),
    [
        ("reboot", "done", "", ["reboot"]),
        ("reboot", "failed", "HostUnreachableError", ["reboot"]),
        ("reboot", "failed", "FenceError", []),
        ("drain", "failed", "HostUnreachableError", []),
        ("reboot", "begin", "", []),
    ],
)
def test_a_reboot_that_took_its_answer_along_was_done(tmp_path, step, event, kind, expected):
    folder = tmp_path / "log.upper" / journals.FOLDER
    folder.mkdir(parents=True)
    line = {"event": event, "at": "2026-11-28T18:03:01+00:00", "step": step, "kind": kind}
    (folder / f"{MX.fqdn}.run.jsonl").write_text(json.dumps(line) + "\n")
    place = cast(Stations, SimpleNamespace(management=(SimpleNamespace(folder=tmp_path),)))
    assert journals.taken(place, MX) == expected
