"""Consoles that are played by a program on this machine, and a shell on them."""

import os
import sys
from pathlib import Path

from mxlib.adapters.console import Console
from mxlib.adapters.console_login import Login
from mxlib.adapters.secret import Secret
from mxlib.adapters.serial_shell import SerialShell

FAKE = Path(__file__).with_name("fake_console.py")
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
