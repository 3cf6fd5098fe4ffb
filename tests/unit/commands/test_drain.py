"""From the request of drain-queue to what is done, and how it ends."""

import importlib
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mxlib.base.errors import (
    CommandFailedError,
    CommandTimeoutError,
    ConfigError,
    FencedError,
    HostError,
    HostUnreachableError,
    InterruptedRunError,
    MxlibError,
    StepError,
)
from mxlib.commands import drain
from mxlib.commands.answers import Silence
from mxlib.commands.drain import Drain
from mxlib.commands.request import RunRequest
from mxlib.model.goal import Goal
from mxlib.model.outcome import ENDS, Outcome
from tests.unit.support.records import RECORD
from tests.unit.support.site import SITE
from tests.unit.support.typed import parsed

MX = "mx1001.example.org"
WORLD = SimpleNamespace(target="host")
RUN = "20261121T021200Z-0a1b2c"
CLAIMED = replace(RECORD, run=RUN)


class Queue:
    """Notes what was done with the queue, and of which world; raises instead where it is given an error."""

    def __init__(self, monkeypatch, *, error=None, silence=None, acted=False, record=None, held=False):
        self.done, self.error, self.acted, self.mine = [], error, acted, []
        self.standing = SimpleNamespace(depool=SimpleNamespace(record=record, held=held))
        monkeypatch.setattr(drain.drain, "empty", self._empty)
        monkeypatch.setattr(drain.drain, "rehearse", lambda world: self._do("rehearse", world))
        monkeypatch.setattr(drain.runners, "stop", lambda world: self.done.append(("stop", world)))
        monkeypatch.setattr(drain.runners, "guarded", lambda world, mine: ("guarded", world, mine))
        monkeypatch.setattr(drain, "read_standing", lambda host, mta: self.standing)
        monkeypatch.setattr(drain, "silence", lambda world: silence)
        monkeypatch.setattr("mxlib.commands.wiring.Wiring.world", lambda *_: WORLD)

    def _empty(self, world, *, mine, acting):
        self.mine.append(mine)
        if self.acted:
            acting()
        return self._do("empty", world)

    def _do(self, what, world):
        self.done.append((what, world))
        if self.error:
            raise self.error
        return SimpleNamespace(note="41 delivered, none is left")


def made(spicerack, host=MX, run=""):
    return Drain(spicerack, SITE, RunRequest(host, Goal(), "a test", run=run))


def test_a_host_that_is_no_mx_is_refused(spicerack):
    with pytest.raises(ConfigError, match="is not one of the MXs"):
        made(spicerack, "web1.example.org")


@pytest.mark.parametrize(("dry_run", "what"), [(False, "empty"), (True, "rehearse")])
def test_it_empties_the_queue_and_a_dry_run_only_says_how(monkeypatch, spicerack, lines, dry_run, what):
    queue, spicerack.dry_run = Queue(monkeypatch), dry_run
    command = made(spicerack)
    assert command.reads_only is dry_run
    assert command.alone, "two would stop each other's queue runners"
    assert command.execute() is Outcome.DONE
    assert queue.done == [(what, WORLD)]
    assert lines() == [f"{MX}: done: 41 delivered, none is left"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StepError("12 are left", {"provider": 12}), Outcome.QUEUE_LEFT),
        (StepError("the queue cannot be read"), Outcome.UNKNOWN),
        (HostUnreachableError("no session"), Outcome.NO_ANSWER),
        (CommandTimeoutError("no end"), Outcome.UNKNOWN),
    ],
)
def test_how_it_ends_where_something_is_left_or_unknown(monkeypatch, spicerack, lines, error, outcome):
    Queue(monkeypatch, error=error)
    assert made(spicerack).execute() is outcome
    following = "; next: cookbook sre.mail.reboot-mx" if outcome is Outcome.NO_ANSWER else ""
    assert [line.partition(f" {MX} --status")[0] for line in lines()] == [
        f"{MX}: {outcome.phrase}: {error}{following}"
    ]


@pytest.mark.parametrize(
    ("silent", "outcome"),
    [
        ((Outcome.NO_ANSWER,), Outcome.NO_ANSWER),
        ((Outcome.UNKNOWN,), Outcome.UNKNOWN),
        # a run that holds it says nothing of its queue
        ((Outcome.INTERRUPTED, "r1"), Outcome.UNKNOWN),
    ],
)
def test_a_host_that_does_not_answer_is_left_alone(monkeypatch, spicerack, lines, silent, outcome):
    queue = Queue(monkeypatch, silence=Silence(silent[0], "the host does not answer", *silent[1:]))
    assert made(spicerack).execute() is outcome
    assert (queue.done, lines()) == ([], [f"{MX}: {outcome.phrase}: the host does not answer"])


