"""A make-believe ``gnt-instance console``: a line, a login on it, a real shell behind it, and noise in between.

Run as a program on a terminal; Ctrl-] ends it. It is no test and needs nothing but Python and /bin/bash.
"""

import argparse
import contextlib
import os
import pty
import random
import select
import sys
import termios
import time
import tty

PASSWORD = "s3cret-on-the-line"
KERNEL = b"[   91.123456] virtio_net virtio2 ens13: renamed from eth0\r\n"


def _line(prompt: str, *, echo: bool) -> str:
    attributes = termios.tcgetattr(0)
    attributes[3] = attributes[3] | termios.ECHO if echo else attributes[3] & ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    os.write(1, prompt.encode())
    return os.read(0, 4096).decode().strip()


def guest(options: argparse.Namespace) -> None:
    """What getty and login do, for ever."""
    while True:
        os.write(1, b"\n\nDebian GNU/Linux 12 mail ttyS0\n\n")
        name = ""
        while not name:
            name = _line("mail login: ", echo=True)
        if _line("Password: ", echo=False) != PASSWORD or options.refuse:
            time.sleep(0.1)
            os.write(1, b"\n\nLogin incorrect\n")
            continue
        os.write(1, b"\nLinux mail 6.1.0-56-cloud-amd64 #1 SMP PREEMPT_DYNAMIC Debian\n# motd\n")
        shell()


def shell() -> None:
    """A real one, with the prompt of root on the mail host."""
    attributes = termios.tcgetattr(0)
    attributes[3] |= termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, attributes)
    environment = {**os.environ, "PS1": "root@mail:~# ", "HISTFILE": "", "TERM": "linux"}
    child = os.fork()
    if child == 0:
        os.execvpe("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    os.waitpid(child, 0)


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
        if options.logged_in:
            shell()
        guest(options)
    with contextlib.suppress(OSError):
        relay(master, options)
    os.close(master)
    sys.exit(0)


if __name__ == "__main__":
    main()
