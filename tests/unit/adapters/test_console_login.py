"""The login on a console, whatever it shows and in whichever language it asks."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mxlib.adapters.console import (
    ConsoleEndedError,
    ConsoleError,
    ConsoleLoginError,
    ConsoleMuteError,
    ConsoleStateError,
)
from mxlib.adapters.console_login import ConsoleLogin, Login, Pace
from mxlib.adapters.redact import redact
from mxlib.nic.screen import Screen, Waiting, look, plain
from tests.unit.support import fake_console
from tests.unit.support.consoles import PASSWORD, console, shell
from tests.unit.support.fakes import FakeClock


def test_a_session_left_open_by_somebody_is_used_and_closed(tmp_path: Path) -> None:
    with console("--logged-in") as line:
        with shell(line, tmp_path) as host:
            assert host.found_logged_in
        assert host.logged_out


def test_a_refused_login_ends_after_two_attempts_and_shows_no_password(tmp_path: Path) -> None:
    with console("--refuse", transcript=tmp_path / "transcript") as line:
        with pytest.raises(ConsoleLoginError) as caught:
            shell(line, tmp_path).open()
        assert "refused twice" in str(caught.value)
        assert PASSWORD.reveal() not in str(caught.value) + repr(vars(caught.value))
        assert line.screen().waiting is Waiting.LOGIN
    assert (tmp_path / "transcript").read_text().count("Login incorrect") == 2
    assert PASSWORD.reveal() not in (tmp_path / "transcript").read_text()


def test_a_silent_console_is_reported_as_silent(tmp_path: Path) -> None:
    with console("--show", " ") as line:
        begin = time.monotonic()
        with pytest.raises(ConsoleError, match="no root shell on the console within 1 s"):
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
            # it looks like a question of login's: nothing is typed there, and the console is left
            with pytest.raises(ConsoleLoginError, match="the console asks: what now:"):
                shell(line, tmp_path).open()
        else:
            with shell(line, tmp_path) as host:
                assert not host.found_logged_in
                assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
            assert host.logged_out


def test_a_shell_that_is_slow_to_start_is_waited_for_and_not_interrupted(tmp_path: Path) -> None:
    """Seen on a busy machine: a message of the day in pieces, and the interrupt behind it ended the starting shell."""
    with console("--starts", "2.5", transcript=tmp_path / "transcript") as line, shell(line, tmp_path) as host:
        assert host.read("echo $((6 * 7))", timeout=5).output == "42\n"
    assert (tmp_path / "transcript").read_text().count("Password:") == 1


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
    """Somebody has mistyped and left: login asks again, in its own words."""
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
def test_an_expired_password_is_reported_at_once_and_the_console_left(tmp_path: Path, language: str, why: str) -> None:
    with console("--expired", "--language", language) as line:
        begin = time.monotonic()
        host = shell(line, tmp_path)
        with pytest.raises(ConsoleLoginError, match=why) as caught, host:
            pass
        assert time.monotonic() - begin < 12
        assert "change it" in caught.value.advice
        assert host.logged_out


def test_a_getty_that_logs_in_by_itself_is_used_and_reported(tmp_path: Path) -> None:
    with console("--autologin", "--ps1", r"[\t] \u@\h:\w\$ ") as line:
        with shell(line, tmp_path) as host:
            assert host.read("echo $((40 + 2))", timeout=5).output == "42\n"
        assert host.autologin
        assert not host.logged_out


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


PACE = Pace(answer_s=2.0, still_s=0.2, leave_s=2.0)


def entry(line: object, *, timeout: float = 20.0) -> ConsoleLogin:
    return ConsoleLogin(line, "mail.lab.test", Login("root", PASSWORD, timeout), uid=str(os.getuid()), pace=PACE)  # type: ignore[arg-type]


def test_an_entry_knows_how_it_came_in_and_leaves_at_a_login_prompt() -> None:
    with console() as line:
        way = entry(line)
        way.enter()
        assert (way.passwords, way.entered, way.autologin) == (1, True, False)
        assert not way.is_over(line.text())
        way.leave()
        assert (way.entered, line.screen().waiting) == (False, Waiting.LOGIN)
        assert way.is_over(line.text())


def test_a_shell_that_ends_late_is_told_so_in_no_name_at_the_login(tmp_path: Path) -> None:
    names = tmp_path / "auth.log"
    with console("--ends", "2.5", "--auth-log", str(names)) as line:
        way = entry(line)
        way.enter()
        way.leave()
        assert line.screen().waiting is Waiting.LOGIN
    assert names.read_text() == "root\n"


def test_an_entry_into_a_session_left_open_types_no_password() -> None:
    with console("--logged-in") as line:
        way = entry(line)
        way.enter()
        assert (way.passwords, way.entered) == (0, False)


class Asking:
    """A line at which, after a login prompt, a question stands; what is typed there is echoed or hidden."""

    def __init__(self, question: str, *, echoes: bool) -> None:
        self.clock = FakeClock()
        self.alive, self.question, self.echoes = True, question, echoes
        self.typed: list[str] = []
        self.shown = "mail login: "

    def text(self) -> str:
        return plain(self.shown)

    def screen(self) -> Screen:
        return look(redact(self.shown, PASSWORD))

    def seen(self, pattern: object) -> bool:
        return False

    def wait_for(self, pattern: object, *, timeout: float) -> None:
        self.clock.sleep(timeout)

    def settle(self, *, still: float, timeout: float) -> Screen:
        self.clock.sleep(still)
        return self.screen()

    def forget(self) -> None:
        self.shown = ""

    def send(self, text: str) -> None:
        self.typed.append(text)
        if text == "root\r":
            self.shown = f"root\n{self.question}"
        elif self.echoes:
            self.shown += text.replace("\r", "\nmail login: ").replace("\x15", "")

    def wait(self, met: Callable[[str], bool], *, timeout: float) -> bool:
        self.clock.sleep(timeout)
        return met(self.shown)


@pytest.mark.parametrize(
    ("question", "echoes", "typed"),
    [
        ("Passwort: ", False, True),
        ("Passwort: ", True, False),
        ("Password: ", True, True),
        ("mail Anmeldung: ", False, False),
        ("", False, False),
    ],
)
def test_the_password_is_typed_only_at_a_question_that_hides_it(question: str, echoes: bool, typed: bool) -> None:
    line = Asking(question, echoes=echoes)
    with contextlib.suppress(ConsoleError):
        entry(line, timeout=5.0).enter()
    assert (f"{PASSWORD.reveal()}\r" in line.typed) is typed


class Slow(Asking):
    """A host so busy that its login takes a while to ask for the password; a line end before that is an empty one."""

    def wait(self, met: Callable[[str], bool], *, timeout: float) -> bool:
        before = self.clock.monotonic()
        super().wait(met, timeout=timeout)
        if self.typed[-1:] == ["root\r"] and self.clock.monotonic() - before > 2 * PACE.answer_s:
            self.shown = f"root\n{self.question}"
        return met(self.shown)

    def send(self, text: str) -> None:
        self.typed.append(text)


def test_a_busy_host_gets_its_time_to_ask_for_the_password() -> None:
    line = Slow("Password: ", echoes=False)
    with contextlib.suppress(ConsoleError):
        entry(line).enter()
    assert line.typed[:2] == ["root\r", f"{PASSWORD.reveal()}\r"]


def test_a_login_that_asks_for_no_password_is_no_silent_console() -> None:
    with pytest.raises(ConsoleMuteError, match="at its login prompt, and no password was asked for") as it:
        entry(Asking("", echoes=False), timeout=5.0).enter()
    assert "too busy for a login" in it.value.advice


@pytest.mark.parametrize(
    "prompt", [f"what now, {PASSWORD.reveal()}> ", f"\nwhat now, {PASSWORD.reveal()[:9]} \r{PASSWORD.reveal()[9:]}> "]
)
def test_a_prompt_that_repeats_the_password_is_shown_without_it(prompt: str) -> None:
    line = Asking("", echoes=False)
    line.shown = prompt
    line.forget = lambda: None  # type: ignore[method-assign]
    with pytest.raises(ConsoleStateError, match="the console shows an unknown prompt") as caught:
        entry(line, timeout=20.0).enter()
    assert caught.value.screen is not None
    assert "the-line" not in caught.value.why + caught.value.screen.detail


def test_a_question_after_the_password_is_shown_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Asking("", echoes=False)
    way = entry(line)
    way.passwords = 1
    line.shown = f"{PASSWORD.reveal()} is old, a new one: "
    with pytest.raises(ConsoleLoginError, match=r"the console asks: \*\*\* is old, a new one:"):
        way._came_in()
