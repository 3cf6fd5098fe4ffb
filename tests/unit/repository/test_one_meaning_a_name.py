"""A class name means one thing: no two modules of library or lab define the same one, and none goes under an alias."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[3]
TOPS = ("mxlib", "lab")


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Each module, by its path."""
    for path in sorted(path for top in TOPS for path in (root / top).rglob("*.py")):
        yield str(path.relative_to(root)), ast.parse(path.read_text(encoding="utf-8"))


def twice(root: Path) -> dict[str, list[str]]:
    """The public class names that more than one module defines, and where."""
    places: dict[str, list[str]] = {}
    for path, tree in modules(root):
        for name in sorted({node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}):
            places.setdefault(name, []).append(path)
    return {name: found for name, found in places.items() if len(found) > 1 and not name.startswith("_")}


def aliased(root: Path) -> list[str]:
    """Imports that give a class, which begins with a capital, another name."""
    return [
        f"{path}: {name.name} as {name.asname}"
        for path, tree in modules(root)
        for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in TOPS
        for name in node.names if name.asname and name.name[0].isupper() and not name.name.isupper()
    ]  # fmt: skip


def test_no_class_name_is_defined_twice() -> None:
    assert twice(ROOT) == {}


def test_no_class_goes_under_another_name() -> None:
    assert aliased(ROOT) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class Order: ...", ["lab/y.py", "mxlib/deep/x.py"]),
        ("def order():\n    class Order: ...", ["lab/y.py", "mxlib/deep/x.py"]),
        ("class _Order: ...", []),
        ("class Orders: ...", []),
    ],
)
def test_a_name_that_is_defined_twice_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    for path, source in (("mxlib/deep/x.py", "class Order: ...\nclass _Order: ..."), ("lab/y.py", text)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(source, encoding="utf-8")
    assert twice(tmp_path) == ({"Order": found} if found else {})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from mxlib.x import Order as Wish", ["lab/y.py: Order as Wish"]),
        ("from mxlib.x import Order", []),
        ("from mxlib.x import load as load_orders", []),
        ("from mxlib.x import HOLD as HOLD_FILE", []),
        ("from pyte import Screen as Pyte", []),
    ],
)
def test_a_class_under_another_name_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "y.py").write_text(text, encoding="utf-8")
    assert aliased(tmp_path) == found
