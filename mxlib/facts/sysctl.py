"""Kernel parameters that decide whether mail leaves the host, read as files: no tool is needed."""

import re
from collections.abc import Iterable

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

KEYS = (
    "net.ipv4.tcp_fastopen",
    "net.ipv4.tcp_fastopen_blackhole_timeout_sec",
    "net.netfilter.nf_conntrack_tcp_be_liberal",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged",
)
_KEY = re.compile(r"[a-z0-9_-]+(?:[./][a-z0-9_-]+)+")


def source(extra: Iterable[str] = ()) -> Source[dict[str, str]]:
    """Return the source of the parameters.

    Args:
        extra: further keys beside :data:`KEYS`.

    Raises:
        mxlib.base.errors.ParseError: one is not a key.
    """
    keys = tuple(dict.fromkeys((*KEYS, *extra)))
    for key in keys:
        if not _KEY.fullmatch(key):
            raise ParseError(f"not a sysctl: {key[:80]!r}")
    files = " ".join("/proc/sys/" + key.replace(".", "/") for key in keys)
    # A key that this kernel does not have is left out: the check judges that.
    return Source("sysctl", (Section("sysctl", f"grep -s '' {files}; true"),), parse)


def parse(outputs: Outputs) -> dict[str, str]:
    """Read the answer of the section: each key that the kernel has, with its value.

    Raises:
        mxlib.base.errors.ParseError: there is no key at all.
    """
    pairs = re.findall(r"^/proc/sys/([^:\n]+):(.*)$", outputs["sysctl"].text(), re.MULTILINE)
    if not pairs:
        raise ParseError("no sysctl could be read")
    return {path.replace("/", "."): " ".join(value.split()) for path, value in pairs}
