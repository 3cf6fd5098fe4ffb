"""A transcript is read by its owner alone, and never holds the password."""

import os
from pathlib import Path

import pytest

from mxlib.adapters.transcript import Transcript, TranscriptError
from tests.unit.support.consoles import PASSWORD, console


def kept(path):
    made = Transcript(path, None)
    made.write(b"seen on the console\n")
    made.close()
    return made.path


def test_a_transcript_goes_on_in_its_own_file_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "mx.log"
    assert kept(path) == kept(path) == path
    assert path.read_text() == 2 * "seen on the console\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["readable by all", "a link", "a folder", "a pipe"])
def test_a_transcript_leaves_alone_what_is_not_its_own(tmp_path, kind):
    path, other = tmp_path / "mx.log", tmp_path / "other"
    other.write_text("somebody else's\n")
    if kind == "readable by all":
        other.rename(path)
        path.chmod(0o644)
        other = path
    elif kind == "a link":
        path.symlink_to(other)
    else:
        (os.mkdir if kind == "a folder" else os.mkfifo)(path)
    assert kept(path) == tmp_path / "mx-2.log"
    assert other.read_text() == "somebody else's\n"
    assert (tmp_path / "mx-2.log").stat().st_mode & 0o777 == 0o600


def test_a_transcript_without_a_name_is_refused(tmp_path):
    for name in ("mx.log", *(f"mx-{number}.log" for number in range(2, 10))):
        (tmp_path / name).write_text("somebody else's")
        (tmp_path / name).chmod(0o644)
    with pytest.raises(TranscriptError, match="or a name that is free"):
        Transcript(tmp_path / "mx.log", None)


def test_a_password_that_a_shell_wrapped_at_the_width_of_its_screen_is_in_no_transcript(tmp_path: Path) -> None:
    """Typed at a real bash, as happens when a prompt is taken for another: it echoes, and breaks the line."""
    with console("--logged-in", transcript=tmp_path / "transcript") as line:
        assert line.wait(lambda text: text.endswith("# "), timeout=5)
        line.forget()
        line.send("stty rows 24 cols 24\r")
        assert line.wait(lambda text: text.endswith("# "), timeout=5)
        line.forget()
        for letter in PASSWORD.reveal():
            line.send(letter)
            line.wait(lambda _: False, timeout=0.03)
        assert line.wait(lambda text: "ne" in text, timeout=5)
        assert " \r" in line._raw(1000), "bash has broken the line"
        assert "on-the-line" not in line.screen().last + "".join(line.excerpt(5))
    shown = (tmp_path / "transcript").read_text()
    assert "on-the-line" not in shown
    assert "***" in shown
