"""The flow of the queue, from the growth of the mail log alone: no message is opened, the spool is not listed.

So a look costs the same for a queue of any length.
"""

import re

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.exim.log import MARK_OF, LogMark, read_mark, since
from mxlib.mta.exim.runners import WORK
from mxlib.mta.queue import Flow

# A delivery that was counted must be in the log after a power cut as well. Runners that were stopped have no file any
# more: if a delivery of theirs hangs, their unit is still there, and nobody waits for it.
_SCRIPT = """
find_mark
sync -d "$open" || true
grown | awk '@MARK_OF@
{ mark = mark_of() }
mark == "<=" { arrived++ }
mark == "Completed" { completed++ }
mark == "=>" || mark == "->" || mark == ">>" { delivered++ }
mark == "**" { failed++ }
/^hole$/ { lost = 1 }
/^whole$/ { whole = 1 }
END {
printf "arrived %d\\ncompleted %d\\ndelivered %d\\n", arrived, completed, delivered
printf "failed %d\\nlost %d\\n", failed, lost || !whole
}'
mark_at "$open" "$size"
runs=0
for one in @WORK@*; do
[ ! -d "/sys/fs/cgroup/system.slice/${one##*/}.service" ] || runs=1
done
echo "runs $runs"
"""
_ANSWER = re.compile(
    r"arrived (\d+)\ncompleted (\d+)\ndelivered (\d+)\nfailed (\d+)\nlost ([01])\n"
    r"mark (\d+) (\d+) (\d+)\nruns ([01])\n*"
)


def script(mark: LogMark) -> str:
    """Return the script that counts.

    Args:
        mark: where the last look ended.
    """
    return since(mark) + _SCRIPT.replace("@MARK_OF@", MARK_OF).replace("@WORK@", WORK)


def parse(text: str) -> Flow:
    """Read its answer.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    found = _ANSWER.fullmatch(text)
    if found is None:
        raise ParseError(f"the flow of the queue is unknown: {text.strip()[:120]!r}")
    arrived, completed, delivered, failed, lost, inode, offset, _, runs = map(int, found.groups())
    mark = str(LogMark(inode, offset, found[8]))
    return Flow(arrived, completed, delivered, failed, bool(lost), mark, bool(runs))


def source(mark: str) -> Source[Flow]:
    """Return the source of the flow since a mark.

    Args:
        mark: where the last look ended.
    """
    asked = Section("queue-flow", script(read_mark(mark)), timeout_s=20)
    return Source(asked.name, (asked,), lambda outputs: parse(outputs[asked.name].text()))
