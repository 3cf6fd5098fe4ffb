import base64
import gzip
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.adapters.boot_watch import BootWatch
from mxlib.adapters.console import (
    Console,
    ConsoleEndedError,
    ConsoleError,
    ConsoleLoginError,
    ConsoleStateError,
    Transcript,
)
from mxlib.adapters.console_login import Login
from mxlib.adapters.secret import Secret
from mxlib.adapters.serial_shell import SerialShell, _received, cksum
from mxlib.base.errors import CommandFailedError, CommandTimeoutError
from mxlib.nic.screen import Waiting, plain, quiet
from tests.unit.support import fake_console

KERNEL = "[   90.062106] device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled.\r\n"
FAKE = Path(__file__).parents[1] / "support" / "fake_console.py"
PASSWORD = Secret("s3cret-on-the-line")


def console(*options: str, transcript: Path | None = None, secret: Secret = PASSWORD) -> Console:
    return Console([sys.executable, str(FAKE), *options], secret=secret, transcript=transcript)


def shell(line: Console, scratch: Path, *, password: Secret = PASSWORD, timeout: float = 20.0) -> SerialShell:
    (scratch / "printk").write_text("7\t4\t1\t7\n")
    made = SerialShell(line, "mail.lab.test", Login("root", password, timeout))
    # Only for the machine that runs the tests: its kernel is left alone, and it need not be root's.
    made.ANSWER_S, made.STILL_S, made.LEAVE_S = 2.0, 0.2, 2.0
    made.SCRATCH, made.PRINTK, made.UID = str(scratch), str(scratch / "printk"), str(os.getuid())
    return made


@pytest.mark.parametrize("options", [(), ("--noise", "0.3", "--seed", "7"), ("--noise", "0.3", "--seed", "8")])
def test_logs_in_runs_and_logs_out(tmp_path: Path, options: tuple[str, ...]) -> None:
    with console(*options, transcript=tmp_path / "transcript") as line:
        with shell(line, tmp_path) as host:
            result = host.read("echo 'one\ttwo'; printf 'no newline\\033[1m'; exit 3", timeout=5)
            assert (result.exit_code, result.output) == (3, "one\ttwo\nno newline\x1b[1m")
            assert len(host.read("seq 1 2000", timeout=5).output.split()) == 2000
            assert (tmp_path / "printk").read_text() == "1\n"
        assert host.logged_out
        assert (tmp_path / "printk").read_text() == "7\n"
    shown = (tmp_path / "transcript").read_bytes()
    # The noise comes when it likes, also in the middle of a word.
    assert b"mail login:" in shown.replace(fake_console.KERNEL, b"")
    assert PASSWORD.reveal().encode() not in shown
    assert (tmp_path / "transcript").stat().st_mode & 0o777 == 0o600


def test_a_session_left_open_by_somebody_is_used_and_closed(tmp_path: Path) -> None:
    with console("--logged-in") as line:
        with shell(line, tmp_path) as host:
            assert host.found_logged_in
        assert host.logged_out


def test_exit_codes_that_are_not_expected_are_errors(tmp_path: Path) -> None:
    with console() as line, shell(line, tmp_path) as host:
        assert host.act("exit 4", timeout=5, ok_codes=(0, 4)).exit_code == 4
        with pytest.raises(CommandFailedError, match="exit code 5: nope"):
            host.act("echo nope; exit 5", timeout=5)
        with pytest.raises(CommandTimeoutError):
            host.read("sleep 30", timeout=0.3)
        assert host.read("echo still here", timeout=5).output == "still here\n"


def test_a_run_cut_short_is_not_answered_by_the_one_before(tmp_path: Path) -> None:
    with console() as line, shell(line, tmp_path) as host:
        assert host.read("echo before", timeout=5).output == "before\n"
        host._upload("sleep 30")
        line.send("go second 40\r")
        line.wait(lambda _: False, timeout=0.3)
        host._type("\x03")
        assert _received(host._type("show second"), "second") is None


def test_a_refused_login_ends_after_two_attempts_and_shows_no_password(tmp_path: Path) -> None:
    with console("--refuse", transcript=tmp_path / "transcript") as line:
        with pytest.raises(ConsoleLoginError) as caught:
            shell(line, tmp_path).open()
        assert "refused twice" in str(caught.value)
        assert PASSWORD.reveal() not in str(caught.value) + repr(vars(caught.value))
        assert line.screen().waiting is Waiting.LOGIN
    assert (tmp_path / "transcript").read_text().count("Login incorrect") == 2
    assert PASSWORD.reveal() not in (tmp_path / "transcript").read_text()


def test_a_silent_console_is_told_as_such(tmp_path: Path) -> None:
    with console("--show", " ") as line:
        begin = time.monotonic()
        with pytest.raises(ConsoleError, match="no prompt on the console within 1 s"):
            shell(line, tmp_path, timeout=1.0).open()
        assert time.monotonic() - begin < 8
        assert line.screen().waiting is Waiting.SILENT


