"""What a ledger of Exim's messages is made of: names of the spool, arrivals and completions of the main log."""

from mxlib.mta.exim import names as exim
from mxlib.mta.exim.maillog import read_mark

# POSIX tools know no (?:...)
_ID = exim.MESSAGE_ID.replace("(?:", "(")
# Exim's log lines: date, time, perhaps a zone and a pid, then the id and the mark.
_LINE = r"^[^ ]+ [^ ]+( [+-][0-9]{4})?( \[[0-9]+\])? "
# A pipe hides the failure of its first command, so what was read lies in a file before it is looked at.
_FUNCTIONS = f"""\
on_disk() {{
find {exim.SPOOL}/input -name '*-H' -printf '%f\\n' >@RAW@ || return
sed -nE 's/^({_ID})-H$/\\1/p' @RAW@
}}
events() {{
growth >@RAW@ || return
sed -nE -e 's/{_LINE}({_ID}) <= .*$/arrived \\3/p' -e 's/{_LINE}({_ID}) Completed.*$/gone \\3/p' @RAW@
}}
settle() {{ sync {exim.MAINLOG}; }}
growth() {{
log={exim.MAINLOG}; inode=@INODE@; from=$((@OFFSET@ + 1))
# a machine that lost its power may have lost the end of the log, too
[ "$(stat -c %s "$log")" -ge "$((from - 1))" ] || from=1
if [ "$(stat -c %i "$log")" = "$inode" ]; then tail -c "+$from" "$log"; return; fi
old=$(find "${{log%/*}}" -maxdepth 1 -inum "$inode" -name "${{log##*/}}.*" ! -name '*.gz')
if [ -n "$old" ]; then tail -c "+$from" "$old"
else zcat -f "$log".2.gz 2>/dev/null || true; cat "$log".1 2>/dev/null || true; fi
cat "$log"
}}
"""


def functions(mark: str) -> str:
    """Return the functions, see :meth:`mxlib.mta.protocol.Mta.ledger_functions`."""
    begin = read_mark(mark)
    return _FUNCTIONS.replace("@INODE@", str(begin.inode)).replace("@OFFSET@", str(begin.offset))
