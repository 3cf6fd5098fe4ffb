"""An MX in memory: what each step does to it, cut into the smallest effects, so that a run can die between any two."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from mxlib.base.errors import SlotError, SlotTakenError, StepError
from mxlib.model.goal import Goal
from mxlib.model.on_host import Kept
from mxlib.model.outcome import Outcome
from mxlib.model.record import Boot, Judgement, Kernel, Level, Prior, Record
from mxlib.model.state import End, MtaState, Pool, Ports, Puppet, Slot, State, Step, View, Waited
from mxlib.reboot.plan import decide

OLD, NEW, OTHER = Kernel("6.1.0-55", "menu>6.1.0-55"), Kernel("6.1.0-56", "menu>6.1.0-56"), Kernel("6.1.0-57", "")
PROOF_HOLDS = 3600.0
KERNELS = {one.entry: one.release for one in (OLD, NEW)}
HOST = "mx2001.lab.test"


class DiedError(Exception):
    """The run was killed."""


class UnsafeError(AssertionError):
    """An invariant does not hold."""


@dataclass
class Fate:
    """What the world has in store.

    Attributes:
        boots: for each boot, what comes instead of the ordered kernel: "" as ordered, "fallback", "other", "silent",
            "late", which answers once it was asked for a while.
        judgements: for each proof in turn, what it says; passed when used up.
        guard: whether the guard passes.
    """

    boots: list[str] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    guard: bool = True


@dataclass
class MemoryMx:
    """The world of one run after another."""

    fate: Fate = field(default_factory=Fate)
    boot: int = 0
    kernel: str = OLD.release
    silent: bool = False
    wakes: int = 0
    """A silent host answers when it was asked this often; 0: it does not."""
    loaded: bool = False
    persisted: bool = False
    held: bool = False
    running: bool = True
    pooled: bool = True
    saved: str = OLD.entry
    next: str = ""
    puppet_off: bool = False
    record: Record | None = None
    holder_token: int = 0
    holder_session: str = ""
    index: int = 10
    lease: str = ""
    spool: set = field(default_factory=lambda: {"a", "b"})
    ledger: set | None = None
    verified: set = field(default_factory=lambda: {"boot-0"})
    excused: set = field(default_factory=set)
    """Boots in which somebody else has let clients in."""
    proven: dict = field(default_factory=dict)
    proven_with: dict = field(default_factory=dict)
    """The configuration that was there when outbound mail was proven, by boot."""
    doubted: dict = field(default_factory=dict)
    """What was proven in a boot, by boot, before a run has dropped that and not proven it again."""
    reboots: int = 0
    etcd: bool = True
    curable: bool = False
    off: bool = False
    nic: str = "ens5"
    stanzas: tuple = ("ens5",)
    prevention: str = "stanzas"
    configuration: str = "c0"
    """What a proof rests on, besides the boot."""
    lock: str = ""
    """Session whose act is under way on the host."""
    damaged: bool = False
    garbled: int = 0
    pool_odd: Pool | None = None
    seconds: float = 0.0
    """Since its story began."""
    before: Record | None = None
    """The revision before the last one."""
    token: int = 0

    def __setattr__(self, name, value):
        if name == "record" and getattr(self, "record", None) is not None:
            object.__setattr__(self, "before", self.record)
        object.__setattr__(self, name, value)

    @property
    def boot_id(self):
        return f"boot-{self.boot}"

    def put_back(self):
        """A person puts the record's previous revision back in place of a damaged one.

        A doubt may be gone with the damaged one. What it was about is still so, and found again: the proof is too old,
        or the host itself compares what it rests on.
        """
        self.record, self.damaged = self.before, False
        if self.record is not None:  # an order that only the damaged one knew of is not counted
            self.reboots = min(self.reboots, self.record.ordered)
        if self.record is not None and self.record.trusted(self.boot_id) and self.boot_id in self.doubted:
            self.proven[self.boot_id] = self.doubted.pop(self.boot_id)
            self.verified.add(self.boot_id)

    # --- what a run sees

    def view(self):
        if self.unreachable:
            return None
        if self.loaded and self.persisted:
            ports = Ports.CLOSED
        else:
            ports = Ports.PARTLY if self.loaded or self.persisted else Ports.OPEN
        mta = (
            MtaState.HELD
            if self.held and not self.running
            else MtaState.SERVING
            if self.running and not self.held
            else MtaState.OTHER
        )
        puppet = Puppet.OFF if self.puppet_off else Puppet.ON
        return View(self.boot_id, self.kernel, ports, mta, self.saved, self.next, puppet)

    def asked(self):
        """Somebody asks whether it answers: one that is on its way up does so after a while."""
        if self.silent and self.wakes:
            self.wakes -= 1
            self.silent = self.wakes > 0

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def stale(self):
        """Whether the boot of now was proven too long ago."""
        return self.record is not None and self.record.proof_age(self.boot_id, self.now()) > PROOF_HOLDS

    def newest(self):
        """The newest fencing token that the host has seen."""
        return max(self.token, self.record.token if self.record is not None else 0)

    def kept(self):
        """The run's files, as they are on the host."""
        record = None if self.record is None else self.record.to_json().encode()
        return Kept(b"%d\n" % self.token if self.token else None, record)

    def check(self):
        """Nobody is served by a boot that was not verified; nothing that was in the ledger is gone."""
        serving = self.running and not self.unreachable and not self.loaded
        if serving and self.boot_id not in self.verified | self.excused:
            raise UnsafeError(f"{self.boot_id} serves unverified")

    @property
    def unreachable(self):
        return self.silent or self.off or self.nic not in self.stanzas

    def power_cut(self, cold=False):
        """The machine starts again; a cold start plans its slots again."""
        self.nic = "ens13" if cold or self.off else self.nic
        self.off = False
        opened = self.boot_id in self.excused and not self.persisted
        self.boot += 1
        if opened:
            self.excused.add(self.boot_id)
        entry, self.next = self.next or self.saved, ""
        self.kernel = KERNELS.get(entry, OTHER.release)
        self.loaded = self.persisted
        self.running = not self.held
        self.silent = False


