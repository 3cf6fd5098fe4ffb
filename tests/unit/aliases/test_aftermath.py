"""What a stale alias file leaves behind: what is cleared, and whose mail is listed."""

from datetime import timedelta

import pytest

from mxlib.aliases import aftermath
from mxlib.aliases.aftermath import Aftermath
from mxlib.aliases.found import Found, RefreshWorld, Wanted
from mxlib.aliases.look import AliasLook
from mxlib.aliases.rerun import Ending
from mxlib.base.errors import CommandFailedError, HostUnreachableError
from mxlib.config.verify import VerifyPolicy
from mxlib.mta.exim.callout import CalloutFacts
from mxlib.mta.refusal import Refusal
from tests.unit.support.aliases import (
    GENERATOR,
    INCIDENT,
    NEW_ENTRIES,
    NEWER,
    NOW,
    PROBES,
    REFUSAL,
    A,
    Acts,
    B,
    facts,
    minutes,
    state,
)
from tests.unit.support.fakes import Tell
from tests.unit.support.memory_run import MemoryJournal

OURS = Refusal(minutes(20), "Probe@World.test", "newqueue@lab.test", "here", "unknown user")
REMEMBERED = {"newqueue@tickets.test": "reject", "other@tickets.test": "reject", "support@tickets.test": "accept"}


class Now:
    def now(self):
        return NOW


class Site:
    """Two MXs after a repair, whose hints and logs are given."""

    def __init__(self, monkeypatch, *, seen=INCIDENT, remembered=REMEMBERED, refusals=(REFUSAL, OURS)):
        self.operator, self.journal, self.asked = Tell(), MemoryJournal(), []
        self.hosts = {A: Acts(A), B: Acts(B)}
        self.found = Found(looks=[AliasLook((seen,), {}, NOW)])
        self.silent = ()
        site = self

        class Answer(dict):
            def get(self, source, default=None):
                return CalloutFacts(remembered) if source.name == "callout" else refusals

        def read(host, sources):
            site.asked.append((host.name, sources[0].name))
            if host.name in site.silent:
                raise HostUnreachableError("no session\nwith it")
            return Answer()

        monkeypatch.setattr(aftermath, "read_facts", read)

    def after(self, *targets, **wanted):
        world = RefreshWorld(self.hosts, (GENERATOR,), PROBES, VerifyPolicy(), Now(), self.operator, self.journal)
        return Aftermath(world, Wanted(targets, **wanted), self.found)


@pytest.fixture
def site(monkeypatch):
    return Site(monkeypatch)


# --- cached refusals


def test_only_the_addresses_concerned_are_forgotten_and_only_where_it_may_be_changed(site):
    site.after(B).forget()
    assert site.hosts[A].done == []
    (script,) = site.hosts[B].done
    assert "newqueue@tickets.test" in script
    assert "other@tickets.test" not in script
    assert site.found.cleared == {B: ("newqueue@tickets.test",)}
    assert site.journal.events == [("cleared", {"host": B, "keys": ["newqueue@tickets.test"]})]
    assert site.operator.lines == [f"{B}: forgot 1 cached callout refusal (newqueue@tickets.test): cleared 1"]


def test_an_address_that_the_operator_named_is_concerned_too(site):
    site.after(B, addresses=("other@tickets.test",)).forget()
    assert site.found.cleared[B] == ("newqueue@tickets.test", "other@tickets.test")


def test_where_nothing_was_wrong_nothing_is_asked(monkeypatch):
    site = Site(monkeypatch, seen=state(a=NEWER, b=NEWER))
    tidy = site.after(A, B)
    tidy.forget()
    tidy.list_refusals()
    assert site.asked == []


@pytest.mark.parametrize("ending", [Ending.FAILED, Ending.REJECTED, Ending.HUNG, Ending.UNKNOWN])
def test_a_host_whose_run_did_not_end_well_would_only_remember_again(site, ending):
    site.found.endings = {(A, "vrts"): Ending.REFRESHED, (B, "vrts"): ending}
    site.after(A, B).forget()
    assert list(site.found.cleared) == [A]
    assert site.hosts[B].done == []


def test_a_hint_about_a_whole_domain_stays_and_is_said(monkeypatch):
    site = Site(monkeypatch, remembered={"tickets.test": "reject"})
    site.after(B).forget()
    assert site.hosts[B].done == []
    assert "callouts to tickets.test are refused as a whole; that hint stays" in site.operator.lines[0]


def test_one_host_that_fails_does_not_keep_the_other_from_it(site, monkeypatch):
    def fails(script, *, timeout, ok_codes=(0,)):
        raise CommandFailedError("database\nis locked")

    monkeypatch.setattr(site.hosts[A], "act", fails)
    site.after(A, B).forget()
    assert site.found.unknown == [f"{A}: cached callouts: database is locked"]
    assert list(site.found.cleared) == [B]


# --- whose mail was refused


def test_whose_mail_was_refused_is_listed_of_every_mx_without_our_own_test_mails(site):
    site.after(B).list_refusals()
    assert [one.host for one in site.found.refusals] == [A, B]
    assert all(one.refusals == (REFUSAL,) for one in site.found.refusals)
    assert site.hosts[A].done == site.hosts[B].done == [], "it only reads"


def test_a_log_that_cannot_be_read_is_unknown(site):
    site.silent = (A,)
    site.after(B).list_refusals()
    assert site.found.unknown == [f"{A}: whose mail was refused: no session with it"]
    assert [one.host for one in site.found.refusals] == [B]


@pytest.mark.parametrize(
    ("success", "since"),
    [
        (minutes(720), minutes(720)),
        (None, NOW - timedelta(days=1)),
        (NOW - timedelta(days=90), NOW - timedelta(days=14)),
    ],
    ids=["since the last good run", "a day, where that is not known", "no longer than logs are kept"],
)
def test_from_when_on_the_log_is_read(monkeypatch, success, since):
    site = Site(monkeypatch, seen=state(a=NEWER, b=facts(last_success=success, file=NEWER.file)))
    site.after(B, addresses=("newqueue@lab.test",)).list_refusals()
    assert site.found.refusals[-1].since == since


def test_of_several_generators_the_one_whose_last_good_run_is_longest_ago_counts(site):
    old = state(a=NEWER, b=facts(last_success=minutes(900)))
    site.found.looks = [AliasLook((INCIDENT, old), {}, NOW)]
    site.after(B).list_refusals()
    assert site.found.refusals[-1].since == minutes(900)


def test_what_is_no_plain_address_never_reaches_a_command(monkeypatch):
    odd = "x>\x1b[31m <y@lab.test"
    site = Site(monkeypatch)
    monkeypatch.setitem(NEW_ENTRIES, odd, "z@tickets.test")
    asked = []
    mta = aftermath.find("exim")
    refusals = type(mta).refusals
    monkeypatch.setattr(type(mta), "refusals", lambda self, *given: asked.append(given[0]) or refusals(self, *given))
    site.after(B).list_refusals()
    assert asked == [("newqueue@lab.test",)] * 2


@pytest.mark.parametrize(("others", "cut"), [(aftermath.MOST - 1, True), (aftermath.MOST - 2, False)])
def test_refusals_as_many_as_are_read_may_be_more(monkeypatch, others, cut):
    site = Site(monkeypatch, refusals=(OURS, *(REFUSAL,) * others))
    site.after(B).list_refusals()
    assert {(len(one.refusals), one.cut) for one in site.found.refusals} == {(others, cut)}
