"""The guard: everything that could block a run, only read, all at the same time; and the claim that follows it."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from mxlib.base.errors import MxlibError, ParseError, StepError
from mxlib.base.lines import refuse_unknown
from mxlib.base.parallel import at_once, side_by_side
from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.checks import alerts
from mxlib.facts import grub, kernel, logins, sockets
from mxlib.facts.section import Section
from mxlib.facts.source import Facts, Outputs, Source, read_facts
from mxlib.model.alert import relevant
from mxlib.model.on_host import RECORD
from mxlib.model.record import Kernel, Level, Prior, Record
from mxlib.model.state import Pool, Puppet, State, Step
from mxlib.mta import configuration, standing
from mxlib.mta.protocol import Mta
from mxlib.protocols.world import Done
from mxlib.reboot import readiness
from mxlib.reboot.looking import LookingHost
from mxlib.reboot.peers import others
from mxlib.reboot.steps import entries, ledger, panic, proof
from mxlib.reboot.steps.service import OUT_OF_POOL, PUPPET_S, disables_puppet, puppet_off_script
from mxlib.reboot.steps.step import Action, host_of, with_host
from mxlib.reboot.world import RebootWorld

# apt and dpkg lock with fcntl(2); /proc/locks shows it by inode without touching the lock.
BUSY = Section(
    "busy",
    f"""\
for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
[ ! -e "$file" ] || ! grep -q ":$(stat -c %i "$file") " /proc/locks || echo "lock $file"
done
{logins.SCRIPT}\
if listed=$(systemd-inhibit --list --no-legend --mode=block 2>&1)
then printf '%s\\n' "$listed" | sed -n '/\\bshutdown\\b/s/^/inhibitor /p'
else echo "unread-inhibitors $(printf %s "$listed" | tail -n 1)"; fi
! command -v nft >/dev/null || echo 'nft yes'
echo end
""",
)
_BUSY_WORDS = ("lock ", "who ", "tty ", "odd ", "inhibitor ", "unread-inhibitors ", "nft ")


def parse_busy(outputs: Outputs) -> readiness.Busy:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it is cut short, or a line has another form.
    """
    lines = outputs[BUSY.name].text().splitlines()
    if not lines or lines[-1] != "end":
        raise ParseError("who is at work on the host cannot be read")
    what = "who is at work on the host is unknown: not understood"
    refuse_unknown(lines[:-1], lambda line: line.startswith(_BUSY_WORDS), what)

    def of(word: str) -> tuple[str, ...]:
        return tuple(one_line(line.partition(" ")[2]) for line in lines if line.startswith(f"{word} "))

    unread = "; ".join(one or "systemd-inhibit says nothing" for one in of("unread-inhibitors"))
    return readiness.Busy(bool(of("lock")), logins.parse(lines), of("inhibitor"), bool(of("nft")), unread)


BUSY_SOURCE = Source("busy", (BUSY,), parse_busy)


def sources(mta: Mta) -> tuple[Source[object], ...]:
    """Return what guard and claim have to know of the target."""
    return (standing.source(mta), kernel.SOURCE, grub.SOURCE, BUSY_SOURCE, mta.mark, sockets.LISTENERS)


def guard(world: RebootWorld) -> tuple[Verdict, ...]:
    """Judge everything that has to be so before anything is changed."""
    return tuple(_accepting(world, _all(world)))


