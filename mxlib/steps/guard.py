"""The guard: everything that stands against beginning, read only, all of it at once; and the claim that follows it."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

from mxlib.checks import readiness
from mxlib.debversion import DebianVersion
from mxlib.errors import MxlibError, StepError
from mxlib.facts import grub, kernel, maillog, standing
from mxlib.facts.section import Section
from mxlib.facts.source import Facts, Outputs, Source, read_facts
from mxlib.host import Host
from mxlib.instance import Level
from mxlib.record import Kernel, Prior, Record
from mxlib.steps import queue
from mxlib.steps.context import Context, Done
from mxlib.steps.others import others
from mxlib.steps.service import OUT_OF_POOL
from mxlib.text import one_line, plural
from mxlib.verdict import Status, Verdict

# apt and dpkg lock with fcntl(2); /proc/locks shows it by inode without touching the lock.
BUSY = Section(
    "busy",
    """\
for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
[ ! -e "$file" ] || ! grep -q ":$(stat -c %i "$file") " /proc/locks || echo "lock $file"
done
who | sed 's/^/login /'
systemd-inhibit --list --no-legend --mode=block 2>/dev/null | grep -w shutdown | sed 's/^/inhibitor /'
! command -v nft >/dev/null || echo 'nft yes'
echo end
""",
)


def parse_busy(outputs: Outputs) -> readiness.Busy:
    """Read the answer of the section.

    Raises:
        mxlib.errors.StepError: it is cut short.
    """
    lines = outputs[BUSY.name].text().splitlines()
    if not lines or lines[-1] != "end":
        raise StepError("who is at work on the host cannot be told")

    def of(word: str) -> tuple[str, ...]:
        return tuple(one_line(line.partition(" ")[2]) for line in lines if line.startswith(f"{word} "))

    return readiness.Busy(bool(of("lock")), of("login"), of("inhibitor"), bool(of("nft")))


BUSY_SOURCE = Source("busy", (BUSY,), parse_busy)
SOURCES = (standing.SOURCE, kernel.SOURCE, grub.SOURCE, BUSY_SOURCE, maillog.MARK_SOURCE)


def newest_kernel(host: Host) -> str:
    """The newest kernel of a host that is whole.

    Arguments:
        host: the machine.

    Raises:
        mxlib.errors.MxlibError: there is none, or it cannot be told.
    """
    found = [one for one in read_facts(host, (kernel.SOURCE,)).get(kernel.SOURCE).installed if one.whole]
    if not found:
        raise StepError(f"{host.name} has no kernel that is whole")
    return max(found, key=lambda one: DebianVersion(one.version)).release


def guard(context: Context, target: str) -> tuple[Verdict, ...]:
    """Everything that is judged before anything is changed.

    Arguments:
        context: the world.
        target: kernel release to boot; empty where only the service is taken out.
    """
    return tuple(_accepting(context, _all(context, target)))


def blocking(context: Context, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """What stands against beginning.

    Arguments:
        context: the world.
        verdicts: the guard's findings.
    """
    return [one for one in verdicts if not one.passed and one.check not in context.options.accept]


def _accepting(context: Context, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for one in verdicts:
        accepted = not one.passed and one.check in context.options.accept
        yield dataclasses.replace(one, why=f"{one.why} (accepted by --accept {one.check})") if accepted else one


def _all(context: Context, target: str) -> Iterator[Verdict]:
    try:
        facts = read_facts(context.target, SOURCES)
    except MxlibError as error:
        yield Verdict("host", Status.UNKNOWN, one_line(str(error)))
        return
    yield from _asked("standing", lambda: readiness.standing(facts.get(standing.SOURCE)))
    yield from _asked("busy", lambda: readiness.busy(facts.get(BUSY_SOURCE)))
    if target:
        yield from _asked("kernels", lambda: _kernels(facts, target))
        yield from _asked("grub", lambda: readiness.boot_menu(facts.get(grub.SOURCE)))
    yield from _asked("slot", lambda: [readiness.slot(context.slot.state(), context.slot.describe())])
    yield from _asked("pool", lambda: [readiness.pool(context.pool.read(), OUT_OF_POOL)])
    yield from _asked("others", lambda: _others(context))
    yield from _asked("rescue", lambda: _rescue(context) if target else ())
    yield from _asked("condition", lambda: context.verifier.condition(context.target))
    yield from _asked("outbound", lambda: context.verifier.outbound(context.target))
    yield from _asked("inbound", lambda: context.verifier.inbound(context.target))


def _asked(name: str, ask: Callable[[], Iterable[Verdict]]) -> tuple[Verdict, ...]:
    """The verdicts of one question; a question that cannot be answered is a verdict, too."""
    try:
        return tuple(ask())
    except MxlibError as error:
        return (Verdict(name, Status.UNKNOWN, one_line(str(error))),)


def _kernels(facts: Facts, target: str) -> Iterator[Verdict]:
    found = facts.get(kernel.SOURCE)
    return readiness.kernels(found, facts.get(grub.SOURCE), target, found.running)


def _rescue(context: Context) -> tuple[Verdict, ...]:
    return context.rescue.ready(context.target, context.options.level, context.options.prevention)


def _others(context: Context) -> Iterator[Verdict]:
    """One verdict a peer where all are well; else whether enough of them are."""
    found = others(context)
    passed = sum(one.passed for one in found)
    enough = passed >= context.site.min_in_service
    why = "; ".join(one.why for one in found if not one.passed)
    need = f"{plural(passed, 'other MX')} in service and well, {context.site.min_in_service} needed"
    yield Verdict("others", Status.OK if enough else Status.FAILED, f"{need}{f' ({why})' if why else ''}")


def claim(context: Context, target: str) -> Done:
    """Write the record: from here on the host is in the hands of this run.

    Arguments:
        context: the world.
        target: kernel release to boot; may be empty.
    """
    facts = read_facts(context.target, SOURCES)
    record = first_record(context, facts, target)
    context.act(queue.close_ledger_script(record.log_mark), record=record, timeout=120)
    return Done(f"run {record.run} has claimed {context.target.name}", {"record": record.to_json()})


def first_record(context: Context, facts: Facts, target: str) -> Record:
    """The memory of a run that begins.

    Arguments:
        context: the world.
        facts: what the host said to :data:`SOURCES`.
        target: kernel release to boot; may be empty.
    """
    view = facts.get(standing.SOURCE).view
    menu = facts.get(grub.SOURCE)
    mark = facts.get(maillog.MARK_SOURCE)
    return Record(
        run=context.run,
        who=context.options.who,
        why=context.options.why,
        since=context.clock.now().isoformat(timespec="seconds"),
        token=context.slot.token,
        target=_kernel(menu, target),
        fallback=_kernel(menu, view.kernel if target else ""),
        boot_before=view.boot,
        kernel_before=view.kernel,
        prior=Prior(context.pool.read(), view.saved, view.puppet_off),
        log_mark=(mark.inode, mark.offset),
        stay=context.options.stay,
        baseline=True,
        accepted=tuple(sorted(context.options.accept)),
        level=context.options.level,
        prevention=context.options.prevention if context.options.level is Level.COLD else "none",
    )


def _kernel(menu: grub.GrubFacts, release: str) -> Kernel:
    if not release:
        return Kernel("", "")
    entry = menu.entry_for(release)
    if entry is None:
        raise StepError(f"{release} has no entry in grub.cfg any more")
    return Kernel(release, entry.full_id)
