import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.adapters.secret import Redactor, Secret, SecretError, from_file, from_file_or_prompt, redact


def test_a_secret_prints_as_stars() -> None:
    secret = Secret("hunter2-hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_from_file_reads_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "pw"
    path.write_text("one two\nthree\n")
    path.chmod(0o600)
    assert from_file(path).reveal() == "one two"


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [("pw\n", 0o644, "0644"), ("\n", 0o600, "empty"), (None, 0, "No such file")],
)
def test_from_file_refuses(tmp_path: Path, content: str | None, mode: int, why: str) -> None:
    path = tmp_path / "pw"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(SecretError, match=why) as caught:
        from_file(path)
    assert "pw\n" not in str(caught.value)


def test_without_file_and_terminal_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(SecretError, match="no terminal"):
        from_file_or_prompt(None, "console password of root")


@given(
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    cuts=st.lists(st.integers(min_value=1, max_value=7), max_size=40),
)
def test_the_redactor_finds_a_secret_cut_anywhere(before: bytes, after: bytes, cuts: list[int]) -> None:
    stream = before + b"s3cr3t-s3cr" + b"et" + after + b"s3cr3t-s3cret" + before
    redactor, shown = Redactor(Secret("s3cr3t-s3cret")), b""
    for cut in cuts:
        shown, stream = shown + redactor.feed(stream[:cut]), stream[cut:]
    shown += redactor.feed(stream) + redactor.flush()
    assert b"s3cr3t-s3cret" not in shown


@given(pieces=st.lists(st.binary(max_size=9), max_size=20))
def test_the_redactor_loses_nothing_else(pieces: list[bytes]) -> None:
    redactor = Redactor(Secret("\N{SNOWMAN}zz"))
    assert b"".join(map(redactor.feed, pieces)) + redactor.flush() == b"".join(pieces)


def test_redact() -> None:
    assert redact("login: hunter2x", Secret("hunter2")) == "login: ***x"
    assert redact("as is", None) == "as is"


def test_a_password_is_shown_to_a_console_and_to_ganeti_and_never_to_a_script() -> None:
    """Scripts are written into the journal as they are."""
    root = Path(__file__).resolve().parents[3] / "mxlib"
    shown = {str(path.relative_to(root)) for path in root.rglob("*.py") if ".reveal()" in path.read_text()}
    assert shown == {"adapters/secret.py", "adapters/ganeti.py", "adapters/console_login.py"}
