"""The loop of a roll: one after the other, and what stops it; then a year of nights."""

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import InterruptedRunError
from mxlib.base.journal import Event
from mxlib.base.windows import closing, parse_all
from mxlib.model.outcome import Outcome
from mxlib.roll.protocols import HostEnd
from mxlib.roll.report import build
from mxlib.roll.run import Limits
from mxlib.roll.soak import SoakState
from mxlib.roll.state import Failure, RollGoal
from tests.unit.support.roll_world import NEW, OLD, Clock, DiedError, Fleet, Lines, Mx, World, roll, small


def test_all_hosts_one_after_the_other_and_a_second_run_does_nothing() -> None:
    world = small()
    assert roll(world).execute().end is Outcome.DONE
    assert [host for host, _ in world.taken] == ["mx1", "mx3", "mx0", "mx2"]
    assert {one.kernel for one in world.mxs.values()} == {NEW}
    assert world.fewest == 3
    assert roll(world).execute().end is Outcome.DONE
    assert len(world.taken) == 4


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Outcome.FELL_BACK, Outcome.FELL_BACK),
        (Outcome.LEFT_OUT, Outcome.LEFT_OUT),
        (Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE),
        (Outcome.MAIL_LOST, Outcome.MAIL_LOST),
        (Outcome.UNDONE, Outcome.UNDONE),
        (Outcome.REFUSED, Outcome.BLOCKED),
        (Outcome.INTERRUPTED, Outcome.INTERRUPTED),
    ],
)
def test_the_first_doubt_stops_it(outcome: Outcome, end: Outcome) -> None:
    world = small()
    world.fate["mx1"] = outcome
    assert roll(world).execute().end is end
    assert [host for host, _ in world.taken] == ["mx1"]
    lasting = outcome in (Outcome.FELL_BACK, Outcome.LEFT_OUT, Outcome.INCONCLUSIVE, Outcome.MAIL_LOST)
    assert bool(world.memory.get(NEW)) is lasting


def test_a_host_that_stays_silent_is_remembered_and_a_signal_is_not() -> None:
    for silent in (True, False):
        world = small()
        fleet = Fleet(world)
        fleet.reboot = lambda host, resume, silent=silent: HostEnd(host, Outcome.INTERRUPTED, "it", silent=silent)
        assert roll(world, fleet=fleet).execute().end is Outcome.INTERRUPTED
        assert bool(world.memory.get(NEW)) is silent
    world.memory[NEW] = {"mx1": Failure(Outcome.INTERRUPTED, "it is silent", "2026", "r1")}
    told: Any = SimpleNamespace(events=[])
    told.write = lambda name, **values: told.events.append(Event(name, "", values))
    assert "it is silent" in roll(world, journal=told).execute().why
    assert "--again " in build(told.events).next_command, "it answers by now, and no later night goes on"


def test_a_kernel_that_failed_is_not_tried_again_the_next_night() -> None:
    world = small()
    world.fate["mx1"] = Outcome.FELL_BACK
    roll(world).execute()
    world.fate.clear()
    found = roll(world).execute()
    assert found.end is Outcome.FELL_BACK
    assert "mx1" in found.why
    assert len(world.taken) == 1
    world.memory.clear()
    assert roll(world).execute().end is Outcome.DONE


def test_again_forgets_what_failed_only_with_the_right_to_roll() -> None:
    world = small()
    world.fate["mx1"] = Outcome.FELL_BACK
    roll(world).execute()
    world.fate.clear()
    known = dict(world.memory[NEW])
    world.roll_alive = True
    assert roll(world, again=True).execute().end is Outcome.TAKEN
    assert world.memory[NEW] == known
    closed = parse_all(["sat 01:00-02:00"])
    world.roll_alive = False
    assert roll(world, windows=closed, again=True).execute().end is Outcome.OUTSIDE
    fleet = Fleet(world)
    fleet.at_work = lambda: "a run is at work on mx2"
    assert roll(world, fleet=fleet, again=True).execute().end is Outcome.TAKEN
    assert world.memory[NEW] == known
    assert roll(world, again=True).execute().end is Outcome.DONE


