"""How the queue moves, from the growth of the mail log alone: no message is opened, the spool is not listed.

A queue of any length costs the same: what came in since the last look, minus what was completed.
"""

import re

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.exim.log import MARK_OF, LogMark, read_mark, since
from mxlib.mta.exim.runners import UNIT
from mxlib.mta.queue import Flow

# what was seen to be delivered shall be known after a power cut, too
_SCRIPT = """
find_log
sync -d "$log" || true
size=$(stat -c %s "$log")
growth | awk '@MARK_OF@
{ mark = mark_of() }
mark == "<=" { arrived++ }
mark == "Completed" { completed++ }
mark == "=>" || mark == "->" || mark == ">>" { delivered++ }
mark == "==" && !/retry time not (yet )?reached/ { deferred++ }
mark == "**" { failed++ }
/^hole$/ { lost = 1 }
END {
printf "arrived %d\\ncompleted %d\\ndelivered %d\\n", arrived, completed, delivered
printf "deferred %d\\nfailed %d\\nlost %d\\n", deferred, failed, lost
}'
mark_at "$log" "$size"
[ -d /sys/fs/cgroup/system.slice/@UNIT@ ] && echo 'runs 1' || echo 'runs 0'
"""
_ANSWER = re.compile(
    r"arrived (\d+)\ncompleted (\d+)\ndelivered (\d+)\ndeferred (\d+)\nfailed (\d+)\nlost ([01])\n"
    r"mark (\d+) (\d+) (\d+)\nruns ([01])\n*"
)


def script(mark: LogMark) -> str:
    """The script that looks.

    Args:
        mark: where the last look ended.
    """
    return since(mark) + _SCRIPT.replace("@MARK_OF@", MARK_OF).replace("@UNIT@", UNIT)


def parse(text: str) -> Flow:
    """Read its answer.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    found = _ANSWER.fullmatch(text)
    if found is None:
        raise ParseError(f"how the queue moves is unknown: {text.strip()[:120]!r}")
    arrived, completed, delivered, deferred, failed, lost, inode, offset, _, runs = map(int, found.groups())
    mark = str(LogMark(inode, offset, found[9]))
    return Flow(arrived, completed, delivered, deferred, failed, bool(lost), mark, bool(runs))


def source(mark: str) -> Source[Flow]:
    """How the flow since a mark is read.

    Args:
        mark: where the last look ended.
    """
    asked = Section("queue-flow", script(read_mark(mark)), timeout_s=20)
    return Source(asked.name, (asked,), lambda outputs: parse(outputs[asked.name].text()))
