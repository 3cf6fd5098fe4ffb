"""What a run asks of a host, as the site's configuration says."""

import dataclasses

import pytest

from mxlib.base.verdict import Status, Verdict
from mxlib.config.known_bad import KnownBadAction, load
from mxlib.config.load import parse
from mxlib.probes import verdicts as probe
from mxlib.verify.request import condition_sources
from mxlib.verify.verifier import HostVerifier
from tests.unit.support.facts import facts_of
from tests.unit.support.healthy import host as facts_of_host
from tests.unit.support.site import TEN_LINES
from tests.unit.support.verifying import POLICY, Recorded

SITE = dataclasses.replace(parse(TEN_LINES, "test"), verify=POLICY)
ENTRIES = load()
OTHER_KERNEL = "6.1.0-56-cloud-amd64"


@pytest.fixture
def verifier():
    return HostVerifier(SITE, ENTRIES, "run-1", dry_run=False)


def test_the_condition_is_the_same_read_alone_or_together_with_something_else(verifier):
    host = Recorded()
    alone = verifier.condition(host)
    together = verifier.judged(facts_of_host())
    assert host.asked == 1
    assert [(one.check, one.status) for one in alone] == [(one.check, one.status) for one in together]
    assert {one.status for one in alone} == {Status.OK}
    wanted = [source.sections for source in condition_sources(POLICY, ENTRIES)]
    assert [source.sections for source in verifier.sources()] == wanted


def with_other_kernel(version):
    """The host, whose other kernel is of another package version."""
    return facts_of_host(
        kernel=lambda text: text.replace(f"{OTHER_KERNEL} 6.1.192-2", f"{OTHER_KERNEL} {version}")
    )


def test_an_installed_kernel_that_nothing_is_known_against(verifier):
    verdict = verifier.known_bad(facts_of_host(), OTHER_KERNEL)
    assert (verdict.check, verdict.status) == ("known-bad", Status.OK)
    assert "6.1.192-2" in verdict.why


def test_a_kernel_is_judged_by_the_entries_and_by_what_makes_them_harmless(verifier):
    facts = with_other_kernel("5.10.70-1")
    assert verifier.known_bad(facts, OTHER_KERNEL).status is not Status.OK
    assert HostVerifier(SITE, (), "run-1", dry_run=False).known_bad(facts, OTHER_KERNEL).status is Status.OK


def test_a_kernel_that_the_list_only_warns_of_passes_and_says_so():
    warned = tuple(dataclasses.replace(one, action=KnownBadAction.WARN) for one in ENTRIES)
    verdict = HostVerifier(SITE, warned, "run-1", dry_run=False).known_bad(with_other_kernel("5.10.70-1"), OTHER_KERNEL)
    assert verdict.status is Status.OK
    assert "2021-12-mx-conntrack" in verdict.warnings[0]


def test_a_kernel_that_is_not_installed_is_unknown(verifier):
    assert verifier.known_bad(facts_of_host(), "6.1.0-99-cloud-amd64").status is Status.UNKNOWN


def test_a_host_whose_kernels_could_not_be_read_is_unknown(verifier):
    verdict = verifier.known_bad(facts_of({}), OTHER_KERNEL)
    assert (verdict.check, verdict.status) == ("known-bad", Status.UNKNOWN)


def test_test_mails_carry_the_run_and_insist_past_stale_hints(verifier, monkeypatch):
    calls = []

    def outbound(host, section, run_tag, policy, **options):
        calls.append((host.name, section, run_tag, policy, options))
        return (Verdict("outbound-x", Status.OK, "well"),)

    monkeypatch.setattr(probe, "outbound", outbound)
    assert [one.check for one in verifier.outbound(Recorded())] == ["outbound-x"]
    assert calls == [("mx1001.lab.test", SITE.probes, "run-1", POLICY, {"untried": probe.Untried.REPLACED})]


def test_a_dry_run_sends_nothing(monkeypatch):
    def outbound(*_, **__):
        raise AssertionError("a dry run sends nothing")

    monkeypatch.setattr(probe, "outbound", outbound)
    assert HostVerifier(SITE, ENTRIES, "run-1", dry_run=True).outbound(Recorded()) == ()


def test_a_host_is_asked_from_outside_by_its_name(verifier, monkeypatch):
    calls = []
    monkeypatch.setattr(probe, "inbound", lambda *given: calls.append(given) or ())
    verifier.inbound(Recorded())
    assert calls == [("mx1001.lab.test", SITE.probes, POLICY)]
