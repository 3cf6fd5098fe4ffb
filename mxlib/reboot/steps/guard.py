"""The guard: everything that stands against beginning, read only, all of it at once; and the claim that follows it."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from mxlib.base.errors import InterruptedRunError, MxlibError, StepError
from mxlib.base.parallel import at_once
from mxlib.base.text import one_line, plural
from mxlib.base.verdict import Status, Verdict
from mxlib.checks import alerts
from mxlib.facts import grub, kernel, logins
from mxlib.facts.section import Section
from mxlib.facts.source import Facts, Outputs, Source, read_facts
from mxlib.model.alert import relevant
from mxlib.model.record import Kernel, Level, Prior, Record
from mxlib.mta.exim import maillog, standing
from mxlib.protocols.host import Host
from mxlib.protocols.world import Done
from mxlib.reboot import readiness
from mxlib.reboot.context import Context
from mxlib.reboot.others import others
from mxlib.reboot.steps import ledger
from mxlib.reboot.steps.service import OUT_OF_POOL

# apt and dpkg lock with fcntl(2); /proc/locks shows it by inode without touching the lock.
BUSY = Section(
    "busy",
    f"""\
for file in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
[ ! -e "$file" ] || ! grep -q ":$(stat -c %i "$file") " /proc/locks || echo "lock $file"
done
{logins.SCRIPT}\
systemd-inhibit --list --no-legend --mode=block 2>/dev/null | grep -w shutdown | sed 's/^/inhibitor /'
! command -v nft >/dev/null || echo 'nft yes'
echo end
""",
)


def parse_busy(outputs: Outputs) -> readiness.Busy:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.StepError: it is cut short.
    """
    lines = outputs[BUSY.name].text().splitlines()
    if not lines or lines[-1] != "end":
        raise StepError("who is at work on the host cannot be told")

    def of(word: str) -> tuple[str, ...]:
        return tuple(one_line(line.partition(" ")[2]) for line in lines if line.startswith(f"{word} "))

    return readiness.Busy(bool(of("lock")), logins.parse(lines), of("inhibitor"), bool(of("nft")))


BUSY_SOURCE = Source("busy", (BUSY,), parse_busy)
SOURCES = (standing.SOURCE, kernel.SOURCE, grub.SOURCE, BUSY_SOURCE, maillog.MARK_SOURCE)


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


NEVER = frozenset({"host", "record", "slot", "others", "ports", "nft", "shutdown", "kernels", "grub", "standing"})
"""What nobody can accept away at a prompt: there the run would harm, or could not be done."""


def ask(context: Context, against: Sequence[Verdict]) -> bool:
    """Ask whether what was found is accepted; what is accepted holds for the whole run.

    Arguments:
        context: the world.
        against: what stands against beginning.

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
    if context.ask(f"{plural(len(names), 'finding')} against beginning: {', '.join(names)}.", answers, "no") == "no":
        return False
    context.options.accept |= frozenset(names)
    return True


def _accepting(context: Context, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    for one in verdicts:
        accepted = not one.passed and one.check in context.options.accept
        yield dataclasses.replace(one, why=f"{one.why} (accepted by --accept {one.check})") if accepted else one


def _all(context: Context, target: str) -> Iterator[Verdict]:
    """Every question at the same time: none touches what another one touches.

    But the console only after the host: to the question who is logged in, its proof would be somebody at work.
    """
    questions: tuple[Callable[[], Iterable[Verdict]], ...] = (
        lambda: (*_host(context, target), *_asked("rescue", lambda: _rescue(context) if target else ())),
        lambda: _front(context),
        lambda: _asked("others", lambda: _others(context)),
        lambda: _asked("alerts", lambda: firing(context)),
        lambda: _timed(context, "outbound", context.verifier.outbound),
        lambda: _timed(context, "inbound", context.verifier.inbound),
    )
    answers = at_once(lambda ask: tuple(ask()), questions)
    yield from (verdict for answer in answers for verdict in answer)


def _timed(context: Context, name: str, ask: Callable[[Host], Iterable[Verdict]]) -> Iterator[Verdict]:
    """The same, with the time taken: test mails take theirs, whoever sends them."""
    begin = context.clock.monotonic()
    yield from _asked(name, lambda: ask(context.target))
    context.probed_s = max(context.probed_s, context.clock.monotonic() - begin)


def _host(context: Context, target: str) -> Iterator[Verdict]:
    """All that the host says of itself, in one round trip."""
    try:
        facts = read_facts(context.target, (*SOURCES, *context.verifier.sources()))
    except InterruptedRunError:
        raise
    except MxlibError as error:
        yield Verdict("host", Status.UNKNOWN, one_line(str(error)))
        return
    context.facts = facts
    yield from _asked("standing", lambda: readiness.standing(facts.get(standing.SOURCE)))
    yield from _asked("busy", lambda: readiness.busy(facts.get(BUSY_SOURCE)))
    if target:
        yield from _asked("kernels", lambda: _kernels(facts, target))
        yield from _asked("known-bad", lambda: [context.verifier.known_bad(facts, target)])
        yield from _asked("grub", lambda: readiness.boot_menu(facts.get(grub.SOURCE)))
    yield from context.verifier.judged(facts)


def _front(context: Context) -> Iterator[Verdict]:
    yield from _asked("slot", lambda: [readiness.slot(context.slot.state(), context.slot.describe())])
    yield from _asked("pool", lambda: [readiness.pool(context.pool.read(), OUT_OF_POOL)])


def firing(context: Context) -> Iterator[Verdict]:
    """Whether an alert about the host, the other MXs or the service fires; no verdict where nobody can be asked.

    Arguments:
        context: the world.

    Raises:
        mxlib.base.errors.SilenceError: it cannot be told.
    """
    known = context.alerts.firing()
    if known is not None:
        section = context.site.alerts
        mine = relevant(known, context.site.mxs, section.service, section.ignored)
        yield alerts.judge(mine, context.clock.now())


def _asked(name: str, ask: Callable[[], Iterable[Verdict]]) -> tuple[Verdict, ...]:
    """The verdicts of one question; a question that cannot be answered is a verdict, too."""
    try:
        return tuple(ask())
    except InterruptedRunError:
        raise
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
    record = first_record(context, facts_for_claim(context), target)
    context.act(ledger.close_script(record.log_mark), record=record, timeout=120)
    return Done(f"run {record.run} has claimed {context.target.name}", {"record": record.to_json()})


def facts_for_claim(context: Context) -> Facts:
    """What the guard has just read; read once more where a part of that is missing.

    Arguments:
        context: the world.

    Raises:
        mxlib.base.errors.HostError: it has to be read, and the host does not answer.
    """
    known = context.facts
    return known if known is not None and known.all_known(SOURCES) else read_facts(context.target, SOURCES)


def first_record(context: Context, facts: Facts, target: str) -> Record:
    """The memory of a run that begins.

    Arguments:
        context: the world.
        facts: what the host said to :data:`SOURCES`.
        target: kernel release to boot; may be empty.
    """
    # the loop has read where the host stands since the guard did
    view = (context.standing or facts.get(standing.SOURCE)).view
    menu = facts.get(grub.SOURCE) if target else None
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


def _kernel(menu: grub.GrubFacts | None, release: str) -> Kernel:
    if not release or menu is None:
        return Kernel("", "")
    entry = menu.entry_for(release)
    if entry is None:
        raise StepError(f"{release} has no entry in grub.cfg any more")
    return Kernel(release, entry.full_id)
