"""How the queue moves, from the growth of the mail log alone: no message is opened, the spool is not listed.

A queue of any length costs the same: what came in since the last look, minus what was completed.
"""

import re

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.maillog import LogMark, read_mark
from mxlib.mta.exim.runners import UNIT
from mxlib.mta.queue import Flow

# Over a rotation the rest of the old file is read too, as long as it is not compressed.
_SCRIPT = r"""
log=@LOG@; inode=@INODE@; from=$((@OFFSET@ + 1))
# what was seen to be delivered shall be known after a power cut, too
sync -d "$log" || true
set -- $(stat -c '%i %s' "$log") || exit
if [ "$1" = "$inode" ]; then
[ "$2" -ge $((from - 1)) ] || echo lost
head -c "$2" "$log" | tail -c "+$from"
else
old=$(find "${log%/*}" -maxdepth 1 -inum "$inode" -name "${log##*/}.*" ! -name '*.gz')
if [ -n "$old" ]; then tail -c "+$from" "$old"; else echo lost; fi
head -c "$2" "$log"
fi | awk '
/ <= / { arrived++ }
/ Completed/ { completed++ }
/ [-=]> / { delivered++ }
/ == / && !/retry time not (yet )?reached/ { deferred++ }
/ \*\* / { failed++ }
/^lost$/ { lost = 1 }
END {
printf "arrived %d\ncompleted %d\ndelivered %d\n", arrived, completed, delivered
printf "deferred %d\nfailed %d\nlost %d\n", deferred, failed, lost
}'
echo "mark $1 $2"
[ -d /sys/fs/cgroup/system.slice/@UNIT@ ] && echo 'runs 1' || echo 'runs 0'
"""
_ANSWER = re.compile(
    r"arrived (\d+)\ncompleted (\d+)\ndelivered (\d+)\ndeferred (\d+)\nfailed (\d+)\nlost ([01])\n"
    r"mark (\d+) (\d+)\nruns ([01])\n*"
)


def script(mark: LogMark) -> str:
    """The script that looks.

    Args:
        mark: where the last look ended.
    """
    parts = {"@LOG@": exim.MAINLOG, "@INODE@": str(mark.inode), "@OFFSET@": str(mark.offset), "@UNIT@": UNIT}
    text = _SCRIPT
    for word, part in parts.items():
        text = text.replace(word, part)
    return text


def parse(text: str) -> Flow:
    """Read its answer.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    found = _ANSWER.fullmatch(text)
    if found is None:
        raise ParseError(f"how the queue moves is unknown: {text.strip()[:120]!r}")
    arrived, completed, delivered, deferred, failed, lost, inode, offset, runs = (int(one) for one in found.groups())
    return Flow(arrived, completed, delivered, deferred, failed, bool(lost), str(LogMark(inode, offset)), bool(runs))


def source(mark: str) -> Source[Flow]:
    """How the flow since a mark is read.

    Args:
        mark: where the last look ended.
    """
    asked = Section("queue-flow", script(read_mark(mark)), timeout_s=20)
    return Source(asked.name, (asked,), lambda outputs: parse(outputs[asked.name].text()))
