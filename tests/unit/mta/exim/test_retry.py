"""When mail bounces: what a verification and a drain say of one message is the same."""

import pytest

from mxlib.facts.source import FactUnknownError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import queue, retry, retry_rules
from tests.unit.support.exim_spool import DEFERRED, FROZEN_BOUNCE, PARTLY, header
from tests.unit.support.facts import ShellHost, fact

RULES = "begin retry\n* * senders=wiki@lab.test F,1h,15m; G,8h,1h,1.5\nslow.test * F,2d,1h\n* * F,2h,15m; F,4d,6h\n"
UTF8 = "1zZZZZ-00000A-0A"
ROUTED = f"asked yes\n{DEFERRED} slow.test=mx.slow.test\n{PARTLY} a.test=mx.a.test\nend\n"
NOW = exim.received_at(DEFERRED).timestamp() + 3600


def read(rows, rules=RULES, routes=ROUTED):
    return fact(retry.SOURCE, f"{rows}now {NOW:.0f}\nend\n", rules, routes)


def test_the_time_left_is_that_of_the_rule_for_domain_and_sender():
    found = read(f"{DEFERRED} -- alice@lab.test a.test\n{PARTLY} -- wiki@lab.test a.test\n")
    assert found.left[DEFERRED] == 4 * 86400 - 3600
    assert found.left[PARTLY] == pytest.approx(7 * 3600, abs=60)
    assert found.earliest == PARTLY
    assert found.within(8 * 3600) == (PARTLY,)


def test_of_several_recipients_the_one_that_is_given_up_first_counts():
    found = read(f"{DEFERRED} -- alice@lab.test a.test slow.test b.test\n")
    assert (found.left[DEFERRED], found.domains[DEFERRED]) == (2 * 86400 - 3600, "slow.test")


def test_a_drain_says_the_same():
    found = read(f"{DEFERRED} -- wiki@lab.test slow.test\n")
    rules = retry_rules.parse(RULES)
    assert found.left[DEFERRED] + 3600 == rules.after("slow.test", "1").total_seconds() == 8 * 3600


def test_a_rule_for_a_host_counts_for_what_is_handed_to_it():
    rules = f"begin retry\nmx.slow.test * F,1m,10s\n{RULES.removeprefix('begin retry')}"
    assert read(f"{DEFERRED} -- alice@lab.test slow.test\n", rules).left[DEFERRED] == 60 - 3600
    assert read(f"{DEFERRED} -- alice@lab.test a.test\n", rules).left[DEFERRED] == 4 * 86400 - 3600


@pytest.mark.parametrize("routed", ["asked no\n", "asked yes\nend\n"])
def test_mail_that_exim_was_not_asked_about_may_go_to_any_host(routed):
    rules = f"begin retry\nmx.slow.test * F,1m,10s\n{RULES.removeprefix('begin retry')}"
    found = read(f"{DEFERRED} -- alice@lab.test a.test\n", rules, routed)
    assert (found.left[DEFERRED], found.domains[DEFERRED]) == (60 - 3600, "a.test")


def test_frozen_mail_and_bounces_are_left_out():
    assert read(f"{DEFERRED} f- alice@lab.test a.test\n{FROZEN_BOUNCE} -b - a.test\n{PARTLY} -- a@b\n").left == {}


@pytest.mark.parametrize(("rows", "rules"), [("x\n", RULES), ("", ""), ("", "begin retry\n* *\tnonsense,\n")])
def test_what_is_not_understood_is_unknown(rows, rules):
    with pytest.raises(FactUnknownError):
        read(rows, rules)
    with pytest.raises(FactUnknownError):
        fact(retry.SOURCE, f"{DEFERRED} -- a@b a.test\n", RULES, ROUTED)
    with pytest.raises(FactUnknownError):
        read("", routes="asked yes\n")


def test_the_sender_and_the_domains_still_to_do_are_read_from_the_headers(tmp_path):
    (tmp_path / "input").mkdir()
    messages = {
        DEFERRED: header(DEFERRED, ['"john q. doe"@Slow.test', 'jörg@left.test', "plain@left.test 12,1 0,1 #1"]),
        PARTLY: header(PARTLY, ["a@done.test", "b@left.test"], tree="NN a@done.test", sender="Wiki@lab.test"),
        UTF8: header(UTF8, ["a@left.test"], sender="jörg@wiki.test"),
    }
    for name, text in messages.items():
        (tmp_path / "input" / f"{name}-H").write_text(text, encoding="utf-8")
    said = ShellHost().read(queue.HEADERS.script.replace(exim.SPOOL, str(tmp_path)), timeout=10).output
    found = queue.parse_messages(said)
    assert [(one.sender, one.domains) for one in found] == [
        ("alice@lab.test", ("slow.test", "left.test")),
        ("wiki@lab.test", ("left.test",)),
        ("j??rg@wiki.test", ("left.test",)),
    ]
