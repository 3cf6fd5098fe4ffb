"""How the queue moves, from the growth of the mail log alone: no message is opened, the spool is not listed.

A queue of any length costs the same: what came in since the last look, minus what was completed.
"""

import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.maillog import LogMark

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


@dataclass(frozen=True)
class Pulse:
    """What happened since a mark.

    Attributes:
        arrived: messages that came in.
        completed: messages that are done.
        delivered: recipients delivered to.
        deferred: recipients that were tried in vain.
        failed: recipients given up on.
        lost: whether lines could not be found any more, so that the counts are too small.
        mark: where to go on.
        runs: whether our own queue runners are at work.
    """

    arrived: int
    completed: int
    delivered: int
    deferred: int
    failed: int
    lost: bool
    mark: LogMark
    runs: bool


def script(mark: LogMark, unit: str) -> str:
    """The script that looks.

    Arguments:
        mark: where the last look ended.
        unit: name of the unit that has our queue runners.
    """
    parts = {"@LOG@": exim.MAINLOG, "@INODE@": str(mark.inode), "@OFFSET@": str(mark.offset), "@UNIT@": unit}
    text = _SCRIPT
    for word, part in parts.items():
        text = text.replace(word, part)
    return text


def parse(text: str) -> Pulse:
    """Read its answer.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    found = _ANSWER.fullmatch(text)
    if found is None:
        raise ParseError(f"how the queue moves cannot be told: {text.strip()[:120]!r}")
    arrived, completed, delivered, deferred, failed, lost, inode, offset, runs = (int(one) for one in found.groups())
    return Pulse(arrived, completed, delivered, deferred, failed, bool(lost), LogMark(inode, offset), bool(runs))
