"""Imports run one way, folder by folder; only the folders at the two ends touch the world."""

import ast
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# From the ground up: a folder imports from those before it, and from itself.
FOLDERS = (
    "base", "model", "config", "protocols", "facts", "mta", "checks", "probes", "nic", "aliases", "verify", "remedies",
    "drain", "reboot", "roll", "pages", "adapters", "commands",
)  # fmt: skip
# These may open files, start threads, read the clock and the network. All others are handed what they need.
TOUCHING = {"base", "probes", "adapters", "commands"}
# Libraries from outside belong to the adapters and to what wires them. Three are at home elsewhere.
FOREIGN = {"base": {"dateutil"}, "config": {"yaml"}, "pages": {"jinja2"}}
HARMLESS = frozenset(
    {
        *("__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "dataclasses"),
        *("datetime", "decimal", "difflib", "email", "enum", "fnmatch", "fractions", "functools", "gzip", "hashlib"),
        *("heapq", "importlib", "ipaddress", "itertools", "json", "logging", "math", "operator", "pathlib", "re"),
        *("shlex", "statistics", "string", "textwrap", "types", "typing", "uuid", "zoneinfo"),
    }
)


def modules(root: Path, *tops: str) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in sorted(path for top in tops for path in (root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """Every imported name, type-checking imports too: knowing a type is knowing."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports are not used here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def home(imported: str, known: dict[str, Path]) -> str | None:
    """The module of ours that a name comes from; None for a library."""
    while imported and imported not in known:
        imported = imported.rpartition(".")[0]
    return imported or None


def folder(name: str) -> str:
    """The folder of a module; empty for what lies beside them: mxlib itself and Spicerack's extender."""
    top, *rest = name.split(".")[1:] or [""]
    return top if rest or top in FOLDERS else ""


def breaches(known: dict[str, Path]) -> list[str]:
    """All that the rules forbid."""
    wrong = []
    for name, path in known.items():
        here = folder(name)
        if not here:
            continue
        if here not in FOLDERS:
            wrong.append(f"{name}: in a folder that has no place among FOLDERS")
            continue
        for imported in imports(path):
            ours, library = home(imported, known), imported.partition(".")[0]
            if ours is None:
                wrong += [f"{name}: imports {imported}"] if not may_use(here, library) else []
            elif folder(ours) and FOLDERS.index(folder(ours)) > FOLDERS.index(here):
                wrong.append(f"{name}: imports {ours}, which lies above it")
    return wrong


def may_use(here: str, library: str) -> bool:
    if library not in sys.stdlib_module_names:
        return here in {"adapters", "commands"} or library in FOREIGN.get(here, ())
    return library in HARMLESS or here in TOUCHING


def test_the_rules_hold() -> None:
    assert breaches(modules(ROOT, "mxlib")) == []


def test_imports_run_in_no_circle() -> None:
    known = modules(ROOT, "mxlib", "cookbooks")
    graph = {
        name: {ours for one in imports(path) if (ours := home(one, known)) and ours != name}
        for name, path in known.items()
    }
    list(graphlib.TopologicalSorter(graph).static_order())


def test_cookbooks_know_the_commands_only() -> None:
    known = modules(ROOT, "mxlib", "cookbooks")
    reached = {folder(ours) for name, path in known.items() if name.startswith("cookbooks")
               for one in imports(path) if (ours := home(one, known)) and ours.startswith("mxlib")}  # fmt: skip
    assert reached <= {"commands", "config", "model"}


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("facts/kernel", "from mxlib.checks import kernel"),
        ("reboot/plan", "from mxlib.commands import wiring"),
        ("reboot/plan", "from mxlib.adapters.console import x"),
        ("reboot/plan", "import subprocess"),
        ("checks/kernel", "from spicerack import x"),
        ("brand_new/thing", ""),
    ],
)
def test_a_breach_is_found(tmp_path: Path, place: str, line: str) -> None:
    folders = [f"{one}/__init__" for one in FOLDERS]
    for name in (*folders, "adapters/console", "checks/kernel", "commands/wiring", place):
        path = tmp_path / "mxlib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "mxlib" / f"{place}.py").write_text(line, encoding="utf-8")
    assert breaches(modules(tmp_path, "mxlib")) != []
