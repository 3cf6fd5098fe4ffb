"""Deciding: from the goal and from where things stand to the next step. Pure: it touches nothing.

Invariants, held from every state and so after any interruption:

* Clients reach the host (ports open, pool in) only in a boot that was verified, or in the boot in which this run
  verified the host before it took it out.
* A reboot is ordered only when the host is out of service, its MTA is held, its ledger is closed, the boot entries were
  read back, and the slot of the service is held; at most :data:`mxlib.model.record.MAX_BOOTS` times a run.
* The MTA runs in an unverified boot only after test mails were delivered out of it.
* Ports that are closed are opened on a proof that is not older than the site lets it be, and only where nothing that it
  rests on has changed since: the MTA's configuration, the loaded packet filter, the packages of both and of the kernel.
* Who only returns a host to service (pool-mx) reboots none.
* A kernel becomes the saved entry only after the host was verified with it.
* A machine that is off is started only in a run's hands, and once for each order; a cold start is ordered only for the
  target, so that no way back plans the PCI slots again.
* What somebody else took out is not returned to service: without our record nothing is opened.
"""

from mxlib.base.text import plural
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import MAX_BOOTS, Judgement, Kernel, Level, Record
from mxlib.model.state import Decision, Do, End, MtaState, Pool, Ports, Puppet, Slot, State, Step, View, Waited
from mxlib.reboot.ends import already_there, nothing_left, serves, truthful


def decide(goal: Goal, state: State) -> Decision:
    """Return the next step, from where things stand as just read."""
    decision = _decide(goal, state)
    return truthful(decision, state) if isinstance(decision, End) else decision


def _decide(goal: Goal, state: State) -> Decision:
    if state.released is not None:
        return End(state.released, "")
    if state.record is None:
        return _begin(goal, state)
    return _own(goal, state, state.record) or _boots(state, state.record) or _act(goal, state, state.record)


def _begin(goal: Goal, state: State) -> Decision:
    """Decide on a host that nobody has claimed."""
    host = state.host
    if host is None:
        return _begin_in_silence(goal, state)
    if goal.back or goal.adopt:
        # a run that died between its last two acts has left the slot behind: taken over, it is given up at the end
        return Do(Step.SLOT, "left behind") if state.slot is Slot.LEFT else nothing_left(state, host)
    there = goal.kernel == host.kernel and not host.replaced
    if goal.kernel and there and goal.level is Level.GUEST and (end := already_there(state, host)):
        return Do(Step.SLOT, "left behind") if state.slot is Slot.LEFT else end
    if state.guard is None:
        return Do(Step.GUARD)
    if not state.guard:
        return End(Outcome.REFUSED, f"in the way: {', '.join(state.blocks)}")
    if state.slot in (Slot.FREE, Slot.LEFT):
        return Do(Step.SLOT)
    if state.slot is not Slot.MINE:
        return End(Outcome.REFUSED, "the slot of the service cannot be had")
    return Do(Step.CLAIM)


def _begin_in_silence(goal: Goal, state: State) -> Decision:
    """Only who resumes a run waits for a silent host: it may be on its way up, and its record is on it."""
    if not goal.adopt:
        return End(Outcome.REFUSED, "the host does not answer")
    if state.waited is Waited.NO:
        return Do(Step.AWAIT, "it does not answer")
    if state.waited is Waited.OFF:
        return _begin_from_off(state)
    if Step.MEND.value in state.cures:
        return Do(Step.MEND)
    return End(Outcome.LEFT_OUT, _with(state, "the host does not answer, and what is known of its run is on it"))


def _begin_from_off(state: State) -> Decision:
    """The slot shows whether a run has left the machine so: nobody else's machine is started."""
    if state.slot is Slot.LEFT:
        return Do(Step.SLOT, "left behind")
    if state.slot is Slot.MINE:
        return _power_on(state)
    why = "the machine is off, and the slot does not say that a run has left it so: start it, then --resume"
    return End(Outcome.LEFT_OUT, why)


def _power_on(state: State) -> Decision:
    if Step.POWER_ON.value in state.cures:
        return Do(Step.POWER_ON, "the machine is off")
    return End(Outcome.LEFT_OUT, "the machine is off, and starting it was tried")


def _with(state: State, why: str) -> str:
    return f"{why}: {state.diagnosis}" if state.diagnosis else why


def _own(goal: Goal, state: State, record: Record) -> Decision | None:
    """Make sure that the run and the slot are ours."""
    if not goal.adopt and record.token != state.token:
        return End(Outcome.REFUSED, f"the host is in the hands of run {record.run} ({record.who} since {record.since})")
    if state.slot is Slot.OTHERS:
        if not state.token:
            return End(Outcome.REFUSED, "another session has the slot of the service")
        why = "the slot of the service is not this run's any more; this run stops where it is"
        return End(Outcome.INTERRUPTED, why)
    if goal.serve and record.token != state.token and (wanted := _not_booted(goal, state, record)):
        return _reboots_none(Outcome.REFUSED, record, wanted)
    if state.slot in (Slot.FREE, Slot.LEFT):
        return Do(Step.SLOT)
    if state.slot is Slot.MINE and state.outdated:
        return Do(Step.SLOT, "the host has seen a newer token than etcd gave")
    if state.slot is Slot.UNKNOWN and record.token != state.token:
        return End(Outcome.INTERRUPTED, "the slot of the service cannot be read, so nothing was begun")
    if state.host is not None and record.token != state.token:
        return Do(Step.ADOPT)
    return None


