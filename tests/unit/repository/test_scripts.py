"""Scripts in our sources: what Python makes of a backslash is seen by nobody until a host answers something else."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def slips(source: str) -> list[int]:
    r"""Lines of texts with a control character that nobody writes on purpose, such as ``\1`` meant for sed."""
    texts = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    # keys that are sent to a console are meant, and short
    long = [node for node in texts if isinstance(node.value, str) and len(node.value) > 8]
    return [node.lineno for node in long if any("\0" < one < "\t" for one in node.value)]


@pytest.mark.parametrize("path", sorted((ROOT / "mxlib").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_backslash_was_lost(path: Path) -> None:
    assert slips(path.read_text(encoding="utf-8")) == []


def test_a_lost_one_is_found() -> None:
    assert slips("a = r's/word/\\1/'\nb = 's/word/\\1/'\n") == [2]
