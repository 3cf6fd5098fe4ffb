"""What knows an MTA lies in its own folder: nothing else of the cookbooks even says its name."""

from pathlib import Path

from mxlib.config.mta import known

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATION = "mxlib/config/mta.py"


def saying(name: str) -> list[str]:
    """The files of the cookbooks that say an MTA's name outside its folder."""
    files = (path for top in ("mxlib", "cookbooks") for path in (ROOT / top).rglob("*"))
    own = ROOT / "mxlib" / "mta" / name
    return sorted(
        str(path.relative_to(ROOT))
        for path in files
        if path.is_file() and path.suffix != ".pyc" and own not in path.parents
        and name in path.read_text(encoding="utf-8").lower()
    )  # fmt: skip


def test_only_the_configuration_says_the_name_of_an_mta() -> None:
    assert {name: saying(name) for name in known()} == {"exim": [CONFIGURATION]}


def test_the_one_place_is_the_default_of_its_key() -> None:
    lines = [line for line in (ROOT / CONFIGURATION).read_text(encoding="utf-8").splitlines() if "exim" in line]
    assert lines == ['MTA = "exim"']