@pytest.mark.parametrize(("acted", "stopped"), [(True, True), (False, False)])
def test_who_stops_it_stops_our_own_runners_under_the_guard(monkeypatch, spicerack, lines, acted, stopped):
    queue = Queue(monkeypatch, error=InterruptedRunError("SIGTERM"), acted=acted, record=CLAIMED)
    assert made(spicerack, run=RUN).execute() is Outcome.INTERRUPTED
    assert (("stop", ("guarded", WORLD, CLAIMED)) in queue.done) is stopped
    assert "stopped by SIGTERM; the queue goes on" in lines()[-1]


@pytest.mark.parametrize(
    "error",
    [
        HostUnreachableError("no session"),
        CommandFailedError("exit code 1: already loaded"),
        FencedError("a run has claimed the host just now"),
        CommandTimeoutError("no end"),
    ],
)
def test_after_an_act_nothing_says_that_nothing_was_changed(monkeypatch, spicerack, error):
    Queue(monkeypatch, error=error, acted=True)
    assert made(spicerack).execute() is Outcome.UNKNOWN


@pytest.mark.parametrize("acted", [True, False])
def test_every_end_with_an_error_is_one_of_its_documented_ones(monkeypatch, spicerack, acted):
    for kind in MxlibError.__subclasses__() + HostError.__subclasses__():
        Queue(monkeypatch, error=kind("no"), acted=acted)
        assert made(spicerack).execute() in ENDS["drain-queue"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_host_that_a_run_has_claimed_is_left_to_that_run(monkeypatch, spicerack, lines, dry_run):
    queue, spicerack.dry_run = Queue(monkeypatch, record=CLAIMED), dry_run
    assert made(spicerack, run="20261121T021200Z-000000").execute() is (Outcome.DONE if dry_run else Outcome.REFUSED)
    assert queue.done == ([("rehearse", WORLD)] if dry_run else [])
    (said,) = (line for line in lines() if RUN in line)
    assert f"run {RUN} (op@cumin1001 since now) has claimed the host: because; next: " in said
    assert f"next: cookbook sre.mail.drain-queue {MX} --run {RUN}    # if that run is yours" in said
    assert said.startswith("without -d this is refused: " if dry_run else f"{MX}: {Outcome.REFUSED.phrase}: ")


@pytest.mark.parametrize("acted", [True, False])
def test_a_run_that_claims_the_host_meanwhile_is_named(monkeypatch, spicerack, lines, acted):
    queue = Queue(monkeypatch, acted=acted, error=FencedError("a run has claimed the host just now"))
    looks = [SimpleNamespace(depool=SimpleNamespace(record=CLAIMED)), queue.standing]
    monkeypatch.setattr(drain, "read_standing", lambda host, mta: looks.pop())
    assert made(spicerack).execute() is (Outcome.UNKNOWN if acted else Outcome.REFUSED)
    assert f"run {RUN} (op@cumin1001 since now) has claimed the host" in lines()[-1]


def test_ones_own_claim_is_no_objection_and_goes_along_with_each_act(monkeypatch, spicerack):
    queue = Queue(monkeypatch, record=CLAIMED)
    assert made(spicerack, run=RUN).execute() is Outcome.DONE
    assert queue.mine == [CLAIMED]


def test_mail_that_is_held_until_a_boot_is_proven_stays_for_whoevers_run_it_is(monkeypatch, spicerack, lines):
    queue = Queue(monkeypatch, record=CLAIMED, held=True)
    assert made(spicerack, run=RUN).execute() is Outcome.REFUSED
    assert queue.done == []
    assert "the MTA is held, and its queue waits until the boot is proven; next: " in lines()[-1]


@pytest.mark.parametrize(("words", "run"), [(["--run", RUN], RUN), ([], "")])
def test_whose_run_it_is_can_be_typed(spicerack, words, run):
    cookbook = importlib.import_module("cookbooks.sre.mail.drain-queue").DrainQueue(spicerack)
    assert cookbook.request(parsed("sre.mail.drain-queue", [MX, *words])).run == run
