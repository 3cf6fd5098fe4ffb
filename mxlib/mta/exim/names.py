"""Paths of Exim on Debian, and message ids."""

import re
from datetime import UTC, datetime

from mxlib.base.errors import ParseError

BINARY = "/usr/sbin/exim4"
SPOOL = "/var/spool/exim4"
# Each named queue has a folder of its own (spec.txt, "-qG"); without any, ls prints nothing. A folder may be a link to
# another disk, which find follows with -H only.
INPUTS = f"-H {SPOOL}/input $(ls -d {SPOOL}/*/input 2>/dev/null)"
# `exim -Mc ID` looks into the default queue only.
QUEUE_OF = f"""\
named() {{ find {INPUTS} -name "$1-H" | sed -nE 's,^{SPOOL}/([A-Za-z0-9_.+-]+)/input/.*,-MCG \\1,p'; }}
"""
"""Shell function: ``named ID`` prints the option that names a message's queue; nothing for the default one."""
# Debian's spool may still be there where a site has moved it, and then it looks empty. Where Exim says nothing, its
# configuration is broken, and mail is where it was.
AT_HOME = f"""\
at_home() {{
case ${{1%/}} in '' | {SPOOL}) return 0 ;; esac
[ "$1" -ef {SPOOL} ] || {{ echo "Exim's spool is $1, expected {SPOOL}" >&2; return 3; }}
}}
"""
"""Shell function: ``at_home SPOOL`` fails where Exim's setting names another spool than the one that is read here.

A site may have moved it and left a link: two names of one folder are one spool.
"""
CHECK_SPOOL = f"""\
{AT_HOME}said=$({BINARY} -bP spool_directory 2>/dev/null)
at_home "${{said#*= }}" || exit
"""
MAINLOG = "/var/log/exim4/mainlog"
UNIT = "exim4.service"

# Exim's order of base-62 digits; it is also their order in ASCII, so ids sort by age in the C locale.
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# 16 characters up to Exim 4.96, 23 from 4.97 (spec.txt, "Message identification").
MESSAGE_ID = r"[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})"
_MESSAGE_ID = re.compile(MESSAGE_ID)


def is_message_id(text: str) -> bool:
    """Whether a text is a message id, of either length."""
    return _MESSAGE_ID.fullmatch(text) is not None


def check_message_id(text: str) -> str:
    """Return a message id, which is then safe in a command.

    Raises:
        mxlib.base.errors.ParseError: it is not a message id.
    """
    if not is_message_id(text):
        raise ParseError(f"not an Exim message id: {text[:60]!r}")
    return text


def received_at(message_id: str) -> datetime:
    """Return when a message was received (UTC, whole seconds), by the first six digits of its id.

    Raises:
        mxlib.base.errors.ParseError: it is not a message id.
    """
    seconds = 0
    for digit in check_message_id(message_id)[:6]:
        seconds = seconds * 62 + BASE62.index(digit)
    return datetime.fromtimestamp(seconds, tz=UTC)


def id_time(when: datetime) -> str:
    """Return the first six digits of the ids of messages received at a time.

    Args:
        when: aware; before 1970 counts as 1970.
    """
    seconds, digits = max(0, int(when.timestamp())), ""
    for _ in range(6):
        seconds, digit = divmod(seconds, 62)
        digits = BASE62[digit] + digits
    return digits


def folder(kind: str) -> str:
    """Return the shell's lines that make a folder for intermediate files, ``$dir``, which goes with the script.

    A time limit ends the script by a signal, for which dash runs no trap of EXIT; sent to the group once more, it would
    end what removes the folder. What a killed one has left goes with the next script that is an hour later: no script
    lasts so long.
    """
    return f"""\
for old in /run/mx-{kind}.??????; do
[ ! -d "$old" ] || find "$old" -prune -mmin +60 -exec rm -rf {{}} +
done
dir=$(mktemp -d /run/mx-{kind}.XXXXXX) || exit
trap 'rm -rf "$dir"' EXIT
trap 'trap "" HUP INT TERM; exit 143' HUP INT TERM
"""


def dump_script(database: str) -> str:
    """Return the script that dumps one of Exim's hints databases, with its times in UTC.

    Berkeley DB, tdb, gdbm and SQLite have one file of the database's name, ndbm has ``.dir`` and ``.pag``; the lock is
    none of them. Without a file, or with an empty one, nothing is remembered. The script ends where one cannot be read.
    """
    return f"""\
{CHECK_SPOOL}\
for file in {SPOOL}/db/{database} {SPOOL}/db/{database}.[dp]*; do
[ ! -s "$file" ] || {{ TZ=UTC exim_dumpdb {SPOOL} {database} || exit; break; }}
done
echo end
"""