@pytest.mark.parametrize(
    ("shown", "waiting"),
    [
        ("Gave up waiting for root file system device.\\r\\n(initramfs) ", Waiting.INITRAMFS),
        ("Give root password for maintenance\\r\\n(or press Control-D to continue): ", Waiting.EMERGENCY),
        ("[    1.000000] Kernel panic - not syncing: Attempted to kill init!\\r\\n", Waiting.PANIC),
        ("grub rescue> ", Waiting.GRUB_RESCUE),
        ("deploy@mail:~$ ", Waiting.USER_SHELL),
    ],
)
def test_what_is_no_login_is_reported_and_not_typed_at(tmp_path: Path, shown: str, waiting: Waiting) -> None:
    with console("--show", shown) as line, pytest.raises(ConsoleStateError) as caught:
        shell(line, tmp_path).open()
    assert caught.value.screen is not None
    assert caught.value.screen.waiting is waiting


PROMPTS = {
    "with the time": r"[\t] \u@\h:\w\$ ",
    "with the role": r"\[\e[1;31m\][PRODUCTION mail] \u@\h:\w\$\[\e[0m\] ",
    "of two lines": r"\u@\h \w\n\$ ",
    "with an arrow": r"\u@\h:\w> ",
    "with a branch": r"\u@\h:\w (main)# ",
    "of a user": r"\u@\h:~$ ",
    "that asks": r"what now: ",
    "empty": "",
}


@pytest.mark.parametrize("prompt", PROMPTS)
def test_any_prompt_of_the_site_is_logged_in_to_and_left(tmp_path: Path, prompt: str) -> None:
    with console("--ps1", PROMPTS[prompt]) as line:
        if prompt == "that asks":
            # nothing tells it from a question of login: it is not typed at, but left
            with pytest.raises(ConsoleLoginError, match="the console asks: what now:"):
                shell(line, tmp_path).open()
        else:
            with shell(line, tmp_path) as host:
                assert not host.found_logged_in
                assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
            assert host.logged_out


@pytest.mark.parametrize("prompt", [name for name in PROMPTS if name not in ("that asks", "empty")])
def test_any_prompt_of_a_session_left_open_is_found_by_a_command(tmp_path: Path, prompt: str) -> None:
    with console("--logged-in", "--ps1", PROMPTS[prompt]) as line:
        with shell(line, tmp_path) as host:
            assert host.found_logged_in
            assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
        assert host.logged_out


def test_the_shell_of_another_user_is_not_taken(tmp_path: Path) -> None:
    with console("--logged-in", "--ps1", r"\u@\h> ") as line:
        host = shell(line, tmp_path)
        host.UID = "4711"
        with pytest.raises(ConsoleStateError) as caught:
            host.open()
        host.close()
        assert caught.value.screen is not None
        assert caught.value.screen.waiting is Waiting.USER_SHELL
        # it is somebody's: it stands there as it was
        line.forget()
        line.send("echo $((40+2))\r")
        assert line.wait(lambda text: "\n42" in text, timeout=5)


@pytest.mark.parametrize("language", ["de", "fr", "ja"])
def test_login_in_any_language(tmp_path: Path, language: str) -> None:
    with console("--language", language, transcript=tmp_path / "transcript") as line:
        with shell(line, tmp_path) as host:
            assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
        assert host.logged_out
    assert PASSWORD.reveal() not in (tmp_path / "transcript").read_text()


@pytest.mark.parametrize("language", ["de", "fr", "ja"])
def test_a_refusal_in_any_language(tmp_path: Path, language: str) -> None:
    with console("--language", language, "--refuse", transcript=tmp_path / "transcript") as line:
        begin = time.monotonic()
        with pytest.raises(ConsoleLoginError, match="refused twice"):
            shell(line, tmp_path).open()
        assert time.monotonic() - begin < 15
    assert PASSWORD.reveal() not in (tmp_path / "transcript").read_text()


@pytest.mark.parametrize("language", ["de", "fr", "ja"])
def test_a_name_asked_for_in_another_language_is_got_past(tmp_path: Path, language: str) -> None:
    """Somebody has mistyped and left: login asks anew, in its own words."""
    with console("--language", language) as line:
        assert line.wait(lambda text: "mail login:" in text, timeout=5)
        line.send("x\r")
        assert line.wait(lambda text: fake_console.WORDS[language][0].strip() in text, timeout=5)
        line.send("y\r")
        assert line.wait(lambda text: fake_console.WORDS[language][2].strip() in text, timeout=5)
        with shell(line, tmp_path) as host:
            assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"


@pytest.mark.parametrize(
    ("language", "why"), [("en", "the password of root has expired"), ("de", "the console asks: ")]
)
def test_an_expired_password_is_told_at_once_and_the_console_left(tmp_path: Path, language: str, why: str) -> None:
    with console("--expired", "--language", language) as line:
        begin = time.monotonic()
        host = shell(line, tmp_path)
        with pytest.raises(ConsoleLoginError, match=why) as caught, host:
            pass
        assert time.monotonic() - begin < 12
        assert "change it" in caught.value.advice
        assert host.logged_out


