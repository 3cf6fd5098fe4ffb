"""The MXs as a roll sees them: read side by side, rebooted one by one, watched with what alerts and others say."""

import itertools
import threading
from types import SimpleNamespace

import pytest

from mxlib.adapters.etcd_slot import EtcdSlot, Holder
from mxlib.base.errors import ConfigError, HostUnreachableError, ParseError, PoolError, SilenceError, SlotError
from mxlib.base.stop import Stop
from mxlib.commands import roll_fleet
from mxlib.commands.roll_fleet import RollOrder, SpicerackFleet, asked_of, bound, newest_of
from mxlib.config.roll import RollSoak
from mxlib.facts import kernel, past_runs
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.mta.event import Cause
from mxlib.roll.soak import SoakState
from mxlib.roll.state import Seen, Stand
from mxlib.roll.survey import KERNEL_CHECK, RUN_SUFFIX, Asked
from tests.unit.support.alerts import parsed, raw
from tests.unit.support.etcd import FakeEtcd
from tests.unit.support.facts import facts_of
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.healthy import NFTABLES
from tests.unit.support.healthy import host as healthy
from tests.unit.support.site import SITE

ONE, TWO = SITE.mxs
KERNEL, OLD = "6.1.0-56-amd64", "6.1.0-55-amd64"
BOUND = bound(SITE)


