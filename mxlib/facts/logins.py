"""Who is logged in: people at a terminal, not the sessions of programs.

A program that logs in over SSH to run a command has a session as well: our own, and that of a parallel run. On Debian
12 ``who`` reads utmp, which lists terminals only. Since Debian 13 there is no utmp: ``who`` asks logind, which lists
every PAM session. Where sshd does not use PAM, both are empty. So a process with a terminal counts as a login, and so
does any further line of ``who``, except for sessions without a terminal.
"""

import re
from collections.abc import Iterable, Iterator

from mxlib.base.text import one_line

# proc(5), stat: the name is in brackets and may contain blanks and brackets; the fifth field after it is the
# number of the terminal. The terminal of this session itself, if it has one, is left out.
SCRIPT = """\
if listed=$(who 2>&1); then printf '%s\n' "$listed" | sed -n 's/^./who &/p'
else echo "odd who: $(printf %s "$listed" | tail -n 1)"; fi
cat /proc/[0-9]*/stat 2>/dev/null | awk -v self=$$ '
{ end = 0; rest = $0
  while ((i = index(rest, ")")) > 0) { end += i; rest = substr(rest, i + 1) }
  begin = index($0, "("); split(substr($0, end + 2), field, " ")
  if (!begin || !end || field[5] !~ /^-?[0-9]+$/) { print "odd", $0; next }
  if ($1 == self) own = field[5]
  if (field[5] != 0) { pid[++n] = $1; name[n] = substr($0, begin + 1, end - begin - 1); tty[n] = field[5] } }
END { if (!NR) print "odd no process can be listed"
  for (i = 1; i <= n; i++) if (tty[i] != own) print "tty", tty[i], pid[i], name[i] }' ||
echo 'odd terminals cannot be listed'
"""
_WAITING = frozenset({"agetty", "(agetty)", "getty", "login"})
"""Programs that hold a terminal on which nobody is logged in (yet)."""
# A line of `who` about a session without a terminal: its second field is the service, and the date follows. In
# the locale C, in which facts are read, that is "Nov 28 06:42", elsewhere "2026-11-28 06:42".
_NO_TERMINAL = re.compile(
    r"\S+ +(?:sshd|sshd-session) +(?:\d{4}-\d\d-\d\d|[A-Z][a-z]{2} [ 123]\d) \d\d:\d\d(?: \(.*\))?"
)
_PTS, _VT, _SERIAL = 136, 4, 64


def parse(lines: Iterable[str]) -> tuple[str, ...]:
    """Read the lines of :data:`SCRIPT`; other lines are ignored.

    Args:
        lines: output of a section that contains it.

    Returns:
        One text for each person, and for each line that may be one.
    """
    listed = tuple(lines)
    said = [line.removeprefix("who ") for line in listed if line.startswith("who ")]
    people = [one_line(line) for line in said if not _NO_TERMINAL.fullmatch(line.strip())]
    people += [one_line(line) for line in listed if line.startswith("odd ")]
    shown = {word for line in people for word in line.split()}
    people += [f"{name} on {terminal}" for terminal, name in _terminals(listed) if terminal not in shown]
    return tuple(people)


def _terminals(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each terminal in use and the name of the first program on it."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith("tty "):
            _, number, _, name = line.split(" ", 3)
            if name not in _WAITING:
                found.setdefault(terminal_name(int(number)), one_line(name))
    yield from found.items()


def terminal_name(number: int) -> str:
    """Return the name of a terminal below /dev.

    Args:
        number: its device number, as in stat of proc(5).
    """
    major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    if major == _PTS:
        return f"pts/{minor}"
    if major == _VT:
        return f"tty{minor}" if minor < _SERIAL else f"ttyS{minor - _SERIAL}"
    return f"terminal {major}:{minor}"
