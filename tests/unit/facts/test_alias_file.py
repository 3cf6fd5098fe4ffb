"""An alias file: its figures, and how its entries are normalized."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.config.aliases import AliasGenerator
from mxlib.facts import alias_file
from mxlib.facts.alias_file import AliasFile
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.facts import fact


def generator(path: Path, form: str = "aliases") -> AliasGenerator:
    return AliasGenerator("vrts", GENERATOR.unit, str(path), format=form, floor=2)


def in_shell(script: str, *, code: int = 0) -> str:
    done = subprocess.run(["/bin/sh", "-c", f"LC_ALL=C; export LC_ALL\n{script}"], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout


def figures(path: Path, form: str = "aliases") -> AliasFile | None:
    """What is read of a file that is there."""
    return alias_file.parse_figures(in_shell(alias_file.figures_script(generator(path, form))))


def entries(path: Path, form: str) -> dict[str, str]:
    return alias_file.parse_entries(in_shell(alias_file.entries_section(generator(path, form)).script))


def test_order_case_and_space_make_no_difference(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("# head\nsupport@lab.test: support@tickets.test\nPress@Lab.test:a@x,\n   b@x\n")
    other.write_text("press@lab.test:  a@x, b@x\n\nsupport@lab.test:support@tickets.test\n")
    first, second = (figures(path) for path in (one, other))
    assert first is not None
    assert second is not None
    assert (first.entries, first.malformed, first.terminated) == (2, 0, True)
    assert first.digest == second.digest
    assert entries(one, "aliases") == {"press@lab.test": "a@x, b@x", "support@lab.test": "support@tickets.test"}


@pytest.mark.parametrize(
    ("form", "text", "count", "malformed"),
    [
        ("aliases", "a@x: b@x\nhalf\nonly@x:\n", 1, 2),
        ("table", "a@x b@x\nhalf\n", 1, 1),
        ("list", "a@x\nb@x\ntwo words\n", 2, 1),
        ("aliases", "", 0, 0),
        ("aliases", "# nothing yet\n", 0, 0),
    ],
)
def test_formats_and_malformed_lines(tmp_path, form, text, count, malformed):
    path = tmp_path / "file"
    path.write_text(text)
    found = figures(path, form)
    assert found is not None
    assert (found.entries, found.malformed) == (count, malformed)
    assert bool(found.digest) == bool(count)


def test_a_file_that_ends_within_a_line_shows(tmp_path):
    path = tmp_path / "file"
    path.write_text("a@x: b@x\nsupport@lab.te")
    found = figures(path)
    assert found is not None
    assert not found.terminated
    assert found.first_malformed == "support@lab.te"


def test_a_file_that_is_replaced_is_new_and_one_that_is_written_in_place_keeps_its_birth(tmp_path):
    path, new = tmp_path / "file", tmp_path / "new"
    path.write_text("a@x: b@x\n")
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    in_place = figures(path)
    assert in_place is not None
    if in_place.born is None:
        pytest.skip("this file system does not know when a file was made")
    assert (in_place.written - in_place.born).total_seconds() >= 3599
    new.write_text("a@x: b@x\n")
    new.rename(path)
    replaced = figures(path)
    assert replaced is not None
    assert replaced.born is not None
    assert (replaced.written - replaced.born).total_seconds() <= 1


def test_where_the_birth_is_unknown_there_is_none():
    text = "stat 1795240000 82 0\nlast 0a\nentries 0\nmalformed 0\nfirst \n"
    found = alias_file.parse_figures(text)
    assert found is not None
    assert found.born is None


def test_a_list_of_entries_that_is_cut_short_is_none():
    assert alias_file.parse_entries("a: b\nend\n") == {"a": "b"}
    with pytest.raises(ParseError):
        alias_file.parse_entries("a: b\n")


def test_the_entries_are_a_fact_of_their_own(tmp_path):
    (tmp_path / "file").write_text("b@x: c@x\na@x: d@x\n")
    source = alias_file.entries_source(generator(tmp_path / "file"))
    (asked,) = source.sections
    text = in_shell(asked.script)
    assert text == "a@x: d@x\nb@x: c@x\nend\n"
    assert fact(source, text) == {"a@x": "d@x", "b@x": "c@x"}


def test_no_file_has_no_figures(tmp_path):
    assert figures(tmp_path / "nothing") is None


@pytest.mark.parametrize("change", ["entries", "stat", "last", "malformed"])
def test_figures_of_another_form_are_none(tmp_path, change):
    (tmp_path / "file").write_text("a@x: b@x\n")
    text = in_shell(alias_file.figures_script(generator(tmp_path / "file")))
    with pytest.raises(ParseError, match="not an alias file's figures"):
        alias_file.parse_figures(text.replace(change, "?"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a@x: b@x\nc@x: d@x\n", "2\n"),
        ("a@x: b@x\n", None),
        ("a@x: b@x\nc@x: d@x", None),
        ("a@x: b@x\nhalf\nc@x: d@x\n", None),
        ("", None),
    ],
)
def test_a_file_may_serve_mail_when_it_is_whole_and_long_enough(tmp_path, text, said):
    (tmp_path / "file").write_text(text)
    script = f"{alias_file.whole_script(generator(tmp_path / 'file'))}\nwhole {tmp_path / 'file'}"
    assert in_shell(script, code=0 if said else 1) == (said or "")
