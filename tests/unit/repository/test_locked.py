"""What the tests and the lab install is locked, and both ends of what setup.cfg claims are tested."""

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[3]
NEWEST, OLDEST = ROOT / "tests" / "locked.txt", ROOT / "tests" / "locked-oldest.txt"
IN_BROWSER, MUTATED = ROOT / "tests" / "locked-browser.txt", ROOT / "tests" / "locked-mutants.txt"
CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / "setup.cfg")


def asked(section: str, option: str) -> list[Requirement]:
    lines = CONFIG[section][option].splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


CLAIMED = asked("options", "install_requires")
TOOLS, LINT, BROWSER, MUTANTS = (
    asked("options.extras_require", option) for option in ("tests", "lint", "browser", "mutants")
)


def entries(path: Path) -> list[str]:
    """The packages of a lock, each with its hashes in one line."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def locked(path: Path) -> dict[str, set[Version]]:
    """Versions of each package: more than one where they differ by Python."""
    found: dict[str, set[Version]] = {}
    for entry in entries(path):
        name, _, version = entry.split()[0].partition("==")
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


@pytest.mark.parametrize("path", [NEWEST, OLDEST, IN_BROWSER, MUTATED], ids=lambda path: path.name)
def test_every_package_has_one_version_and_hashes_and_comes_from_no_index_of_its_own(path: Path) -> None:
    form = r"[a-z0-9.-]+==[\w.]+ (; [^#]+?)?( *--hash=sha256:[0-9a-f]{64})+"
    assert len(entries(path)) > 40
    assert [entry for entry in entries(path) if not re.fullmatch(form, entry)] == []


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (NEWEST, [*CLAIMED, *TOOLS, *LINT]),
        (OLDEST, [*CLAIMED, *TOOLS]),
        (IN_BROWSER, [*CLAIMED, *TOOLS, *BROWSER]),
        (MUTATED, [*CLAIMED, *TOOLS, *MUTANTS]),
    ],
    ids=["newest", "oldest", "browser", "mutants"],
)
def test_what_is_locked_is_what_setup_cfg_allows(path: Path, wanted: list[Requirement]) -> None:
    known = locked(path)
    for requirement in wanted:
        versions = known[canonicalize_name(requirement.name)]
        assert all(version in requirement.specifier for version in versions), f"{requirement}: run tests/lock"


def test_the_oldest_that_is_claimed_is_the_oldest_that_is_tested() -> None:
    known = locked(OLDEST)
    for requirement in CLAIMED:
        if requirement.name != "setuptools":  # not used by us: it builds, and keeps Spicerack going
            (lowest,) = (bound.version for bound in requirement.specifier if bound.operator == ">=")
            assert known[canonicalize_name(requirement.name)] == {Version(lowest)}, f"{requirement}: run tests/lock"


def test_the_newest_spicerack_that_is_claimed_is_tested() -> None:
    (spicerack,) = (requirement for requirement in CLAIMED if requirement.name == "wikimedia-spicerack")
    (bound,) = (bound.version for bound in spicerack.specifier if bound.operator == "<")
    (version,) = locked(NEWEST)["wikimedia-spicerack"]
    assert version.major + 1 == int(bound)