@pytest.mark.parametrize("soak", [SoakState.PASSED, SoakState.FAILED])
@pytest.mark.parametrize("lost", [1, 2, 5])
def test_a_lost_write_is_tried_again_so_that_the_failure_is_not_forgotten(lost: int, soak: SoakState) -> None:
    world = small()
    end = Outcome.UNPROVEN if soak is SoakState.FAILED else Outcome.FELL_BACK
    world.fate = {} if soak is SoakState.FAILED else {"mx1": Outcome.FELL_BACK}
    world.lost_writes = range(1, lost + 1)
    found = roll(world, fleet=Fleet(world, soak=soak)).execute()
    assert (found.end, "STOP" in found.why) == (end, False)
    assert [one.outcome for one in world.memory[NEW].values()] == [end]
    assert roll(world).execute().end is end
    assert len(world.taken) == 1


@pytest.mark.parametrize("soak", [SoakState.PASSED, SoakState.FAILED])
def test_a_failure_that_nothing_remembers_is_said_with_what_to_do(soak: SoakState) -> None:
    world, lines = small(), Lines()
    end = Outcome.UNPROVEN if soak is SoakState.FAILED else Outcome.FELL_BACK
    world.fate = {} if soak is SoakState.FAILED else {"mx1": Outcome.FELL_BACK}
    world.lost_writes = range(1, 1000)
    found = roll(world, fleet=Fleet(world, soak=soak), journal=lines).execute()
    assert found.end is end, "how it ended is not changed by that"
    assert found.why.startswith("STOP mx-roll-kernel.timer on every management host: etcd (etcd does not answer)")
    assert (f"{NEW} has failed on mx1" in found.why, found.why.endswith("as fate has it")) == (True, True)
    assert world.writes < 20, "a bounded number of times"
    assert ("forgotten", {"kernel": NEW, "hosts": ["mx1"], "why": "etcd does not answer"}) in lines.lines
    assert lines.lines[-1][1]["why"] == found.why, "the report and the mail say it, too"


def test_a_stop_does_not_wait_for_etcd_but_says_what_is_forgotten() -> None:
    world = small()
    world.fate["mx1"] = Outcome.FELL_BACK
    world.lost_writes = range(1, 1000)
    world.clock.sleep = stopped
    fleet = Fleet(world)
    fleet.reboot = lambda host, resume: HostEnd(host, Outcome.LEFT_OUT, "as fate has it")
    found = roll(world, fleet=fleet).execute()
    assert (found.end, found.why.startswith("STOP mx-roll-kernel.timer")) == (Outcome.LEFT_OUT, True)


def stopped(seconds: float) -> None:
    raise InterruptedRunError("SIGTERM")


def test_with_etcd_away_for_good_it_is_blocked_and_says_what_is_forgotten() -> None:
    world = small()

    def fate() -> Outcome:
        world.etcd = False
        return Outcome.FELL_BACK

    world.fate["mx1"] = fate
    found = roll(world).execute()
    assert (found.end, f"{NEW} has failed on mx1" in found.why) == (Outcome.BLOCKED, True)


def test_what_a_roll_that_is_done_cannot_forget_is_no_failure_that_is_forgotten() -> None:
    world = small()
    world.memory[NEW] = {"mx1": Failure(Outcome.FELL_BACK, "large mail stalls", "2026-01-01T00:00:00+00:00", "r0")}
    world.mxs["mx1"].kernel = NEW
    world.lost_writes = range(1, 1000)
    found = roll(world).execute()
    assert (found.end, found.why) == (Outcome.DONE, "4 hosts there")


def left(outcome: Outcome) -> World:
    """A fleet on which the roll of an earlier kernel has left a host, whose run will end so."""
    world = small()
    one = world.mxs["mx0"]
    one.out_by, one.target, one.verified, world.holder = "roll", EARLIER, False, one.name
    world.fate["mx0"] = outcome
    return world


EARLIER = "6.1.0-54"


@pytest.mark.parametrize("max_failed", [0, 1])
@pytest.mark.parametrize("outcome", [Outcome.FELL_BACK, Outcome.LEFT_OUT, Outcome.INCONCLUSIVE, Outcome.MAIL_LOST])
def test_what_failed_is_the_kernel_that_was_on_trial_there(outcome: Outcome, max_failed: int) -> None:
    world, lines = left(outcome), Lines()
    found = roll(world, goal=RollGoal(NEW, max_failed=max_failed), journal=lines).execute()
    assert (found.end, f"mx0: {EARLIER} was on trial there: as fate has it" in found.why) == (outcome, True)
    assert [(one, *hosts) for one, hosts in world.memory.items() if hosts] == [(EARLIER, "mx0")]
    assert world.memory[EARLIER]["mx0"].why == "as fate has it"
    assert [values["why"] for name, values in lines.lines if name == "host"] == [
        f"{EARLIER} was on trial there: as fate has it"
    ]
    assert world.taken == [("mx0", True)]


