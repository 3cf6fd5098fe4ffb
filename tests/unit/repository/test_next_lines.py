"""What stands behind `next:` is typed as it stands: the shell parses the whole line, and the cookbook its options."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mxlib.commands.answers import after_no_answer
from mxlib.commands.remedy import _following
from mxlib.model.outcome import Outcome
from mxlib.model.state import Slot
from mxlib.reboot.report import next_command as of_a_host
from mxlib.roll.report import HostLine
from mxlib.roll.report import next_command as of_a_roll
from mxlib.roll.state import Stand
from tests.unit.support.records import RECORD
from tests.unit.support.typed import parsed

ROOT = Path(__file__).resolve().parents[3]
MX, KERNEL = "mx2001.lab.test", "6.1.0-56-amd64"
REMARK = re.compile(r"""cookbook sre\.mail[^"\n]*\S +\(""")
"""A remark in brackets behind a command: no shell takes that."""


def lines() -> Iterator[str]:
    for end in Outcome:
        for slot in Slot:
            yield of_a_host(MX, end, RECORD, slot)
        for stand in Stand:
            for outcome in ("", *Outcome.__members__):
                yield of_a_roll(end, KERNEL, [HostLine(MX, stand.value, outcome=outcome)])
    yield after_no_answer([MX])
    for more in ([], ["another"]):
        yield _following([f"cookbook sre.mail.remedy-mx {MX} restart-unit exim4.service", *more], by_hand=False)[6:]
    rules = yaml.safe_load((ROOT / "alerts" / "mx.yaml").read_text(encoding="utf-8"))
    labels = {"instance": MX, "kernel": KERNEL, "check": "disk", "generator": "vrts"}
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        yield re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], rule["annotations"]["next"])


@pytest.mark.parametrize("line", sorted(set(lines()) - {""}))
def test_a_next_line_is_typed_as_it_stands(line: str) -> None:
    shell = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
    assert (shell.returncode, shell.stderr) == (0, "")
    words = shlex.split(line, comments=True)
    if words[0] == "cookbook":
        assert parsed(words[1], words[2:])


def test_no_remark_stands_in_brackets_behind_a_command() -> None:
    sources = (path for top in ("mxlib", "cookbooks") for path in (ROOT / top).rglob("*.py"))
    assert {str(path) for path in sources if REMARK.search(path.read_text(encoding="utf-8"))} == set()
    assert REMARK.search('f"cookbook sre.mail.pool-mx {host}    (once it is gone)"')
