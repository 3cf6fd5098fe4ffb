"""The documentation as a site: `tests/run --docs`, or `tox -e docs`.

Pages are Markdown, as a forge shows them too. What the code knows best (options, configuration, API) is made from it.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.ext import api, configuration, cookbooks, pictures  # noqa: E402

project = "Cookbooks for mail exchangers"
author = "the authors of mx-cookbooks"
html_title = project
html_theme = "furo"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx"]
exclude_patterns = ["ext"]
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature has them
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # an attribute is a member already
# Links to Python's and Spicerack's own documentation need a network, so only who asks for them gets them.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "spicerack": ("https://doc.wikimedia.org/spicerack/master", None),
    }
    if os.environ.get("DOCS_ONLINE")
    else {}
)
# Where files beside docs/ are shown: a forge's address of the tree, with the release's tag.
repository = os.environ.get("DOCS_REPOSITORY", "")

_GENERATED = {
    "Operators": ["reference/run", "reference/options"],
    "Administrators": ["reference/configuration"],
    "Developers": ["reference/rooms", "reference/lab", "reference/api/index"],
}


def generate(_: Any) -> None:
    """Write the pages that come from the code."""
    folder = ROOT / "docs" / "reference"
    pages = {"options.md": cookbooks.markdown(), "configuration.md": configuration.markdown()}
    pages |= {**pictures.pages(), **api.pages()}
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.rglob("*.*"):
        if str(path.relative_to(folder)) not in pages:
            path.unlink()


def read(_: Any, page: str, source: list[str]) -> None:
    """Turn what only a forge understands into what Sphinx does."""
    if page == "index":
        source[0] += contents(source[0])
    if not page.startswith("reference/"):  # those know where they are
        source[0] = re.sub(r"\[([^\]]*)\]\(\.\./([^)]*)\)", outside, source[0])


def outside(link: re.Match[str]) -> str:
    """A link to a file beside docs/: to the repository where its address is known, else the file's name."""
    text, path = link[1], link[2]
    if not (ROOT / path.partition("#")[0]).exists():
        raise ValueError(f"../{path}: a link to a file that is not there")
    return f"[{text}]({repository}/{path})" if repository else f"`{path}`"


def contents(index: str) -> str:
    """The side bar, from the lists of the index."""
    trees = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        caption = section.partition("\n")[0]
        pages = [*re.findall(r"^- \[[^\]]*\]\((\S+)\.md\)", section, re.MULTILINE), *_GENERATED.get(caption, [])]
        trees.append("\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""]))
    return "".join(trees)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("source-read", read)
