"""How to get into a root shell on a console, whatever it shows, and out of it again.

A prompt is not judged by its look: a site's prompt may be anything, and login asks in the language of the host. A shell
is what runs a command of ours and shows its result, which is not in what was typed. A password is typed only at a
question that answers our own user name and does not echo.
"""

import re
import secrets
from dataclasses import dataclass, replace

from mxlib.adapters.console import (
    Console,
    ConsoleEndedError,
    ConsoleError,
    ConsoleExpiredError,
    ConsoleLoginError,
    ConsoleMuteError,
    ConsoleStateError,
)
from mxlib.adapters.redact import redact
from mxlib.adapters.secret import Secret
from mxlib.base.text import one_line
from mxlib.nic.screen import NEW_BOOT, Screen, Waiting, open_line

_HOPELESS = frozenset(
    {
        Waiting.GRUB_SHELL,
        Waiting.GRUB_RESCUE,
        Waiting.INITRAMFS,
        Waiting.EMERGENCY,
        Waiting.FSCK,
        Waiting.PANIC,
        Waiting.NO_BOOT_DEVICE,
        Waiting.NOT_RUNNING,
    }
)
_REFUSED = re.compile(
    r"Login incorrect|Authentication failure|Login timed out|Permission denied|account .* (?:locked|expired)"
)
# pam_unix(8); the same in other languages is known by the question that follows.
_EXPIRED = re.compile(r"required to change your password|Changing password for|password has expired")
# login asks in the language of the host, and no two languages have the same words: what they share is the colon.
_QUESTION = re.compile(r"[:\uff1a]$")
_KNOWN_PASSWORD = re.compile(r"^Password:$")
_LOGINS = 2
_END = "\x04"
_ENDS = (_END, "exit\r", _END)
"""Ends a login or a shell: the end of input, also at a program's prompt; ``exit`` for a shell that ignores that."""


@dataclass(frozen=True)
class Login:
    """Who logs in.

    Attributes:
        user: root, or a user whose shell is root's.
        password: typed only at a password prompt that answers our own user name.
        timeout: seconds until a prompt must have come, boot included.
    """

    user: str
    password: Secret
    timeout: float = 60.0


@dataclass(frozen=True)
class Pace:
    """How long is waited for what, in seconds.

    Attributes:
        answer_s: for an answer to what was typed.
        still_s: without output until a line counts as at rest.
        leave_s: for a login prompt after a shell was ended.
    """

    answer_s: float
    still_s: float
    leave_s: float


