"""What a step works with, and the one way it writes to the target."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mxlib.clock import Clock
from mxlib.config_sections import Site
from mxlib.errors import FencedError, StepError
from mxlib.facts.depool import DIRECTORY, RECORD, TOKEN
from mxlib.facts.source import Facts
from mxlib.facts.standing import Standing
from mxlib.host import CommandResult, Host
from mxlib.instance import Level
from mxlib.meter import Meter
from mxlib.record import Record
from mxlib.seams import AlertSource, Answered, Asker, NoAlerts, PoolState, Rescue, Silencer, SlotSeam, Teller, Verifier
from mxlib.state import State, Step, Waited
from mxlib.verdict import Verdict

FENCED = 75
"""Exit code of a script that found a newer token on the host (EX_TEMPFAIL of sysexits.h)."""

# This stands before every act, so it starts as few processes as it can: on a slow host they are what takes the time.
# A step's children must not keep the lock: descriptor 9 is closed for what the step runs.
_FENCE = f"""\
set -eu
umask 022
[ -d {DIRECTORY} ] || mkdir -p {DIRECTORY}
exec 9>{DIRECTORY}/lock
flock -w 20 9 || {{ echo 'the record on the host is locked by another command'; exit {FENCED}; }}
have=0
{{ read -r have <{TOKEN}; }} 2>/dev/null || :
if [ "$have" -gt @TOKEN@ ]; then
echo "token $have on the host is newer than ours, @TOKEN@: another operator has taken over"; exit {FENCED}
fi
[ "$have" = @TOKEN@ ] || {{ echo @TOKEN@ >{TOKEN}.new; mv {TOKEN}.new {TOKEN}; }}
"""
_WRITE = f"""\
printf %s @RECORD@ >{RECORD}.new
sync {RECORD}.new
mv {RECORD}.new {RECORD}
sync {DIRECTORY}
"""


def fenced(script: str, token: int, record: Record | None = None) -> str:
    """Put the fence before a script, and the record, which holds the undo, before the act.

    Arguments:
        script: what acts; POSIX sh under ``set -eu``.
        token: our fencing token.
        record: the memory to write first.
    """
    head = _FENCE.replace("@TOKEN@", str(token))
    if record is not None:
        head += _WRITE.replace("@RECORD@", quoted(record.to_json()))
    return f"{head}(\nset -eu\n{script}\n) 9>&-\n" if script else head


@dataclass
class Options:
    """What the operator chose.

    Attributes:
        why: reason and task, for everybody who meets this run.
        who: operator and management host.
        max_residual: messages that may stay in the queue.
        drain_timeout: seconds the queue may take.
        accept: names of guard findings that do not block.
        soak_s: seconds of watching at the end.
        stay: leave the host out of service in the end.
        unattended: never ask.
        level: how the kernel is tried.
        prevention: what is done before a cold start that would rename the network interface.
    """

    why: str
    who: str
    max_residual: int
    drain_timeout: float
    accept: frozenset[str] = frozenset()
    soak_s: float = 60.0
    stay: bool = False
    unattended: bool = True
    level: Level = Level.GUEST
    prevention: str = "none"


@dataclass
class Context:
    """The world of a run.

    Attributes:
        site: what the site says.
        target: the MX the run is about.
        peers: the other MXs.
        slot: the slot of the service.
        pool: the pool state of the target.
        silencer: alerts of the target.
        verifier: what proves that a host is well.
        rescue: the machine from outside.
        clock: the time to live in.
        tell: the operator.
        options: what the operator chose.
        run: id of the run.
        alerts: what fires.
        asker: who is asked; None: nobody, the safe answer is taken.
        asked: what was asked and not yet written down.
        meter: what the round trips to the hosts cost.
        record: the memory as last written.
        facts: what the guard has read of the target, for the claim that follows it.
        standing: where the target stood when it was read last.
        waited: how the last wait for a boot ended.
        reordered: whether a reboot was ordered once more.
        lost: how many messages the ledger misses.
        verdicts: what was judged in this process, by step.
        turning: why the run turns back.
        cures: what was tried on a host that did not come back.
        diagnosis: why it did not come back, as far as that was found out.
        probed_s: seconds that the guard's test mails and sessions took.
    """

    site: Site
    target: Host
    peers: Sequence[Host]
    slot: SlotSeam
    pool: PoolState
    silencer: Silencer
    verifier: Verifier
    rescue: Rescue
    clock: Clock
    tell: Teller
    options: Options
    run: str
    alerts: AlertSource = field(default_factory=NoAlerts)
    asker: Asker | None = None
    asked: list[Answered] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)
    record: Record | None = None
    facts: Facts | None = None
    standing: Standing | None = None
    waited: Waited = Waited.NO
    reordered: bool = False
    lost: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    turning: str = ""
    cures: set[Step] = field(default_factory=set)
    diagnosis: str = ""
    probed_s: float = 0.0

    def act(self, script: str, *, record: Record | None = None, timeout: float = 30.0) -> CommandResult:
        """Change the target, behind the fence; the record is written before the act.

        Arguments:
            script: what acts; POSIX sh under ``set -eu``; may be empty, to write only the record.
            record: the memory to write; None leaves it.
            timeout: seconds.

        Raises:
            mxlib.errors.FencedError: another operator has taken over.
            mxlib.errors.HostError: it could not be done.
        """
        result = self.target.act(fenced(script, self.slot.token, record), timeout=timeout, ok_codes=(0, FENCED))
        if result.exit_code == FENCED:
            raise FencedError(f"{self.target.name}: {result.output.strip()}")
        if record is not None:
            self.record = record
        return result

    def ask(self, question: str, answers: Mapping[str, str], safe: str) -> str:
        """Ask the operator; it is written down with the answer.

        Arguments:
            question: one sentence.
            answers: what each word does.
            safe: the word that is taken where nobody answers.

        Raises:
            mxlib.errors.InterruptedRunError: the run is to stop.
        """
        nobody = Answered(question, safe, answers[safe], "nobody to ask")
        found = self.asker.ask(question, answers, safe) if self.asker is not None else nobody
        self.asked.append(found)
        return found.answer

    def remember(self, record: Record) -> None:
        """Write the record and nothing else.

        Arguments:
            record: the memory.
        """
        if record != self.record:
            self.act("", record=record)


@dataclass(frozen=True)
class Done:
    """What a step says for itself.

    Attributes:
        note: one line for the operator.
        evidence: values for the report.
    """

    note: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


def quoted(text: str) -> str:
    """An argument for a shell.

    Arguments:
        text: anything.
    """
    return shlex.quote(text)


def record_of(state: State) -> Record:
    """The run's record, for steps that are taken only where there is one.

    Arguments:
        state: where things stand.

    Raises:
        mxlib.errors.StepError: there is none.
    """
    if state.record is None:
        raise StepError("the run has no record on the host")
    return state.record