def blocking(world: RebootWorld, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return which of the guard's findings block the run."""
    return [one for one in verdicts if not one.passed and one.check not in world.accepted]


NEVER = frozenset({"host", "record", "slot", "others", "ports", "nft", "shutdown", "kernels", "grub", "standing"})
"""Findings that nobody can accept at a prompt: with them a run would do harm, or could not be done."""


def ask(world: RebootWorld, against: Sequence[Verdict]) -> bool:
    """Ask whether what was found is accepted; what is accepted holds for the whole run.

    Arguments:
        against: what blocks the run.

    Returns:
        Whether the run may begin.
    """
    names = tuple(dict.fromkeys(one.check for one in against))
    if any(name in NEVER or name.startswith(("kernel-", "entry-", "grub-")) for name in names):
        return False
    answers = {
        "no": "do not begin; nothing is changed",
        "accept": f"begin all the same, as with {' '.join(f'--accept {name}' for name in names)}",
    }
    if world.ask(f"{plural(len(names), 'finding')} in the way: {', '.join(names)}.", answers, "no") == "no":
        return False
    world.progress.accepted |= frozenset(names)
    return True


def _accepting(world: RebootWorld, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for one in verdicts:
        accepted = not one.passed and one.check in world.accepted
        yield dataclasses.replace(one, why=f"{one.why} (accepted by --accept {one.check})") if accepted else one


def _all(world: RebootWorld) -> Iterator[Verdict]:
    """Every question at the same time: none touches what another one touches."""
    questions: tuple[Callable[[], Iterable[Verdict]], ...] = (
        lambda: _inside(world, world.progress.goal.kernel),
        lambda: _front(world),
        lambda: _asked("others", lambda: _others(world)),
        lambda: _asked("alerts", lambda: firing(world)),
        # they take longest: the look at their end is the one that slot and claim go by
        lambda: _timed(world, "outbound", lambda: world.adapters.verifier.outbound(LookingHost(world))),
        lambda: _timed(world, "inbound", lambda: world.adapters.verifier.inbound(world.target)),
    )
    answers = at_once(lambda ask: tuple(ask()), questions)
    yield from (verdict for answer in answers for verdict in answer)


def _timed(world: RebootWorld, name: str, ask: Callable[[], Iterable[Verdict]]) -> Iterator[Verdict]:
    """The same, with the time taken: test mails take theirs, whoever sends them."""
    begin = world.clock.monotonic()
    yield from _asked(name, ask)
    world.progress.probed_s = max(world.progress.probed_s, world.clock.monotonic() - begin)


def _inside(world: RebootWorld, target: str) -> tuple[Verdict, ...]:
    """All that the host says of itself, beside the machine from outside.

    But who is at work there is asked before the console is opened: its proof logs in, and would be somebody at work.
    """
    if not target:
        return tuple(_host(world, target))

    def outside() -> tuple[Verdict, ...]:
        level, prevention = world.progress.goal.level, world.options.prevention
        return _asked("rescue", lambda: world.adapters.rescue.ready(world.target, level, prevention))

    try:
        at_work = read_facts(world.target, (BUSY_SOURCE,))
    except MxlibError as error:
        return _silent(error), *outside()
    said, of_machine = side_by_side(lambda: tuple(_host(world, target, at_work)), outside)
    return *said, *of_machine


def _silent(error: MxlibError) -> Verdict:
    return Verdict("host", Status.UNKNOWN, one_line(str(error)))


def _host(world: RebootWorld, target: str, known: Facts | None = None) -> Iterator[Verdict]:
    """All that the host says of itself, in one round trip.

    Arguments:
        known: who is at work there, where that was read already.
    """
    try:
        wanted = (*sources(world.mta), configuration.source(world.mta), *world.adapters.verifier.sources())
        facts = read_facts(world.target, wanted if known is None else [one for one in wanted if one is not BUSY_SOURCE])
    except MxlibError as error:
        yield _silent(error)
        return
    world.progress.facts = facts = facts if known is None else facts.joined(known)
    yield from _asked("standing", lambda: _standing(world, facts))
    yield from proof.digests_of(facts, world.mta, world.accepted)[1]
    yield from _asked("busy", lambda: readiness.busy(facts.get(BUSY_SOURCE)))
    yield from _asked("listeners", lambda: [readiness.listeners(facts.get(sockets.LISTENERS), world.site.ports)])
    if target:
        yield from _asked("kernels", lambda: _kernels(world, facts, target))
        yield from _asked("known-bad", lambda: [world.adapters.verifier.known_bad(facts, target)])
        yield from _asked("grub", lambda: readiness.boot_menu(facts.get(grub.SOURCE)))
    yield from world.adapters.verifier.judged(facts)


def _standing(world: RebootWorld, facts: Facts) -> Iterator[Verdict]:
    found, _ = facts.get(standing.source(world.mta)), facts.get(world.mta.mark)  # without the mark there is no claim
    yield from readiness.standing(found, world.view(found).ports)
    if world.site.puppet:
        yield readiness.puppet(found)


def _front(world: RebootWorld) -> Iterator[Verdict]:
    yield from _asked("slot", lambda: [readiness.slot(world.adapters.slot.state(), world.adapters.slot.describe())])
    yield from _asked("pool", lambda: [readiness.pool(world.adapters.pool.read(), OUT_OF_POOL)])


def firing(world: RebootWorld) -> Iterator[Verdict]:
    """Whether an alert about the host, the other MXs or the service fires; no verdict where nobody can be asked.

    Raises:
        mxlib.base.errors.SilenceError: it cannot be read.
    """
    known = world.adapters.alerts.firing()
    if known is not None:
        section = world.site.alerts
        mine = relevant(known, world.site.mxs, section.service, section.ignored)
        yield alerts.judge(mine, world.clock.now())


def _asked(name: str, ask: Callable[[], Iterable[Verdict]]) -> tuple[Verdict, ...]:
    """The verdicts of one question; a question that cannot be answered is a verdict, too."""
    try:
        return tuple(ask())
    except MxlibError as error:
        return (Verdict(name, Status.UNKNOWN, one_line(str(error))),)


def _kernels(world: RebootWorld, facts: Facts, target: str) -> Iterator[Verdict]:
    cold, other = world.progress.goal.level is Level.COLD, facts.get(standing.source(world.mta)).view.replaced
    return readiness.kernels(facts.get(kernel.SOURCE), facts.get(grub.SOURCE), target, cold=cold, replaced=other)


def _others(world: RebootWorld) -> Iterator[Verdict]:
    """One verdict a peer where all are well; else whether enough of them are."""
    found = others(world)
    passed = sum(one.passed for one in found)
    enough = passed >= world.site.min_in_service
    lacks = tuple(one.why for one in found if not one.passed)
    need = f"{plural(passed, 'other MX')} in service and well, {world.site.min_in_service} needed"
    yield Verdict("others", Status.OK if enough else Status.FAILED, need, warnings=lacks)


def claim(world: RebootWorld, _state: State) -> Done:
    """Write the record, then do what takes its time and is best done while clients are served."""
    record = first_record(world, facts_for_claim(world))
    puppet = disables_puppet(world, record.prior.puppet_off)
    close, arms = ledger.close_script(world.mta, record.log_mark), entries.arm_script(world, record)
    limit = 120 + (PUPPET_S if puppet else 0) + (panic.UPDATE_S if arms else 0)
    world.act(f"{close}{puppet_off_script(record) if puppet else ''}{arms}", record=record, timeout=limit)
    disabled = "; Puppet is disabled" if puppet else ""
    return Done(f"run {record.run} has claimed {world.target.name}{disabled}", {"record": record.to_json()})


def facts_for_claim(world: RebootWorld) -> Facts:
    """What the guard has just read; read once more where a part of that is missing.

    Raises:
        mxlib.base.errors.HostError: it has to be read, and the host does not answer.
    """
    known, wanted = world.progress.facts, sources(world.mta)
    return known if known is not None and known.all_known(wanted) else read_facts(world.target, wanted)


def first_record(world: RebootWorld, facts: Facts) -> Record:
    """Return the memory of a run that begins.

    Arguments:
        facts: what the host said to :func:`sources`.
    """
    goal = world.progress.goal
    # the loop has read where the host stands since the guard did
    view = (world.progress.standing or facts.get(standing.source(world.mta))).view
    menu = facts.get(grub.SOURCE) if goal.kernel else None
    mark = facts.get(world.mta.mark)
    proven_at, digests = _proven(world)
    return Record(
        host=world.target.name,
        run=world.run,
        who=world.options.who,
        why=world.options.why,
        since=world.clock.now().isoformat(timespec="seconds"),
        token=world.adapters.slot.token,
        target=_kernel(menu, goal.kernel),
        fallback=_kernel(menu, view.kernel if goal.kernel else ""),
        boot_before=view.boot,
        prior=Prior(world.adapters.pool.read(), view.saved, view.puppet.off),
        log_mark=mark,
        stay=goal.stay,
        baseline=True,
        proven={view.boot: proven_at.isoformat(timespec="seconds")},
        configured={view.boot: digests},
        accepted=tuple(sorted(world.accepted)),
        level=goal.level,
        prevention=world.options.prevention if goal.level is Level.COLD else "none",
    )


def _proven(world: RebootWorld) -> tuple[datetime, str]:
    """When the guard began to read, and the digests: what was read later, as after a question, it has not judged."""
    if (known := world.progress.facts) is None:
        return world.clock.now(), ""
    return known.when, proof.digests_of(known, world.mta, world.accepted)[0]


def _kernel(menu: grub.GrubFacts | None, release: str) -> Kernel:
    if not release or menu is None:
        return Kernel("", "")
    entry = menu.entry_for(release)
    if entry is None:
        raise StepError(f"{release} has no entry in grub.cfg any more")
    return Kernel(release, entry.full_id)


def _claimed(world: RebootWorld, state: State) -> State:
    record = dataclasses.replace(first_record(world, facts_for_claim(world)), token=state.token)
    claimed = dataclasses.replace(state, record=record, pool=Pool.WAS_OUT if state.pool is Pool.OUT else state.pool)
    return with_host(claimed, puppet=Puppet.OFF) if disables_puppet(world, host_of(state).puppet.off) else claimed


def _how(world: RebootWorld, state: State) -> list[str]:
    puppet = ["disable-puppet REASON"] if disables_puppet(world, host_of(state).puppet.off) else []
    seconds = world.site.boot.panic if world.progress.goal.kernel else 0
    arms = [f"panic={seconds} in /etc/default/grub.d; update-grub"] if seconds else []
    return [f"write {RECORD} and {ledger.LEDGER}", *puppet, *arms]


ACTIONS = (Action(Step.CLAIM, claim, _claimed, _how, undo=Step.RELEASE),)
