"""A wheel of this tree holds all that an installation needs, and docs/install.md installs it."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SHARED = ("alerts", "cookbooks", "dashboards", "docs", "examples", "systemd")
COOKBOOKS = sorted(f"sre.mail.{path.stem}" for path in (ROOT / "cookbooks/sre/mail").glob("[!_]*.py"))
MADE = {".git", "__pycache__", ".hypothesis", ".tox", ".venv", "reference", "man", "dist", "mutants"}
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, f"build_{sys.argv[1]}")(sys.argv[2]))
"""
BLOCK = re.compile(r"^### From a release$.*?^```shell\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COOKBOOK = "import sys; from spicerack._cookbook import main; sys.exit(main())"


def made(folder: str, names: list[str]) -> set[str]:
    """What is no part of the tree; `build` is a room of the lab, too."""
    top = {"build"} if Path(folder) == ROOT else set()
    return {name for name in names if name in MADE | top or name.endswith(("_cache", ".egg-info"))}


def files(folder: Path, base: Path) -> set[str]:
    """The files below a folder, but what is made where it is needed."""
    paths = (path.relative_to(base) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if not {"__pycache__", "reference"} & set(path.parts)}


def run(words: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": str(cwd), "USER": "root"}
    return subprocess.run(
        words, cwd=cwd, env={**kept, **variables}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def build(what: str, tree: Path, to: Path) -> Path:
    done = run([sys.executable, "-W", "ignore", "-c", BUILD, what, str(to)], tree)
    assert done.returncode == 0, done.stdout + done.stderr
    return to / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work tree, without git, and with man pages that only say whose they are."""
    tree = tmp_path_factory.mktemp("wheel") / "tree"
    shutil.copytree(ROOT, tree, ignore=made)
    (tree / "man").mkdir()
    for name in COOKBOOKS:
        (tree / "man" / f"{name}.1").write_text(f".TH {name}\n", encoding="utf-8")
    return tree


@pytest.fixture(scope="module")
def source(tree: Path) -> Path:
    return build("sdist", tree, tree.parent)


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    """Of the source distribution: what that lacks, the wheel would lack."""
    folder = source.parent / "unpacked"
    shutil.unpack_archive(source, folder)
    return build("wheel", next(folder.iterdir()), source.parent)


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The place where docs/install.md puts it, with the libraries of these tests beside it."""
    place = wheel.parent / "place"
    (place / "srv").mkdir(parents=True)
    (place / "bin").mkdir()
    shutil.copy(wheel, place)
    found = BLOCK.search((ROOT / "docs" / "install.md").read_text(encoding="utf-8"))
    assert found is not None
    commands = found[1].replace("/srv/", f"{place}/srv/").replace("/usr/local/bin/", f"{place}/bin/")
    commands = commands.replace("python3 ", f"{sys.executable} ")
    done = run(["bash", "-euc", commands], place, PIP_NO_DEPS="1", PIP_NO_INDEX="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert done.returncode == 0, done.stdout + done.stderr
    (libraries,) = (place / "srv").glob("mx-cookbooks.venv/lib/python3*/site-packages")
    beside = [path for path in sys.path if path.endswith("-packages")]
    (libraries / "beside.pth").write_text("\n".join(beside), encoding="utf-8")
    config = yaml.safe_load((ROOT / "examples/etc/spicerack/config.yaml").read_text(encoding="utf-8"))
    config["cookbooks_base_dirs"] = [base.replace("/srv/", f"{place}/srv/") for base in config["cookbooks_base_dirs"]]
    config["logs_base_dir"] = str(place / "logs")
    config["instance_params"] = {"spicerack_config_dir": f"{place}/srv/mx-cookbooks/examples/etc/spicerack"}
    (place / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return place


def ask(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    python = str(place / "srv/mx-cookbooks.venv/bin/python")
    return run([python, "-W", "ignore", "-c", COOKBOOK, "-c", "config.yaml", *words], place)


def test_the_source_distribution_has_the_whole_tree(tree: Path, source: Path) -> None:
    with tarfile.open(source) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert sorted(files(tree, tree) - names) == []


def test_the_wheel_has_every_file_of_the_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    assert sorted(files(ROOT / "mxlib", ROOT) - names) == []
    assert {name.partition("/")[0].rpartition(".")[2] for name in names} == {"mxlib", "data", "dist-info"}


def test_what_lies_beside_the_library_is_installed(installed: Path) -> None:
    share = installed / "srv/mx-cookbooks"
    wanted = {path for folder in SHARED for path in files(ROOT / folder, ROOT)}
    assert files(share.resolve(), share.resolve()) == wanted | {"CHANGELOG.md", "LICENSE", "README.md"}
    man = installed / "srv/mx-cookbooks.venv/share/man/man1"
    assert sorted(path.stem for path in man.iterdir()) == COOKBOOKS


def test_the_library_is_the_wheels_and_whole(installed: Path) -> None:
    code = "import mxlib, mxlib.config.known_bad as k; print(mxlib.__file__); print(*k.SHIPPED)"
    done = run([str(installed / "srv/mx-cookbooks.venv/bin/python"), "-c", code], installed)
    assert done.returncode == 0, done.stderr
    library, *known_bad = done.stdout.split()
    assert library.startswith(f"{installed}/srv/mx-cookbooks.venv/lib/")
    assert [Path(path).name for path in known_bad] == ["known-bad-kernels.yaml"]


def test_the_listing_names_all_of_them(installed: Path) -> None:
    done = ask(installed, "-l")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(re.findall(r"-- (sre\.mail\.\S+)", done.stdout)) == COOKBOOKS


def test_each_gives_its_help(installed: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda name: ask(installed, "-d", name, "--help"), COOKBOOKS)
        asked = dict(zip(COOKBOOKS, answers, strict=True))
    assert {name: one.stderr for name, one in asked.items() if one.returncode != 0} == {}
    assert [name for name, one in asked.items() if "Exit codes:" not in one.stdout] == []


def test_a_dry_run_reads_the_example_configuration_and_refuses_a_host_that_is_not_in_it(installed: Path) -> None:
    done = ask(installed, "-d", "sre.mail.reboot-mx", "nobody.example.org", "--kernel", "newest")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "mx1001.example.org" in done.stdout + done.stderr
