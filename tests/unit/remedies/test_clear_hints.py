"""Stale retry hints, cleared once test mails have proven the destination."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.config.probes import OutboundProbe
from mxlib.mta.backlog import Hint
from mxlib.mta.find import find
from mxlib.probes.outbound import ProbeOutcome
from mxlib.remedies import clear_hints
from mxlib.remedies.bounds import Order
from tests.unit.support.facts import NOW
from tests.unit.support.remedy_host import SITE


def hint(key: str, **about: str) -> Hint:
    return Hint(key, NOW, NOW, NOW, False, "Connection timed out", **about)  # type: ignore[arg-type]


DESTINATION = Order("clear-hints", SITE.probes.outbound[0].name)


def test_only_the_hints_of_what_was_proven_are_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (
        hint("host", ip="2001:db8:51::10"),
        hint("message at the host", ip="2001:db8:51::10", message="1abcde-000123-AB"),
        hint("neighbour", ip="2001:db8:51::105"),
        hint("other host", ip="198.51.100.20"),
        hint("route", domain="provider.test"),
        hint("recipient", address="joe@provider.test", domain="provider.test"),
        hint("other route", domain="other.test"),
    )
    result = SimpleNamespace(outcome=ProbeOutcome.DELIVERED, remote="2001:db8:51::10")
    monkeypatch.setattr(clear_hints, "send", lambda *_, **__: SimpleNamespace(results=[result]))
    monkeypatch.setattr(clear_hints, "read_facts", lambda *_: SimpleNamespace(get=lambda _: known))
    asked: list[str] = []
    mta = find(SITE.mta)
    monkeypatch.setattr(type(mta), "forget_script", lambda _, keys: asked.extend(keys) or "true")
    bench = SimpleNamespace(site=SITE, host=None, run="r", act=lambda script, seconds: None)
    said = clear_hints.apply(bench, DESTINATION)  # type: ignore[arg-type]
    assert asked == ["host", "route"], "that the host takes mail says nothing of the one message that it deferred"
    assert "2 hints cleared" in said


def test_what_was_not_proven_keeps_its_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [
        SimpleNamespace(outcome=ProbeOutcome.DELIVERED, remote="2001:db8:51::10"),
        SimpleNamespace(outcome=ProbeOutcome.FAILED, remote="", text="connection\nrefused"),
    ]
    monkeypatch.setattr(clear_hints, "send", lambda *_, **__: SimpleNamespace(results=results))
    acts: list[str] = []
    bench: Any = SimpleNamespace(site=SITE, host=None, run="r", act=lambda script, seconds: acts.append(script))
    with pytest.raises(StepError, match="not proven, so its hints stay: failed: connection refused"):
        clear_hints.apply(bench, DESTINATION)
    assert acts == []


def test_without_hints_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    result = SimpleNamespace(outcome=ProbeOutcome.DELIVERED, remote="2001:db8:51::10")
    sent: list[Any] = []

    def send(_mta: Any, _host: Any, mails: Any, *_: Any, force: bool) -> Any:
        sent.append(([mail.probe.name for mail in mails], force))
        return SimpleNamespace(results=[result])

    monkeypatch.setattr(clear_hints, "send", send)
    monkeypatch.setattr(clear_hints, "read_facts", lambda *_: SimpleNamespace(get=lambda _: ()))
    two = replace(SITE.probes, outbound=(*SITE.probes.outbound, OutboundProbe("other", "u@other.test")))
    bench: Any = SimpleNamespace(site=replace(SITE, probes=two), host=None, run="r", act=None)
    assert "0 hints cleared" in clear_hints.apply(bench, DESTINATION)
    assert {name for name, _ in [(one, force) for names, force in sent for one in names]} == {DESTINATION.argument}
    assert [force for _, force in sent] == [True], "against the hints"


def test_it_is_judged_as_any_message_goes_and_by_its_destination_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def outbound(_host: Any, section: Any, run: str, _policy: Any) -> Any:
        asked.append(([one.name for one in section.outbound], run))
        return tuple(Verdict(name, Status.OK, "well") for name in ("outbound-provider", "conntrack-growth"))

    monkeypatch.setattr(clear_hints.probe, "outbound", outbound)
    bench: Any = SimpleNamespace(site=SITE, host=None, run="r")
    assert [one.check for one in clear_hints.judge(bench, DESTINATION)] == ["outbound-provider"]
    assert asked == [([DESTINATION.argument], "r")]


def test_an_mta_without_hints_has_none_to_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clear_hints.refuse(SITE, DESTINATION) == ""
    assert SITE.probes.outbound[0].name in clear_hints.refuse(SITE, Order("clear-hints"))
    plain = SimpleNamespace(can=SimpleNamespace(hints=False), name="toy")
    monkeypatch.setattr(clear_hints, "find", lambda _: plain)
    assert clear_hints.refuse(SITE, DESTINATION) == "toy keeps no retry hints that can be cleared"
