"""The example of a new check in the documentation works as it stands there."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mxlib.base.verdict import Status
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.section import Section
from mxlib.facts.source import Facts, read_facts
from tests.unit.support.facts import NOW, ShellHost, output

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "verify-mx.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"`mxlib/((?:checks|facts)/\w+)\.py`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def example(monkeypatch):
    """The modules of the example, as if they lay in their places."""
    for path in ("facts/memory", "checks/swap"):
        name = f"mxlib.{path.replace('/', '.')}"
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, leaf = name.rpartition(".")
        monkeypatch.setattr(sys.modules[parent], leaf, module, raising=False)
        exec(compile(BLOCKS[path], f"docs/verify-mx.md: {path}", "exec"), module.__dict__)
    return sys.modules["mxlib.checks.swap"].CHECK


def judged(check, text):
    (source,) = check.sources(VerifyPolicy())
    (section,) = source.sections
    assert isinstance(section, Section)
    return check.verdict(Facts("mx.lab.test", NOW, {section.name: output(section, text)}), VerifyPolicy()).status


def test_it_judges(example):
    assert judged(example, "SwapTotal:     2000000 kB\nSwapFree:      1999999 kB\n") is Status.OK
    assert judged(example, "SwapTotal:     2000000 kB\nSwapFree:            0 kB\n") is Status.FAILED
    assert judged(example, "MemTotal:      2000000 kB\n") is Status.UNKNOWN


def test_it_reads_a_real_machine(example):
    facts = read_facts(ShellHost(), example.sources(VerifyPolicy()))
    assert example.verdict(facts, VerifyPolicy()).status is not Status.UNKNOWN