def test_a_kernel_that_fell_back_keeps_the_next_run_from_no_other_kernel() -> None:
    world = left(Outcome.FELL_BACK)
    roll(world).execute()
    world.fate.clear()
    assert roll(world).execute().end is Outcome.DONE
    assert {one.kernel for one in world.mxs.values()} == {NEW}


def test_a_host_that_another_kernel_has_left_for_a_person_is_not_resumed_every_night() -> None:
    world = left(Outcome.MAIL_LOST)
    roll(world).execute()
    found = roll(world).execute()
    assert (found.end, f"{EARLIER} was on trial there: as fate has it" in found.why) == (Outcome.MAIL_LOST, True)
    assert world.taken == [("mx0", True)]
    # a person has returned it to service
    world.mxs["mx0"].out_by, world.mxs["mx0"].verified, world.holder = "", True, ""
    world.fate.clear()
    assert roll(world).execute().end is Outcome.DONE


def test_a_failure_of_another_kernel_that_nothing_remembers_is_said() -> None:
    world = left(Outcome.MAIL_LOST)
    world.lost_writes = range(1, 1000)
    found = roll(world).execute()
    assert (found.end, f"{EARLIER} has failed on mx0, and" in found.why) == (Outcome.MAIL_LOST, True)
    world = left(Outcome.MAIL_LOST)
    world.lost_writes = range(1, 3)
    assert "STOP" not in roll(world).execute().why
    assert [*world.memory[EARLIER]] == ["mx0"]


def test_what_else_is_known_of_another_kernel_is_kept() -> None:
    world = left(Outcome.FELL_BACK)
    known = Failure(Outcome.FELL_BACK, "large mail stalls", "2026-01-01T00:00:00+00:00", "r0")
    world.memory = {EARLIER: {"mx3": known}, NEW: {"mx9": known}}
    roll(world).execute()
    assert {kernel: sorted(hosts) for kernel, hosts in world.memory.items()} == {EARLIER: ["mx0", "mx3"], NEW: ["mx9"]}


def test_max_failed_counts_over_all_nights() -> None:
    world = small()
    goal = RollGoal(NEW, max_failed=1)
    world.fate = {"mx1": Outcome.FELL_BACK, "mx0": Outcome.FELL_BACK}
    assert roll(world, goal=goal).execute().end is Outcome.FELL_BACK
    assert [host for host, _ in world.taken] == ["mx1", "mx3", "mx0"]
    roll(world, goal=goal).execute()
    assert len(world.taken) == 3


def test_a_roll_that_was_killed_is_finished_by_another() -> None:
    world = small()

    def die(what):
        if what == "booted":
            raise DiedError

    with pytest.raises(DiedError):
        roll(world, fleet=Fleet(world, die=die)).execute()
    world.roll_alive = False
    assert roll(world).execute().end is Outcome.DONE
    assert world.taken[:2] == [("mx1", False), ("mx1", True)]


def test_two_at_once() -> None:
    world = small()
    world.roll_alive = True
    found = roll(world).execute()
    assert (found.end, found.why) == (Outcome.TAKEN, "a roll is under way")
    world.roll_alive = False
    world.alive = True
    assert roll(world).execute().end is Outcome.TAKEN
    assert world.taken == []


def test_outside_the_window_nothing_is_asked() -> None:
    world = small()
    world.etcd = False
    windows = parse_all(["mon 23:00-02:00"])
    assert roll(world, windows=windows).execute().end is Outcome.OUTSIDE
    world.clock.sleep(3600)
    assert roll(world, windows=windows).execute().end is Outcome.BLOCKED, "and with etcd away it is blocked"