class ConsoleLogin:
    """One entry into a root shell.

    Attributes:
        passwords: how often the password was typed.
        entered: whether a shell may be open that our password has opened.
        autologin: whether getty logs in by itself.

    Arguments:
        console: an attached console.
        name: the host's name.
        uid: the user id that counts as root's.
    """

    def __init__(self, console: Console, name: str, login: Login, *, uid: str, pace: Pace) -> None:
        self._console = console
        self._name = name
        self._login = login
        self._uid = uid
        self._pace = pace
        token = secrets.token_hex(8)
        self._halves = (f"P{token[:6]}", token[6:])
        self._strange = ""
        self._named = False
        self._refusals = 0
        self.passwords = 0
        self.entered = False
        self.autologin = False

    # --- in

    def enter(self) -> None:
        """Get to where a root shell reads what is typed; see :meth:`mxlib.adapters.serial_shell.SerialShell.open`."""
        clock = self._console.clock
        end = clock.monotonic() + self._login.timeout
        while clock.monotonic() < end:
            if self._advance(self._console.settle(still=self._pace.still_s, timeout=self._pace.answer_s)):
                return
        raise self._no_prompt()

    def _no_prompt(self) -> ConsoleError:
        screen = self._console.screen()
        if self._named and self._console.text().strip() in ("", self._login.user):  # nothing, but for our own echo
            said = f"{self._login.user} was typed at its login prompt, and no password was asked for within"
            return ConsoleMuteError(f"{said} {self._login.timeout:.0f} s", screen)
        if self._strange and screen.waiting is Waiting.BOOTING:
            shown = self._shown(screen, self._strange)
            screen = replace(screen, waiting=Waiting.PROMPT, detail=shown)
            return ConsoleStateError(f"the console shows {screen.waiting.value}: {shown}", screen)
        return ConsoleError(f"no root shell on the console within {self._login.timeout:.0f} s", screen)

    def _shown(self, screen: Screen, line: str) -> str:
        """Return the line that the console stands at, safe to show: a password may have begun on the line before."""
        return one_line(screen.last.splitlines()[-1] if screen.last else redact(line, self._login.password))

    def _advance(self, screen: Screen) -> bool:
        """Take one step towards a root shell, and return whether we are in one."""
        if screen.waiting in _HOPELESS:
            raise ConsoleStateError(f"the console shows {screen.waiting.value}", screen)
        if not self._console.alive:
            said = one_line(self._console.last_words()) or "it said nothing"
            raise ConsoleEndedError(f"the console's command ended by itself: {said}", screen)
        if screen.waiting is Waiting.ROOT_SHELL:
            return True
        if screen.waiting is Waiting.USER_SHELL:
            return self._probe(screen)
        if screen.waiting is Waiting.LOGIN:
            return self._answer_login()
        if screen.waiting is Waiting.GRUB_MENU:
            self._console.wait(lambda _: False, timeout=self._pace.still_s)
            return False
        return self._ask_again(screen)

    def _ask_again(self, screen: Screen) -> bool:
        """Type a line end at what is no known prompt; if the same comes again, it is one, and a command shows which."""
        line = open_line(self._console.text())
        if line and _shape(line) == _shape(self._strange):
            if not _QUESTION.search(line):
                return self._probe(screen)
            # a question in another language: its end leads back to getty, which asks in English
            self._console.forget()
            self._console.send("\x04")
        else:
            # At a password prompt that is not ours an empty one is refused and leads back to the login.
            self._console.forget()
            self._console.send("\r")
        self._strange = line
        self._console.wait(lambda text: bool(text.strip()), timeout=min(5.0, self._pace.answer_s))
        return False

    def _probe(self, screen: Screen) -> bool:
        """Whether a command is answered, and by root; the answer is not in what is typed.

        Raises:
            mxlib.adapters.console.ConsoleStateError: somebody else answers.
        """
        uid = self._who_reads(self._pace.answer_s)
        if uid == self._uid:
            return True
        if uid or screen.waiting is Waiting.USER_SHELL:
            other = replace(screen, waiting=Waiting.USER_SHELL)
            raise ConsoleStateError(f"the console shows {other.waiting.value}", other)
        return False

    def _who_reads(self, timeout: float) -> str:
        """Return the user id of the shell that reads what is typed; empty if none has answered in time (seconds)."""
        left, right = self._halves
        self._console.forget()
        self._console.send(f" echo '{left}''{right}'=$(id -u)=\r")
        found = self._console.wait_for(re.compile(rf"{left}{right}=(\d+)="), timeout=timeout)
        return found[1] if found is not None else ""

    # --- the login

    def _answer_login(self) -> bool:
        """Log in, and return whether a shell is there.

        Raises:
            mxlib.adapters.console.ConsoleStateError: no login has led to a shell that stays.
        """
        if self.passwords == _LOGINS:
            raise ConsoleStateError(f"a login prompt is there again after {_LOGINS} logins", self._console.screen())
        self._console.forget()
        self._console.send(self._login.user + "\r")
        self._named = True
        # Only at a password prompt that answers this very name: typed at a login prompt it would be echoed and logged.
        if not self._asks_for_password():
            return False
        self.passwords += 1
        self.entered = True
        self._console.forget()
        self._console.send(self._login.password.reveal() + "\r")
        return self._came_in()

    def _asks_for_password(self) -> bool:
        # A line end that is typed too early is an empty password, and login begins anew: a busy host gets its time.
        asked = self._console.wait(lambda text: bool(self._question(text)), timeout=3 * self._pace.answer_s)
        line = self._question(self._console.text())
        if not asked or self._is_login(line):
            return False
        return bool(_KNOWN_PASSWORD.search(line)) or self._hides_what_is_typed()

    @staticmethod
    def _question(text: str) -> str:
        """Return the line behind the echo of what was typed, if it is a question; else empty."""
        line = open_line(text)
        return line if "\n" in text and _QUESTION.search(line) else ""

    def _is_login(self, line: str) -> bool:
        """Whether a question is that for a name: both getty and login put the host's name in front of it."""
        host = re.escape(self._name.split(".", 1)[0])
        return re.match(rf"{host}\b", line) is not None or " login:" in f" {line}"

    def _hides_what_is_typed(self) -> bool:
        """Whether the line does not echo: only then is it a place for a password. What was typed is erased again."""
        before = self._console.text()
        self._console.settle(still=self._pace.still_s, timeout=self._pace.answer_s)
        self._console.send("x")
        echoed = self._console.wait(
            lambda text: text.rstrip("\n") != before.rstrip("\n"), timeout=2 * self._pace.still_s
        )
        self._console.send("\x15")
        return not echoed

    def _came_in(self) -> bool:
        """Whether the password led to a shell: then something stands on the line, and it is no question.

        Raises:
            mxlib.adapters.console.ConsoleLoginError: refused twice, or more is asked for.
        """
        self._console.wait(lambda text: bool(open_line(text) or _REFUSED.search(text)), timeout=2 * self._pace.answer_s)
        screen = self._console.settle(still=self._pace.still_s, timeout=self._pace.answer_s)
        text = self._console.text()
        line = open_line(text)
        if (
            _REFUSED.search(text)
            or screen.waiting is Waiting.LOGIN
            or (_QUESTION.search(line) and self._is_login(line))
        ):
            self.entered = False
            self._refusals += 1
            if self._refusals > 1:
                raise ConsoleLoginError(f"the login of {self._login.user} was refused twice", self._console.screen())
            return False
        if _EXPIRED.search(text):
            raise ConsoleExpiredError(f"the password of {self._login.user} has expired", screen)
        if _QUESTION.search(line):
            asks = self._shown(screen, line)
            raise ConsoleExpiredError(f"after the password of {self._login.user} the console asks: {asks}", screen)
        # What stands there may be a piece of the message of the day, and an interrupt would end a shell that is still
        # starting: a command waits on the line until the shell reads it. If it hangs elsewhere, an interrupt helps.
        self.entered = bool(self._who_reads(2 * self._pace.answer_s)) or not self.no_shell()
        return self.entered

    def no_shell(self) -> bool:
        """Whether no shell reads what is typed: a name or a password is asked for, or the machine boots anew."""
        asks = self._console.screen().waiting in (Waiting.LOGIN, Waiting.PASSWORD)
        return asks or bool(_QUESTION.search(open_line(self._console.text()))) or self._console.seen(NEW_BOOT)

    # --- out

    def leave(self) -> None:
        """End whatever shell still stands there, until a login prompt shows."""
        self.entered = False
        for keys in _ENDS:
            if self.is_over(self._console.text()):
                return
            self._console.forget()
            self._console.send("\x03")
            # an interrupt throws away what is typed behind it: until its echo has come
            self._console.wait(lambda text: bool(text.strip()), timeout=self._pace.leave_s)
            self._console.settle(still=self._pace.still_s, timeout=self._pace.answer_s)
            answer = self._console.text()
            if self.is_over(answer):
                return
            # a word only at a prompt: else login would take it for a name, or for the new password that it asks for
            prompted = answer.strip().removeprefix("^C") and not self.no_shell()
            self._console.forget()
            self._console.send(keys if prompted else _END)
            self._console.wait(self.is_over, timeout=self._pace.leave_s)

    def is_over(self, text: str) -> bool:
        """Whether no shell of ours is left: a login prompt, a login by getty itself, or a new boot is seen."""
        return self._at_login() or self._logs_in_itself(text) or self._console.seen(NEW_BOOT)

    def _at_login(self) -> bool:
        return self._console.screen().waiting is Waiting.LOGIN

    def _logs_in_itself(self, text: str) -> bool:
        """Whether getty has logged somebody in by itself: then no prompt for a name ever shows."""
        self.autologin = self.autologin or "(automatic login)" in text
        return self.autologin


def _shape(line: str) -> str:
    """Return a prompt without what a clock or a counter in it changes."""
    return re.sub(r"\d+", "0", line)
