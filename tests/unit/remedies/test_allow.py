"""A temporary hole: who may ask for one, that it is seen to stand, and that it is closed before its time."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.base.verdict import Status
from mxlib.facts import firewall, hole
from mxlib.facts.hole import DIRECTORY
from mxlib.facts.source import Facts
from mxlib.remedies import allow
from mxlib.remedies.bounds import Order
from tests.unit.support.healthy import FERM, HOLE_RULE, NFTABLES, host, with_hole
from tests.unit.support.remedy_host import SITE, called, sh

ORDER = Order("allow", "2001:db8:51::10", 1800)


def bench(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the remedy works with: a host that says this, and runs nothing."""
    acts: list[tuple[str, float]] = []
    monkeypatch.setattr(allow, "read_facts", lambda _host, _sources: facts)

    def act(script: str, timeout: float) -> Any:
        acts.append((script, timeout))
        return SimpleNamespace(output="open until 05:20:00 UTC\n")

    return SimpleNamespace(site=SITE, host=None, act=act, acts=acts, who="op@cumin1001", why="mail\nstalls")


@pytest.mark.parametrize(
    ("argument", "seconds", "why"),
    [
        ("198.51.100.10", 30, ""),
        ("198.51.100.10", 29, "29 s: --for is from 30 s to 4 h 0 min"),
        ("198.51.100.10", 14400, ""),
        ("198.51.100.10", 14401, "--for is from 30 s to 4 h 0 min"),
        ("198.51.100.10", -1, "0 s: --for is from"),
        ("198.48.0.0/20", 60, ""),
        ("198.48.0.0/19", 60, "the widest /20 for IPv4 and /48 for IPv6"),
        ("2001:db8::/48", 60, ""),
        ("2001:db8::/47", 60, "the widest /20 for IPv4 and /48 for IPv6"),
        ("", 60, "no address: an address or a network is needed"),
    ],
)
def test_only_an_address_or_a_small_network_and_not_for_long(argument: str, seconds: float, why: str) -> None:
    said = allow.refuse(SITE, Order("allow", argument, seconds))
    assert (said == "") is (why == "")
    assert why in said


def test_it_is_opened_where_the_packet_filter_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(host(NFTABLES), monkeypatch)
    said = allow.apply(made, ORDER)
    assert said == "answers from 2001:db8:51::10 are let through: open until 05:20:00 UTC (nft inet filter input)"
    ((script, timeout),) = made.acts
    assert "who=%s" in script
    assert "op@cumin1001 'mail stalls'" in script.replace("' '", " '"), "who and why lie on the host, in one line"
    assert timeout == 60.0


def test_where_nothing_drops_a_hole_would_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = host(NFTABLES)
    found = facts.get(firewall.SOURCE)
    monkeypatch.setattr(firewall, "SOURCE", SimpleNamespace())
    answers = SimpleNamespace(get=lambda _source: replace(found, chains=()))
    made = bench(answers, monkeypatch)  # type: ignore[arg-type]
    with pytest.raises(StepError, match="nothing drops packets for IPv6 here"):
        allow.apply(made, ORDER)
    assert made.acts == []


def test_what_is_no_address_never_becomes_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(host(NFTABLES), monkeypatch)
    with pytest.raises(StepError, match=r"not an address: '\$\(reboot\)'"):
        allow.apply(made, Order("allow", "$(reboot)", 60))
    assert made.acts == []


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        (with_hole(FERM), Status.OK),
        (with_hole(FERM, timer="inactive"), Status.FAILED),
        (with_hole(FERM, rule=""), Status.FAILED),
        (with_hole(FERM, rule=HOLE_RULE.replace("--10", "--11")), Status.FAILED),
        (with_hole(FERM, timer=None), Status.FAILED),
    ],
    ids=["stands", "nothing closes it", "no rule", "the rule of another one", "not written down"],
)
def test_it_stands_with_its_rule_and_what_closes_it(
    facts: Facts, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    (verdict,) = allow.judge(bench(facts, monkeypatch), ORDER)
    assert (verdict.check, verdict.status) == ("hole-stands", status)
    assert [one.command for one in verdict.evidence][:1] == [hole.SECTION.name]
    (other,) = allow.judge(bench(facts, monkeypatch), replace(ORDER, argument="198.51.100.10"))
    assert other.status is Status.FAILED


def test_a_rehearsal_shows_what_arms_and_what_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    timer, rule = allow.commands(bench(host(NFTABLES), monkeypatch), ORDER)
    assert timer.startswith("systemd-run --on-active=1800 --unit mx-hole-2001-db8-51--10 ")
    assert rule.startswith("TZ=UTC nft insert rule inet filter input ip6 saddr 2001:db8:51::10 ")


# --- closing


@pytest.mark.parametrize(
    ("argument", "closed"),
    [("", ["2001-db8-51--10", "198-51-100-10"]), ("198.51.100.10", ["198-51-100-10"]), ("192.0.2.1", [])],
    ids=["all", "one", "none is there"],
)
def test_what_closes_a_hole_is_run(tmp_path: Any, argument: str, closed: list[str]) -> None:
    (tmp_path / "holes").mkdir()
    for name in ("2001-db8-51--10", "198-51-100-10"):
        (tmp_path / "holes" / f"{name}.close").write_text(f"systemctl stop {name}\n")
    done = sh(f"set -eu\n{allow.close_script(Order('close-hole', argument))}", tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(closed)))
    assert sorted(called(tmp_path)) == sorted(f"systemctl stop {name}" for name in closed)


def test_a_hole_that_does_not_close_is_no_success(tmp_path: Any) -> None:
    (tmp_path / "holes").mkdir()
    (tmp_path / "holes" / "198-51-100-10.close").write_text("exit 1\n")
    assert sh(f"set -eu\n{allow.close_script(Order('close-hole'))}", tmp_path).returncode != 0


@pytest.mark.parametrize(("output", "said"), [("1\n", "1 hole closed"), ("2\n", "2 holes closed"), ("?", "closed")])
def test_how_many_were_closed(output: str, said: str) -> None:
    made: Any = SimpleNamespace(act=lambda script, timeout: SimpleNamespace(output=output))
    assert allow.apply_close(made, Order("close-hole")) == said


def test_only_an_address_or_nothing_is_closed() -> None:
    assert allow.refuse_close(SITE, Order("close-hole")) == ""
    assert allow.refuse_close(SITE, Order("close-hole", "192.0.2.1")) == ""
    assert "not an address" in allow.refuse_close(SITE, Order("close-hole", f"{DIRECTORY}/x"))
