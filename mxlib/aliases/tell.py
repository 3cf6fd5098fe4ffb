"""What an operator reads of a look at every MX, and of a repair that is only rehearsed."""

from collections.abc import Sequence

from mxlib.aliases.judge import ANSWERS, NAME
from mxlib.aliases.look import AliasLook
from mxlib.aliases.plan import Repair
from mxlib.base.text import duration
from mxlib.base.verdict import Status, Verdict
from mxlib.checks.aliases import problems, warnings


def verdicts(seen: AliasLook, hosts: Sequence[str]) -> list[Verdict]:
    """Every judgement of one look, with the host in its sentence.

    Arguments:
        seen: the look.
        hosts: every MX.
    """
    found = []
    for host in hosts:
        for state in seen.states:
            wrong = problems(state.generator, state.facts[host]) if host in state.facts else ()
            found += [Verdict("aliases", Status.FAILED, f"{host}: {one.why}") for one in wrong]
        for one in seen.verdicts(host, (NAME, ANSWERS)):
            found.append(Verdict(one.check, one.status, f"{host}: {one.why}", one.evidence))
    return found


def describe(seen: AliasLook, hosts: Sequence[str], *, warned: bool = False) -> list[str]:
    """What an operator reads of a look: all that is wrong, a line each; what is well only where nothing is wrong.

    Arguments:
        seen: the look.
        hosts: every MX.
        warned: the warnings were told before.
    """
    judged = verdicts(seen, hosts)
    lines = [f"{one.status.value:<8}{one.why}" for one in judged if one.status is not Status.OK]
    lines += [f"{'OK':<8}{one.why}" for one in judged if one.status is Status.OK and not lines]
    noted = [
        text for state in seen.states for facts in state.facts.values() for text in warnings(state.generator, facts)
    ]
    return lines if warned else lines + [f"warning {text}" for text in dict.fromkeys(noted)]


def rehearse(repair: Repair, limit: float) -> list[str]:
    """What a repair would do, in order, with its commands.

    Arguments:
        repair: which.
        limit: seconds the run may take.
    """
    unit, file, host = repair.generator.unit, repair.generator.file, repair.host
    lines = [f"{host}: would run {unit} anew: {'; '.join(repair.why)}"]
    if repair.hangs:
        lines.append(f"{host}:   look into it: ps, ss -ntpi, /proc/PID/stack, journalctl -u {unit}")
    lines.append(f"{host}:   keep a copy of {file} if it is whole")
    if repair.hangs:
        lines.append(f"{host}:   systemctl stop {unit}")
    if repair.harmed:
        lines.append(f"{host}:   put a whole file back{f', that of {repair.donor}' if repair.donor else ''}")
    if repair.arm:
        lines.append(f"{host}:   systemctl start {repair.generator.timer}")
    lines.append(f"{host}:   systemctl start --no-block {unit}; wait at most {duration(limit)}, else stop it again")
    lines.append(f"{host}:   put the copy back if {file} is cut short or below {repair.generator.floor} entries")
    lines.append(f"{host}:   forget cached callout refusals of the addresses that differ (exim_fixdb)")
    return lines
