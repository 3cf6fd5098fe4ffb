"""The watch between two hosts: how it reads their logs and queues, and how long."""

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.config.roll import RollSoak
from mxlib.mta.event import Cause, LogGrowth
from mxlib.mta.exim import maillog, queue
from mxlib.mta.exim.adapter import ADAPTER
from mxlib.mta.exim.logline import parse_lines
from mxlib.roll.soak import SoakState
from mxlib.roll.watch import Tally, Watch
from tests.unit.support import facts as facts_support
from tests.unit.support.fakes import FakeClock, Tell

LIMITS = RollSoak(seconds=100, limit=300, deliveries=3, growth=5, errors=2, every=20)
LOG = """\
2026-11-21 02:00:01 1tAAAA-000001-00 <= a@b.test H=x [192.0.2.1] P=esmtp S=900 id=mx-probe.12-ab@mx
2026-11-21 02:00:02 1tAAAA-000001-00 => user1@provider.test R=r T=t H=mx.provider.test [198.51.100.10] C="250 OK"
2026-11-21 02:00:02 1tAAAA-000001-00 Completed
2026-11-21 02:00:03 1tAAAA-000002-00 <= a@b.test H=x [192.0.2.1] P=esmtp S=900
2026-11-21 02:00:04 1tAAAA-000002-00 => user1@provider.test R=r T=t H=mx.provider.test [198.51.100.10] C="250 OK"
2026-11-21 02:00:04 1tAAAA-000002-00 -> user2@provider.test R=r T=t H=mx.provider.test [198.51.100.10] C="250 OK"
2026-11-21 02:00:05 1tAAAA-000003-00 == user3@lists.test R=r T=t defer (110): SMTP timeout after end of data
2026-11-21 02:00:06 1tAAAA-000003-00 == user3@lists.test R=r T=t defer (110): SMTP timeout after end of data
"""


def test_test_mails_are_not_counted_and_a_message_is_hit_once() -> None:
    tally = Tally("1:0")
    for event in parse_lines(LOG.splitlines()):
        tally.count(event)
    assert tally.delivered == 2
    assert {cause: len(ids) for cause, ids in tally.hit.items()} == {Cause.TIMEOUT_AFTER_DATA: 1}


class World:
    """Logs and queues of hosts, look by look."""

    def __init__(self, monkeypatch, growths):
        self.growths, self.recent, self.marks, self.lost = list(growths), "", [], False
        self.grows, self.hosts = 0.0, ("mx2",)
        self.odd: tuple[str, ...] = ()
        monkeypatch.setattr("mxlib.roll.watch.read_growth", self.growth)
        monkeypatch.setattr("mxlib.roll.watch.read_facts", self.facts)
        self.clock = FakeClock()

    def growth(self, _mta, _host, mark):
        self.marks.append(mark)
        text = self.growths.pop(0) if self.growths else ""
        if text is None:
            raise HostUnreachableError("no session")
        return LogGrowth(parse_lines(text.splitlines()), f"after look {len(self.marks)}", self.lost, unread=self.odd)

    def facts(self, _host, sources):
        if sources[0] is ADAPTER.mark:
            return facts_support.facts_of({maillog.MARK: "mark 1 0 4294967295\n"})
        if sources[0] is ADAPTER.length:
            return facts_support.facts_of({queue.COUNT: f"{7 + int(self.grows * self.clock.seconds)}\n"})
        if self.recent is None:
            raise HostUnreachableError("no session")
        head = "zone +0000\narrived 1\ndelivered 1\ncompleted 1\nwrong 1\n"
        return facts_support.facts_of({maillog.RECENT_SECTION: f"{head}{self.recent}end\n"})

    def run(self, limit=None, before=frozenset(), alerts=lambda: ""):
        self.operator = Tell()
        hosts = {name: facts_support.ShellHost() for name in self.hosts}
        others = {"mx1": facts_support.ShellHost()}
        watch = Watch(ADAPTER, hosts, others, before, LIMITS, alerts=alerts, clock=self.clock, operator=self.operator)
        return watch.run(limit)


def deliveries(count: int) -> str:
    return "".join(
        f'2026-11-21 02:00:04 1tAAAA-0001{n:02}-00 => u@p.test R=r T=t H=m [198.51.100.10] C="250 OK"\n'
        for n in range(count)
    )


def test_it_waits_for_its_time_and_passes(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(2), deliveries(2)])
    proof, why = world.run()
    assert (proof, world.clock.seconds) == (SoakState.PASSED, 100)
    assert "4 real deliveries" in why
    (first, begun), *_, (last, nearly) = world.operator.shown
    assert first.startswith("soak: 2 real deliveries in 0.0 s")
    assert last.startswith("soak: 4 real deliveries in 1 min 20 s")
    assert (begun.done, nearly.done, nearly.total) == (0.0, 0.8, 1.0)


