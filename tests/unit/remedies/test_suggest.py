"""Which remedy fits what fails."""

from dataclasses import replace

from mxlib.base.verdict import Status, Verdict
from mxlib.config.known_bad import load
from mxlib.config.remedy import RemedySection
from mxlib.config.sections import Site
from mxlib.facts.depool import gate
from mxlib.facts.source import Facts
from mxlib.remedies.bounds import Order
from mxlib.remedies.registry import REMEDIES
from mxlib.remedies.suggest import advise, suggest
from mxlib.verify.request import with_watched
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.failing import BDAT_IN, BDAT_OUT, recent
from tests.unit.support.healthy import CHECKS, FERM, NFTABLES, POLICY, host, judge, with_hole, with_unit
from tests.unit.support.remedy_host import SITE


def fitting(facts: Facts, *more: Verdict, site: Site = SITE) -> list[str]:
    """What is suggested for a host: for what its checks say, and for more."""
    entries = load()
    policy = with_watched(site.verify, entries)
    verdicts = [check.verdict(facts, policy) for check in CHECKS.values()]
    return [one.order.said for one in suggest([*verdicts, *more], facts, site, policy, entries)]


def failed_unit(name: str, host_name: str = NFTABLES) -> Facts:
    return host(host_name, unit_states=with_unit(name, ActiveState="failed", Result="exit-code"))


STALE = (
    "\n\nId=ifup@ens5.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=static\n"
    "Result=exit-code\nInactiveExitTimestampMonotonic=1000000\n"
)


def test_nothing_fits_a_healthy_host() -> None:
    assert fitting(host()) == []


def test_what_fits_what() -> None:
    assert fitting(failed_unit("spamd.service")) == ["restart-unit spamd.service"]
    assert fitting(failed_unit("nftables.service")) == ["reload-firewall"]
    assert fitting(host(unit_states=lambda text: text.rstrip() + STALE)) == ["clear-failed ifup@ens5.service"]
    assert fitting(with_hole(FERM)) == ["close-hole"]


def test_an_mta_that_died_is_restarted_though_its_unit_has_not_failed() -> None:
    assert fitting(host(mta_processes="end\n")) == ["restart-unit exim4.service"]
    for state in ("masked", "not-found"):
        gone = host(mta_processes="end\n", mta_unit=lambda text, state=state: text.replace("=loaded", f"={state}"))
        assert fitting(gone) == []


def test_an_mta_that_a_run_holds_is_left_at_rest() -> None:
    def dropped(text: str) -> str:
        return text.replace("DropInPaths=", f"DropInPaths={gate('exim4.service')}")

    assert fitting(host(mta_processes="end\n", mta_unit=dropped, mta_hold="yes\n")) == []
    assert fitting(host(mta_processes="end\n", mta_unit=dropped, mta_hold="no\n")) == ["restart-unit exim4.service"]


def test_a_generator_of_aliases_that_failed_at_boot_is_started_once_more() -> None:
    site = replace(SITE, aliases=(GENERATOR,))
    failed = STALE.replace("ifup@ens5.service", GENERATOR.unit)
    facts = host(unit_states=lambda text: text.rstrip() + failed)
    verdicts = [judge("units", facts)]
    assert [one.order.said for one in suggest(verdicts, facts, site, POLICY)] == [f"restart-unit {GENERATOR.unit}"]
    assert suggest(verdicts, facts, SITE, POLICY) == ()
    order = Order("restart-unit", GENERATOR.unit)
    assert REMEDIES["restart-unit"].refuse(site, order) == ""
    assert "aliases name" in REMEDIES["restart-unit"].refuse(SITE, order)


def test_a_masked_or_missing_unit_has_no_remedy() -> None:
    masked = with_unit("spamd.service", ActiveState="inactive", LoadState="masked")
    assert fitting(host(unit_states=masked)) == []


def test_a_failed_unit_that_nobody_named_has_no_remedy() -> None:
    odd = STALE.replace("ifup@ens5", "backup")
    assert fitting(host(unit_states=lambda text: text.rstrip() + odd)) == []


def test_mitigations_within_the_bounds() -> None:
    key = "net.ipv4.tcp_fastopen_blackhole_timeout_sec"
    site = replace(SITE, verify=replace(POLICY, sysctls={key: "3600"}))
    assert fitting(host(), site=site) == [f"set-sysctl {key}=3600"]
    old = host(kernel=lambda text: text.replace("6.1.192-1", "5.10.70-1"))
    assert f"set-sysctl {key}=3600" in fitting(old)
    assert fitting(old, site=replace(SITE, remedy=RemedySection(sysctls={}))) == []


UNTRIED = Verdict("outbound-provider", Status.UNKNOWN, "0 of 2 test mails delivered; 2048 bytes, number 1: not tried")
STALLED = Verdict(
    "outbound-provider",
    Status.FAILED,
    "0 of 2; failed over IPv6, timeout after end of data: == u@p.test H=mx [2001:db8:51::10]: SMTP timeout after end",
)


def test_mail_that_does_not_get_out() -> None:
    assert fitting(host(), UNTRIED) == ["clear-hints provider"]
    assert fitting(host(), STALLED) == ["allow --from 2001:db8:51::10 --for 30m"]
    refused = replace(STALLED, why="connection refused [198.51.100.10]")
    assert fitting(host(), refused) == []
    assert fitting(host(), replace(UNTRIED, status=Status.FAILED)) == []
    bounced = replace(UNTRIED, status=Status.FAILED, why="0 of 2; 2048 bytes, 1st: not tried, and bounced, ** u@p.test")
    assert fitting(host(), bounced) == ["clear-hints provider"]


def test_what_cannot_be_read_gets_no_remedy() -> None:
    facts = host()
    outputs = {key: replace(output, exit_code=None, output="") for key, output in facts.outputs.items()}
    assert fitting(replace(facts, outputs=outputs)) == []


def test_what_is_suggested_is_within_the_bounds() -> None:
    facts = failed_unit("spamd.service")
    for one in suggest([judge("units", facts), UNTRIED, STALLED], facts, SITE, POLICY, ()):
        assert REMEDIES[one.order.remedy].refuse(SITE, one.order) == ""


def test_what_the_log_shows_is_advised_on_once_it_fails() -> None:
    for line, ids, setting in ((BDAT_IN, False, "chunking_advertise_hosts ="), (BDAT_OUT, True, "! mx.a.test : *")):
        facts = host(maillog_recent=recent(5, line, ids=ids))
        (said,) = advise([judge("log", facts)], facts, POLICY)
        assert setting in said
        assert fitting(facts) == [], "no remedy edits the configuration"
    below = host(maillog_recent=recent(4, BDAT_IN, ids=False))
    assert advise([judge("log", below)], below, POLICY) == ()


def test_no_advice_where_the_version_is_unknown() -> None:
    facts = host(maillog_recent=recent(5, BDAT_IN, ids=False), mta_version="")
    assert advise([judge("log", facts)], facts, POLICY) == ()
