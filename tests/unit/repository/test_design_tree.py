"""The tree in docs/design.md names every folder of library and lab, and none that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def named() -> set[str]:
    """The folders that the page's tree names, from the repository's root."""
    block = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("```")[1]
    found, above = set(), ""
    for line in block.splitlines():
        entry = re.match(r"(?P<inside> {2})?(?P<folder>[a-z_./]+)/(?: |$)", line)
        if entry and entry["inside"]:
            found.add(f"{above}/{entry['folder']}")
        elif entry:
            above = entry["folder"]
            found.add(above)
    return found


def folders(top: str) -> set[str]:
    """The folders of a folder."""
    return {f"{top}/{one.name}" for one in (ROOT / top).iterdir() if one.is_dir() and one.name != "__pycache__"}


def test_what_the_tree_names_is_there() -> None:
    assert {one for one in named() if not (ROOT / one).is_dir()} == set()


def test_the_tree_names_every_folder_of_library_and_lab() -> None:
    assert folders("mxlib") | folders("lab") == {one for one in named() if one.startswith(("mxlib/", "lab/"))}