def test_a_getty_that_logs_in_by_itself_is_used_and_told(tmp_path: Path) -> None:
    with console("--autologin", "--ps1", r"[\t] \u@\h:\w\$ ") as line:
        with shell(line, tmp_path) as host:
            assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
        assert host.autologin
        assert not host.logged_out


@pytest.mark.parametrize("options", [(), ("--stubborn",)])
def test_a_login_that_did_not_become_a_shell_of_ours_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    with console(*options, "--ps1", "strange> ") as line:
        host = shell(line, tmp_path)
        monkeypatch.setattr(host, "_exec_shell", lambda: False)
        with pytest.raises(ConsoleError, match="no shell of our own"), host:
            pass
        assert host.logged_out
        line.forget()
        line.send("echo $((40+2))\r")
        assert not line.wait(lambda text: "\n42" in text, timeout=1)


def test_a_run_stopped_while_it_logs_in_leaves_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with console() as line:
        host = shell(line, tmp_path)
        monkeypatch.setattr(host, "_start_shell", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), host:
            pass
        assert host.logged_out
        assert line.screen().waiting is Waiting.LOGIN


@pytest.mark.parametrize(
    "said",
    [
        "Instance mx2001 has VNC listening on node1:5901 (display 1), URL <vnc://node1:5901/>\\r\\n",
        "Host key verification failed.\\r\\n",
        "Failure: prerequisites not met for this operation:\\r\\nThis is not the master node\\r\\n",
    ],
)
def test_a_command_that_only_says_something_is_no_boot(tmp_path: Path, said: str) -> None:
    with console("--show", said, "--end-after", "0.3") as line, pytest.raises(ConsoleEndedError) as caught:
        shell(line, tmp_path).open()
    assert said.split("\\r")[-2].removeprefix("\\n").split("<")[0] in caught.value.why


def test_a_line_that_loses_much_ends_in_an_error(tmp_path: Path) -> None:
    with console("--logged-in", "--loss", "0.2") as line, pytest.raises(ConsoleError):
        shell(line, tmp_path, timeout=5.0).open()


def test_a_line_that_loses_little_still_serves(tmp_path: Path) -> None:
    with console("--logged-in", "--loss", "0.001", "--seed", "1") as line, shell(line, tmp_path) as host:
        assert host.read("seq 1 10", timeout=5).output.split()[-1] == "10"


def test_the_end_of_the_other_side_is_seen_and_reattached() -> None:
    with console("--show", "bye\\r\\n", "--end-after", "1.5") as line:
        assert line.wait(lambda text: "bye" in text, timeout=5)
        assert not line.wait(lambda text: "never" in text, timeout=5)
        assert not line.alive
        with pytest.raises(ConsoleError, match="not attached"):
            line.send("x")
        assert line.reattach(timeout=5, every=0.5)
        assert line.alive


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(ConsoleError, match="cannot start"), Console(["/nonexistent/ssh"]):
        pass


def test_the_screen_never_shows_the_password() -> None:
    with console("--show", "mail login: s3cret-on-the-line\\r\\n") as line:
        assert line.wait(lambda text: "line" in text, timeout=5)
        assert "s3cret" not in line.screen().last
        assert line.excerpt(5) == ("mail login: ***",)


@given(
    output=st.text(max_size=400),
    code=st.integers(0, 255),
    places=st.lists(st.integers(0, 5000), max_size=4),
    lost=st.lists(st.integers(0, 5000), max_size=2),
)
def test_an_output_comes_whole_or_not_at_all(output: str, code: int, places: list[int], lost: list[int]) -> None:
    packed = base64.encodebytes(gzip.compress(output.encode(errors="replace"), mtime=0)).decode().rstrip("\n")
    lines = "".join(f"m1:{line}\r\n" for line in packed.split("\n"))
    shown = f"show m1\r\n{lines}m1={code}={cksum(f'{code} {packed}'.encode())}=\r\n"
    for place in places:
        shown = shown[: place % len(shown)] + KERNEL + shown[place % len(shown) :]
    for place in lost:
        shown = shown[: place % len(shown)] + shown[place % len(shown) + 1 :]
    answer = _received(quiet(plain(shown)), "m1")
    assert answer in (None, (code, output.encode(errors="replace").decode()))


@pytest.mark.parametrize(("data", "sum_"), [(b"", 4294967295), (b"123456789", 930766865)])
def test_cksum(data: bytes, sum_: int) -> None:
    # POSIX's own check value for "123456789"; the empty one as printed by coreutils
    assert cksum(data) == sum_


def test_a_watched_boot_is_drained_and_attached_again_when_a_cold_start_ends_it(tmp_path: Path) -> None:
    line = console("--show", "mail login: ", "--end-after", "1.5", transcript=tmp_path / "transcript")
    with BootWatch(line) as watch:
        assert line.wait(lambda text: "login" in text, timeout=5)
        end = time.monotonic() + 15
        while (tmp_path / "transcript").read_text().count("mail login:") < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert watch.screen().waiting is Waiting.LOGIN
    assert (tmp_path / "transcript").read_text().count("mail login:") >= 2
    assert not line.alive


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
    with pytest.raises(ConsoleError, match="or a name that is free"):
        Transcript(tmp_path / "mx.log", None)
