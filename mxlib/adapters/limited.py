"""A script under timeout(1): whether the limit ended it, or it ended by itself with the code that a limit leaves.

A script may end with 124 or 137 by itself: by a timeout(1) of its own, or by what somebody killed. So its own code is
written down inside the limit. Where it stands, the script came to its end.
"""

import re

_TIMED_OUT = (124, 137)
"""Exit codes of timeout(1): by its signal, and killed after it."""


def noted(script: str, mark: str) -> str:
    """Return a script for a shell under timeout(1), which prints the exit code of the given one as its last line.

    A shell reads a whole ``( )`` before it runs any of it. The signal of timeout(1) reaches the outer shell first. That
    waits for the inner one all the same, so that a script which ignores the signal is killed after it.

    Arguments:
        script: POSIX sh, of any length; its standard input is empty.
        mark: a token that does not occur by chance.
    """
    return f"""\
trap 'exit 124' TERM
(
:
{script}
) </dev/null
code=$?
printf '\\n%s %s\\n' {mark}-code "$code\""""


def ended(printed: str, mark: str) -> tuple[int | None, str] | None:
    """Return the exit code of a script, None where its time limit ended it, and its output.

    Arguments:
        printed: by what :func:`noted` returned, then a line ``MARK-limit CODE``, with the exit code of timeout(1).

    Returns:
        None: the script did not come to its end, and no limit ended it.
    """
    found = re.search(rf"\n{mark}-(code|limit) ([0-9]+)\n", printed)
    if found is None:
        return None
    code = int(found[2])
    return (None if found[1] == "limit" and code in _TIMED_OUT else code), printed[: found.start()]
