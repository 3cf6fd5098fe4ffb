"""Which function takes which step, and how a dry run shows it."""

from collections.abc import Callable

from mxlib.facts.depool import HOLD
from mxlib.model.goal import boot_level, entries_for, kernel_wanted
from mxlib.model.on_host import RECORD
from mxlib.model.record import Level
from mxlib.model.state import Goal, State, Step
from mxlib.mta.exim import names as exim
from mxlib.protocols.world import Done
from mxlib.reboot.context import Context
from mxlib.reboot.steps import boot, guard, ledger, network, ports, prove, queue, repair, service

Action = Callable[[Context, State, Goal], Done]


def _plain(action: Callable[[Context, State], Done]) -> Action:
    return lambda context, state, _goal: action(context, state)


ACTIONS: dict[Step, Action] = {
    Step.SLOT: _plain(service.take_slot),
    Step.CLAIM: lambda context, _state, goal: guard.claim(context, goal.kernel),
    Step.ADOPT: _plain(service.adopt),
    Step.SILENCE: _plain(service.silence),
    Step.PUPPET_OFF: _plain(service.puppet_off),
    Step.POOL_OUT: _plain(service.pool_out),
    Step.CLOSE: _plain(ports.close),
    Step.PREVENT: _plain(network.prevent),
    Step.DRAIN: _plain(queue.drain),
    Step.HOLD: _plain(queue.hold),
    Step.LEDGER: _plain(ledger.close),
    Step.ENTRIES: boot.entries,
    Step.REBOOT: boot.reboot,
    Step.AWAIT: _plain(boot.await_boot),
    Step.POWER_ON: _plain(boot.power_on),
    Step.MEND: _plain(boot.mend),
    Step.POWER_CYCLE: _plain(boot.power_cycle),
    Step.FOUND_BOOT: _plain(boot.found_boot),
    Step.REPAIR: _plain(repair.repair),
    Step.PROVE_OUT: _plain(prove.outbound),
    Step.START: _plain(prove.start),
    Step.PROVE_IN: _plain(prove.inbound),
    Step.KEEP: _plain(boot.keep),
    Step.ENTRIES_BACK: _plain(boot.entries_back),
    Step.OPEN: _plain(ports.open_),
    Step.POOL_IN: _plain(service.pool_in),
    Step.SOAK: _plain(prove.soak),
    Step.SETTLE: _plain(network.settle),
    Step.PUPPET_ON: _plain(service.puppet_on),
    Step.UNSILENCE: _plain(service.unsilence),
    Step.TURN_BACK: _plain(service.turn_back),
    Step.RELEASE: _plain(service.release),
}


def preview(step: Step, context: Context, state: State, goal: Goal) -> list[str]:
    """The commands of a step, as its dry run shows them.

    Arguments:
        step: what would be done.
        context: the world.
        state: where things would stand.
        goal: what is wanted.
    """
    if step is Step.ENTRIES:
        assert state.record is not None
        saved, next_ = entries_for(state.record, kernel_wanted(goal, state.record))
        seconds = context.site.boot.panic
        armed = [f"panic={seconds} in /etc/default/grub.d; update-grub"] if next_ and seconds else []
        return armed + boot.entries_script(saved, next_).splitlines()[:2]
    if step in (Step.POOL_OUT, Step.POOL_IN):
        assert state.record is not None
        before = state.record.prior.pool
        values = before if step is Step.POOL_IN else dict.fromkeys(before, service.OUT_OF_POOL)
        return context.pool.command(values)
    if step is Step.REBOOT:
        assert state.record is not None
        return _order(boot_level(goal, state.record), context)
    return _fixed(step, context)


def _order(level: Level, context: Context) -> list[str]:
    start = [f"gnt-instance start --paused {context.target.name}, with the console on it"]
    return [boot.order_script(level).splitlines()[-1], *(start if level is Level.COLD else [])]


def _fixed(step: Step, context: Context) -> list[str]:
    out = [f"{probe.name}: {probe.times} x {probe.sizes} bytes to {probe.to}" for probe in context.site.probes.outbound]
    lines: dict[Step, list[str]] = {
        Step.SLOT: [f"etcd: set {context.site.slot.key}/holder, if nobody has"],
        Step.CLAIM: [f"write {RECORD} and {ledger.LEDGER}"],
        Step.SILENCE: [f"Alertmanager: silence for {context.site.downtime.minutes} min"],
        Step.PUPPET_OFF: ["disable-puppet REASON"],
        Step.PUPPET_ON: ["enable-puppet REASON"],
        Step.CLOSE: ports.commands(context),
        Step.DRAIN: [
            "a small test mail to each destination that has one; stale retry hints of what delivers are cleared",
            f"{context.site.drain.runners} x {exim.BINARY} -Mc ID...; {context.options.max_residual} may be left",
        ],
        Step.HOLD: [f"touch {HOLD}; systemctl stop {exim.UNIT}; wait until no process of it is left"],
        Step.LEDGER: [f"write every id of the spool and of the log since the claim to {ledger.LEDGER}"],
        Step.PREVENT: [f"as sre.mail.repair-nic --pin --method {context.options.prevention}, where a name changes"],
        Step.SETTLE: ["as sre.mail.repair-nic --settle"],
        Step.AWAIT: [f"wait for another boot id, at most {context.site.boot.timeout:g} s"],
        Step.REPAIR: ["what failed is written down; what has to run (units, generators, firewall) is started again"],
        Step.PROVE_OUT: [f"test mails with the MTA held: {line}" for line in out],
        Step.START: [f"rm {HOLD}; systemctl start {exim.UNIT}"],
        Step.PROVE_IN: [f"find every id of {ledger.LEDGER} again", "SMTP session from the prober's source ports"],
        Step.KEEP: ["grub-editenv: saved_entry = the verified kernel"],
        Step.OPEN: ports.OPEN_SCRIPT.splitlines(),
        Step.SOAK: [f"watch the queue for {context.options.soak_s:g} s"],
        Step.RELEASE: [f"rm {RECORD}; give the slot up"],
    }
    return lines.get(step, [])
