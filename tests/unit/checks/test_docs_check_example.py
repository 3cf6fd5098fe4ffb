"""Who adds a check as the documentation says has a repository that passes its own tests."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "adding-a-check.md").read_text(encoding="utf-8")
MODULES = dict(re.findall(r"`((?:mxlib|tests/unit)/\w+/\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL))
PROGRAMS = [one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if one not in MODULES.values()]
DIFFS = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)
# A test that reads docs of this repository, or starts a copy of it, would only take time here.
CONCERNED = (
    "tests/unit/checks/test_registry.py",
    "tests/unit/checks/test_swap.py",
    "tests/unit/facts/test_memory.py",
    "tests/unit/facts/test_unknown_forms.py",
    "tests/unit/repository",
)
LEFT_OUT = ("test_neighbour.py", "test_cookbooks_convention.py", "test_locked.py")


def apply(repository, diff):
    """Apply a diff whose hunks have no line numbers: each stands where its context is found, once."""
    name, *hunks = re.split(r"^@@\n", diff, flags=re.MULTILINE)
    path = repository / re.search(r"^\+\+\+ b/(\S+)$", name, re.MULTILINE)[1]
    text = path.read_text(encoding="utf-8")
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        assert text.count(before) == 1, before
        text = text.replace(before, "".join(line[1:] for line in lines if not line.startswith("-")))
    path.write_text(text, encoding="utf-8")


def run(repository, *words):
    done = subprocess.run([sys.executable, *words], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.once
def test_the_example_as_pasted_passes_lint_types_and_tests(tmp_path):
    assert (len(MODULES), len(PROGRAMS), len(DIFFS)) == (4, 1, 3)
    pytest.importorskip("mypy", reason="lint and types are asked beside the newest libraries only")
    repository = tmp_path / "repository"
    leave = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, repository, ignore=leave)
    for name, text in MODULES.items():
        (repository / name).write_text(text, encoding="utf-8")
    for diff in DIFFS:
        apply(repository, diff)
    run(repository, "-c", PROGRAMS[0])
    run(repository, "-m", "ruff", "check", "--no-cache", *MODULES, "mxlib/checks/registry.py")
    run(repository, "-m", "mypy", "--cache-dir", str(tmp_path / "mypy"), "mxlib/checks/registry.py")
    ignored = [f"--ignore=tests/unit/repository/{name}" for name in LEFT_OUT]
    said = run(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ignored, *CONCERNED)
    assert "test_registry.py::" not in said
    judged = run(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "swap", "--co", CONCERNED[0])
    assert "[swap]" in judged
