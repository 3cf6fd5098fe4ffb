"""What is to be verified, what can be asked for, and what is judged of a host out of service."""

import pytest

from mxlib.base.errors import HostUnreachableError
from mxlib.base.verdict import Status
from mxlib.config.known_bad import load
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.section import build_script
from mxlib.verify import request as verify
from mxlib.verify.request import VerificationScope, condition, with_watched, without_mta
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.verifying import POLICY, PROBES, Recorded, report, verdict


def test_the_condition_is_read_in_one_round_trip_and_leaves_the_mta_out():
    host = Recorded()
    verdicts = condition(host, POLICY)
    assert host.asked == 1
    assert {one.status for one in verdicts} == {Status.OK}
    assert not {"mta", "queue", "queue-trend", "log", "puppet", "depool"} & {one.check for one in verdicts}


def test_the_condition_of_a_host_that_does_not_answer_is_unknown():
    verdicts = condition(Recorded(error=HostUnreachableError("no session")), POLICY)
    assert {(one.status, one.why) for one in verdicts} == {(Status.UNKNOWN, "not asked: no session")}
    assert {"kernel", "disk", "units"} <= {one.check for one in verdicts}


def test_an_mta_that_is_stopped_on_purpose_is_not_missed():
    narrowed = without_mta(POLICY)
    assert narrowed.required_units == ("ssh.service", "ferm.service|nftables.service", "spamd.service")
    assert "exim4.service" in narrowed.ignored_units
    alone = without_mta(VerifyPolicy(required_units=("exim4.service",)))
    assert alone.required_units == ("exim4.service",), "a site cannot require no unit at all"


def test_what_makes_a_known_bad_kernel_harmless_is_read_too():
    entries = load()
    keys = {key for entry in entries for key, _ in entry.unless}
    assert keys
    policy = with_watched(VerifyPolicy(watched_sysctls=("net.own",)), entries)
    assert policy.watched_sysctls[0] == "net.own"
    assert keys <= set(policy.watched_sysctls)
    assert with_watched(policy, entries) == policy


@pytest.mark.parametrize(
    ("only", "skip", "wanted"),
    [((), (), {"a", "b"}), (("a",), (), {"a"}), ((), ("a",), {"b"}), (("a",), ("a",), set())],
)
def test_what_was_asked_for(only, skip, wanted):
    request = VerificationScope(POLICY, only=only, skip=skip)
    assert set(filter(request.wants, ("a", "b"))) == wanted
    assert request.wants_any(("a", "b")) is bool(wanted)


def test_a_host_is_as_bad_as_its_worst_verdict():
    bad, blind, good = (verdict("x", status) for status in (Status.FAILED, Status.UNKNOWN, Status.OK))
    assert report("a", good, blind, bad).status is Status.FAILED
    assert report("a", good, blind).status is Status.UNKNOWN
    assert report("a", good).status is Status.OK
    assert report("a").status is Status.UNKNOWN


def test_names_that_can_be_asked_for():
    names = VerificationScope(POLICY, probes=PROBES).names
    assert {"firewall", "kernel", "outbound-lists", "conntrack-growth", "inbound-v4", "certificate"} <= set(names)
    assert "certificate" not in VerificationScope(POLICY).names


def test_the_script_fits_one_command():
    sections = [s for c in verify.all_checks(()) for source in c.sources(POLICY) for s in source.sections]
    script = build_script(list(dict.fromkeys(sections)), "@@0123456789abcdef")
    assert len(script) < 30_000


def test_names_of_the_generated_aliases_that_can_be_asked_for():
    assert {"aliases", "aliases-peers", "aliases-answers"} <= set(
        VerificationScope(VerifyPolicy(), probes=PROBES, aliases=(GENERATOR,)).names
    )
    assert "aliases-answers" not in VerificationScope(VerifyPolicy(), aliases=(GENERATOR,)).names
    assert not [name for name in VerificationScope(VerifyPolicy()).names if name.startswith("aliases")]
