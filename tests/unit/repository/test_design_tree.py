"""The tree in docs/design.md names every folder there is, and none that is not."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Their meaning is their name, or they belong to a tool.
UNNAMED = {".github", "dashboards", "docs"}


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


def kept() -> set[str]:
    """The folders that git keeps."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {str(above) for line in listed.splitlines() for above in Path(line).parents if str(above) != "."}


def test_what_the_tree_names_is_there() -> None:
    assert named() - kept() == set()


def test_the_tree_names_every_folder_of_library_lab_and_root() -> None:
    wanted = {one for one in kept() if "/" not in one or (one.startswith(("mxlib/", "lab/")) and one.count("/") == 1)}
    tops = {one.partition("/")[0] for one in named()}
    missing = {one for one in wanted - named() if "/" in one or one not in tops | UNNAMED}
    assert missing == set()
