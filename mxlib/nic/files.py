"""Scripts that change network configuration files on a host: all or none, with a copy and an undo beside. Pure."""

import base64
import hashlib
import re
import shlex
from collections.abc import Sequence

from mxlib.facts.nic import ConfigFile

BACKUPS = "/var/lib/mx-cookbooks/nic"
CHANGED = 9
"""Exit code: a file has changed since it was read; nothing was written."""
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The new file is made beside the old one; its name begins with a dot, so that "source interfaces.d/*" never reads it.
_LIBRARY = """\
set -eu
sum() { sha256sum <"$1" | cut -d' ' -f1; }
put() { t=$(mktemp "$(dirname "$1")/.mx-cookbooks.XXXXXX"); cat >"$t"
chown --reference="$1" "$t"; chmod --reference="$1" "$t"; sync "$t"; mv -f "$t" "$1"; sync "$(dirname "$1")"; }
"""
_UNDO = """\
bad=0
back() { case $(sum "$1") in
"$2") ;;
"$3") put "$1" <"$4"; echo "back as it was: $1" ;;
*) echo "changed by somebody since, left alone: $1 (the old one: $4)"; bad=1 ;;
esac; }
"""


def write_script(changes: Sequence[tuple[ConfigFile, ConfigFile]], run: str, why: str) -> str:
    """Return a script that replaces files if they are unchanged since they were read.

    It prints ``backup DIRECTORY``, where the old files are, and a script ``undo``.

    Args:
        changes: each file before and after.
        why: one line for whoever finds the copy.

    Raises:
        ValueError: ``run`` is no id of a run, or there is nothing to write.
    """
    if not _RUN.fullmatch(run) or not changes:
        raise ValueError(f"nothing to write, or not the id of a run: {run!r}")
    checks = "".join(f"check {shlex.quote(old.path)} {_sum(old)}\n" for old, _ in changes)
    copies = "".join(f'cp -p {shlex.quote(old.path)} "$D/{number}"\n' for number, (old, _) in enumerate(changes))
    puts = "".join(f"echo {_packed(new)} | base64 -d | put {shlex.quote(new.path)}\n" for _, new in changes)
    return (
        f"# write the network configuration\n{_LIBRARY}"
        f'check() {{ [ "$(sum "$1")" = "$2" ] || {{ echo "changed since it was read: $1"; exit {CHANGED}; }}; }}\n'
        f"{checks}mkdir -p -m 700 {BACKUPS}\nD=$(mktemp -d {BACKUPS}/{run}.XXXXXX)\n{copies}"
        f'sed "s|@D@|$D|g" >"$D/undo" <<\'MX-COOKBOOKS-END\'\n{_undo(changes, why)}MX-COOKBOOKS-END\n'
        f'chmod 700 "$D/undo"\nsync\n{puts}echo "backup $D"\n'
    )


def _undo(changes: Sequence[tuple[ConfigFile, ConfigFile]], why: str) -> str:
    flat = re.sub(r"[^ -~]|[|&\\@]", " ", why)
    backs = "".join(
        f"back {shlex.quote(old.path)} {_sum(old)} {_sum(new)} @D@/{number}\n"
        for number, (old, new) in enumerate(changes)
    )
    return f"#!/bin/sh\n# Puts back what was changed: {flat}\n{_LIBRARY}{_UNDO}{backs}exit $bad\n"


def undo_script(backup: str) -> str:
    """Return a script that puts back what :func:`write_script` replaced.

    Raises:
        ValueError: ``backup`` is no directory of ours.
    """
    if not re.fullmatch(rf"{BACKUPS}/{_RUN.pattern}", backup):
        raise ValueError(f"no backup of ours: {backup!r}")
    return f"# put the network configuration back\nsh {backup}/undo"


def parse_backup(output: str) -> str:
    """Return where the copies are, from the output of :func:`write_script`; empty in a dry run."""
    found = re.search(rf"^backup ({BACKUPS}/{_RUN.pattern})$", output, re.MULTILINE)
    return found[1] if found else ""


def _bytes(file: ConfigFile) -> bytes:
    return file.text.encode(errors="surrogateescape")


def _sum(file: ConfigFile) -> str:
    return hashlib.sha256(_bytes(file)).hexdigest()


def _packed(file: ConfigFile) -> str:
    return base64.b64encode(_bytes(file)).decode()
