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
