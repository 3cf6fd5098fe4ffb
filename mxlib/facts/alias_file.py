"""A file of mail addresses, as generators write it: its figures, and its entries in a normal form."""

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.base.text import one_line
from mxlib.config.aliases import AliasGenerator
from mxlib.facts.section import Section
from mxlib.facts.source import Source

_MAX_ENTRIES_BYTES = 8_000_000

# How a line of each format becomes "ADDRESS: TARGET", or is found to be none; key and value in, `key` empty for none.
_SPLIT = {
    "aliases": """\
if (match($0, /^[^ \\t:#"]+[ \\t]*:/)) { key = substr($0, 1, RLENGTH - 1); rest = substr($0, RLENGTH + 1) }""",
    "table": 'if (NF > 1) { key = $1; rest = $0; sub(/^[^ \\t]+/, "", rest) }',
    "list": 'if (NF == 1) { key = $1; rest = "-" }',
}


def _normal(generator: AliasGenerator, each: str, end: str = "") -> str:
    """Return the awk program that normalizes every entry, so that order, case and space make no difference.

    Args:
        each: awk statements for each entry, which is in ``entry``.
        end: awk statements for the end.
    """
    return f"""\
function give() {{ if (entry != "") {{ total++; {each} }} entry = "" }}
/^[ \\t]*(#|$)/ {{ next }}
/^[ \\t]/ && entry != "" {{ rest = $0; gsub(/[ \\t]+/, " ", rest); entry = entry rest; next }}
{{
give(); key = ""; rest = ""
{_SPLIT[generator.format]}
gsub(/[ \\t]+/, " ", rest); gsub(/^ | $/, "", rest); gsub(/[ \\t]/, "", key)
if (key == "" || rest == "") {{ if (!bad++) first = $0; next }}
entry = tolower(key) ": " rest
}}
END {{ give(); {end} }}"""


@dataclass(frozen=True)
class AliasFile:
    """The file that a generator writes.

    Attributes:
        written: when it was last written (UTC, by the host's clock).
        size: in bytes.
        entries: number of entries.
        malformed: number of lines that are no entry.
        first_malformed: the first of them.
        terminated: whether the last line ends with a newline; a writer that was killed leaves a part of a line.
        digest: SHA-256 of the sorted entries; empty without any.
        born: when it was made (UTC), new for each file that is renamed into place; None where that is not known.
    """

    written: datetime
    size: int
    entries: int
    malformed: int
    first_malformed: str
    terminated: bool
    digest: str
    born: datetime | None = None


def figures_script(generator: AliasGenerator) -> str:
    """Return the script that prints a file's age, size, number of entries and their digest; nothing without a file."""
    figures = 'close(sort); printf "entries %d\\nmalformed %d\\nfirst %s\\n", total, bad, first'
    program = _normal(generator, "print entry | sort", figures)
    return f"""\
f={shlex.quote(generator.file)}
if [ -e "$f" ]; then
stat -L -c 'stat %Y %s %W' "$f" || exit
printf 'last %s\\n' "$(tail -c 1 "$f" | od -An -tx1)"
awk -v sort='sort | sha256sum | sed "s/^/digest /"' {shlex.quote(program)} "$f" || exit
fi"""


def entries_section(generator: AliasGenerator) -> Section:
    """Return the section that prints every entry of the file, sorted and normalized."""
    program = _normal(generator, "print entry")
    read = f"awk {shlex.quote(program)} {shlex.quote(generator.file)} | sort | head -c {_MAX_ENTRIES_BYTES}"
    return Section(f"aliases-{generator.name}-entries", f"{{ {read}; }} && echo end", timeout_s=20)


def whole_script(generator: AliasGenerator) -> str:
    """Return a shell function ``whole FILE``: it succeeds and prints the number of entries if the file may serve mail.

    The file has no malformed line, ends with a newline and has at least as many entries as the generator's ``floor``.
    """
    program = _normal(generator, "", f"if (bad || !total || total < {generator.floor}) exit 1; print total")
    return f"""\
whole() {{
[ -s "$1" ] && [ "$(tail -c 1 "$1" | od -An -tx1 | tr -d ' ')" = 0a ] && awk {shlex.quote(program)} "$1"
}}"""


def parse_figures(text: str) -> AliasFile | None:
    """Read what :func:`figures_script` printed; None where there is no file.

    Raises:
        mxlib.base.errors.ParseError: it has another form.
    """
    if not text:
        return None
    found = re.fullmatch(
        r"stat (?P<written>\d+) (?P<size>\d+) (?P<born>\d+)\nlast *(?P<last>[0-9a-f]*)\n"
        r"(?:digest (?P<digest>[0-9a-f]{64}) .*\n)?"
        r"entries (?P<entries>\d+)\nmalformed (?P<malformed>\d+)\nfirst (?P<first>.*)\n",
        text,
    )
    if found is None:
        raise ParseError(f"not an alias file's figures: {one_line(text, 80)!r}")
    return AliasFile(
        written=datetime.fromtimestamp(int(found["written"]), tz=UTC),
        size=int(found["size"]),
        entries=int(found["entries"]),
        malformed=int(found["malformed"]),
        first_malformed=one_line(found["first"], 80),
        terminated=found["last"] in ("0a", ""),
        digest=found["digest"] or "",
        born=datetime.fromtimestamp(int(found["born"]), tz=UTC) if found["born"] != "0" else None,
    )


def parse_entries(text: str) -> dict[str, str]:
    """Read the answer to :func:`entries_section`: target by address.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    *lines, end = text.splitlines() or [""]
    if end != "end":
        raise ParseError("the entries of an alias file are cut short")
    refuse_unknown(lines, lambda line: ": " in line, "not an entry of an alias file")
    pairs = (line.partition(": ") for line in lines)
    return {key: value for key, _, value in pairs}


def entries_source(generator: AliasGenerator) -> Source[dict[str, str]]:
    """Return the source of every entry of its file."""
    asked = entries_section(generator)
    return Source(asked.name, (asked,), lambda outputs: parse_entries(outputs[asked.name].text()))
