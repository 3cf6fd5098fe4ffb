"""Questions: the safe answer for who says nothing, and never a question where nobody can answer."""

import os
from types import SimpleNamespace

import pytest

from mxlib.adapters import operator as asking
from mxlib.adapters.operator import TerminalPrompt, Unattended, prompt_for
from mxlib.base.errors import InterruptedRunError, StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.model.goal import Goal
from mxlib.protocols.world import Done
from mxlib.reboot.progress import Progress
from mxlib.reboot.steps import queue
from mxlib.reboot.steps.guard import ask as ask_guard
from mxlib.reboot.world import Adapters, RebootWorld
from tests.unit.support.fakes import FakeClock

ANSWERS = {"no": "nothing is changed", "yes": "it is done"}


@pytest.fixture
def terminal():
    """A terminal whose other end the test writes to."""
    reader, writer = os.pipe()
    lines = []

    def make(check=lambda: None):
        return TerminalPrompt(lines.append, FakeClock(), check, os.fdopen(reader))

    def write(text):
        os.write(writer, text.encode())

    write.lines, write.make, write.close = lines, make, lambda: os.close(writer)
    return write


def test_each_answer_says_what_it_does(terminal):
    terminal("yes\n")
    found = terminal.make().ask("Shall it be?", ANSWERS, "no")
    assert (found.answer, found.by) == ("yes", "the operator")
    assert terminal.lines == ["Shall it be?", "  no      nothing is changed (Enter)", "  yes     it is done"]


@pytest.mark.parametrize(("typed", "answer"), [("\n", "no"), ("maybe\n YES \n", "yes"), ("\x1b[31mx\n\n", "no")])
def test_enter_is_the_safe_answer_and_nonsense_is_asked_again(terminal, typed, answer):
    for line in typed.splitlines(keepends=True):
        terminal(line)
    assert terminal.make().ask("?", ANSWERS, "no").answer == answer


def test_a_terminal_that_is_gone_gives_the_safe_answer(terminal):
    terminal.close()
    assert terminal.make().ask("?", ANSWERS, "no").answer == "no"


def test_nobody_waits_for_ever(terminal, monkeypatch):
    monkeypatch.setattr(asking, "DEADLINE_S", 0.0)
    assert terminal.make().ask("?", ANSWERS, "no").by == "no answer"


def test_a_signal_ends_the_question(terminal):
    def stopped():
        raise InterruptedRunError("SIGINT")

    with pytest.raises(InterruptedRunError):
        terminal.make(stopped).ask("?", ANSWERS, "no")


def test_unattended_never_asks_and_says_what_it_took():
    lines = []
    found = Unattended(lines.append).ask("Shall it be?", ANSWERS, "no")
    assert (found.answer, "unattended" in found.by) == ("no", True)
    assert "Shall it be?" in lines[0]


def test_without_a_terminal_nobody_is_asked():
    assert isinstance(prompt_for(print, FakeClock(), lambda: None, unattended=False), Unattended)


@pytest.mark.parametrize("closed", ["stdin", "stderr"])
def test_a_stream_that_was_closed_before_it_began_is_no_terminal(monkeypatch, closed):
    for name in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{name}", None if name == closed else SimpleNamespace(isatty=lambda: True))
    assert isinstance(prompt_for(print, FakeClock(), lambda: None, unattended=False), Unattended)
    monkeypatch.setattr(f"sys.{closed}", SimpleNamespace(isatty=lambda: True))
    assert isinstance(prompt_for(print, FakeClock(), lambda: None, unattended=False), TerminalPrompt)


class World:
    """A context with an operator who answers from a list."""

    def __init__(self, *answers):
        self.answers, self.questions, self.progress = list(answers), [], Progress(Goal())

    def ask(self, question, answers, safe):
        self.questions.append(question)
        assert safe in answers
        return self.answers.pop(0)


def failed(name):
    return Verdict(name, Status.FAILED, "why")


def test_what_may_be_accepted_is_asked_for_once_and_holds_for_the_run():
    world = World("accept")
    assert ask_guard(world, [failed("alerts"), failed("logins")])
    assert world.progress.accepted == {"alerts", "logins"}
    assert not ask_guard(World("no"), [failed("alerts")])


@pytest.mark.parametrize(
    "name", ["slot", "record", "others", "kernel-target", "entry-fallback", "grub-default", "host"]
)
def test_what_would_harm_cannot_be_accepted_away(name):
    world = World()
    assert not ask_guard(world, [failed("alerts"), failed(name)])
    assert world.questions == []


RECORD = object()
WATCH = SimpleNamespace(glance=None, sources=tuple, take=None)


@pytest.mark.parametrize(("answers", "tries"), [(["on"], 1), (["wait", "on"], 2)])
def test_a_queue_that_stalls_is_the_operators_decision(monkeypatch, answers, tries):
    world, seen = World(*answers), []

    def empty(*_given, **_more):
        seen.append(1)
        raise StepError("200 left", {"after": 200})

    monkeypatch.setattr(queue.emptying, "empty", empty)
    assert "200 left" in queue._emptied(world, RECORD, WATCH, ()).note
    assert len(seen) == tries


def test_turning_back_is_the_safe_answer_to_it(monkeypatch):
    def empty(*_given, **_more):
        raise StepError("200 left", {"after": 200})

    monkeypatch.setattr(queue.emptying, "empty", empty)
    with pytest.raises(StepError):
        queue._emptied(World("back"), RECORD, WATCH, ())
    monkeypatch.setattr(queue.emptying, "empty", lambda *_given, **_more: Done("empty"))
    assert queue._emptied(World(), RECORD, WATCH, ()).note == "empty"


def test_a_run_without_anybody_to_ask_takes_the_safe_answer():
    world = RebootWorld(*[None] * 6, "run-1", Adapters(*[None] * 5), Progress(Goal()))
    assert world.ask("?", ANSWERS, "no") == "no"
    assert [(one.question, one.answer) for one in world.progress.asked] == [("?", "no")]
