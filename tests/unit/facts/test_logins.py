"""Who is logged in: a person at a terminal, and neither our own session nor that of another program."""

import os
import pty
import subprocess

import pytest

from mxlib.facts import logins
from mxlib.facts.section import SectionOutput
from mxlib.reboot.steps import guard
from tests.unit.support.facts import NOW

# `who` of coreutils 9.7 on Debian 13: of `ssh HOST COMMAND`, of a person's SSH session, of one on the serial console
OURS = "who root     sshd         2026-11-27 23:53 (192.0.2.50)"
PERSON = "who root     sshd pts/0   2026-11-27 23:53 (192.0.2.50)"
CONSOLE = "who root     ttyS0        2026-11-27 23:55"
# The same in the locale C, in which facts are read, as seen on a guest of the lab with PAM.
OURS_IN_C = "who root     sshd         Nov 28 06:42 (2001:db8:77::31)"
PERSON_IN_C = "who root     sshd pts/0   Nov 28 06:42 (2001:db8:77::31)"
# `who` of Debian 12
OLDER = "who root     pts/0        2026-11-27 23:53 (192.0.2.50)"
PTS0, TTYS0, TTY1 = 136 << 8, 4 << 8 | 64, 4 << 8 | 1


def busy(*lines: str) -> tuple[str, ...]:
    text = "\n".join((*lines, "end", ""))
    output = SectionOutput(guard.BUSY.name, guard.BUSY.script, 0, text, "", NOW)
    return guard.parse_busy({guard.BUSY.name: output}).logins


def test_our_own_session_on_debian_13_is_nobody() -> None:
    assert busy(OURS, OURS) == ()
    assert busy(OURS_IN_C, OURS_IN_C.replace("28", " 8")) == ()


@pytest.mark.parametrize(
    "line", [PERSON, PERSON_IN_C, CONSOLE, OLDER, "who op :0 2026-11-27 23:53", "who something new"]
)
def test_a_line_that_may_be_a_person_counts_as_one(line: str) -> None:
    (found,) = busy(OURS, line)
    assert found == " ".join(line.removeprefix("who ").split())


def test_a_person_whom_who_does_not_know_is_seen_by_the_terminal() -> None:
    assert busy(f"tty {PTS0} 812 bash", f"tty {PTS0} 900 vim") == ("bash on pts/0",)
    assert busy(f"tty {TTYS0} 812 bash") == ("bash on ttyS0",)
    assert busy(PERSON, f"tty {PTS0} 812 bash") == ("root sshd pts/0 2026-11-27 23:53 (192.0.2.50)",)


def test_a_terminal_that_waits_for_a_login_is_nobody() -> None:
    assert busy(f"tty {TTY1} 700 agetty", f"tty {TTYS0} 701 (agetty)", f"tty {TTYS0} 702 login") == ()


def test_a_process_that_cannot_be_read_may_be_somebody() -> None:
    assert busy("odd 812 (ba") == ("odd 812 (ba",)


def test_a_terminal_of_an_unknown_kind_has_its_number() -> None:
    assert logins.terminal_name(204 << 8 | 64) == "terminal 204:64"
    assert logins.terminal_name(136 << 8 | (300 & 0xFF) | (300 >> 8) << 20) == "pts/300"


def on_a_terminal(script: str, until: str) -> tuple[int, int, str]:
    """Start a shell on a terminal of its own: its pid, the other end, and what it printed up to a text."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", script])
    text = ""
    while until not in text:
        text += os.read(master, 65536).decode()
    return pid, master, text


def test_a_real_terminal_is_found() -> None:
    pid, master, shown = on_a_terminal("tty; exec sleep 30", "\n")
    try:
        done = subprocess.run(["sh", "-c", logins.SCRIPT], capture_output=True, text=True, timeout=20, check=True)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("tty ") and line.split()[2] == str(pid)]
        assert f"/dev/{logins.terminal_name(int(line.split()[1]))}" == shown.strip()
        assert not any(line.startswith("odd ") for line in done.stdout.splitlines())
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(master)


def test_a_session_with_a_terminal_does_not_find_itself() -> None:
    pid, master, text = on_a_terminal(f"tty; {logins.SCRIPT}\necho over", "over")
    os.waitpid(pid, 0)
    os.close(master)
    own, *lines = text.splitlines()
    found = [logins.terminal_name(int(line.split()[1])) for line in lines if line.startswith("tty ")]
    assert own.removeprefix("/dev/") not in found


@pytest.mark.parametrize(
    ("who", "found"),
    [
        ("exit 0", ()),
        (f"echo '{OLDER.removeprefix('who ')}'", ("root pts/0 2026-11-27 23:53 (192.0.2.50)",)),
        ("echo 'who: no memory' >&2; exit 1", ("odd who: who: no memory",)),
    ],
)
def test_a_who_that_fails_may_be_somebody(who: str, found: tuple[str, ...]) -> None:
    script = f"who() {{ ( {who} ); }}\n{logins.SCRIPT.partition('cat /proc')[0]}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert busy(*done.stdout.splitlines()) == found


@pytest.mark.parametrize("fails", ["cat() { return 1; }", "awk() { return 2; }"])
def test_terminals_that_cannot_be_listed_are_not_nobody(fails: str) -> None:
    done = subprocess.run(["sh", "-c", f"{fails}\n{logins.SCRIPT}"], capture_output=True, text=True, check=False)
    assert "be listed" in " ".join(busy(*done.stdout.splitlines()))
