"""The guard: every question at once, each answer a verdict, and what it has read serves the claim."""

from types import SimpleNamespace

import pytest

from mxlib.base.errors import HostUnreachableError, InterruptedRunError, SilenceError
from mxlib.base.verdict import Status, Verdict
from mxlib.config.load import parse
from mxlib.facts.source import FactUnknownError
from mxlib.model.goal import Goal
from mxlib.model.state import Ports, Slot
from mxlib.mta.find import find
from mxlib.reboot.steps import guard
from mxlib.reboot.world import Progress
from tests.unit.support.fakes import FakeClock
from tests.unit.support.site import TEN_LINES

FINE = Verdict("fine", Status.OK, "well")


class Facts:
    """Facts of which some could not be read."""

    def __init__(self, *unknown):
        self.unknown = unknown

    def get(self, source):
        if source.name in self.unknown:
            raise FactUnknownError(f"{source.name}: section x: no end within its time limit")
        return SimpleNamespace()

    def all_known(self, sources):
        return not any(source.name in self.unknown for source in sources)


class World:
    """A world whose every question can be left without an answer."""

    def __init__(self, monkeypatch, **broken):
        self.site, self.clock, self.asked = parse(TEN_LINES, "test"), FakeClock(), []
        self.progress = Progress(Goal())
        self.broken, self.accepted = broken, frozenset()
        self.options = SimpleNamespace(prevention="none")
        self.target, self.peers = SimpleNamespace(name="mx2001"), ()
        self.adapters = SimpleNamespace()
        self.mta = find("exim")
        self.view = lambda found: SimpleNamespace(ports=Ports.PARTLY)
        self.standing_of = []
        self.adapters.verifier = SimpleNamespace(
            sources=tuple, judged=lambda facts: (FINE,), known_bad=lambda facts, release: FINE,
            outbound=lambda host: self.question("outbound"), inbound=lambda host: self.question("inbound"),
        )  # fmt: skip
        self.adapters.rescue = SimpleNamespace(ready=lambda *_: self.question("rescue"))
        self.adapters.alerts = SimpleNamespace(firing=lambda: self.question("alerts") and ())
        self.adapters.slot = SimpleNamespace(state=lambda: Slot.FREE, describe=lambda: "")
        self.adapters.pool = SimpleNamespace(read=lambda: self.question("pool") and {"smtp": "yes"})
        monkeypatch.setattr(guard, "read_facts", self.read)
        monkeypatch.setattr(guard.readiness, "standing", lambda found, ports: self.standing_of.append(ports) or [FINE])
        monkeypatch.setattr(guard.readiness, "busy", lambda found: [FINE])
        monkeypatch.setattr(guard, "others", lambda context: (FINE,))

    def question(self, name):
        if name in self.broken:
            raise self.broken[name]
        return (FINE,)

    def read(self, _host, sources):
        self.asked.append([source.name for source in sources])
        self.question("host")
        return Facts()


def names(verdicts, status):
    return [one.check for one in verdicts if one.status is status]


def test_all_is_well_and_the_host_was_asked_once(monkeypatch):
    world = World(monkeypatch)
    found = guard.guard(world)
    assert names(found, Status.OK) == [one.check for one in found]
    assert len(world.asked) == 1
    assert world.standing_of == [Ports.PARTLY], "as the site names them"
    assert guard.facts_for_claim(world) is world.progress.facts


@pytest.mark.parametrize("name", ["outbound", "inbound", "pool"])
def test_a_question_without_an_answer_is_unknown_and_hides_no_other(monkeypatch, name):
    found = guard.guard(World(monkeypatch, **{name: HostUnreachableError("no session")}))
    assert names(found, Status.UNKNOWN) == [name]
    assert len(found) > 6


def test_an_alertmanager_that_cannot_be_asked_blocks_the_run(monkeypatch):
    world = World(monkeypatch, alerts=SilenceError("Alertmanager cannot be asked"))
    found = guard.guard(world)
    assert [one.check for one in guard.blocking(world, found)] == ["alerts"]
    world.accepted = frozenset({"alerts"})
    assert guard.blocking(world, found) == []


def test_a_host_that_does_not_answer_is_one_verdict(monkeypatch):
    found = guard.guard(World(monkeypatch, host=HostUnreachableError("no session")))
    assert names(found, Status.UNKNOWN) == ["host"]


def test_a_signal_is_no_finding(monkeypatch):
    with pytest.raises(InterruptedRunError):
        guard.guard(World(monkeypatch, outbound=InterruptedRunError("SIGTERM")))


def test_what_the_guard_could_not_read_is_read_again_for_the_claim(monkeypatch):
    world = World(monkeypatch)
    world.progress.facts = Facts("grub")
    assert guard.facts_for_claim(world) is not world.progress.facts