def _not_booted(goal: Goal, state: State, record: Record) -> str:
    """Return the kernel into which a run still wants a reboot; empty: none, or one was ordered and may have come."""
    ordered = record.awaited is not None and state.waited is not Waited.SAME_BOOT
    return "" if state.host is None or ordered else goal.reboots_into(record, state.host.boot, state.host.kernel)


def _reboots_none(outcome: Outcome, record: Record, wanted: str) -> End:
    resume = "pool-mx reboots none: resume or undo that run"
    return End(outcome, f"run {record.run} still has to boot {wanted}, and {resume}")


def _boots(state: State, record: Record) -> Decision | None:
    """Find out which boot the host is in, before anything else is judged."""
    host = state.host
    if record.awaited is not None:
        # an order that did not reach the host is given again, after all that has to be so before a reboot
        return _awaiting(state)
    if host is None:
        if state.waited is Waited.NO:
            return Do(Step.AWAIT, "it does not answer")
        if state.waited is Waited.OFF:
            return _power_on(state)
        if Step.MEND.value in state.cures:
            return Do(Step.MEND)
        return End(Outcome.LEFT_OUT, _with(state, "the host does not answer"))
    if host.boot != record.boot:
        return Do(Step.FOUND_BOOT, "it has booted without this run")
    return None


def _awaiting(state: State) -> Decision | None:
    if state.waited is Waited.NO or (state.host is None and state.waited is Waited.SAME_BOOT):
        return Do(Step.AWAIT)
    if state.waited in (Waited.SILENT, Waited.OFF) and state.host is not None:
        return Do(Step.AWAIT, "it answers now")
    if state.waited is Waited.OFF:
        return _power_on(state)
    if state.waited is Waited.SILENT:
        return _cure(state) or End(Outcome.LEFT_OUT, _with(state, "the host did not come back from the reboot"))
    if state.reordered:
        return End(Outcome.LEFT_OUT, "the host was ordered twice to reboot and did not")
    return None


def _cure(state: State) -> Decision | None:
    """Try each once: repair what can be seen over the console, then one power cycle, which boots the fallback."""
    cures = (step for step in (Step.MEND, Step.POWER_CYCLE) if step.value in state.cures)
    step = next(cures, None)
    return Do(step) if step else None


def _act(goal: Goal, state: State, record: Record) -> Decision:
    host = state.host
    assert host is not None
    if state.slot is Slot.UNKNOWN and host.boot == record.boot_before and not goal.turned(record):
        return Do(Step.TURN_BACK, "the slot of the service cannot be read any more")
    if wanted := goal.reboots_into(record, host.boot, host.kernel):
        if goal.serve:  # known only after the record was taken over: the host was silent, or its kernel is to blame
            return keep_out(state, host) or _reboots_none(Outcome.LEFT_OUT, record, wanted)
        return _towards_boot(goal, state, record, host, goal.kernel_for(record))
    if not record.trusted(host.boot):
        return _verify(state, record, host)
    if not serves(host) and not goal.stays_out(record):
        if state.stale:
            return Do(Step.DOUBT, "it was proven too long ago to serve without being verified again")
        if state.changed:
            return Do(Step.DOUBT, state.changed)
    return _serve(goal, state, record, host)


def _take_out(state: State, record: Record, host: View) -> Decision | None:
    """Take the host out of service, in the order that hurts nobody."""
    if "silence" in state.uses and not record.silences:
        return Do(Step.SILENCE)
    if "puppet" in state.uses and host.puppet is Puppet.ON:
        return Do(Step.PUPPET_OFF)
    if state.pool in (Pool.IN, Pool.PARTLY):
        return Do(Step.POOL_OUT)
    if host.ports is not Ports.CLOSED:
        return Do(Step.CLOSE)
    return None


def _towards_boot(goal: Goal, state: State, record: Record, host: View, wanted: Kernel) -> Decision:
    if state.slot is not Slot.MINE or state.pool is Pool.UNKNOWN:
        return _without_etcd(goal, record, host)
    if out := _take_out(state, record, host):
        return out
    if _renames(goal, record) and record.prepared != host.boot:
        return Do(Step.PREVENT)
    if host.mta is not MtaState.HELD:
        # after a failed trial outbound mail may be broken: what is on disk stays there
        drain = record.drained != host.boot and not record.trial_failed
        return Do(Step.DRAIN) if drain else Do(Step.HOLD)
    if record.ledger != host.boot:
        return Do(Step.LEDGER)
    if record.spent:
        instead = f"with {host.kernel}, once that is verified, sre.mail.pool-mx returns it to service"
        return End(Outcome.LEFT_OUT, f"{MAX_BOOTS} reboots did not lead to {wanted.release}; {instead}")
    if (host.saved, host.next) != goal.entries_for(record):
        return Do(Step.ENTRIES)
    cold = goal.level_for(record) is Level.COLD
    return Do(Step.REBOOT, f"into {wanted.release}{' by a cold start' if cold else ''}")