class Process:
    """A management host's process: a goal, and what it has in its own memory."""

    def __init__(self, mx, goal, session, die_after=None):
        self.mx, self.goal, self.session = mx, goal, session
        self.token = 0
        self.guard = None
        self.waited, self.reordered = Waited.NO, False
        self.released = None
        self.cures = frozenset()
        self.met = False
        self.lost = 0
        self.changed = None
        self.blind = False
        self.without_slot = False
        """Whether its operator vouches that no other MX is out, instead of the slot."""
        self.surprised = False
        """Whether the world has moved since the look that the step under way was decided on."""
        self.closed = None
        """Whether the ports were closed when the host last answered."""
        self.left = die_after
        self.steps = []

    def state(self):
        mx = self.mx
        if not mx.etcd:
            slot, pool = Slot.UNKNOWN, Pool.UNKNOWN
        else:
            mine = self.token and (mx.holder_token, mx.holder_session) == (self.token, self.session)
            free = not self.token and mx.lease in ("", self.session)
            free_or_left = Slot.LEFT if mx.holder_token else Slot.FREE
            slot = Slot.MINE if mine else free_or_left if free else Slot.OTHERS
            was_out = mx.record is not None and mx.record.prior.pool == {"smtp": "no"}
            pool = mx.pool_odd or (Pool.IN if mx.pooled else Pool.WAS_OUT if was_out else Pool.OUT)
        cures = frozenset({"mend", "power cycle", "power on"} if mx.curable else {"power on"}) - self.cures
        # what a run is about stands on the host: of a silent one it knows only what it has read or written itself
        self.met = self.met or mx.view() is not None
        self.closed = self.closed if mx.view() is None else mx.view().ports is Ports.CLOSED
        return State(
            mx.record if self.met else None, mx.view(), pool, slot, self.token, self.guard, self.waited, self.reordered,
            cures=cures, released=self.released, lost=self.lost, stale=mx.stale(),
            closed=self.closed,
            changed=self.changed[1] if self.changed and self.changed[0] == mx.boot_id else "",
            outdated=self.blind and mx.view() is not None and mx.newest() > self.token,
        )  # fmt: skip

    def run(self, limit=120):
        """To the end; what it decides last is returned."""
        for _ in range(limit):
            decision = decide(self.goal, self.state())
            if isinstance(decision, End):
                self.finish()
                return decision
            self.steps.append(decision.step)
            for _effect in self.effects(decision.step):
                self.mx.check()
                self.tick()
            self.mx.check()
        raise UnsafeError(f"no end: {[step.value for step in self.steps[-12:]]}")

    def tick(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.mx.lease = ""
                raise DiedError

    def finish(self):
        mx = self.mx
        if mx.etcd and mx.record is None and self.token and mx.holder_token == self.token:
            mx.holder_token = 0
        self.leave()

    def leave(self):
        if self.mx.lease == self.session:
            self.mx.lease = ""

    def has_slot(self, mx):
        """Whether the slot of the service is this process's, as far as it goes by it."""
        return self.without_slot or mx.holder_token == self.token

    def wrong(self, what):
        """What a step meets that looks itself right before it acts: its own refusal, where it was decided rightly."""
        return StepError(what) if self.surprised else UnsafeError(what)

    def effects(self, step):
        """The effects of a step, smallest first; a process may die at each yield."""
        mx, state = self.mx, self.state()
        yield
        name = f"do_{step.name.lower()}"
        yield from getattr(self, name)(mx, state)

    def do_guard(self, mx, state):
        self.guard = mx.fate.guard
        yield

    def do_slot(self, mx, state):
        if mx.lease not in ("", self.session):
            raise SlotTakenError("a run for this host lives")
        mx.lease, held = self.session, (mx.holder_token, mx.holder_session)
        yield
        if (mx.holder_token, mx.holder_session) != held or not mx.etcd:
            self.leave()
            raise SlotTakenError("somebody else took the slot") if mx.etcd else SlotError("no answer")
        mx.index += 1
        seen = self.seen_token(mx)
        self.blind, newest = seen is None, seen or 0
        mx.holder_token = self.token = max(mx.index, newest + 1, mx.holder_token + 1)
        mx.holder_session = self.session
        yield

    def do_claim(self, mx, state):
        named = {one.release: one for one in (OLD, NEW)}
        target = named[self.goal.kernel] if self.goal.kernel else Kernel("", "")
        fallback = OLD if self.goal.kernel else Kernel("", "")
        pool = {"smtp": "yes" if mx.pooled else "no"} if mx.etcd else None
        prior = Prior(pool, mx.saved, mx.puppet_off)
        mx.ledger, mx.reboots = set(mx.spool), 0
        mx.verified.add(mx.boot_id)  # by the guard
        mx.proven_with[mx.boot_id] = mx.configuration
        mx.record = Record(
            "run", "who", "why", "since", self.token, target, fallback, mx.boot_id, prior, "1:0",
            stay=self.goal.stay, baseline=True, proven={mx.boot_id: mx.now().isoformat()}, level=self.goal.level,
            configured={mx.boot_id: mx.configuration},
            prevention=mx.prevention if self.goal.level is Level.COLD else "none",
        )  # fmt: skip
        yield
        mx.puppet_off = True
        yield

    def do_adopt(self, mx, state):
        undoing = mx.record.undoing or ("aborted" if self.goal.back else "")
        mx.record = replace(mx.record.to_judge_again(mx.boot_id), token=self.token, undoing=undoing)
        yield

    def seen_token(self, mx):
        """The newest token that the host is known to have seen; None where it is not known."""
        return None if mx.view() is None else mx.newest()

    def known(self, mx):
        """The record with what was noted."""
        return mx.record

    def note(self, mx, record):
        """What the next act on the host writes before it acts; here at once."""
        mx.record = record

    def remember(self, mx, record):
        """Write the record, and nothing else, in an act of its own."""
        mx.record = record

    def do_silence(self, mx, state):
        yield
        self.note(mx, replace(self.known(mx), silences=("s",)))

    def do_unsilence(self, mx, state):
        yield
        self.note(mx, replace(self.known(mx), silences=()))

    def do_puppet_off(self, mx, state):
        mx.puppet_off = True
        yield

    def do_puppet_on(self, mx, state):
        mx.puppet_off = False
        yield

    def do_pool_out(self, mx, state):
        mx.pooled, mx.pool_odd = False, None
        yield

    def do_pool_in(self, mx, state):
        if mx.boot_id not in mx.verified and not self.surprised:
            raise UnsafeError("pooled unverified")
        mx.pooled, mx.pool_odd = mx.record.prior.pool != {"smtp": "no"}, None
        yield

    def do_close(self, mx, state):
        mx.loaded = True
        yield
        mx.persisted = True
        yield

    def do_open(self, mx, state):
        if mx.boot_id not in mx.verified:
            raise UnsafeError("opened unverified")
        if mx.stale() and not self.surprised:
            raise UnsafeError("opened on an old proof")
        if self.is_changed(mx):
            return
        if mx.proven_with.get(mx.boot_id) != mx.configuration:
            raise UnsafeError("opened with a configuration that was not proven")
        mx.persisted = False
        yield
        mx.held = False
        yield
        mx.loaded = False
        yield

    def is_changed(self, mx):
        """What the act itself finds, on the host: then nothing is done."""
        if mx.record.configured.get(mx.boot_id) == mx.configuration:
            return False
        self.changed = (mx.boot_id, "changed")
        return True

    def do_drain(self, mx, state):
        mx.spool.discard("a")
        yield
        self.note(mx, replace(self.known(mx), drained=mx.boot_id))
        yield

    def do_repair(self, mx, state):
        if mx.running and not self.surprised:
            raise UnsafeError("repaired with the MTA running")
        if mx.record is not None and mx.record.repaired == mx.boot_id and not self.surprised:
            raise UnsafeError("repaired twice")
        self.note(mx, replace(self.known(mx), repaired=mx.boot_id))
        yield

    def do_hold(self, mx, state):
        mx.held = True
        mx.record = replace(mx.record, ledger="")
        yield
        mx.running = False
        yield

    def do_start(self, mx, state):
        if mx.boot_id not in mx.verified and "held" not in mx.proven.get(mx.boot_id, {}):
            raise UnsafeError("the MTA runs before its outbound mail was proven")
        stays = self.goal.stays_out(mx.record) and mx.record.trusted(mx.boot_id)
        if not stays and self.is_changed(mx):
            return
        if not stays and mx.proven_with.get(mx.boot_id) != mx.configuration:
            raise UnsafeError("the MTA runs with a configuration with which no outbound mail was proven")
        mx.held = False
        yield
        mx.running = True
        yield

    def do_ledger(self, mx, state):
        if mx.running and not self.surprised:
            raise UnsafeError("ledger of a running MTA")
        mx.ledger |= mx.spool
        yield
        self.note(mx, replace(self.known(mx), ledger=mx.boot_id))
        yield

    def do_entries(self, mx, state):
        saved, next_ = self.goal.entries_for(mx.record)
        mx.saved = saved
        yield
        mx.next = next_
        yield

    def do_entries_back(self, mx, state):
        mx.saved, mx.next = mx.record.prior.saved_entry, ""
        yield

    def do_keep(self, mx, state):
        if mx.boot_id not in mx.verified:
            raise UnsafeError("kept unverified")
        mx.saved, mx.next = {OLD.release: OLD.entry, NEW.release: NEW.entry}[mx.kernel], ""
        yield

    def do_reboot(self, mx, state):
        in_pool = mx.pooled and mx.record.prior.pool and (mx.etcd or not self.without_slot)
        safe = mx.held and not mx.running and mx.loaded and mx.persisted and not in_pool
        if not safe or mx.record.ledger != mx.boot_id or not self.has_slot(mx):
            raise self.wrong("reboot at the wrong time")
        wanted, level = self.goal.kernel_for(mx.record), self.goal.level_for(mx.record)
        if mx.record.awaited is None:
            mx.record = replace(mx.record, boots=(*mx.record.boots, Boot(mx.boot_id, wanted.release, level=level)))
        else:
            self.reordered = True
        self.waited = Waited.NO
        self.cures -= {"power on"}
        yield
        if level is Level.COLD:
            if self.goal.back or wanted == mx.record.fallback != mx.record.target:
                raise UnsafeError("a way back that plans the slots again")
            mx.off = True
            yield
            return
        yield from self.start(mx, cold=False)

    def do_power_on(self, mx, state):
        if not mx.off:
            self.waited = Waited.NO
            return
        # where etcd does not answer, its own record says that nobody else can have had it: it is off since
        own = not mx.etcd and mx.record is not None and mx.record.token == self.token
        if not self.has_slot(mx) and not own:
            raise self.wrong("somebody else's machine is started")
        self.cures |= {"power on"}
        self.waited = Waited.NO
        yield
        if mx.off:  # Ganeti does not start a machine that somebody else has started meanwhile
            yield from self.start(mx, cold=True)

    def start(self, mx, *, cold):
        mx.reboots += 1
        if mx.reboots > 3:
            raise UnsafeError("a chain of reboots")
        what = mx.fate.boots.pop(0) if mx.fate.boots else ""
        mx.power_cut(cold)
        if what == "fallback":
            mx.kernel = OLD.release
        elif what == "other":
            mx.kernel = OTHER.release
        elif what in ("silent", "late"):
            mx.silent, mx.wakes = True, 5 if what == "late" else 0
        yield

    def do_await(self, mx, state):
        awaited = mx.record.awaited if mx.record else None
        if mx.off:
            self.waited = Waited.OFF
        elif mx.unreachable:
            self.waited = Waited.SILENT
        elif awaited is not None and mx.boot_id == awaited.before:
            self.waited = Waited.SAME_BOOT
        else:
            self.waited = Waited.NO
            if awaited is not None:
                came = replace(awaited, after=mx.boot_id, kernel=mx.kernel)
                mx.record = replace(mx.record, boots=(*mx.record.boots[:-1], came))
        yield

    def do_mend(self, mx, state):
        self.cures |= {"mend"}
        self.waited = Waited.NO
        yield
        if not mx.silent:
            mx.stanzas = (mx.nic,)
            yield

    def do_prevent(self, mx, state):
        mx.record = replace(mx.record, unsettled=True)
        yield
        mx.stanzas = ("ens5", "ens13")
        yield
        mx.record = replace(mx.record, prepared=mx.boot_id)
        yield

    def do_settle(self, mx, state):
        mx.stanzas = (mx.nic,)
        yield
        mx.record = replace(mx.record, unsettled=False, prepared="")
        yield

    def do_power_cycle(self, mx, state):
        self.cures |= {"power cycle"}
        self.waited = Waited.NO
        yield
        mx.power_cut()
        yield

    def do_found_boot(self, mx, state):
        came = Boot(mx.record.boot, "", mx.boot_id, mx.kernel)
        mx.record = replace(mx.record, boots=(*mx.record.boots, came))
        yield

    def prove(self, mx, stage, configured=None):
        yield
        mx.doubted.pop(mx.boot_id, None)
        found = mx.fate.judgements.pop(0) if mx.fate.judgements else Judgement.PASSED
        if stage == "soak" and not mx.running and found is Judgement.PASSED:
            found = Judgement.INCONCLUSIVE
        record = mx.record if stage == "serving" else self.known(mx)
        if configured:
            record = replace(record, configured={**record.configured, mx.boot_id: configured})
        record = record.with_judgement(mx.boot_id, **{stage: found})
        if record.trusted(mx.boot_id):
            record = replace(record, proven={**record.proven, mx.boot_id: mx.now().isoformat()})
        opens = stage == "serving" and record.trusted(mx.boot_id) and not self.goal.stays_out(record)
        if stage == "soak" or (stage == "held" and found is Judgement.PASSED) or opens:
            self.note(mx, record)
        elif stage == "held":
            self.remember(mx, record)
        else:
            mx.record = record
        stages = mx.proven.setdefault(mx.boot_id, set())
        if found is Judgement.PASSED:
            stages.add(stage)
        if {"held", "serving"} <= stages:
            mx.verified.add(mx.boot_id)
        if found is not Judgement.PASSED and stage != "soak":
            mx.verified.discard(mx.boot_id)
        yield

    def do_prove_out(self, mx, state):
        if mx.running and not self.surprised:
            raise UnsafeError("outbound mail is proven with the MTA held")
        self.changed = None
        mx.proven_with[mx.boot_id] = mx.configuration
        yield from self.prove(mx, "held", mx.configuration)

    def do_prove_in(self, mx, state):
        if not mx.ledger <= mx.spool | {"a"}:
            self.lost = 1
            return
        yield from self.prove(mx, "serving")

    def do_soak(self, mx, state):
        yield from self.prove(mx, "soak")

    def do_doubt(self, mx, state):
        mx.record = mx.record.without_proof(mx.boot_id)
        self.changed = None
        mx.doubted[mx.boot_id] = mx.proven.pop(mx.boot_id, set())
        mx.verified.discard(mx.boot_id)
        yield

    def do_turn_back(self, mx, state):
        mx.record = replace(mx.record, undoing="turned back")
        yield

    def do_release(self, mx, state):
        self.released = self.goal.outcome(mx.record)
        mx.puppet_off = mx.puppet_off and bool(mx.record.prior.puppet_off)
        yield
        mx.record = None
        yield
        if mx.etcd and mx.holder_token == self.token:
            mx.holder_token = 0
        yield


def fresh(goal=None, **options):
    """A run that begins."""
    return Process(MemoryMx(**options), goal or Goal(NEW.release), "first")


SAFE_OUT = (Outcome.LEFT_OUT, Outcome.INCONCLUSIVE, Outcome.INTERRUPTED)
STEPS = Step