def test_it_ends_at_once_when_large_mail_stalls(monkeypatch) -> None:
    world = World(monkeypatch, ["", LOG])
    assert world.run()[0] is SoakState.FAILED
    assert world.clock.seconds == LIMITS.every


def test_what_the_other_mx_has_too_is_not_this_kernels_doing(monkeypatch) -> None:
    world = World(monkeypatch, [LOG, deliveries(3)])
    world.recent = LOG.splitlines()[-1] + "\n"
    assert world.run()[0] is SoakState.PASSED


def test_a_host_that_cannot_be_read_proves_nothing(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(5), *[None] * 40])
    proof, why = world.run()
    assert (proof, "no session" in why) == (SoakState.SHORT, True)


def test_it_breaks_off_where_the_window_closes(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(5)])
    assert world.run(limit=60)[0] is SoakState.WAIT
    assert world.clock.seconds == 60


def test_each_look_reads_on_where_the_last_one_ended(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(4)])
    world.run(limit=40)
    assert world.marks == [world.marks[0], "after look 1", "after look 2"]
    assert world.marks[0].startswith("1:0")


def test_the_hosts_count_together(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(2), deliveries(1)])
    world.hosts = ("mx2", "mx3")
    assert world.run() == (SoakState.PASSED, "3 real deliveries in 1 min 40 s, queue flat, no new class of error")


def test_a_queue_that_grows_all_the_time_speaks_against_the_kernel(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(5)])
    world.grows = 0.5
    proof, why = world.run()
    assert (proof, "the queue of mx2 has grown by" in why) == (SoakState.FAILED, True)


def test_a_log_with_lines_that_are_lost_is_no_proof(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(5)])
    world.lost = True
    proof, why = world.run()
    assert (proof, "lines of its log are lost" in why) == (SoakState.SHORT, True)


def test_lines_that_are_lost_once_stay_lost(monkeypatch) -> None:
    """The next look begins after the hole."""
    world = World(monkeypatch, [deliveries(5), deliveries(5), deliveries(5)])
    world.lost = True
    real = world.growth

    def growth(*asked):
        found = real(*asked)
        world.lost = False
        return found

    monkeypatch.setattr("mxlib.roll.watch.read_growth", growth)
    proof, why = world.run()
    assert (proof, "lines of its log are lost" in why) == (SoakState.SHORT, True)


@pytest.mark.parametrize(("lost", "odd", "said"), [(True, 0, "are lost"), (False, 5, "not understood")])
def test_lines_that_are_lost_stay_lost_where_the_queue_could_not_be_counted_then(monkeypatch, lost, odd, said) -> None:
    world = World(monkeypatch, [deliveries(5)])
    world.lost, world.odd = lost, ("brand new form",) * odd
    real = world.facts

    def facts(host, sources):
        if sources[0] is ADAPTER.length and (world.lost or world.odd):
            world.lost, world.odd = False, ()
            raise HostUnreachableError("no session")
        return real(host, sources)

    monkeypatch.setattr("mxlib.roll.watch.read_facts", facts)
    proof, why = world.run()
    assert (proof, said in why) == (SoakState.SHORT, True)


@pytest.mark.parametrize(("odd", "expected"), [(4, SoakState.PASSED), (5, SoakState.SHORT)])
def test_a_log_with_many_lines_that_are_not_understood_is_no_proof(monkeypatch, odd, expected) -> None:
    world = World(monkeypatch, [deliveries(5)])
    world.odd = ("brand new form",) * odd
    proof, why = world.run()
    assert proof is expected
    assert ("5 lines of its log are not understood: brand new form" in why) is (odd == 5)


def test_an_alert_that_ends_in_time_is_waited_for(monkeypatch) -> None:
    world = World(monkeypatch, [deliveries(5)])
    assert world.run(alerts=lambda: "MxDown fires" if world.clock.seconds < 200 else "")[0] is SoakState.PASSED
    assert world.clock.seconds == 200
    world = World(monkeypatch, [deliveries(5)])
    assert world.run(alerts=lambda: "MxDown fires") == (SoakState.SHORT, "after 5 min 0 s: MxDown fires")


def test_another_mx_that_cannot_be_asked_excuses_no_error(monkeypatch) -> None:
    world = World(monkeypatch, [LOG])
    world.recent = None
    assert world.run()[0] is SoakState.FAILED
    world = World(monkeypatch, [LOG, deliveries(3)])
    world.recent = None
    assert world.run(before=frozenset({Cause.TIMEOUT_AFTER_DATA}))[0] is SoakState.PASSED, (
        "it was there before the roll"
    )
