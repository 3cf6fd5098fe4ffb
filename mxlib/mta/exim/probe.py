"""The script that sends test mails through Exim, and what it prints.

A local submission with immediate delivery needs no daemon, so it works while Exim is held. One script on the host
submits, waits with a deadline, removes the test mails that stay queued and prints their lines of the log. It ends and
cleans up by itself, even if the management host dies.
"""

import re
import shlex
from collections.abc import Sequence

from mxlib.base.errors import ParseError
from mxlib.base.lines import lines_of, refuse_unknown
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.log import FUNCTIONS
from mxlib.mta.exim.logline import parse_lines
from mxlib.mta.mail import Followed, ProbeMail

_TAG = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KNOWN = re.compile(r"submitted \S+ \d+(?: |\Z)|id \S+ \S|left \S+ |bounce \S+\Z|line \d{4}-|open \d+\Z|well \S+\Z")
_REMOVED = "has been removed"
_SUBMIT_S = 30
_LINE = 100
"""More than the last line of a text, which loses its end in a shell's variable."""

# The id of a test mail is found by its Message-ID, which the log shows in its "<=" line. Fields are counted from the
# mark, because the log may carry a zone and a process id before the message id. Only what this script has handed in is
# ours: test mails of other hosts arrive here as well, and one of ours may be sent back to this host.
# On a slow host processes take the time, and the proof of a boot waits for it: so the text is made once, and log and
# spool are read no more often than needed.
_SCRIPT = r"""
{functions}
{named}exim={exim}; sender={sender}; how={how}; patience={patience}; host=$(hostname -f); sent=; tried=; forced=
body=$(yes 'This is a test mail of the mail exchangers. It can be ignored and deleted.' | head -c {longest})
hold_log
set -- $(mark_at "$open" "$(size_of "$open")"); inode=$2; offset=$3; sum=$4
scan() {{
growth | awk -v want="$sent" -v tried="$tried" -v host="$host" -v print_lines="$1" '
BEGIN {{ n = split(tried, tags, " "); for (k = 1; k <= n; k++) tag_of["id=mx-probe." tags[k] "@" host] = tags[k] }}
{{
for (i = 2; i <= 6 && i <= NF; i++) if ($i ~ /^(<=|=>|->|==|\*\*|Completed|H=.*|removed|Frozen)$/) break
id = $(i - 1)
}}
/^whole$/ {{ whole = 1 }}
$i == "<=" {{ for (j = i + 1; j <= NF; j++) if ($j in tag_of) {{
ours[id] = tag_of[$j]
delete tag_of[$j]
print "id", ours[id], id
}} }}
$i == "<=" && $(i + 1) == "<>" && match($0, / R=[0-9A-Za-z-]*/) && (substr($0, RSTART + 3, RLENGTH - 3) in ours) {{
bounce[id] = 1
print "bounce", id
}}
(id in ours) && $i ~ /^(==|\*\*|Completed)$/ {{ decided[ours[id]] = 1 }}
(id in ours) || (id in bounce) {{ if (print_lines) print "line", $0 }}
(id in ours) && $i ~ /^(=>|->|>>)$/ {{ well[ours[id]] = 1 }}
END {{
if (!whole) exit
n = split(want, w, " "); for (k = 1; k <= n; k++) if (!(w[k] in decided)) left++; print "open", left + 0
for (tag in well) print "well", tag }}'
}}
# Once a mail to a destination did not get through, further ones say nothing new and only burden the remote end.
mail() {{
for earlier in $5; do case " $well " in *" $earlier "*) ;; *) return ;; esac; done
tried="$tried $1"
error=$({{
printf 'From: MX test <%s>\nTo: %s\nSubject: [MX test mail, please ignore] %s\n' "$sender" "$2" "$4"
printf 'Message-ID: <mx-probe.%s@%s>\nX-MX-Probe: %s\nAuto-Submitted: auto-generated\n\n' "$1" "$host" "$1"
printf "%.$3s" "$body"
}} | timeout {submit} "$exim" "$how" -oi -f "$sender" -- "$2" 2>&1 >/dev/null)
code=$?
[ -z "$error" ] || error=$(printf %s "$error" | tr '\n' ' ' | head -c 300)
printf 'submitted %s %s %s\n' "$1" "$code" "$error"
[ "$code" -ne 0 ] || sent="$sent $1"
}}
settle() {{
[ "$how" = -odb ] || for id in $(scan | sed -n 's/^id [^ ]* //p'); do
case " $forced " in *" $id "*) continue ;; esac
forced="$forced $id"
"$exim" $(named "$id") -M "$id" >/dev/null 2>&1 </dev/null &
done
end=$(($(date +%s) + patience))
while seen=$(scan); [ "${{seen#*open 0}}" = "$seen" ] && [ "$(date +%s)" -lt "$end" ]; do sleep 0.5; done
well=$(printf '%s\n' "$seen" | sed -n 's/^well //p' | tr '\n' ' ')
}}
{rounds}
ours=$(scan | sed -n 's/^id [^ ]* //p; s/^bounce //p' | sort -u)
set --
for id in $ours; do set -- "$@" -o -name "$id-H"; done
[ $# -eq 0 ] || {{ shift; waiting=$(find {inputs} "$@"); }}
for id in $ours; do
[ "${{waiting#*"/$id-H"}}" = "$waiting" ] ||
printf 'left %s %s\n' "$id" "$("$exim" $(named "$id") -Mrm "$id" 2>&1 | tr '\n' ' ')"
done
scan 1
"""


