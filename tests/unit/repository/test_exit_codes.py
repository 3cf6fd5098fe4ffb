"""One table of exit codes: the same number means the same in every cookbook, in the code and on every page."""

import importlib
import re
from pathlib import Path
from unittest import mock

import pytest
from spicerack import Spicerack

from mxlib.model.outcome import DELIBERATE, ENDS, Outcome, exit_codes

ROOT = Path(__file__).resolve().parents[3]
ONE_TABLE = ROOT / "docs" / "exit-codes.md"
PAGES = {
    "drain-queue": "drain-queue.md",
    "refresh-aliases": "refresh-aliases.md",
    "remedy-mx": "remedy-mx.md",
    "repair-nic": "repair-nic.md",
    "roll-kernel": "roll-kernel.md",
    "status": "status.md",
    "verify-mx": "verify-mx.md",
    "reboot-mx": "reboot-mx.md",
}
ARGPARSE = 2


def rows(page: Path) -> dict[int, list[str]]:
    """The cells behind the code of every row of a table that begins with a code."""
    found = re.findall(r"^\| (\d+) \| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(code): [cell.strip() for cell in rest.split(" | ")] for code, rest in found}


def codes(unit: str) -> set[int]:
    text = (ROOT / "systemd" / unit).read_text(encoding="utf-8")
    said = re.search(r"^SuccessExitStatus=(.*)$", text, re.MULTILINE)
    assert said is not None
    return set(map(int, said[1].split()))


def test_no_code_is_used_twice_or_belongs_to_somebody_else() -> None:
    """argparse ends with 2, an uncaught error with 1, Spicerack with 90 to 99, a shell with 126 and above."""
    assert len({one.value for one in Outcome}) == len(Outcome) == len({one.phrase for one in Outcome})
    assert not {one.value for one in Outcome} & {1, ARGPARSE, *range(90, 100), *range(126, 256)}


def test_every_cookbook_is_in_the_table_and_every_code_has_a_cookbook() -> None:
    cookbooks = {path.stem for path in (ROOT / "cookbooks/sre/mail").glob("[!_]*.py")}
    assert set(ENDS) == cookbooks
    assert {one for ends in ENDS.values() for one in ends} == set(Outcome)
    assert all({Outcome.DONE, Outcome.REFUSED, Outcome.INTERRUPTED} <= set(ends) for ends in ENDS.values())


def test_the_one_table_is_whole_and_says_who_uses_each_code() -> None:
    documented = rows(ONE_TABLE)
    assert documented.pop(ARGPARSE)[-1] == "all"
    assert list(documented) == [one.value for one in Outcome]
    for one in Outcome:
        meaning, users = documented[one.value]
        assert meaning == one.meaning
        expected = [name for name, ends in ENDS.items() if one in ends]
        assert users == ("all" if len(expected) == len(ENDS) else ", ".join(expected))


@pytest.mark.parametrize("cookbook", PAGES)
def test_a_page_has_the_codes_of_its_cookbook_and_means_the_same_by_them(cookbook: str) -> None:
    documented = rows(ROOT / "docs" / PAGES[cookbook])
    assert list(documented) == [one.value for one in ENDS[cookbook]]
    for one in ENDS[cookbook]:
        assert documented[one.value][0].startswith(one.meaning)


@pytest.mark.parametrize("cookbook", ENDS)
def test_the_help_has_them_too(cookbook: str) -> None:
    module = importlib.import_module(f"cookbooks.sre.mail.{cookbook}")
    made = next(
        value(mock.create_autospec(Spicerack, instance=True, spec_set=True))
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    )
    shown = made.argument_parser().format_help()
    assert exit_codes(cookbook) in shown
    assert [int(code) for code in re.findall(r"^ {8}(\d+) +[A-Z]", shown, re.MULTILINE)] == [
        one.value for one in ENDS[cookbook]
    ]


def test_codes_in_running_text_are_those_of_the_table() -> None:
    """Sentences such as "ends at once (41)" or "leaves with 42"."""
    known = {one.value for one in Outcome}
    said = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        said += re.findall(r"(?:exit code|ends with|leaves with|\bexit) (\d{1,3})\b", text)
    assert said
    assert {int(code) for code in said} <= known | {1, ARGPARSE}


def test_the_readme_leads_to_the_table() -> None:
    assert "(docs/exit-codes.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_units_take_the_right_ends_for_success() -> None:
    assert codes("mx-roll-kernel.service") == {one.value for one in DELIBERATE} - {0}
    # the verdict is in the metrics; where no host answered there is none, so the unit fails
    assert codes("mx-verify.service") == {Outcome.FAILED.value, Outcome.UNKNOWN.value}