def test_at_the_windows_end_it_pauses_between_hosts() -> None:
    world = small()
    windows = parse_all(["mon 21:00-23:00"])
    assert roll(world, windows=windows).execute().end is Outcome.PAUSED
    assert 1 <= len(world.taken) < 4
    assert world.clock.now() <= closing(windows, datetime(2026, 1, 5, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("proof", "end"),
    [(SoakState.FAILED, Outcome.UNPROVEN), (SoakState.SHORT, Outcome.UNPROVEN), (SoakState.WAIT, Outcome.PAUSED)],
)
def test_a_soak_without_proof_stops_it(proof: SoakState, end: Outcome) -> None:
    world = small()
    assert roll(world, fleet=Fleet(world, soak=proof)).execute().end is end
    assert len(world.taken) == 1


def test_a_failed_soak_is_remembered_until_somebody_has_looked() -> None:
    world = small()
    assert roll(world, fleet=Fleet(world, soak=SoakState.FAILED)).execute().end is Outcome.UNPROVEN
    fleet, lines = Fleet(world), Lines()
    found = roll(world, fleet=fleet, journal=lines).execute()
    assert found.end is Outcome.UNPROVEN, "though this watch would have passed"
    assert (found.why.startswith("mx1: "), "at 2026-01-05T" in found.why, "as fate has it" in found.why) == (True,) * 3
    assert [host for host, _ in world.taken] == ["mx1"]
    assert not [name for name, _ in lines.lines if name == "soak"], "it ends at once"
    # nor does a roll over other hosts make it forgotten
    assert roll(world, wanted=["mx0"]).execute().end is Outcome.DONE
    assert roll(world).execute().end is Outcome.UNPROVEN
    assert roll(world, again=True).execute().end is Outcome.DONE
    assert world.memory[NEW] == {}


def test_a_soak_that_only_lacked_evidence_is_made_again_by_the_next_run() -> None:
    world = small()
    assert roll(world, fleet=Fleet(world, soak=SoakState.SHORT)).execute().end is Outcome.UNPROVEN
    assert not world.memory.get(NEW)
    assert roll(world).execute().end is Outcome.DONE


def test_an_alert_blocks() -> None:
    world = small()
    world.alerts = "whether alerts fire is unknown"
    assert roll(world).execute().end is Outcome.BLOCKED
    assert world.taken == []


def test_the_alert_about_a_leftover_keeps_no_night_from_resuming_it() -> None:
    world = small()
    left = world.mxs[next(iter(world.mxs))]
    left.out_by, world.holder, world.left_out = "roll", left.name, left.name
    assert roll(world).execute().end is Outcome.DONE
    assert world.taken[0] == (left.name, True)


def test_a_roll_back_is_a_roll() -> None:
    world = small()
    for one in world.mxs.values():
        one.kernel = NEW
    assert roll(world, goal=RollGoal(OLD), fleet=Fleet(world, kernel=OLD)).execute().end is Outcome.DONE
    assert {one.kernel for one in world.mxs.values()} == {OLD}


def test_the_journal_has_every_host_every_soak_and_the_end() -> None:
    world, lines = small(), Lines()
    roll(world, journal=lines).execute()
    names = [name for name, _ in lines.lines]
    assert names.count("host") == 4
    assert names.count("soak") == 3
    assert names[-1] == "end"


# --- a year


class Year:
    """Nightly timers on two management hosts, fifty hosts on five sites, and what goes wrong in a year."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        hosts = [Mx(f"mx{number:02}", f"site{number % 5}") for number in range(50)]
        self.world = World(hosts, Clock(datetime(2026, 1, 1, tzinfo=UTC)), min_in_service=30, rng=self.rng)
        self.windows = parse_all(["mon-thu 22:00-05:00 Europe/Berlin", "sun 01:00-03:30 Europe/Berlin"])
        self.kernel = NEW
        self.ends: dict[Outcome, int] = {}

    def fate(self) -> Outcome:
        """Mostly well; everything else now and then."""
        rare = [Outcome.FELL_BACK, Outcome.LEFT_OUT, Outcome.INCONCLUSIVE, Outcome.UNDONE, Outcome.REFUSED]
        return self.rng.choice(rare) if self.rng.random() < 0.03 else Outcome.DONE

    def die(self, what: str) -> None:
        if self.rng.random() < 0.01:
            raise DiedError

    def proof(self) -> SoakState:
        rare = [SoakState.SHORT, SoakState.FAILED]
        return SoakState.PASSED if self.rng.random() < 0.95 else self.rng.choice(rare)

    def days_work(self) -> None:
        """What people and chance do by day."""
        world, rng = self.world, self.rng
        hosts = list(world.mxs.values())
        for one in hosts:
            if one.out_by in ("alice", "bob") and rng.random() < 0.3:
                one.out_by = ""
            if one.out_by == "roll" and self.left_for_a_person(one.name) and rng.random() < 0.5:
                # a person looked, went on with the run, and the host serves again
                one.out_by, one.verified, world.holder = "", True, ""
            one.silent = False if rng.random() < 0.8 else one.silent
            one.unwell = "" if rng.random() < 0.8 else one.unwell
        if rng.random() < 0.1 and not [one for one in hosts if one.out_by]:
            rng.choice(hosts).out_by = rng.choice(["alice", "bob"])
        if rng.random() < 0.05:
            rng.choice(hosts).silent = True
        if rng.random() < 0.01:
            # a site loses its power, and more
            for one in rng.sample(hosts, 25):
                one.silent = True
        if rng.random() < 0.05:
            rng.choice(hosts).unwell = "disk FAILED"
        if world.memory.get(self.kernel) and rng.random() < 0.4:
            world.memory.clear()
        world.etcd = rng.random() > 0.03
        world.alerts = "MailQueueHigh fires" if rng.random() < 0.05 else ""
        world.roll_alive = world.alive = False

    def left_for_a_person(self, host: str) -> bool:
        return host in self.world.memory.get(self.kernel, {}) or self.rng.random() < 0.1

    def night(self) -> None:
        world = self.world
        world.fate = dict.fromkeys(world.mxs, self.fate)
        foreign = {one.name: one.kernel for one in world.mxs.values() if one.out_by in ("alice", "bob")}
        goal = RollGoal(self.kernel, min_in_service=30, max_failed=self.rng.choice([0, 0, 0, 1]))
        fleet = Fleet(world, kernel=self.kernel, soak=self.proof, die=self.die)
        unproven = Outcome.UNPROVEN in {one.outcome for one in world.memory.get(self.kernel, {}).values()}
        begun = len(world.taken)
        before = {name: one.kernel for name, one in world.mxs.items()}
        try:
            found = roll(world, goal=goal, windows=self.windows, fleet=fleet)
            found._limits = Limits(self.windows, soak_s=600.0, slack=1.0)
            end = found.execute()
            self.ends[end.end] = self.ends.get(end.end, 0) + 1
            if end.end is Outcome.DONE:
                assert all(one.kernel == self.kernel and not one.out_by for one in world.mxs.values()), "forgotten"
            if end.end is Outcome.OUTSIDE:
                assert len(world.taken) == begun
        except DiedError:
            pass
        world.check()
        touched = {host for host, _ in world.taken[begun:]}
        assert not touched & foreign.keys(), "what others took out is touched"
        assert not (unproven and touched), "a failed soak is forgotten"
        assert all(one.kernel == before[name] for name, one in world.mxs.items() if name not in touched)
        for host in touched:
            assert sum(1 for name, _ in world.taken[begun:] if name == host) <= 2, "a chain of reboots"


@pytest.mark.once
@pytest.mark.parametrize("seed", range(3))
def test_a_year_of_nights_keeps_the_invariants(seed: int) -> None:
    year = Year(seed)
    start = year.world.clock.start
    finished = 0
    for day in range(365):
        year.world.clock.start = start + timedelta(days=day, hours=21, minutes=30)
        year.world.clock.seconds = 0.0
        year.days_work()
        for _ in range(2):
            year.night()
            year.world.clock.sleep(2400.0)
            year.world.roll_alive = False
        if all(one.kernel == year.kernel for one in year.world.mxs.values()):
            # the next kernel comes out; sometimes it is the way back
            finished += 1
            year.kernel = OLD if year.kernel == NEW else NEW
            year.world.memory.clear()
    assert finished >= 3, "a roll gets to its end, whatever happens"
    assert year.world.fewest >= 30
    assert {Outcome.DONE, Outcome.OUTSIDE, Outcome.BLOCKED, Outcome.PAUSED, Outcome.FELL_BACK} <= year.ends.keys()
    assert not [one for one in year.world.mxs.values() if not one.out_by and not one.verified]