class Pool:
    def __init__(self, answer):
        self.answer = answer

    def read(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class World:
    """Hosts whose answers are given by name, etcd and Alertmanager in memory, and a fleet that sees them."""

    def __init__(self, monkeypatch, **answers):
        self.answers = {ONE: "", TWO: "", **answers}
        self.etcd, self.clock, self.operator, self.stop = FakeEtcd(), FakeClock(), Tell(), Stop()
        self.pools = {name: Pool({"smtp": "yes"}) for name in SITE.mxs}
        self.firing = ()
        self.judged = []
        monkeypatch.setattr(roll_fleet, "read_facts", self._read)
        monkeypatch.setattr(roll_fleet, "survey", self._survey)

    def _read(self, host, sources):
        self.sources = sources
        answer = self.answers[host.name]
        if isinstance(answer, Exception):
            raise answer
        return facts_of({past_runs.SECTION: answer})

    def _survey(self, asked, facts, place, values, expected_s):
        self.judged.append((values, expected_s))
        return Seen("judged", place.data_centre, place.preference, Stand.TODO, expected_s=expected_s)

    def slot(self, host="", run="", session="other"):
        return EtcdSlot(self.etcd, "/mx", 60, Holder(host, run, "op@cumin1001", "now"), session)

    def fleet(self, **changes) -> SpicerackFleet:
        asked = Asked(KERNEL, SITE.verify, accepted=frozenset({"disk"}))
        return SpicerackFleet(
            SimpleNamespace(dry_run=False),
            changes.get("site", SITE),
            RollOrder(asked, "a roll", "T1", RollSoak(60, 120)),
            hosts={name: SimpleNamespace(name=name) for name in SITE.mxs},
            pools=self.pools,
            slot=self.slot(),
            alerts=SimpleNamespace(firing=self._firing),
            stop=self.stop,
            clock=self.clock,
            operator=self.operator,
        )

    def _firing(self):
        if isinstance(self.firing, Exception):
            raise self.firing
        return self.firing


def test_each_host_is_judged_with_its_pool_and_the_time_that_its_reboots_took(monkeypatch):
    world = World(monkeypatch, **{ONE: "300\n480\n420\n", TWO: ""})
    assert [one.host for one in world.fleet().look()] == ["judged", "judged"]
    # the second host has had no run: it is expected to take as long as the others of the fleet
    assert world.judged == [({"smtp": "yes"}, 480.0), ({"smtp": "yes"}, 480.0)]
    assert past_runs.SOURCE in world.sources


def test_where_no_host_has_had_a_run_all_time_limits_are_expected(monkeypatch):
    world = World(monkeypatch)
    world.fleet().look()
    assert {seconds for _, seconds in world.judged} == {BOUND}
    assert SITE.drain.timeout + 2 * SITE.boot.timeout + SITE.soak.seconds < BOUND


def test_a_silent_host_is_unknown_unless_a_roll_has_it_out(monkeypatch):
    world = World(monkeypatch, **{TWO: HostUnreachableError("no session")})
    assert [one.stand for one in world.fleet().look()] == [Stand.TODO, Stand.UNKNOWN]
    world.slot(TWO, f"r1{RUN_SUFFIX}").take()
    found = world.fleet().look()[1]
    assert (found.host, found.stand, "no session" in found.why) == (TWO, Stand.LEFTOVER, True)


def test_a_host_whose_pool_cannot_be_read_is_unknown(monkeypatch):
    world = World(monkeypatch)
    world.pools[ONE] = Pool(PoolError("conftool: refused"))
    found = world.fleet().look()[0]
    assert (found.host, found.stand, found.why) == (ONE, Stand.UNKNOWN, "conftool: refused")


def test_without_etcd_nobody_knows_how_the_hosts_stand(monkeypatch):
    world = World(monkeypatch)
    world.etcd.down = True
    with pytest.raises(SlotError):
        world.fleet().look()


# --- who is at work


def test_a_slot_that_is_free_or_left_is_nobody_at_work(monkeypatch):
    world = World(monkeypatch)
    assert world.fleet().at_work() == ""
    world.slot(ONE, "r1").take()
    world.etcd.expire()
    assert (world.fleet().at_work(), world.clock.seconds) == ("", 0.0)


def test_a_run_that_renews_its_lease_is_at_work(monkeypatch):
    world = World(monkeypatch)
    other = world.slot(ONE, "r1")
    other.take()
    world.clock.sleep = lambda seconds: other.renew()
    assert f"is held for {ONE} by op@cumin1001" in world.fleet().at_work()


def test_a_run_that_was_killed_a_moment_ago_is_waited_for(monkeypatch):
    world = World(monkeypatch)
    world.slot(ONE, "r1").take()
    sleep = world.clock.sleep
    world.clock.sleep = lambda seconds: (sleep(seconds), world.clock.seconds > 30 and world.etcd.expire())
    assert world.fleet().at_work() == ""
    assert world.clock.seconds > 30


# --- alerts


@pytest.mark.parametrize(
    ("firing", "blocks"),
    [
        ((), ()),
        (parsed(raw("QueueLong", f"{ONE}:9100")), ("alerts fire: QueueLong",)),
        (parsed(raw("QueueLong", "web1:9100")), ()),
        (parsed(raw("QueueLong", f"{ONE}:9100", silenced=("s1",))), ()),
        (None, ()),
        (SilenceError("Alertmanager cannot be asked"), ("whether alerts fire is unknown: Alertmanager",)),
    ],
)
def test_what_fires_about_the_mxs_blocks_and_so_does_not_knowing(monkeypatch, firing, blocks):
    world = World(monkeypatch)
    world.firing = firing
    found = world.fleet().blockers()
    assert len(found) == len(blocks)
    assert all(one.said.startswith(begin) for one, begin in zip(found, blocks, strict=True)), found
    assert "; ".join(one.said for one in found) == world.fleet().alerts()


def test_of_each_alert_it_is_known_whether_it_only_says_that_its_host_is_out(monkeypatch):
    world = World(monkeypatch)
    out = {"source": "verify-mx"}
    world.firing = parsed(raw("MxLeftOut", ONE, **out), raw("MxDown", f"{TWO}:9100", **out), raw("QueueLong", ONE))
    assert [one.out for one in world.fleet().blockers()] == [ONE, TWO, ""]


# --- one host


class Runs:
    """Stands in the place of a host's own run: keeps what it was asked for, and ends as it is given."""

    def __init__(self, monkeypatch, outcome, why="", objections=""):
        self.requests, self.stops = [], []
        self.outcome, self.why, self.objections, self.kernel = outcome, why, objections, ""
        monkeypatch.setattr(roll_fleet, "HostRun", self._made)
        monkeypatch.setattr(roll_fleet, "causes_of", self._causes)
        self.asked = []

    def _causes(self, mta, hosts):
        self.asked.append(tuple(hosts))
        return frozenset({Cause.UNREACHABLE})

    def _made(self, spicerack, site, request, stop):
        self.requests.append(request)
        self.stops.append(stop)
        silent = self.outcome is Outcome.INTERRUPTED
        result = SimpleNamespace(why=self.why, kernel=self.kernel, silent=silent) if self.why else None
        return SimpleNamespace(
            execute=self._execute, result=result, objections=self.objections, report_file="/var/log/mx.md"
        )

    def _execute(self):
        self.clock.sleep(600)
        return self.outcome


def test_a_host_is_taken_by_a_run_of_its_own_with_the_rolls_request(monkeypatch):
    world, runs = World(monkeypatch), Runs(monkeypatch, Outcome.DONE, f"{KERNEL} runs")
    runs.clock = world.clock
    fleet = world.fleet()
    end = fleet.reboot(ONE, resume=False)
    assert (end.host, end.outcome, end.why, end.seconds) == (ONE, Outcome.DONE, f"{KERNEL} runs", 600.0)
    assert end.report == "/var/log/mx.md"
    request = runs.requests[0]
    assert (request.host, request.goal, request.reason, request.task) == (ONE, Goal(KERNEL), "a roll", "T1")
    assert (request.accept, request.unattended) == ({"disk"}, True)
    assert request.run.endswith(RUN_SUFFIX)
    assert runs.stops == [world.stop], "one signal stops the roll and the host's run"


def test_what_a_roll_has_left_is_resumed_under_its_own_id(monkeypatch):
    world, runs = World(monkeypatch), Runs(monkeypatch, Outcome.DONE)
    runs.clock = world.clock
    world.fleet().reboot(ONE, resume=True)
    assert (runs.requests[0].goal, runs.requests[0].run) == (Goal(adopt=True), "")


@pytest.mark.parametrize(
    ("said", "target", "kernel"), [(OLD, "", OLD), (OLD, KERNEL, OLD), ("", OLD, OLD), ("", "", ""), (None, OLD, OLD)]
)
def test_the_end_of_what_is_resumed_names_the_kernel_on_trial_there(monkeypatch, said, target, kernel):
    world, runs = World(monkeypatch), Runs(monkeypatch, Outcome.LEFT_OUT, "it is silent" if said is not None else "")
    runs.clock, runs.kernel = world.clock, said
    seen = Seen(ONE, "a", 10, Stand.LEFTOVER, target=target)
    monkeypatch.setattr(roll_fleet, "survey", lambda *_: seen)
    fleet = world.fleet()
    fleet.look()
    assert fleet.reboot(ONE, resume=True).kernel == kernel
    assert fleet.reboot(ONE, resume=False).kernel == (said or KERNEL)


@pytest.mark.parametrize(
    ("outcome", "why", "silent"),
    [(Outcome.INTERRUPTED, "it", True), (Outcome.LEFT_OUT, "it", False), (Outcome.LEFT_OUT, "", False)],
)
def test_that_a_host_stays_silent_is_known_to_the_roll(monkeypatch, outcome, why, silent):
    world, runs = World(monkeypatch), Runs(monkeypatch, outcome, why)
    runs.clock = world.clock
    assert world.fleet().reboot(ONE, resume=True).silent is silent


@pytest.mark.parametrize(
    ("outcome", "objections", "why"),
    [
        (Outcome.REFUSED, "logins FAILED: alice", "logins FAILED: alice"),
        (Outcome.REFUSED, "", "the guard"),
        (Outcome.FELL_BACK, "logins FAILED: alice", "the guard"),
    ],
)
def test_why_a_host_refused_is_what_its_guard_found(monkeypatch, outcome, objections, why):
    world, runs = World(monkeypatch), Runs(monkeypatch, outcome, "the guard", objections)
    runs.clock = world.clock
    assert world.fleet().reboot(ONE, resume=False).why == why


def test_a_roll_away_from_a_bad_kernel_is_not_blocked_by_it(monkeypatch):
    world, runs = World(monkeypatch), Runs(monkeypatch, Outcome.DONE)
    runs.clock = world.clock
    bad = Seen(ONE, "a", 10, Stand.TODO, kernel_bad="loses large mail")
    monkeypatch.setattr(roll_fleet, "survey", lambda *_: bad)
    fleet = world.fleet()
    fleet.look()
    fleet.reboot(ONE, resume=False)
    assert runs.requests[0].accept == {"disk", KERNEL_CHECK}


class Watches:
    """Fleet whose hosts run the kernels that are given, and what each of its watches was told."""

    def __init__(self, monkeypatch, *kernels, outcome=Outcome.DONE):
        self.world, self.runs = World(monkeypatch), Runs(monkeypatch, outcome)
        self.runs.clock = self.world.clock
        self.told = []
        self.kernels = dict(zip((ONE, TWO), kernels, strict=True))
        monkeypatch.setattr(roll_fleet, "Watch", self._made)
        names = itertools.cycle(self.kernels)
        monkeypatch.setattr(roll_fleet, "survey", lambda *_: self._seen(next(names)))
        self.fleet = self.world.fleet()

    def _seen(self, name):
        kernel = self.kernels[name]
        return Seen(name, "a", 10, Stand.THERE if kernel == KERNEL else Stand.TODO, kernel=kernel)

    def _made(self, mta, hosts, others, before, limits, **options):
        self.told.append((tuple(hosts), tuple(others), before))
        return SimpleNamespace(run=lambda limit_s: (SoakState.PASSED, f"within {limit_s}"))


def test_errors_of_before_the_first_reboot_are_not_the_rolls_doing(monkeypatch):
    found = Watches(monkeypatch, OLD, OLD)
    found.fleet.look()
    found.fleet.reboot(ONE, resume=False)
    found.kernels[ONE] = KERNEL
    found.fleet.look()
    assert found.fleet.soak([ONE], 60.0) == (SoakState.PASSED, "within 60.0")
    assert (found.told[-1], found.runs.asked) == (((ONE,), (TWO,), {Cause.UNREACHABLE}), [(ONE, TWO)])
    found.fleet.reboot(TWO, resume=False)
    assert found.runs.asked == [(ONE, TWO)], "after the first reboot it is too late to ask"


def test_a_host_that_runs_the_kernel_does_not_say_what_was_wrong_before_it(monkeypatch):
    # an earlier run has rebooted it: its errors may be the kernel's doing, and would pass for known ones
    found = Watches(monkeypatch, KERNEL, OLD)
    found.fleet.look()
    found.fleet.soak([ONE], 60.0)
    assert (found.told[-1], found.runs.asked) == (((ONE,), (TWO,), {Cause.UNREACHABLE}), [(TWO,)])
    found.fleet.reboot(TWO, resume=False)
    assert found.runs.asked == [(TWO,), (TWO,)]


@pytest.mark.parametrize("resume", [True, False])
def test_a_host_that_this_roll_has_rebooted_says_nothing_about_other_kernels(monkeypatch, resume):
    # it fell back: its log of the last quarter of an hour is that of the kernel that failed
    found = Watches(monkeypatch, OLD, OLD, outcome=Outcome.FELL_BACK)
    found.fleet.look()
    found.fleet.reboot(ONE, resume=resume)
    found.kernels[TWO] = KERNEL
    found.fleet.look()
    found.fleet.soak([TWO], 60.0)
    assert found.told[-1] == ((TWO,), (), {Cause.UNREACHABLE})


def test_a_host_whose_kernel_is_unknown_says_nothing_about_other_kernels(monkeypatch):
    found = Watches(monkeypatch, "", OLD)
    found.fleet.look()
    found.fleet.reboot(ONE, resume=True)
    assert found.runs.asked == [(TWO,)], "it may be on its way up, in the new one"


# --- asking


def test_hosts_are_asked_side_by_side_and_an_error_is_the_answer_of_its_host():
    together = threading.Barrier(2, timeout=10)

    def ask(host):
        together.wait()
        if host.name == TWO:
            raise ParseError("nonsense")
        return host.name

    found = asked_of({name: SimpleNamespace(name=name) for name in SITE.mxs}, ask)
    assert (found[ONE], str(found[TWO])) == (ONE, "nonsense")
    assert asked_of({}, ask) == {}


def test_a_bug_is_no_answer():
    with pytest.raises(ZeroDivisionError):
        asked_of({ONE: None}, lambda host: 1 / 0)


@pytest.mark.parametrize("broken", [HostUnreachableError("no session"), "nonsense"])
def test_the_newest_kernel_is_that_of_the_hosts_that_can_be_read(monkeypatch, broken):
    good = healthy(NFTABLES)

    def read(host, sources):
        assert tuple(sources) == (kernel.SOURCE,)
        if host.name == ONE:
            return good
        if isinstance(broken, Exception):
            raise broken
        return healthy(NFTABLES, kernel=broken)

    monkeypatch.setattr(roll_fleet, "read_facts", read)
    hosts = {name: SimpleNamespace(name=name) for name in SITE.mxs}
    whole = [one.release for one in good.get(kernel.SOURCE).installed if one.whole]
    assert newest_of(hosts) in whole
    with pytest.raises(ConfigError, match="say which one to roll out"):
        newest_of({TWO: hosts[TWO]})
