"""Shell functions of the ledger of Exim's messages: names in the spool, arrivals and completions in the main log."""

from mxlib.mta.exim import log
from mxlib.mta.exim import names as exim

# POSIX tools know no (?:...)
_ID = exim.MESSAGE_ID.replace("(?:", "(")
# Exim's log lines: date, time, perhaps a zone and a pid, then the id and the mark.
_LINE = r"^[^ ]+ [^ ]+( [+-][0-9]{4})?( \[[0-9]+\])? "
# A pipe hides the failure of its first command, so its output goes through a file.
_FUNCTIONS = f"""\
on_disk() {{
find {exim.INPUTS} -name '*-H' -printf '%f\\n' >@RAW@ || return
sed -nE 's/^({_ID})-H$/\\1/p' @RAW@
}}
events() {{
growth >@RAW@ || growth >@RAW@ || return
sed -nE -e 's/^hole$/&/p' -e 's/{_LINE}({_ID}) <= .*$/arrived \\3/p' -e 's/{_LINE}({_ID}) Completed.*$/gone \\3/p' @RAW@
}}
settle() {{ find_log; sync "$log"; }}
"""


def functions(mark: str) -> str:
    """Return the functions; see :meth:`mxlib.mta.protocol.Mta.ledger_functions`."""
    return f"{log.since(log.read_mark(mark))}wide=2\n{_FUNCTIONS}"
