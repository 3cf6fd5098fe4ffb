"""What the documentation says is so."""

import re
from pathlib import Path

import pytest
import yaml

from mxlib.config import load as config

ROOT = Path(__file__).resolve().parents[3]
# those in docs/reference/ are made when the site is
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = ROOT / "examples" / "etc"
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
    shortest = EXAMPLES / "spicerack/cookbooks/sre.mail.yaml"
    assert list(config.load(shortest).mxs) == ["mx1001.example.org", "mx2001.example.org"]


def test_the_examples_are_explained_and_mean_the_same_hosts() -> None:
    page = INSTALL.read_text(encoding="utf-8")
    names = [str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()]
    assert [name for name in names if f"`{name}`" not in page] == []
    aliases = yaml.safe_load((EXAMPLES / "cumin/aliases.yaml").read_text(encoding="utf-8"))
    assert aliases == {"mx": "D{mx1001.example.org,mx2001.example.org}"}


def test_the_examples_lead_to_each_other() -> None:
    parameters = yaml.safe_load((EXAMPLES / "spicerack/config.yaml").read_text(encoding="utf-8"))["instance_params"]
    cumin = yaml.safe_load((EXAMPLES / "cumin/config.yaml").read_text(encoding="utf-8"))
    named = [*parameters.values(), *(word for word in cumin["clustershell"]["ssh_options"][0].split() if "/" in word)]
    assert len(named) == 4
    assert [path for path in named if not (EXAMPLES / Path(path).relative_to("/etc")).exists()] == []
    folder = (EXAMPLES / "tmpfiles.d/cumin-ssh.conf").read_text(encoding="utf-8").split()[1]
    ssh = (EXAMPLES / "cumin/ssh_config").read_text(encoding="utf-8")
    assert f"ControlPath {folder}/" in ssh
    units = [path.read_text(encoding="utf-8") for path in (ROOT / "systemd").glob("*.service")]
    assert all(f"TemporaryFileSystem={folder}:" in unit for unit in [INSTALL.read_text(encoding="utf-8"), *units])
