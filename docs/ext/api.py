"""The pages of the library: one a room, each module with its docstrings."""

from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "mxlib"


def rooms() -> dict[str, list[str]]:
    """The modules of each folder of the library, by the folder's full name."""
    found: dict[str, list[str]] = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
        package = parts[:-1]
        found.setdefault(".".join(package), []).append(".".join(package if parts[-1] == "__init__" else parts))
    return found


def pages() -> dict[str, str]:
    """The pages by their names."""
    found = rooms()
    names = "\n".join(f"   {room}" for room in found)
    index = f"{_title('Library')}\nOne page a room; design.md says what may use what.\n\n.. toctree::\n\n{names}\n"
    return {
        "api/index.rst": index,
        **{f"api/{room}.rst": _room(room, modules) for room, modules in found.items()},
    }


def _room(room: str, modules: list[str]) -> str:
    parts = [_title(room)]
    for module in modules:
        heading = "" if module == room else f"\n{module}\n{'-' * len(module)}\n"
        parts.append(f"{heading}\n.. automodule:: {module}\n   :members:\n")
    return "".join(parts)


def _title(text: str) -> str:
    return f"{text}\n{'=' * len(text)}\n"
