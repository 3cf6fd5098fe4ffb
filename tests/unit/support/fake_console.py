"""A make-believe ``gnt-instance console``: a line, a login on it, a real shell behind it, and noise in between.

Run as a program on a terminal; Ctrl-] ends it. It is no test and needs nothing but Python and /bin/bash.
"""

import argparse
import contextlib
import os
import pathlib
import pty
import random
import select
import signal
import subprocess
import sys
import termios
import time
import tty

PASSWORD = "s3cret-on-the-line"
KERNEL = b"[   91.123456] virtio_net virtio2 ens13: renamed from eth0\r\n"


# Of login(1) and pam_unix(8), as Debian's message files have them: the password prompt, a refusal, the name again.
WORDS = {
    "en": ("Password: ", "Login incorrect", "mail login: "),
    "de": ("Passwort: ", "Anmeldung falsch", "mail Anmeldung: "),
    "fr": ("Mot de passe : ", "Identifiant incorrect", "mail identifiant : "),
    "ja": ("\u30d1\u30b9\u30ef\u30fc\u30c9\uff1a", "\u9055\u3044\u307e\u3059", "mail \u30ed\u30b0\u30a4\u30f3: "),
}
EXPIRED = (
    "You are required to change your password immediately (administrator enforced).\n"
    "Changing password for root.\nCurrent password: "
)
ABGELAUFEN = "Sie m\u00fcssen Ihr Passwort sofort \u00e4ndern (von root erzwungen).\nGeben Sie ein neues Passwort ein: "


def _line(prompt: str, *, echo: bool) -> str | None:
    """A line that was typed; None at the end of input."""
    attributes = termios.tcgetattr(0)
    attributes[3] = attributes[3] | termios.ECHO if echo else attributes[3] & ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    os.write(1, prompt.encode())
    typed = os.read(0, 4096).decode()
    return typed.strip() if typed else None


def guest(options: argparse.Namespace) -> None:
    """What getty does, for ever; it takes no interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        os.write(1, b"\n\nDebian GNU/Linux 12 mail ttyS0\n\n")
        if options.autologin:
            os.write(1, b"mail login: root (automatic login)\n\n")
            shell(options)
            continue
        name: str | None = ""
        while name == "":
            name = _line("mail login: ", echo=True)
        if name is not None:
            note(options, name)
            login(options)


def note(options: argparse.Namespace, name: str) -> None:
    """Write down who was asked for, as an authentication log does."""
    if options.auth_log:
        with pathlib.Path(options.auth_log).open("a", encoding="utf-8") as log:
            log.write(f"{name}\n")


def menu(prompt: str) -> None:
    """A program that is no shell: it prompts again whatever is typed."""
    while _line(prompt, echo=True) is not None:
        pass


def login(options: argparse.Namespace) -> None:
    """What login does: three attempts, in the language of the host."""
    asks, refuses, again = WORDS[options.language]
    for _ in range(3):
        typed = _line(asks, echo=False)
        if typed is None:
            return
        if typed == PASSWORD and not options.refuse:
            break
        time.sleep(0.1)
        os.write(1, f"\n\n{refuses}\n".encode())
        name: str | None = ""
        while name == "":
            name = _line(again, echo=True)
        if name is None:
            return
        note(options, name)
    else:
        return
    if options.expired:
        _line(ABGELAUFEN if options.language == "de" else EXPIRED, echo=False)
        return
    os.write(1, b"\nLinux mail 6.1.0-56-cloud-amd64 #1 SMP PREEMPT_DYNAMIC Debian\n# motd\n")
    if options.starts:
        os.write(1, b"permitted by appl")
    shell(options)


def ends_at_exec(options: argparse.Namespace) -> None:
    """A shell that answers, and is gone with the first line that has an exec in it, as when its idle time is over."""
    while (line := _line(options.ps1, echo=True)) is not None and "exec" not in line:
        subprocess.run(["/bin/sh", "-c", line], check=False)


def shell(options: argparse.Namespace) -> None:
    """A real one, with the prompt of root on the mail host; until it has started an interrupt ends it."""
    attributes = termios.tcgetattr(0)
    attributes[3] |= termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    if options.short_lived:
        options.short_lived -= 1
        ends_at_exec(options)
        return
    environment = {**os.environ, "PS1": options.ps1, "HISTFILE": "", "TERM": "linux"}
    if options.stubborn:
        environment["IGNOREEOF"] = "10"
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        time.sleep(options.starts)
        os.execvpe("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    os.waitpid(child, 0)
    time.sleep(options.ends)


def relay(master: int, options: argparse.Namespace) -> None:
    """The line itself: passes bytes on, adds noise, loses characters, ends at Ctrl-]."""
    # Of their own, or the way reads happen to be cut would decide which character is lost.
    dice, losing = random.Random(options.seed), random.Random(options.seed)
    tty.setraw(0)
    while True:
        ready, _, _ = select.select([0, master], [], [], 0.5)
        if 0 in ready:
            typed = os.read(0, 4096)
            if not typed or b"\x1d" in typed:
                return
            os.write(master, bytes(byte for byte in typed if losing.random() >= options.loss))
        if master in ready:
            shown = os.read(master, 4096)
            if dice.random() < options.noise:
                cut = dice.randrange(len(shown) + 1)
                shown = shown[:cut] + KERNEL + shown[cut:]
            os.write(1, shown)


def main() -> None:
    """Play one console."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--refuse", action="store_true")
    parser.add_argument("--logged-in", action="store_true")
    parser.add_argument("--menu", default="")
    parser.add_argument("--autologin", action="store_true")
    parser.add_argument("--expired", action="store_true")
    parser.add_argument("--stubborn", action="store_true", help="a shell that does not end at the end of input")
    parser.add_argument("--starts", type=float, default=0.0, help="seconds until the shell behind it has started")
    parser.add_argument("--ends", type=float, default=0.0, help="seconds until a shell that was left has ended")
    parser.add_argument("--short-lived", type=int, default=0, help="how many shells end at an exec")
    parser.add_argument("--auth-log", default="", help="file for each name that somebody wanted to log in as")
    parser.add_argument("--language", choices=WORDS, default="en")
    parser.add_argument("--ps1", default="root@mail:~# ")
    parser.add_argument("--show", default="")
    parser.add_argument("--end-after", type=float, default=0.0)
    options = parser.parse_args()
    if options.show:
        tty.setraw(0)
        os.write(1, options.show.encode().decode("unicode_escape").encode("latin-1"))
        end = time.monotonic() + (options.end_after or 60.0)
        while time.monotonic() < end:
            if select.select([0], [], [], 0.1)[0] and b"\x1d" in os.read(0, 4096):
                return
        return
    pid, master = pty.fork()
    if pid == 0:
        if options.menu:
            menu(options.menu)
        if options.logged_in:
            shell(options)
        guest(options)
    with contextlib.suppress(OSError):
        relay(master, options)
    os.close(master)
    sys.exit(0)


if __name__ == "__main__":
    main()
