"""Alias generators and their files, read on every MX at the same time."""

import dataclasses

from mxlib.aliases import read as alias_read
from mxlib.base.errors import HostUnreachableError, ParseError
from mxlib.facts import aliases
from tests.unit.support.aliases import GENERATOR, HOSTS, NEWER, A, B
from tests.unit.support.facts import facts_of


def test_files_that_differ_are_read_in_a_second_round_trip(world):
    _, asked = world
    (state,) = alias_read.read_states(HOSTS, [GENERATOR])
    assert state.differing == ("newqueue@lab.test",)
    assert sorted(asked) == [
        (A, ["aliases-vrts"]), (A, ["aliases-vrts-entries"]), (B, ["aliases-vrts"]), (B, ["aliases-vrts-entries"]),
    ]  # fmt: skip


def test_files_that_are_the_same_are_not_read(world):
    said, asked = world
    said[B] = NEWER
    alias_read.read_states(HOSTS, [GENERATOR])
    assert [names for _, names in asked] == [["aliases-vrts"]] * 2


def test_what_a_host_has_already_answered_is_not_asked_again(world):
    said, asked = world
    said[B] = NEWER
    known = {A: facts_of({aliases.section(GENERATOR): A}, A)}
    alias_read.read_states(HOSTS, [GENERATOR], known)
    assert [name for name, _ in asked] == [B]


def test_a_host_that_cannot_be_reached_is_said(world):
    said, _ = world
    said[B] = HostUnreachableError("no session")
    (state,) = alias_read.read_states(HOSTS, [GENERATOR])
    assert (state.unread, state.silent) == ({B: "no session"}, {B})


def test_an_answer_that_is_not_understood_is_unread(world):
    said, _ = world
    said[B] = NEWER
    known = {A: facts_of({}, A), B: facts_of({aliases.section(GENERATOR): B}, B)}
    (state,) = alias_read.read_states(HOSTS, [GENERATOR], known)
    assert list(state.facts) == [B]
    assert "aliases-vrts" in state.unread[A]
    assert not state.silent, "it has answered"


def test_entries_that_cannot_be_read_are_left_out(world, monkeypatch):
    def entries(_outputs):
        raise ParseError("cut short")

    source = alias_read.alias_file.entries_source(GENERATOR)
    broken = dataclasses.replace(source, parse=entries)
    monkeypatch.setattr(alias_read.alias_file, "entries_source", lambda generator: broken)
    (state,) = alias_read.read_states(HOSTS, [GENERATOR])
    assert state.differ
    assert state.entries == {}


def test_a_host_without_a_file_is_not_asked_for_its_entries(world):
    said, asked = world
    said[B] = dataclasses.replace(NEWER, file=None)
    (state,) = alias_read.read_states(HOSTS, [GENERATOR])
    assert list(state.entries) == [A]
    assert (B, ["aliases-vrts-entries"]) not in asked
