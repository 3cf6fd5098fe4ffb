"""An error's message says all: a traceback of what led to it would push the line an operator needs off the screen."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def chained(source: str) -> list[int]:
    """Lines that raise an error with, or during, another one, and do not leave the other one out."""
    found = []
    for handler in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler)):
        for node in ast.walk(handler):
            made_here = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
            if made_here and (node.cause is None or isinstance(node.cause, ast.Name)):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "mxlib").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_an_error_leaves_its_cause_out(path: Path) -> None:
    assert chained(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("raised", "lines"),
    [
        ("raise B(str(e)) from e", [4]),
        ("raise B(str(e))", [4]),
        ("raise B(str(e)) from None", []),
        ("raise", []),
        ("raise B(str(e)) from (None if known else e)", []),
    ],
)
def test_a_cause_is_found(raised: str, lines: list[int]) -> None:
    assert chained(f"try:\n    ask()\nexcept A as e:\n    {raised}\n") == lines
