"""A second MTA behind the same protocol: drain, ledger, rest and a whole run, with nothing of Exim."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mxlib.base.errors import StepError
from mxlib.config.load import parse
from mxlib.drain import loop as drain
from mxlib.model.outcome import Outcome
from mxlib.model.state import MtaState, Step
from mxlib.mta import find as finding
from mxlib.mta.configuration import UNREAD
from mxlib.mta.protocol import Mta
from mxlib.mta.standing import mta_state
from mxlib.probes.outbound import ProbeOutcome, plan_mails, send
from mxlib.protocols.world import Done, Options, World
from mxlib.reboot.steps import ledger, queue
from mxlib.reboot.steps.registry import ACTIONS
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_run import MemoryRun
from tests.unit.support.records import RECORD
from tests.unit.support.site import TEN_LINES
from tests.unit.support.toy_mta import ToyHost, ToyMta


@pytest.fixture
def toy(tmp_path, monkeypatch):
    mta = ToyMta(tmp_path)
    monkeypatch.setitem(finding.ADAPTERS, "toy", mta)
    monkeypatch.setattr("mxlib.config.sections.known", lambda: ("exim", "toy"))
    return mta


@pytest.fixture
def site(toy):
    return parse({**TEN_LINES, "mta": "toy"}, "test")


@pytest.fixture
def host(toy):
    return ToyHost(toy.root)


def test_it_is_an_mta(toy) -> None:
    mta: Mta = toy
    assert finding.find("toy") is mta


# --- the drain


@pytest.fixture
def world(site, host):
    return World(site, host, (), FakeClock(), Tell(), Options("why", "who", 5, 900.0), "run-1")


def test_what_takes_mail_is_emptied_and_what_does_not_is_left_after_a_few(toy, world) -> None:
    for number in range(20):
        toy.take(f"a{number}", "x.test")
    for number in range(5):
        toy.take(f"b{number}", "y.test")
    (toy.root / "down" / "y.test").touch()
    done = drain.empty(world)
    assert toy.names("spool") == [f"b{number}" for number in range(5)]
    assert (done.evidence["before"], done.evidence["completed"], done.evidence["after"]) == (25, 20, 5)
    tried = [line for line in (toy.root / "log").read_text().splitlines() if " failed " in line]
    assert len(tried) == 3, "canaries, and never again while they fail"


def test_a_message_past_its_time_is_not_tried_where_nothing_is_proven(toy, world) -> None:
    toy.take("a1", "x.test", age=6 * 86400)
    drain.empty(world)
    assert toy.names("spool") == ["a1"]


def test_an_mta_without_hints_is_asked_for_none(toy, world) -> None:
    drain.forget_stale(world)
    assert (toy.root / "log").read_text() == ""


def test_test_mails_go_through_it(toy, site, host) -> None:
    mails = plan_mails(site.probes.outbound)
    (toy.root / "down" / mails[-1].probe.to.partition("@")[2]).touch()
    found = send(toy, host, mails, site.probes.sender, "run-1", 10.0)
    assert found.results[-1].outcome is ProbeOutcome.FAILED
    assert found.results[-1].text == "connection refused: refused"


# --- the ledger


class Ledger:
    def __init__(self, toy, host):
        self.toy, self.host, self.mark = toy, host, "after-0"

    def run(self, make):
        done = self.host.act(f"set -eu\n{make(self.toy, self.mark)}", timeout=10)
        lines = done.output.splitlines()
        return {key: int(count) for key, count in (line.split() for line in lines if " " in line)}, [
            line for line in lines if " " not in line
        ]


@pytest.fixture
def book(toy, host):
    return Ledger(toy, host)


def test_a_message_under_another_name_is_the_same_message(toy, book) -> None:
    toy.take("a1", "x.test")
    toy.take("b1", "x.test")
    assert book.run(ledger.close_script)[0] == {"ledger": 2, "spool": 2, "holes": 0}
    toy.rename("a1", "c1")
    toy.rename("c1", "d1")
    toy.rename("b1", "e1")
    toy.deliver("e1")
    assert book.run(ledger.check_script) == ({"must": 2, "spool": 1, "missing": 0, "untraced": 0, "holes": 0}, [])
    (toy.root / "spool" / "d1").unlink()
    found, missing = book.run(ledger.check_script)
    assert (found["missing"], missing) == (1, ["d1"])


def test_what_is_on_disk_again_after_the_log_said_gone_is_not_missing(toy, book) -> None:
    toy.take("a1", "x.test")
    book.run(ledger.close_script)
    toy.deliver("a1")
    (toy.root / "spool" / "a1").write_text("0 x.test\n")
    assert book.run(ledger.check_script)[0] == {"must": 1, "spool": 1, "missing": 0, "untraced": 0, "holes": 0}


def test_a_queue_that_a_person_threw_away_is_a_hole_and_no_success(toy, book) -> None:
    toy.take("a1", "x.test")
    book.run(ledger.close_script)
    (toy.root / "spool" / "a1").unlink()
    toy.write("threw-away 1")
    assert book.run(ledger.check_script)[0] == {"must": 1, "spool": 0, "missing": 1, "untraced": 0, "holes": 1}


# --- to rest, and a whole run


class WithToy(MemoryRun):
    """The run over an MX in memory, whose steps about mail are the real ones, on the toy."""

    REAL = (Step.DRAIN, Step.HOLD, Step.LEDGER, Step.START)

    def __init__(self, monkeypatch, toy, site, host):
        self.toy = toy
        super().__init__(monkeypatch)
        self.mx.configuration = UNREAD  # the toy has none, nor is there a packet filter of its own
        self.world = replace(self.world, site=site, target=host)
        self.run._world = self.world
        nobody = SimpleNamespace(
            glance=lambda: None,
            settled=lambda *_: Done("nobody came"),
            sources=lambda _also: (),
            take=lambda _facts: None,
        )
        monkeypatch.setattr(queue.clients, "ClientWatch", lambda *_: nobody)
        monkeypatch.setattr("mxlib.reboot.steps.prove.read_standing", self.unit)
        self.queues = []

    def unit(self, _host, _mta):
        running = (self.toy.root / "running").exists()
        return SimpleNamespace(mta_unit="active" if running else "inactive", listeners=int(running))

    def action(self, step):
        pretend = super().action(step)

        def act(world, state):
            if step in self.REAL:
                (self.toy.root / "state" / "run.json").write_text(self.mx.record.to_json())
                (self.toy.root / "state" / "token").write_text(f"{self.mx.token}\n")
                ACTIONS_BEFORE[step].apply(world, state)
                self.queues.append((step, self.toy.names("spool"), self.toy.names("parked")))
            if step is Step.PROVE_IN:
                assert ledger.check(world, self.mx.record).evidence["missing"] == 0
            done = pretend(world, state)
            if step is Step.CLAIM:
                self.mx.record = replace(self.mx.record, log_mark="after-0")
                self.answered()
            return done

        return act


ACTIONS_BEFORE = dict(ACTIONS)


def test_a_whole_run_parks_the_queue_and_lets_go_only_what_it_parked(monkeypatch, toy, site, host) -> None:
    for key, domain in (("a1", "x.test"), ("b1", "y.test"), ("c1", "y.test")):
        toy.take(key, domain, age=600)
    (toy.root / "down" / "y.test").touch()
    (toy.root / "spool" / "c1").rename(toy.root / "parked" / "c1")
    (toy.root / "busy").write_text("3")
    found = WithToy(monkeypatch, toy, site, host)
    result = found.execute()
    assert result.outcome is Outcome.DONE, result.why
    assert found.queues == [
        (Step.DRAIN, ["b1"], ["c1"]),
        (Step.HOLD, [], ["b1", "c1"]),
        (Step.LEDGER, [], ["b1", "c1"]),
        (Step.START, ["b1"], ["c1"]),
    ]
    assert (toy.root / "busy").read_text() == "0\n", "the delivery under way was waited for"


def quiet(site, host, toy):
    return SimpleNamespace(
        site=site, target=host, clock=FakeClock(), operator=Tell(), mta=toy,
        act=lambda script, timeout=30, **_: host.act(script, timeout=timeout),
    )  # fmt: skip


@pytest.mark.once
def test_a_delivery_that_does_not_end_is_not_cut_by_a_stop(monkeypatch, toy, site, host) -> None:
    (toy.root / "busy").write_text("100000")
    with pytest.raises(StepError, match="did not come to the end of its deliveries"):
        queue.hold(quiet(site, host, toy), SimpleNamespace(record=RECORD))
    assert (toy.root / "running").exists()


def test_a_run_that_died_with_the_queue_parked_is_no_service_until_it_is_let_go(toy, host) -> None:
    toy.take("a1", "x.test")
    toy.take("p1", "x.test")
    (toy.root / "spool" / "p1").rename(toy.root / "parked" / "p1")
    for _ in range(2):
        host.act(toy.quiet_script, timeout=10)
    assert toy.names("parked") == ["a1", "p1"]
    assert (host.root / "state" / "parked").read_text() == "p1\n", "what was parked before is written down once"
    assert mta_state("active", 1, 1, held=False, parked=True) is MtaState.OTHER
    for _ in range(2):
        host.act(toy.let_go_script if (host.root / "state" / "parked").exists() else ":", timeout=10)
    assert (toy.names("spool"), toy.names("parked")) == (["a1"], ["p1"])
