"""What these cookbooks keep on a host: paths, how a file is put there, and the transaction around every act."""

import hashlib
import re
import shlex
from dataclasses import dataclass

from mxlib.base.errors import FencedError, ParseError
from mxlib.model.record import Record

DIRECTORY = "/var/lib/mx-cookbooks"
RECORD = f"{DIRECTORY}/run.json"
RECORD_BEFORE = f"{RECORD}.old"
"""The record's previous revision: if the record is damaged, a person can put it back."""
TOKEN = f"{DIRECTORY}/token"

FENCED = 75
"""Exit code of a script that found the host changed and did nothing (EX_TEMPFAIL)."""
LOCK_S = 20
"""Seconds that an act waits for another one on the same host."""

REPLACE = """\
replace() { sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"; }
"""
"""The shell function ``replace PATH``: afterwards PATH.new is the whole file, on disk, or the old one is untouched."""

PUT = f"""\
{REPLACE}put() {{ printf %s "$2" >"$1.new" && replace "$1"; }}
staged=
stage() {{ printf %s "$2" >"$1.new" && staged="$staged $1"; }}
put_staged() {{ sync $(printf '%s.new ' $staged); for one in $staged; do mv -f "$one.new" "$one"; done; }}
"""
"""``replace``, and the shell function ``put PATH TEXT``, which replaces PATH by TEXT in the same way.

``stage PATH TEXT`` and, for all of them, ``put_staged`` do that for several files whose folders are synced later.
"""

_TOKEN = re.compile(rb"[0-9]{1,18}\n")


def quoted(text: str) -> str:
    """Return a text quoted as one argument for a shell."""
    return shlex.quote(text)


@dataclass(frozen=True)
class Kept:
    """The run's files on a host, byte for byte; None for a file that does not exist."""

    token: bytes | None = None
    record: bytes | None = None

    def number(self) -> int:
        """Return the fencing token: the highest that has written to the host, or 0.

        Raises:
            mxlib.base.errors.ParseError: the token is damaged, or missing beside a record.
        """
        if self.token is None and self.record is None:
            return 0
        if self.token is not None and _TOKEN.fullmatch(self.token):
            return int(self.token)
        what = "is missing beside a record" if self.token is None else f"is damaged: {self.token[:40]!r}"
        raise ParseError(
            f"the fencing token in {TOKEN} {what}. Make sure that nobody else acts on this host, then write what"
            f' "token" in {RECORD} says into it, or 0'
        )

    def sums(self) -> str:
        """Return what sha256sum prints for the files in :data:`DIRECTORY`."""
        named = (("token", self.token), ("run.json", self.record))
        return "\n".join(f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in named if data is not None)


@dataclass(frozen=True)
class Basis:
    """What an act was decided on: the host as it was read.

    Attributes:
        boot: boot id.
        kept: the run's files.
    """

    boot: str
    kept: Kept

    def newest(self, record: Record | None) -> int:
        """Return the newest token that the host has seen, from its token file or its record.

        Raises:
            mxlib.base.errors.ParseError: the token on the host is damaged.
        """
        return max(self.kept.number(), record.token if record is not None else 0)

    def check(self, token: int, record: Record | None) -> None:
        """Refuse to act with a token older than the newest that the host has seen.

        Raises:
            mxlib.base.errors.FencedError: another operator has taken over.
            mxlib.base.errors.ParseError: the token on the host is damaged.
        """
        if (newest := self.newest(record)) > token:
            why = "another operator has taken over"
            raise FencedError(f"token {newest} on the host is newer than ours, {token}: {why}")

    def after(self, token: int, record: Record | None) -> "Basis":
        """Return the basis after an act that wrote this token and, unless None, this record."""
        written = self.kept.record if record is None else record.to_json().encode()
        return Basis(self.boot, Kept(b"%d\n" % token, written))


# This precedes every act, so it starts as few processes as it can: on a slow host they take the time.
# A step's children must not keep the lock: descriptor 9 is closed for what the step runs.
_FENCE = f"""\
set -eu
umask 022
{PUT}refuse() {{ echo "refused $1 $2"; exit {FENCED}; }}
[ -d {DIRECTORY} ] || mkdir -p {DIRECTORY}
exec 9>{DIRECTORY}/lock
flock -w {LOCK_S} 9 || refuse busy 'another command holds the lock'
read -r boot </proc/sys/kernel/random/boot_id
[ "$boot" = @BOOT@ ] || refuse boot "$boot"
kept=$(cd {DIRECTORY} && sha256sum token run.json 2>/dev/null) || :
[ "$kept" = '@SUMS@' ] || refuse kept "$kept"
"""
_WRITE_TOKEN = f"put {TOKEN} '@TOKEN@\n'\n"
_WRITE_RECORD = f"[ ! -e {RECORD} ] || ln -f {RECORD} {RECORD_BEFORE}\nput {RECORD} @RECORD@\n"
# Neither in a list nor in a condition: there the shell would continue after a failed command.
_ACT = """\
set +e
(
set -eu
@SCRIPT@
) 9>&-
code=$?
exec 9>&-
set +u
printf '\\n%s acted %s\\n' @MARK@ "$code"
"""


_NOTHING = "# write the record of the run\n:"


def transaction(
    script: str, basis: Basis, token: int, mark: str, *, record: Record | None = None, look: str = ""
) -> str:
    """Return a script that acts only if the host is still as it was when the act was decided, and then reads it.

    Under the host's lock it compares the boot id and the run's files, and does nothing if one of them differs. Then it
    puts token and record, which holds the undo, on disk; then it acts; then it reads.

    Arguments:
        script: the act; POSIX sh under ``set -eu``.
        mark: a word that no output contains by chance.
        record: the record to write first; None leaves the one on the host.
        look: the script that reads afterwards, without the lock.
    """
    head = _FENCE.replace("@BOOT@", quoted(basis.boot)).replace("@SUMS@", basis.kept.sums())
    if basis.kept.token != b"%d\n" % token:
        head += _WRITE_TOKEN.replace("@TOKEN@", str(token))
    if record is not None:
        head += _WRITE_RECORD.replace("@RECORD@", quoted(record.to_json()))
    return head + _ACT.replace("@MARK@", mark).replace("@SCRIPT@", script or _NOTHING) + look


@dataclass(frozen=True)
class TransactionResult:
    """What a transaction answered.

    Attributes:
        code: exit code of the act.
        output: output of the act.
        look: what was read afterwards.
    """

    code: int
    output: str
    look: str


def answer(printed: str, mark: str) -> TransactionResult | None:
    """Parse the output of a transaction; None where the end of the act is missing, so that its result is unknown."""
    found = re.search(rf"\n{mark} acted (\d+)\n", printed)
    return TransactionResult(int(found[1]), printed[: found.start()], printed[found.end() :]) if found else None


def refusal(printed: str) -> tuple[str, str]:
    """Return why a transaction did nothing: ``busy``, ``boot`` or ``kept``, and what it found instead."""
    found = re.match(r"refused (busy|boot|kept) (.*)", printed, re.DOTALL)
    return (found[1], found[2].strip()) if found else ("", printed.strip())
