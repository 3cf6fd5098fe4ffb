"""Our cookbooks beside another repository's: both are listed, in either order, and nobody complains."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mxlib.extender import Extender

Cli = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[3]
COOKBOOK = """\
'A cookbook.'
{imports}
from spicerack.cookbook import CookbookBase, CookbookRunnerBase


class Cookbook(CookbookBase):
    'Says one word.'

    owner_team = "others"

    def get_runner(self, args):
        return Runner()


class Runner(CookbookRunnerBase):
    def run(self):
        print({word})
"""


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def neighbour(tmp_path: Path) -> Path:
    """A repository like Wikimedia's: `cookbooks` is a namespace, `cookbooks.sre` a package with content."""
    base = tmp_path / "neighbour"
    write(base / "cookbooks/sre/__init__.py", '"""The neighbour."""\nWORD = "neighbourly"\n')
    write(base / "cookbooks/sre/hosts/__init__.py", '"""Hosts."""\n')
    imports = "from cookbooks.sre import WORD"
    write(base / "cookbooks/sre/hosts/neighbour.py", COOKBOOK.format(imports=imports, word="WORD"))
    return base


def names(listing: str) -> set[str]:
    """Full names of the cookbooks in the output of `cookbook -l`."""
    return set(re.findall(r"-- (\S+) \[", listing))


def ours() -> set[str]:
    paths = (ROOT / "cookbooks").rglob("[!_]*.py")
    return {".".join(path.relative_to(ROOT / "cookbooks").with_suffix("").parts) for path in paths}


@pytest.mark.parametrize("first", ["ours", "neighbour"])
def test_both_are_listed_in_either_order_without_a_word_on_stderr(
    first: str, neighbour: Path, spicerack_cli: Cli
) -> None:
    base_dirs = [ROOT, neighbour] if first == "ours" else [neighbour, ROOT]
    result = spicerack_cli(base_dirs, "-l")
    assert result.stderr == ""
    assert result.returncode == 0
    assert names(result.stdout) == ours() | {"sre.hosts.neighbour"}


@pytest.mark.parametrize("first", ["ours", "neighbour"])
def test_cookbooks_of_both_start_by_name(first: str, neighbour: Path, spicerack_cli: Cli) -> None:
    base_dirs = [ROOT, neighbour] if first == "ours" else [neighbour, ROOT]
    assert "neighbourly" in spicerack_cli(base_dirs, "sre.hosts.neighbour").stdout
    mine = sorted(ours())[0]
    result = spicerack_cli(base_dirs, mine, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "usage:" in result.stdout


def test_without_a_neighbour_the_extender_changes_nothing(spicerack_cli: Cli) -> None:
    with_it = spicerack_cli([ROOT], "-l")
    without = spicerack_cli([ROOT], "-l", extender=None)
    assert with_it.stderr == without.stderr == ""
    assert with_it.stdout == without.stdout
    assert names(with_it.stdout) == ours()


def test_the_neighbour_alone_hides_us_without_the_extender(neighbour: Path, spicerack_cli: Cli) -> None:
    """The reason for the extender: should this ever fail, it can go."""
    result = spicerack_cli([ROOT, neighbour], "-l", extender=None)
    assert names(result.stdout) == {"sre.hosts.neighbour"}


def test_a_neighbour_with_a_regular_top_package_too(neighbour: Path, spicerack_cli: Cli) -> None:
    write(neighbour / "cookbooks/__init__.py", '"""Should not be here, yet it is."""\n')
    result = spicerack_cli([neighbour, ROOT], "-l")
    assert result.stderr == ""
    assert names(result.stdout) == ours() | {"sre.hosts.neighbour"}


def test_a_broken_neighbour_is_named_by_spicerack_and_does_not_crash_it(neighbour: Path, spicerack_cli: Cli) -> None:
    write(neighbour / "cookbooks/sre/__init__.py", "import no_such_module_anywhere\n")
    result = spicerack_cli([neighbour, ROOT], "-l")
    assert result.returncode == 0
    assert "no_such_module_anywhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_extender_can_come_from_the_external_modules_dir(
    neighbour: Path, tmp_path: Path, spicerack_cli: Cli
) -> None:
    """For a site whose checkout of the cookbooks and whose library lie in different places."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "mxlib").symlink_to(ROOT / "mxlib")
    result = spicerack_cli([neighbour], "-l", external=library)
    assert (result.returncode, result.stderr) == (0, "")
    assert names(result.stdout) == {"sre.hosts.neighbour"}


def test_a_third_repository_is_opened_as_well(neighbour: Path, tmp_path: Path, spicerack_cli: Cli) -> None:
    third = tmp_path / "third"
    write(third / "cookbooks/sre/third.py", COOKBOOK.format(imports="", word="'third'"))
    result = spicerack_cli([third, neighbour, ROOT], "-l")
    assert result.stderr == ""
    assert names(result.stdout) == ours() | {"sre.hosts.neighbour", "sre.third"}


def test_the_extender_serves_no_accessor() -> None:
    """Every method of an extender becomes an attribute of Spicerack: ours must offer none."""
    assert [name for name in vars(Extender) if not name.startswith("_")] == []
