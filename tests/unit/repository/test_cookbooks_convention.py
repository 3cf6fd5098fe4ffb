"""What every cookbook here must offer, whoever writes it."""

import argparse
import importlib
import inspect
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest
import yaml
from spicerack import Spicerack
from spicerack.cookbook import CookbookBase

from tests.unit.support.site import TEN_LINES

Cli = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[3]
COOKBOOKS = ROOT / "cookbooks"
MODULES = sorted(COOKBOOKS.rglob("[!_]*.py"))


def full_name(path: Path) -> str:
    """The name an operator types, such as `sre.mail.reboot-mx`."""
    return ".".join(path.relative_to(COOKBOOKS).with_suffix("").parts)


@pytest.fixture(params=MODULES, ids=full_name)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def module(path: Path) -> ModuleType:
    return importlib.import_module(f"cookbooks.{full_name(path)}")


@pytest.fixture
def cookbook(module: ModuleType) -> CookbookBase:
    spicerack = mock.create_autospec(Spicerack, instance=True, spec_set=True)
    return cookbook_classes(module)[0](spicerack)


def cookbook_classes(module: ModuleType) -> list[type[CookbookBase]]:
    """The classes that Spicerack would collect from a module: its own, not the imported ones."""
    candidates = [value for value in vars(module).values() if isinstance(value, type)]
    return [one for one in candidates if issubclass(one, CookbookBase) and one.__module__ == module.__name__]


def test_there_are_cookbooks() -> None:
    assert "sre.mail.reboot-mx" in [full_name(module) for module in MODULES]


def test_module_says_what_it_is(module: ModuleType) -> None:
    assert module.__doc__


def test_module_offers_exactly_one_cookbook(module: ModuleType) -> None:
    """Two would be named MODULE.Class, none is an error message at every listing."""
    assert len(cookbook_classes(module)) == 1


def test_title_is_one_plain_line(cookbook: CookbookBase) -> None:
    assert re.fullmatch(r"[A-Z].{10,90}[^.\s]\.?", cookbook.title)


def test_parser_builds_and_help_shows_how_to_call_it(path: Path, cookbook: CookbookBase) -> None:
    """The example belongs in the description: Spicerack replaces the epilog by the owner."""
    parser = cookbook.argument_parser()
    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.epilog is None
    assert re.search(rf"cookbook (-\S+ )*{re.escape(full_name(path))}\b", parser.format_help())


def test_every_option_is_explained(cookbook: CookbookBase) -> None:
    unexplained = [action.dest for action in cookbook.argument_parser()._actions if not action.help]
    assert unexplained == []


def test_building_the_parser_asks_nothing_of_spicerack(cookbook: CookbookBase) -> None:
    """Spicerack builds it for `--help` too, where no service may be needed."""
    cookbook.argument_parser()
    assert cookbook.spicerack.mock_calls == []


def test_no_package_marker_where_other_repositories_meet_ours() -> None:
    """With one, our directory would hide theirs (see mxlib/extender.py)."""
    assert [directory for directory in (COOKBOOKS, COOKBOOKS / "sre") if (directory / "__init__.py").exists()] == []


def test_listing_names_all_and_prints_no_noise(spicerack_cli: Cli) -> None:
    result = spicerack_cli([ROOT], "-l", extender=None)
    assert (result.returncode, result.stderr) == (0, "")
    owners = dict(re.findall(r"-- (\S+) \[(.*)\]", result.stdout))
    assert sorted(owners) == [full_name(module) for module in MODULES]
    assert set(owners.values()) == {CookbookBase.owner_team}


def test_the_site_says_which_team_owns_them(spicerack_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cookbooks").mkdir()
    site = yaml.safe_dump({**TEN_LINES, "owner_team": "Postmasters"})
    (tmp_path / "cookbooks" / "sre.mail.yaml").write_text(site, encoding="utf-8")
    listed = spicerack_cli([ROOT], "-l", parameters={"spicerack_config_dir": str(tmp_path)})
    assert set(re.findall(r"-- \S+ \[(.*)\]", listed.stdout)) == {"Postmasters"}


# --- conventions of other repositories that ours may lie beside, such as Wikimedia's tests of every module in the tree

EVERYTHING = sorted(path for path in COOKBOOKS.rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("everything", EVERYTHING, ids=dotted)
def test_a_class_that_is_no_base_can_be_made_and_asked_for_its_parser(everything: Path) -> None:
    for name, value in vars(importlib.import_module(dotted(everything))).items():
        if isinstance(value, type) and issubclass(value, CookbookBase) and not name.endswith("Base"):
            assert isinstance(value(mock.MagicMock()).argument_parser(), argparse.ArgumentParser)


@pytest.mark.parametrize("everything", EVERYTHING, ids=dotted)
def test_bases_end_in_base_and_live_in_the_package(everything: Path) -> None:
    module = importlib.import_module(dotted(everything))
    bases = [one.__name__ for one in cookbook_classes(module) if inspect.isabstract(one)]
    assert all(name.endswith("Base") for name in bases)
    assert not bases or everything.name == "__init__.py"


@pytest.mark.parametrize("everything", EVERYTHING, ids=dotted)
def test_no_helper_lies_beside_the_cookbooks(everything: Path) -> None:
    """A module without a cookbook is taken for one of the older kind, which has a function run()."""
    assert everything.name == "__init__.py" or cookbook_classes(importlib.import_module(dotted(everything)))


@pytest.mark.parametrize("everything", EVERYTHING, ids=dotted)
def test_no_class_names_a_team_and_the_options_are_tuned_as_spicerack_says(everything: Path) -> None:
    module = importlib.import_module(dotted(everything))
    assert not hasattr(module, "__owner_team__")
    for one in cookbook_classes(module):
        assert one.owner_team == CookbookBase.owner_team
        tuned = (one.argument_reason_required, one.argument_task_required)
        assert all(value in (None, True, False) for value in tuned)


@pytest.mark.parametrize("everything", EVERYTHING, ids=dotted)
def test_no_check_of_types_is_switched_off(everything: Path) -> None:
    """Under another configuration of mypy a comment that ignores an error may be an error itself."""
    assert "type: ignore" not in everything.read_text(encoding="utf-8")
