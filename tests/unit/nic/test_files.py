"""Files on a host: a change with its backup, and its undoing."""

import pytest

from mxlib.base.errors import CommandFailedError
from mxlib.nic import files as nic_files
from mxlib.nic.files import parse_backup, undo_script, write_script
from tests.unit.support.fake_guest import TEXT, FakeGuest
from tests.unit.support.renamed_guest import files


def test_nothing_is_written_when_a_file_changed_meanwhile(guest: FakeGuest) -> None:
    script = write_script([(files()[0], files("new\n")[0])], "run1", "x")
    (guest.root / "etc/network/interfaces").write_text(TEXT + "# edited\n")
    with pytest.raises(CommandFailedError, match="changed since it was read"):
        guest.act(script, timeout=5)
    assert guest.file() == TEXT + "# edited\n"
    assert not list((guest.root / "var/lib/mx-cookbooks/nic").iterdir())


def test_undo_leaves_alone_what_somebody_changed_since(guest: FakeGuest) -> None:
    backup = parse_backup(guest.act(write_script([(files()[0], files("new\n")[0])], "run1", "x"), timeout=5).output)
    (guest.root / "etc/network/interfaces").write_text("somebody's\n")
    with pytest.raises(CommandFailedError, match="left alone"):
        guest.act(undo_script(backup), timeout=5)
    assert guest.file() == "somebody's\n"


@pytest.mark.parametrize("run", ["", "../x", "a b", "$(reboot)"])
def test_ids_are_matched_before_they_are_used(run: str) -> None:
    with pytest.raises(ValueError, match="id of a run"):
        write_script([(files()[0], files("new\n")[0])], run, "x")
    with pytest.raises(ValueError, match="no backup"):
        undo_script(f"{nic_files.BACKUPS}/{run};reboot")
