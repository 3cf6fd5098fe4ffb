import os
from pathlib import Path

import pytest

from mxlib.base.errors import ReportError
from mxlib.base.files import COLLECTOR, check_folder, replace_file


def test_it_takes_the_place_of_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "mx.prom"
    path.write_text("old")
    assert replace_file(path, "new\n") == str(path)
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"nowhere/mx\.prom: cannot be written"):
        replace_file(tmp_path / "nowhere" / "mx.prom", "")


def test_a_folder_that_is_missing_is_named_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "node-exporter" / "mx.prom"
    with pytest.raises(ReportError, match=rf"no folder {path.parent}: expected .*textfile collector"):
        check_folder(path, COLLECTOR)
    path.parent.mkdir()
    check_folder(path, COLLECTOR)


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("os.access", lambda path, mode: asked.append((path, mode)))
    with pytest.raises(ReportError, match=rf"{tmp_path} cannot be written: .* ReadWritePaths="):
        check_folder(tmp_path / "mx.prom", COLLECTOR)
    assert asked == [(tmp_path, os.W_OK | os.X_OK)]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_only_a_file_is_ever_replaced(tmp_path: Path, make) -> None:
    """Run by root, the name /dev/null would become a file, for everybody on the machine."""
    other = tmp_path / "other"
    make(other)
    before = other.stat()
    for act in (check_folder, lambda path: replace_file(path, "")):
        with pytest.raises(ReportError, match=f"{other}: it is a device, a pipe or a folder: expected a file"):
            act(other)
    with pytest.raises(ReportError, match="/dev/null: it is a device"):
        check_folder(Path("/dev/null"))
    assert (other.stat().st_ino, other.stat().st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "x.json", tmp_path / "link"
    if there:
        target.write_text("old")
    link.symlink_to(target)
    replace_file(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_name_that_no_file_can_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="File name too long: expected the name of a file"):
        check_folder(tmp_path / ("x" * 300))


def test_what_could_not_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that meets a full disk each hour would fill the folder with the rest of its attempts."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReportError, match="No space left on device"):
        replace_file(tmp_path / "mx.prom", "new")
    assert list(tmp_path.iterdir()) == []


def test_what_utf8_lacks_is_spelt(tmp_path: Path) -> None:
    replace_file(tmp_path / "x.md", "caf\udce9")
    assert (tmp_path / "x.md").read_text() == "caf\\udce9"
