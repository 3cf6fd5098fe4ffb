"""How a run ends: what may be said of a host, and what is not known of it. Pure: it touches nothing."""

from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import End, MtaState, Pool, Ports, Puppet, Slot, State, View

UNREAD = "its pool state is not known: once etcd answers, look whether the host is pooled (sre.mail.status shows it)"
"""What to say where nobody knows whether clients are sent to the host."""
PUPPET_UNREAD = "whether Puppet is enabled again is not known: look, and run enable-puppet if it is not"


_STANDS = {
    Pool.UNREAD: "its ports are open and its MTA serves",
    Pool.WAS_OUT: "its ports are open and its MTA serves, out of the pool as it was found",
}


def serves(host: View) -> bool:
    """Whether the host would serve clients that are sent to it."""
    return host.ports is Ports.OPEN and host.mta is MtaState.SERVING


def by_hand(host: View) -> str:
    """Return what to do about a host that is out of service, and of which no run knows why."""
    if serves(host):
        return "somebody has taken it out of the pool: ask who"
    if host.ports is Ports.OPEN and host.mta is MtaState.OTHER:
        return "its MTA does not serve, and nobody has closed its ports: sre.mail.verify-mx says what is wrong"
    return "find out who took it out; by hand: the runbook, at 'Out of service without a run'"


def in_service(state: State) -> bool:
    """Whether clients are served."""
    return state.host is not None and serves(state.host) and state.pool in (Pool.IN, Pool.NONE)


def given_up(pool: Pool) -> str:
    """Return how a host stands that a run gives up, with its ports open and its MTA serving."""
    return _STANDS.get(pool, "in service")


def already_there(state: State, host: View) -> End | None:
    """Return the end of a run whose kernel runs already, where the host serves; None: it does not."""
    runs = f"already there: {host.kernel} is running"
    if in_service(state):
        return End(Outcome.DONE, f"{runs} and the host is in service; nothing was done")
    if serves(host) and state.pool in (Pool.UNREAD, Pool.UNKNOWN):
        return End(Outcome.UNKNOWN, f"{runs} and serves, but {UNREAD}; nothing was done")
    return None


def nothing_left(state: State, host: View) -> End:
    """Return how who resumes or undoes a run ends where none is on the host: it may be out of service all the same."""
    none = "no run has left anything on this host"
    if not in_service(state):
        if serves(host) and state.pool in (Pool.UNREAD, Pool.UNKNOWN):
            return End(Outcome.UNKNOWN, f"{none}, and it serves, but {UNREAD}")
        stands = f"mail ports {host.ports.value}, MTA {host.mta.said}, pool {state.pool.value}"
        return End(Outcome.REFUSED, f"{none}, and it is not in service ({stands}): {by_hand(host)}")
    if state.slot is Slot.UNKNOWN:
        taken = "whether one has left the slot of the service taken cannot be read: once etcd answers, the same again"
        return End(Outcome.UNKNOWN, f"{none}, and it is in service; {taken}")
    return End(Outcome.DONE, f"{none}: nothing to do")


def may_be_reached(record: Record, host: View) -> bool:
    """Whether clients may reach the host at an end: its boot was verified, and its MTA serves them."""
    return record.trusted(host.boot) and host.mta is MtaState.SERVING


def unread(state: State) -> str:
    """Return what could not be read of what a run has to leave as it was found; empty if nothing."""
    pool = UNREAD if state.pool is Pool.UNREAD else ""
    record, host = state.record, state.host
    # where it could not be read at the claim either, the run has left it alone
    disabled = "puppet" in state.uses and record is not None and record.prior.puppet_off is False
    puppet = PUPPET_UNREAD if disabled and host is not None and host.puppet is Puppet.UNKNOWN else ""
    return "; ".join(filter(None, (pool, puppet)))


def outcome_of(goal: Goal, state: State) -> Outcome:
    """Return how a run ends that gives the host up: as its goal says, or UNKNOWN where something could not be read."""
    assert state.record is not None
    return Outcome.UNKNOWN if unread(state) else goal.outcome(state.record)


def served(goal: Goal, state: State, turning: str) -> str:
    """Return how a host stands that is given up, in a sentence.

    Arguments:
        turning: why this process has turned back; empty: it has not.
    """
    record, host = state.record, state.host
    assert record is not None
    assert host is not None
    why = f" ({turning or record.undoing})" if goal.outcome(record) is Outcome.UNDONE else ""
    but = f", but {unknown}" if (unknown := unread(state)) else ""
    return f"{host.kernel} runs, {given_up(state.pool)}{why}{but}"


def stopped(what: str, state: State) -> End:
    """Return how a run ends that was asked to stop after the reboot, by where the host stands now.

    Arguments:
        what: who or what has asked.
    """
    host, record = state.host, state.record
    if host is None:
        stands = "the host does not answer"
    elif in_service(state) and record is not None and record.trusted(host.boot):
        stands = "in service, but not finished"
    elif host.ports is Ports.CLOSED:
        stands = "the host is out of service, safe"
    else:
        stands = f"mail ports {host.ports.value}, MTA {host.mta.said}"
    return End(Outcome.INTERRUPTED, f"stopped by {what}; {stands}")


def begun(why: str, state: State) -> End:
    """Return how a run ends that has changed something, and does not hold the host any more: the last line says all."""
    host = state.host
    stands = f" (ports {host.ports.value}, MTA {host.mta.said}, pool {state.pool.value})" if host else ""
    return End(Outcome.INTERRUPTED, f"{why}{stands}")


def truthful(end: End, state: State) -> End:
    """Return an end that says "out of service, safe" only of ports that were closed when the host last answered."""
    host = state.host
    if end.outcome not in (Outcome.LEFT_OUT, Outcome.INCONCLUSIVE, Outcome.MAIL_LOST):
        return end
    if host is None:
        unseen = f"whether its ports are closed is not known; pool: {state.pool.value}"
        seen = unseen if state.closed is None else "its ports were not closed when it last did"
        return end if state.closed else End(Outcome.INTERRUPTED, f"{end.why} ({seen})", silent=True)
    if host.ports is Ports.CLOSED:
        return end
    return End(Outcome.INTERRUPTED, f"{end.why} (mail ports {host.ports.value}, MTA {host.mta.said})")
