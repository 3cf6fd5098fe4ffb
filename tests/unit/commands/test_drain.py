"""From the request of drain-queue to what is done, and how it ends."""

from types import SimpleNamespace

import pytest

from mxlib.base.errors import CommandTimeoutError, ConfigError, HostUnreachableError, InterruptedRunError, StepError
from mxlib.commands import drain
from mxlib.commands.answers import Silence
from mxlib.commands.drain import Drain
from mxlib.commands.request import RunRequest
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from tests.unit.support.site import SITE

MX = "mx1001.example.org"
WORLD = object()


class Queue:
    """Notes what was done with the queue, and of which world; raises instead where it is given an error."""

    def __init__(self, monkeypatch, *, error=None, silence=None):
        self.done, self.error = [], error
        monkeypatch.setattr(drain.drain, "empty", lambda world: self._do("empty", world))
        monkeypatch.setattr(drain.drain, "rehearse", lambda world: self._do("rehearse", world))
        monkeypatch.setattr(drain.runners, "stop", lambda world: self.done.append(("stop", world)))
        monkeypatch.setattr(drain, "silence", lambda world: silence)
        monkeypatch.setattr("mxlib.commands.wiring.Wiring.world", lambda *_: WORLD)

    def _do(self, what, world):
        self.done.append((what, world))
        if self.error:
            raise self.error
        return SimpleNamespace(note="41 delivered, none is left")


def made(spicerack, host=MX):
    return Drain(spicerack, SITE, RunRequest(host, Goal(), "a test"))


def test_a_host_that_is_no_mx_is_refused(spicerack):
    with pytest.raises(ConfigError, match="is not one of the MXs"):
        made(spicerack, "web1.example.org")


@pytest.mark.parametrize(("dry_run", "what"), [(False, "empty"), (True, "rehearse")])
def test_it_empties_the_queue_and_a_dry_run_only_says_how(monkeypatch, spicerack, lines, dry_run, what):
    queue, spicerack.dry_run = Queue(monkeypatch), dry_run
    command = made(spicerack)
    assert command.reads_only is dry_run
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
        (Outcome.NO_ANSWER, Outcome.NO_ANSWER),
        (Outcome.UNKNOWN, Outcome.UNKNOWN),
        # a run that has it out of service says nothing of its queue
        (Outcome.LEFT_OUT, Outcome.UNKNOWN),
    ],
)
def test_a_host_that_does_not_answer_is_left_alone(monkeypatch, spicerack, lines, silent, outcome):
    queue = Queue(monkeypatch, silence=Silence(silent, "the host does not answer"))
    assert made(spicerack).execute() is outcome
    assert (queue.done, lines()) == ([], [f"{MX}: {outcome.phrase}: the host does not answer"])


@pytest.mark.parametrize(("dry_run", "stopped"), [(False, True), (True, False)])
def test_who_stops_it_stops_our_own_runners(monkeypatch, spicerack, lines, dry_run, stopped):
    queue, spicerack.dry_run = Queue(monkeypatch, error=InterruptedRunError("SIGTERM")), dry_run
    assert made(spicerack).execute() is Outcome.INTERRUPTED
    assert (("stop", WORLD) in queue.done) is stopped
    assert "stopped by SIGTERM; the queue goes on" in lines()[-1]
