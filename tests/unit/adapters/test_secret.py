import io
import pickle
from pathlib import Path

import pytest

from mxlib.adapters.secret import Secret, SecretError, from_file, from_file_or_prompt


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


@pytest.mark.parametrize("stdin", [io.StringIO(), None])
def test_without_file_and_terminal_it_says_so(monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(SecretError, match="no terminal"):
        from_file_or_prompt(None, "console password of root")


def test_a_password_is_shown_to_a_console_and_to_ganeti_and_never_to_a_script() -> None:
    """Scripts are written into the journal as they are."""
    root = Path(__file__).resolve().parents[3] / "mxlib"
    shown = {str(path.relative_to(root)) for path in root.rglob("*.py") if ".reveal()" in path.read_text()}
    assert shown == {"adapters/redact.py", "adapters/ganeti.py", "adapters/console_login.py"}
