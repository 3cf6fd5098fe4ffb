"""A shell over a serial line: what it runs comes back whole or not at all, and it is logged out of in any case."""

import base64
import gzip
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.adapters.console import ConsoleError, ConsoleStateError
from mxlib.adapters.serial_shell import _RUNNER, _received, cksum
from mxlib.base.errors import CommandFailedError, CommandTimeoutError
from mxlib.nic.screen import Waiting, plain, quiet
from tests.unit.support import fake_console
from tests.unit.support.consoles import PASSWORD, console, shell

KERNEL = "[   90.062106] device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled.\r\n"


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


def test_exit_codes_that_are_not_expected_are_errors(tmp_path: Path) -> None:
    with console() as line, shell(line, tmp_path) as host:
        assert host.act("exit 4", timeout=5, ok_codes=(0, 4)).exit_code == 4
        with pytest.raises(CommandFailedError, match="exit code 5: nope"):
            host.act("echo nope; exit 5", timeout=5)
        with pytest.raises(CommandTimeoutError):
            host.read("sleep 30", timeout=0.3)
        assert host.read("echo slow; timeout 0.1 sleep 5", timeout=5).exit_code == 124, "a limit of its own"
        with pytest.raises(CommandFailedError, match="exit code 137: killed"):
            host.act("echo killed; exit 137", timeout=5)
        assert host.read("echo still here", timeout=5).output == "still here\n"


def test_a_run_cut_short_is_not_answered_by_the_one_before(tmp_path: Path) -> None:
    with console() as line, shell(line, tmp_path) as host:
        assert host.read("echo before", timeout=5).output == "before\n"
        host._upload("sleep 30")
        line.send("go second 40\r")
        line.wait(lambda _: False, timeout=0.3)
        host._type("\x03")
        assert _received(host._type("show second"), "second") is None


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


@pytest.mark.parametrize("prompt", ["root@mail:~# ", "strange> "])
def test_a_shell_that_ended_before_ours_began_is_logged_in_to_again_and_no_command_is_a_name(
    tmp_path: Path, prompt: str
) -> None:
    names = tmp_path / "auth.log"
    with console("--short-lived", "1", "--auth-log", str(names), "--ps1", prompt) as line:
        with shell(line, tmp_path) as host:
            assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
        assert host.logged_out
    assert names.read_text() == "root\nroot\n"


def test_a_machine_that_lets_no_shell_of_ours_begin_is_reported(tmp_path: Path) -> None:
    names = tmp_path / "auth.log"
    with console("--short-lived", "9", "--auth-log", str(names)) as line:
        host = shell(line, tmp_path)
        with pytest.raises(ConsoleStateError, match="a login prompt is there again after 2 logins"), host:
            pass
        assert host.logged_out
    assert names.read_text() == "root\nroot\n"


def test_a_shell_of_ours_that_ended_meanwhile_gets_no_command(tmp_path: Path) -> None:
    names = tmp_path / "auth.log"
    with console("--auth-log", str(names)) as line:
        with shell(line, tmp_path) as host:
            line.send("exit\r")
            assert line.wait(lambda text: "mail login:" in text, timeout=5)
            with pytest.raises(ConsoleStateError, match="our shell has ended: the console shows a login prompt"):
                host.read("echo $((40 + 2))", timeout=5)
        assert host.logged_out
    assert names.read_text() == "root\n"


@pytest.mark.parametrize("shown", ["SeaBIOS (version 1.16.2)", "GNU GRUB  version 2.06"])
def test_at_a_machine_that_boots_meanwhile_no_key_is_typed(tmp_path: Path, shown: str) -> None:
    """A key stops GRUB's countdown, and may choose another entry."""
    with console() as line:
        with shell(line, tmp_path) as host:
            line.send(f"echo '{shown}'; cat; echo a key\r")
            assert line.wait(lambda text: shown in text, timeout=5)
            with pytest.raises(ConsoleStateError, match="our shell has ended: the console shows"):
                host.read("echo $((40 + 2))", timeout=5)
        assert not host.logged_out
        assert line.settle(still=0.5, timeout=2).last.endswith(shown)


def test_a_run_stopped_while_it_logs_in_leaves_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with console() as line:
        host = shell(line, tmp_path)
        monkeypatch.setattr(host, "_start_shell", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), host:
            pass
        assert host.logged_out
        assert line.screen().waiting is Waiting.LOGIN


def test_a_line_that_loses_much_ends_in_an_error(tmp_path: Path) -> None:
    with console("--logged-in", "--loss", "0.2") as line, pytest.raises(ConsoleError):
        shell(line, tmp_path, timeout=5.0).open()


def test_a_line_that_loses_little_still_serves(tmp_path: Path) -> None:
    with console("--logged-in", "--loss", "0.001", "--seed", "1") as line, shell(line, tmp_path) as host:
        assert host.read("seq 1 10", timeout=5).output.split()[-1] == "10"


@given(
    output=st.text(max_size=400),
    places=st.lists(st.integers(0, 5000), max_size=4),
    lost=st.lists(st.integers(0, 5000), max_size=2),
)
def test_an_output_comes_whole_or_not_at_all(output: str, places: list[int], lost: list[int]) -> None:
    packed = base64.encodebytes(gzip.compress(output.encode(errors="replace"), mtime=0)).decode().rstrip("\n")
    lines = "".join(f"m1:{line}\r\n" for line in packed.split("\n"))
    shown = f"show m1\r\n{lines}m1={cksum(packed.encode())}=\r\n"
    for place in places:
        shown = shown[: place % len(shown)] + KERNEL + shown[place % len(shown) :]
    for place in lost:
        shown = shown[: place % len(shown)] + shown[place % len(shown) + 1 :]
    answer = _received(quiet(plain(shown)), "m1")
    assert answer in (None, output.encode(errors="replace").decode())


def run_by_hand(before: str, script: str, scratch: Path, within: tuple[str, ...] = ()) -> list[str]:
    """What the runner on the host prints of a script, after some commands of its shell; then what it has left."""
    packed = base64.b64encode(gzip.compress(script.encode())).decode()
    runner = _RUNNER.replace("SCRATCH", str(scratch))
    shell_script = f"{before}\n{runner}M={packed}\ngo m1 5\nshow m1\nls {scratch}"
    done = subprocess.run([*within, "/bin/sh", "-c", shell_script], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def test_a_script_that_cannot_be_unpacked_whole_is_not_run(tmp_path: Path) -> None:
    script = f"touch {tmp_path}/ran"
    half = f"gzip() {{ [ \"$1\" != -dc ] || {{ echo '{script}'; return 1; }}; command gzip \"$@\"; }}"
    *_, answer = run_by_hand(half, script, tmp_path)
    assert answer.startswith("=")
    *_, answer, left = run_by_hand("", script, tmp_path)
    assert (answer.startswith("m1="), left) == (True, "ran")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: it mounts a small file system")
def test_of_an_output_that_had_no_room_nothing_is_believed(tmp_path: Path) -> None:
    small = f"mount -t tmpfs -o size=32k small {tmp_path}"
    *_, answer = run_by_hand(small, "seq 1 100000; exit 0", tmp_path, ("unshare", "--mount"))
    assert answer.startswith("="), "and nothing is left there"


@pytest.mark.parametrize(("data", "sum_"), [(b"", 4294967295), (b"123456789", 930766865)])
def test_cksum(data: bytes, sum_: int) -> None:
    # POSIX's own check value for "123456789"; the empty one as printed by coreutils
    assert cksum(data) == sum_
