"""What the documentation says is so."""

import re
from pathlib import Path

import pytest
import yaml

from mxlib.config import load as config

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INSTALL = ROOT / "docs" / "install.md"


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


def test_cookbooks_that_are_named_exist(page: Path) -> None:
    names = set(re.findall(r"cookbook (?:-\S+ )*sre\.mail\.([a-z-]+)", page.read_text(encoding="utf-8")))
    assert {name for name in names if not (ROOT / "cookbooks/sre/mail" / f"{name}.py").exists()} == set()


def test_the_readme_names_every_cookbook() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cookbooks = [path.stem for path in (ROOT / "cookbooks/sre/mail").glob("[!_]*.py")]
    assert [name for name in cookbooks if f"`sre.mail.{name}`" not in readme] == []


def test_every_page_can_be_found_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if page.name != "index.md" and f"({page.name})" not in index] == []


def test_the_shortest_configuration_is_accepted() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", INSTALL.read_text(encoding="utf-8"), re.DOTALL)
    shortest = next(block for block in blocks if block.startswith("mxs:"))
    site = config.parse(yaml.safe_load(shortest), "install.md")
    assert list(site.mxs) == ["mx1001.example.org", "mx2001.example.org"]
