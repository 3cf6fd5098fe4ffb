"""The operator of the campaign: types what the last line of the output says, and nothing else."""

import re
import shlex

# What the output asks an operator to type: behind "next:", or as the remedy of a check.
_NEXT = re.compile(
    r"\bnext: (?P<next>[^;]+?)(?:    #|$|;)"
    r"|^\S* ?for [\w-]+: (?P<remedy>cookbook .+?)(?:\s+#|$)"
)
_CLUSTER = re.compile(r"\bgnt-instance (?P<act>start|reboot --type=soft) (?P<host>[\w.-]+)")


def next_words(said: str) -> list[str]:
    """Return the command that the output asks an operator to type: the last one; empty: there is none.

    Arguments:
        said: everything that a cookbook printed.
    """
    return (all_words(said) or [[]])[-1]


def all_words(said: str) -> list[list[str]]:
    """Return every command that the output asks an operator to type, in order.

    Arguments:
        said: everything that a cookbook printed.
    """
    found: list[list[str]] = []
    for line in said.splitlines():
        match = _NEXT.search(line.rstrip())
        if match is None:
            continue
        text = (match["next"] or match["remedy"]).strip()
        cluster = _CLUSTER.search(text)
        if cluster is not None:
            found.append(["gnt-instance", *cluster["act"].split(), cluster["host"]])
        elif text.startswith("cookbook "):
            found.append(shlex.split(text))
    return found