def _renames(goal: Goal, record: Record) -> bool:
    return record.prevention != "none" and goal.level_for(record) is Level.COLD


def _without_etcd(goal: Goal, record: Record, host: View) -> Decision:
    """Do nothing that needs the slot or the pool."""
    if host.boot == record.boot_before and not goal.turned(record):
        return Do(Step.TURN_BACK, "the slot or the pool state cannot be read any more")
    return End(Outcome.LEFT_OUT, "the slot or the pool state cannot be read, and without it no host is rebooted")


def _verify(state: State, record: Record, host: View) -> Decision:
    """Verify the boot that the host is in; it is kept out until that has passed."""
    judged = record.judgements(host.boot)
    if out := keep_out(state, host):
        return out
    if state.lost:
        return End(Outcome.MAIL_LOST, f"the ledger misses {plural(state.lost, 'message')} of those the host had taken")
    if judged.worst is Judgement.INCONCLUSIVE:
        return End(Outcome.INCONCLUSIVE, "the verification failed, and nothing shows that its kernel is to blame")
    if judged.worst is Judgement.BLAMED:
        return End(Outcome.LEFT_OUT, f"the verification failed with {host.kernel}")
    if judged.held is not None and state.changed:
        return Do(Step.DOUBT, state.changed)
    if judged.held is None:
        if host.mta is not MtaState.HELD:
            return Do(Step.HOLD)
        return Do(Step.PROVE_OUT if record.repaired == host.boot else Step.REPAIR)
    return Do(Step.PROVE_IN) if host.mta is MtaState.SERVING else Do(Step.START)


def _serve(goal: Goal, state: State, record: Record, host: View) -> Decision:
    """Return the host to service: the boot entries, the MTA, the ports, the pool, in this order.

    Where the fallback is still armed, a verified kernel is kept last: that can take minutes (GRUB's menu, a busy dpkg),
    and a kernel that dies under its first clients is replaced by the one that served them before.
    """
    entries = _settle_entries(record, host)
    armed = entries == Do(Step.KEEP) and (host.saved, host.next) == (record.fallback.entry, "")
    if entries and not armed:
        return entries
    stay = goal.stays_out(record)
    if stay and (out := keep_out(state, host)):
        return out
    if host.mta is not MtaState.SERVING:
        return Do(Step.START)
    if stay:
        kept = entries or _puppet_back(state, record, host) or _tidy(record)
        return kept or End(Outcome.DONE, "out of service as asked; its queue is being delivered")
    if host.ports is not Ports.OPEN:
        return Do(Step.OPEN)
    if entries and state.pool not in (Pool.OUT, Pool.PARTLY):
        return entries
    # a verified host is opened also without etcd: that takes nothing from another run, whoever has the slot by now
    # who goes on without etcd does not see the pool that is to be restored: the record stays until that can be done
    if state.pool is Pool.UNKNOWN or (state.pool in (Pool.NONE, Pool.UNREAD) and record.prior.pool):
        return End(Outcome.LEFT_OUT, "the ports are open, but the pool state cannot be read, and so not be restored")
    if state.pool in (Pool.OUT, Pool.PARTLY):
        return Do(Step.POOL_IN)
    if soaks(record, host):
        return Do(Step.SOAK)
    return _tidy(record) or Do(Step.RELEASE)  # which enables Puppet, too


def soaks(record: Record, host: View) -> bool:
    """Whether a host that serves again is still to be watched: it is in a boot of the run that was not watched yet."""
    return host.boot != record.boot_before and record.judgements(host.boot).soak is None


def _settle_entries(record: Record, host: View) -> Decision | None:
    known = {one.release: one.entry for one in (record.fallback, record.target)}
    if host.boot == record.boot_before or host.kernel not in known:
        right = (host.saved, host.next) == (record.prior.saved_entry, "")
        return None if right or not record.target.release else Do(Step.ENTRIES_BACK)
    return None if (host.saved, host.next) == (known[host.kernel], "") else Do(Step.KEEP)


def keep_out(state: State, host: View) -> Do | None:
    """Return what keeps clients away; the ports first: they do it whatever the pool says."""
    if host.ports is not Ports.CLOSED:
        return Do(Step.CLOSE)
    return Do(Step.POOL_OUT) if state.pool in (Pool.IN, Pool.PARTLY) else None


def puppet_is_due(state: State, record: Record, host: View) -> bool:
    """Whether Puppet is to be enabled again: it is disabled, and was not before the run."""
    return "puppet" in state.uses and host.puppet is Puppet.OFF and not record.prior.puppet_off


def _puppet_back(state: State, record: Record, host: View) -> Decision | None:
    return Do(Step.PUPPET_ON) if puppet_is_due(state, record, host) else None


def _tidy(record: Record) -> Decision | None:
    if record.unsettled:
        return Do(Step.SETTLE)
    return Do(Step.UNSILENCE) if record.silences else None