def build(mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool = False) -> Section:
    """Return the section that sends test mails; ``force`` delivers in spite of retry hints (``exim4 -M``).

    Raises:
        mxlib.base.errors.ParseError: an address or the tag is not safe in a command.
    """
    if not _TAG.fullmatch(run_tag) or not ADDRESS_PATTERN.fullmatch(sender):
        raise ParseError(f"not safe in a command: {run_tag!r} {sender!r}")
    numbers = sorted({mail.number for mail in mails})
    rounds = "settle\n".join(_round(mails, number, run_tag) for number in numbers)
    script = _SCRIPT.format(
        functions=FUNCTIONS,
        inputs=exim.INPUTS,
        named=exim.QUEUE_OF,
        exim=exim.BINARY,
        sender=shlex.quote(sender),
        how="-odq" if force else "-odb",
        patience=patience_s,
        submit=_SUBMIT_S,
        longest=max((mail.size for mail in mails), default=0) + _LINE,
        rounds=rounds + "settle",
    )
    return Section("probe-send", script, timeout_s=len(numbers) * (patience_s + _SUBMIT_S) + 60)


def _round(mails: Sequence[ProbeMail], number: int, run_tag: str) -> str:
    return "".join(
        f"mail {mail.tag} {shlex.quote(mail.probe.to)} {mail.size} "
        f"{shlex.quote(f'{mail.probe.name}, {mail.size} bytes, number {mail.number}, run {run_tag}')} "
        f"'{' '.join(one.tag for one in mails if one.number < number and one.probe == mail.probe)}'\n"
        for mail in mails
        if mail.number == number
    )


def parse(text: str, mails: Sequence[ProbeMail]) -> tuple[Followed, ...]:
    """Read what the script printed, mail by mail.

    Raises:
        mxlib.base.errors.ParseError: it is cut short.
    """
    lines = lines_of(text)
    if not any(re.fullmatch(r"open \d+", line) for line in lines):
        raise ParseError("the account of the test mails is cut short")
    refuse_unknown(lines, _KNOWN.match, "the account of the test mails: not understood")
    fields = [line.split(" ", 3) for line in lines]
    submitted = {row[1]: (int(row[2]), row[3] if len(row) > 3 else "") for row in fields if row[0] == "submitted"}
    ids = {row[1]: exim.check_message_id(row[2]) for row in fields if row[0] == "id"}
    left = {line.split(" ")[1]: line.split(" ", 2)[2].strip() for line in lines if line.startswith("left ")}
    events = parse_lines(line.removeprefix("line ") for line in lines if line.startswith("line "))

    def followed(tag: str) -> Followed:
        code, error = submitted.get(tag, (None, ""))
        message_id = ids.get(tag, "")
        own = tuple(event for event in events if message_id and event.message_id == message_id)
        kept = left.get(message_id, _REMOVED) or "Exim did not say why"
        return Followed(code, error, message_id, own, "" if _REMOVED in kept else kept)

    return tuple(followed(mail.tag) for mail in mails)


def source(mails: Sequence[ProbeMail], sender: str, run_tag: str, patience_s: int, *, force: bool) -> Source[
    tuple[Followed, ...]
]:
    """Return the source that sends and follows test mails, see :meth:`mxlib.mta.protocol.Mta.probe`."""
    asked = build(mails, sender, run_tag, patience_s, force=force)
    return Source(asked.name, (asked,), lambda outputs: parse(outputs[asked.name].text(), mails))
