"""No module is longer than one can keep in mind."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LINES = 320


def longer(root: Path) -> set[str]:
    """The modules of library and lab with more lines than the bound."""
    paths = (path for top in ("mxlib", "lab", "cookbooks") for path in (root / top).rglob("*.py"))
    return {str(path.relative_to(root)) for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > LINES}


def test_no_module_is_longer_than_the_bound() -> None:
    assert longer(ROOT) == set()


@pytest.mark.parametrize(("lines", "found"), [(LINES, set()), (LINES + 1, {"lab/deep/x.py"})])
def test_a_module_over_the_bound_is_found(tmp_path: Path, lines: int, found: set[str]) -> None:
    (tmp_path / "lab" / "deep").mkdir(parents=True)
    (tmp_path / "lab" / "deep" / "x.py").write_text("pass\n" * lines, encoding="utf-8")
    assert longer(tmp_path) == found
