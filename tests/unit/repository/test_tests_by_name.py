"""A module's test is found by its name: mxlib/ROOM/x.py is tested by tests/unit/ROOM/test_x.py, which imports it."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[3]


def does_something(tree: ast.AST) -> bool:
    """Whether any function has more in it than its docstring; plain values, constants and protocols have none."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(not is_empty(statement) for function in functions for statement in function.body)


def is_empty(statement: ast.stmt) -> bool:
    """Whether it is a docstring, an ellipsis or a pass."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def names(path: Path) -> set[str]:
    """The dotted names of all that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def untested(root: Path, room: str) -> list[str]:
    """The modules of a room that do something, and have no test of their name that imports them."""
    missing = []
    for path in sorted((root / "mxlib" / room).rglob("*.py")):
        module = path.relative_to(root)
        test = root / "tests/unit" / module.parent.relative_to("mxlib") / f"test_{module.name}"
        if path.name == "__init__.py" or not does_something(ast.parse(path.read_text(encoding="utf-8"))):
            continue
        if not test.exists() or ".".join(module.with_suffix("").parts) not in names(test):
            missing.append(str(module))
    return missing


ROOMS = sorted(path.name for path in (ROOT / "mxlib").iterdir() if (path / "__init__.py").exists())


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_of_a_room_is_tested_under_its_name(room: str) -> None:
    assert untested(ROOT, room) == []


def borrowed(tests: Path) -> list[str]:
    """The test files that import from another one: what several need belongs into support/."""
    return sorted(
        str(path.relative_to(tests))
        for path in tests.rglob("test_*.py")
        if any(re.fullmatch(r"tests\.unit\.(?!support\.)(\w+\.)*test_\w+", name) for name in names(path))
    )


def test_no_test_imports_from_another_one() -> None:
    tests = ROOT / "tests/unit"
    assert borrowed(tests) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from tests.unit.checks.test_y import SAMPLE", ["checks/test_x.py"]),
        ("from tests.unit.checks import test_y", ["checks/test_x.py"]),
        ("from tests.unit.support.samples import test_y", []),
        ("from tests.unit.support import samples", []),
    ],
)
def test_what_is_imported_from_another_test_is_found(tmp_path: Path, line: str, found: list[str]) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks/test_x.py").write_text(line, encoding="utf-8")
    assert borrowed(tmp_path) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("def judge(x):\n    return x\n", True),
        ("class A:\n    async def f(self):\n        await self.g()\n", True),
        ('class A(Protocol):\n    def f(self) -> int:\n        """Return it."""\n        ...\n', False),
        ("@dataclass\nclass A:\n    x: int = 5\nB = A(6)\n", False),
    ],
)
def test_only_what_does_something_needs_a_test(tmp_path: Path, body: str, found: bool) -> None:
    module = tmp_path / "mxlib/checks/deep/x.py"
    module.parent.mkdir(parents=True)
    module.write_text(body, encoding="utf-8")
    assert untested(tmp_path, "checks") == (["mxlib/checks/deep/x.py"] if found else [])


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("from mxlib.checks import x", []),
        ("from mxlib.checks.x import judge", []),
        ("import mxlib.checks.x", []),
        ("from mxlib.checks import y", ["mxlib/checks/x.py"]),
    ],
)
def test_a_test_of_that_name_has_to_import_the_module(tmp_path: Path, line: str, missing: list[str]) -> None:
    for name, body in (("mxlib/checks/x.py", "def judge():\n    return 1\n"), ("tests/unit/checks/test_x.py", line)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(body, encoding="utf-8")
    assert untested(tmp_path, "checks") == missing
