"""One script, many questions: all facts of a host in a single SSH round trip.

Each section runs under its own time limit, with its standard error kept apart, and ends with its own exit code. A
section that hangs, fails or is missing from the output makes only the facts unknown that need it.

On a slow host a time limit of its own costs a section more than most of what it asks: timeout(1) and a shell, 65 of 80
ms on an emulated machine. So the sections that only read are first run by one shell under one limit; those that had no
end by then are asked again, each under its own.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mxlib.base import ids
from mxlib.base.errors import ParseError
from mxlib.base.text import one_line, printable
from mxlib.base.verdict import Evidence
from mxlib.protocols.host import CommandResult, Host

# timeout(1) of coreutils: 124 ended by the signal, 137 had to be killed.
_TIMED_OUT = (124, 137)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# Time for the transport, on top of the sections' limits.
_TRANSPORT_S = 20.0
# Where the whole host hangs, the remaining sections are skipped: nobody waits for forty time limits in a row.
_READING_S = 300.0
_EVIDENCE_LINES = 12
_TOGETHER_S = 10
"""Seconds for all sections under one limit: most hosts need one; where a section hangs, this is lost."""
_QUICK_S = 30.0
"""A section that may take longer is run under its own limit at once."""

# What the time limit ended may have left a child behind, in a process group of its own (timeout(1) makes one). It must
# not write into another section's answer, or hold the errors open: whatever a section writes goes through a pipe that
# is read as far as the end of its shell. That a child was killed is reported by the shell itself, on standard error,
# which SSH would put into the middle of a line. Errors stay in memory: a full disk would refuse a temporary file. The
# locale is fixed because it decides the order of sort and the language of messages.
_PROLOGUE = """\
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
exec 3>&1
line_end='
'
done=
clock() {
printf '%s clock %s\\n' "$mark" "$(date +%s.%N)"
}
over() {
printf '\\n%s over %s\\n' "$mark" "$1"
}
until_over() {
sed "/^$mark over /$1"
}
section() {
in_time || return
case " $done " in *" $1 "*) return ;; esac
printf '%s begin %s\\n' "$mark" "$1"
errors=$({
{
timeout -k 1 "$2" sh -c "$3" 2>&4 3>&- 4>&- </dev/null
code=$?; over "$code" >&4; over "$code"
} 2>/dev/null | until_over Q >&3
} 4>&1 | until_over q)
code=${errors##* }
errors=${errors%"$mark over $code"}
while [ "$errors" != "${errors%"$line_end"}" ]; do errors=${errors%"$line_end"}; done
answered "$1" "$errors" "$code"
}
"""
# Both shells have these; "end" is when no further section is started.
_BOTH = """\
in_time() {
read -r now rest </proc/uptime; [ "${now%%.*}" -lt "$end" ]
}
answered() {
printf '%s errors %s\\n%s\\n%s end %s %s\\n' "$mark" "$1" "$2" "$mark" "$1" "$3"
}
"""
# Its arguments are names and scripts. The answers go to descriptor 3, the names of what has an end to its output. A
# section meets no arguments, and none of our descriptors.
_TOGETHER = f"""\
mark=$1 end=$2; shift 2
{_BOTH}
alone() {{
exec 2>&1 1>&3 3>&- </dev/null
eval "set --
$2"
}}
while [ $# -gt 0 ] && in_time; do
printf '%s begin %s\\n' "$mark" "$1" >&3
_errors=$(alone "$@"); _code=$?
{{ echo; answered "$1" "$_errors" "$_code"; }} >&3
printf '%s ' "$1"
shift 2
done
"""


@dataclass(frozen=True)
class Section:
    """One question to a host.

    Attributes:
        name: unique among the sections of a script; lower-case letters, digits and dashes.
        script: POSIX sh, read-only; it needs nothing beyond Debian's base, systemd and the MTA.
        timeout_s: seconds until it is killed on the host.
        timed: whether its parser needs the host's clock before and after the whole script.
    """

    name: str
    script: str
    timeout_s: float = 30.0
    timed: bool = False


@dataclass(frozen=True)
class SectionOutput:
    """What one section printed.

    Attributes:
        name: name of the section.
        script: its script.
        exit_code: its exit code; None when the section is missing from the output or was cut short.
        output: its standard output, unchanged.
        errors: its standard error, unchanged.
        when: when the whole script was started (UTC, by the clock of the management host).
        round_trip_s: seconds that the whole script took.
        host_times: the host's clock (seconds since 1970) when the script began and ended there; None when unknown, or
            when no section is timed.
    """

    name: str
    script: str
    exit_code: int | None
    output: str
    errors: str
    when: datetime
    round_trip_s: float = 0.0
    host_times: tuple[float, float] | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the time limit ended the section."""
        return self.exit_code in _TIMED_OUT

    @property
    def problem(self) -> str:
        """Why the output cannot be used, in one sentence; empty when the exit code is known."""
        if self.exit_code is None:
            return f"section {self.name}: no complete output: {one_line(self.errors) or 'nothing came back'}"
        if self.timed_out:
            return f"section {self.name}: no end within its time limit"
        return ""

    def text(self, ok_codes: tuple[int, ...] = (0,)) -> str:
        """Return the output of a section that ended with an expected exit code.

        Args:
            ok_codes: exit codes that are expected.

        Raises:
            mxlib.base.errors.ParseError: it did not end, or ended with another exit code.
        """
        if self.problem:
            raise ParseError(self.problem)
        if self.exit_code not in ok_codes:
            raise ParseError(f"section {self.name}: exit code {self.exit_code}: {one_line(self.errors or self.output)}")
        return self.output

    def incomplete(self, what: str) -> ParseError:
        """Return the error for an incomplete answer, with the standard error of its commands.

        Args:
            what: what is incomplete, such as "the state of the ports".
        """
        cause = one_line(self.errors)
        return ParseError(f"{what} could not be read completely{f': {cause}' if cause else ''}")

    def evidence(self, *lines: str) -> Evidence:
        """Return the evidence for a verdict.

        Args:
            lines: the lines that decide; by default the first lines of the output and of the errors.
        """
        shown = lines or tuple(
            (self.output.strip() + "\n" + self.errors.strip()).strip().splitlines()[:_EVIDENCE_LINES]
        )
        return Evidence(self.script.strip(), printable("\n".join(shown)), self.when)


def build_script(
    sections: Sequence[Section], mark: str, patience_s: float | None = None, purpose: str = ""
) -> str:
    """Return one POSIX sh script of several sections.

    Args:
        sections: in order; their names are unique.
        mark: a token that no output contains by chance.
        patience_s: seconds after which no further section is started; None: the sum of their limits.
        purpose: what the script is for, in words; empty: it reads these facts.

    Raises:
        ValueError: a name is used twice or is not a name.
    """
    names = [section.name for section in sections]
    if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
        raise ValueError(f"section names must be unique words: {names}")
    begin = f"read -r now rest </proc/uptime; end=$((${{now%%.*}} + {round(patience_s or _sum(sections))}))"
    clock = "clock\n" if any(section.timed for section in sections) else ""
    quick = [] if purpose else [section for section in sections if section.timeout_s <= _QUICK_S]
    asked = _together(quick, _TOGETHER_S) + _alone([section for section in sections if section not in quick])
    return f"mark={mark}\n# {purpose or _reads(names)}\n{_PROLOGUE}{_BOTH}{begin}\n{clock}{asked}{clock}"


def _alone(sections: Sequence[Section]) -> str:
    return "".join(f"section {s.name} {s.timeout_s:g} {shlex.quote(s.script)}\n" for s in sections)


def _together(sections: Sequence[Section], limit: float) -> str:
    """All under one limit; then, each under its own, whatever has no answer.

    The limit kills: a child that ignores other signals would outlive the shell that timeout(1) watches. Each script is
    written down once, and is an argument: one may have 128 KiB.
    """
    if not sections:
        return ""
    given = " ".join(f"{s.name} {shlex.quote(s.script)}" for s in sections)
    calls = "".join(f'section {s.name} {s.timeout_s:g} "$2"; shift 2\n' for s in sections)
    return f"""\
set -- {given}
done=$({{
{{
timeout -s KILL {limit} sh -c {shlex.quote(_TOGETHER)} sh "$mark" "$end" "$@" 3>&1 1>&4 4>&-
over "$?"
}} 2>/dev/null | until_over Q >&3
}} 4>&1)
{calls}"""


def _reads(names: Sequence[str]) -> str:
    return f"read {len(names)} facts" if len(names) > 3 else f"read {', '.join(names)}"


def split_output(result: CommandResult, sections: Sequence[Section], mark: str) -> dict[str, SectionOutput]:
    """Return the output of each section, by name.

    Args:
        result: of the script that :func:`build_script` returned.
    """
    return {section.name: _find(result, section, mark) for section in sections}


def _find(result: CommandResult, section: Section, mark: str) -> SectionOutput:
    name = re.escape(section.name)
    *_, last = re.split(rf"^(?={mark} begin {name}\r?$)", result.output, flags=re.MULTILINE)
    found = re.search(
        rf"^{mark} begin {name}\r?\n(?P<output>.*?)\n{mark} errors {name}\r?\n(?P<errors>.*?)\n"
        rf"{mark} end {name} (?P<code>\d+)\r?$",
        last,
        re.DOTALL | re.MULTILINE,
    )
    code, output, errors = (
        (int(found["code"]), found["output"], found["errors"]) if found else (None, "", result.output[-2000:])
    )
    times = _host_times(result.output, mark)
    return SectionOutput(section.name, section.script, code, output, errors, result.started, result.seconds, times)


def _host_times(text: str, mark: str) -> tuple[float, float] | None:
    found = re.findall(rf"^{mark} clock (\d+\.\d+)\r?$", text, re.MULTILINE)
    return (float(found[0]), float(found[-1])) if len(found) > 1 else None


def read_sections(host: Host, sections: Sequence[Section]) -> dict[str, SectionOutput]:
    """Run sections that only read, in one round trip.

    Returns:
        The output of each section by its name; also for those that hung, failed or are missing.

    Raises:
        mxlib.base.errors.HostUnreachableError: no session.
        mxlib.base.errors.CommandTimeoutError: not even the time limits on the host ended the script.
    """
    mark = "@@" + ids.mark()
    script = build_script(sections, mark, _READING_S)
    longest = max((section.timeout_s for section in sections), default=0.0)
    limit = min(_sum(sections), _READING_S + longest) + _TRANSPORT_S
    return split_output(host.read(script, timeout=limit), sections, mark)


def run_sections(host: Host, sections: Sequence[Section], purpose: str) -> dict[str, SectionOutput]:
    """Run sections that change the host; in a dry run they are only shown, and every output is missing.

    Args:
        purpose: in words, such as ``send 4 test mails``.

    Raises:
        mxlib.base.errors.HostUnreachableError: no session.
        mxlib.base.errors.CommandTimeoutError: no end within the time; it may have acted.
        mxlib.base.errors.CommandFailedError: the script could not run.
    """
    mark = "@@" + ids.mark()
    limit = _sum(sections) + _TRANSPORT_S
    script = build_script(sections, mark, purpose=purpose)
    return split_output(host.act(script, timeout=limit), sections, mark)


def _sum(sections: Sequence[Section]) -> float:
    return sum(section.timeout_s + 1 for section in sections)
