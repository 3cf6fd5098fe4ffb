"""Attempts of our own: they end with the drain, and what cannot be stopped ends by itself."""

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.drain import loop as drain
from mxlib.drain import runners
from tests.unit.support.memory_queue import world


def test_our_runners_are_stopped_whatever_happens(monkeypatch):
    found = world({"x.test": 100})
    stopped = []
    monkeypatch.setattr(runners, "stop", lambda world: stopped.append(world))

    def broken(world, mark):
        raise HostUnreachableError("no session")

    monkeypatch.setattr(runners, "look", broken)
    with pytest.raises(HostUnreachableError):
        drain.empty(found.world)
    assert len(stopped) == 1, "in the end"


def test_runners_that_cannot_be_stopped_are_said_and_are_no_failure(monkeypatch):
    found = world({"x.test": 1})

    def silent(script, *, timeout, ok_codes=(0,)):
        raise HostUnreachableError("no session")

    monkeypatch.setattr(found.target, "act", silent)
    runners.stop(found.world)
    assert found.tell.lines == ["drain: our queue runners end by themselves, they could not be stopped: no session"]


def test_without_stale_hints_nothing_is_done(monkeypatch):
    found = world({})
    monkeypatch.setattr(found.target, "act", None)
    runners.clear(found.world, ())
    assert found.tell.lines == []
