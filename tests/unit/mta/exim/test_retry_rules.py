"""Retry rules as Exim prints them, and the least time until it gives up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.base.errors import ParseError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.retry_rules import (
    RULES,
    RetryRule,
    cutoff,
    matches_sender,
    parse,
    parse_rules,
    sender_patterns,
)
from tests.unit.support.facts import ShellHost

# `exim4 -bP config | sed -n '/^begin retry$/,$p'`, Exim 4.96
PRINTED = """begin retry
  * * senders=wiki@lab.test F,1h,15m; G,8h,1h,1.5
  * * F,2h,15m; G,16h,1h,1.5; F,4d,6h
"""
HOUR, DAY = 3600.0, 86400.0


def test_the_rules_of_the_incidents_site():
    rules = parse_rules(PRINTED)
    assert rules == (RetryRule("*", "*", ("wiki@lab.test",), 8 * HOUR), RetryRule("*", "*", (), 4 * DAY))
    assert sender_patterns(rules) == ("wiki@lab.test",)
    assert cutoff(rules, "provider.test", ["wiki@lab.test"]) == 8 * HOUR
    assert cutoff(rules, "provider.test", []) == 4 * DAY


@pytest.mark.parametrize(
    ("lines", "domain", "matched", "expected"),
    [
        ("a.test * F,1h,5m\n* * F,2h,5m", "a.test", [], HOUR),
        ("a.test * F,1h,5m\n* * F,2h,5m", "b.test", [], 2 * HOUR),
        ("*.a.test * F,1h,5m\n* * F,2h,5m", "x.a.test", [], HOUR),
        ("*@a.test * F,1h,5m\n* * F,2h,5m", "a.test", [], HOUR),
        # one mailbox, one kind of failure, a lookup: may apply, so the lesser counts
        ("joe@a.test * F,1h,5m\n* * F,2h,5m", "a.test", [], HOUR),
        ("joe@a.test * F,1h,5m\n* * F,2h,5m", "b.test", [], 2 * HOUR),
        ("* refused F,1h,5m\n* * F,2h,5m", "a.test", [], HOUR),
        ("* quota F,3h,5m\n* * F,2h,5m", "a.test", [], 2 * HOUR),
        ("lsearch;/etc/slow * F,1h,5m\n* * F,2h,5m", "a.test", [], HOUR),
        ("* * senders=lsearch;/etc/some F,1h,5m\n* * F,2h,5m", "a.test", [], HOUR),
        ("* * senders=*@a.test:b@c.test F,1h,5m\n* * F,2h,5m", "x.test", ["*@a.test"], HOUR),
        # the host or the domain has a name that is not known: whatever may be about it counts
        ("a.test * F,1h,5m\n* * F,2h,5m", "?", [], HOUR),
        ("* * F,2h,5m\na.test * F,1h,5m", "?", [], 2 * HOUR),
        # Exim's spec.txt has this one for bounces: an item with nothing in it is the empty sender
        ("* rcpt_4xx senders=: F,1h,5m\n* * F,2h,5m", "a.test", [], 2 * HOUR),
        ("* * senders=: F,1h,5m\n* * F,2h,5m", "a.test", ["<>"], HOUR),
        # no rule: the first temporary failure is final
        ("a.test * F,1h,5m", "b.test", [], 0.0),
        ("", "b.test", [], 0.0),
        ("* *", "b.test", [], 0.0),
        ("* * F,1d12h,5m", "b.test", [], 1.5 * DAY),
        ('"a.test" * F,2w,1d', "a.test", [], 0.0 + 14 * DAY),
    ],
)
def test_the_least_cutoff(lines, domain, matched, expected):
    assert cutoff(parse_rules(f"begin retry\n{lines}\n"), domain, matched) == expected


@pytest.mark.parametrize("text", ["", "begin routers\n", "begin retry\nnonsense\n", "begin retry\n* * F,soon\n"])
def test_what_cannot_be_read_is_an_error(text):
    with pytest.raises(ParseError):
        parse_rules(text)


def test_what_follows_the_section_is_not_read():
    assert parse_rules("begin retry\n  * * F,1h,5m\n\nbegin rewrite\n  * x\n") == (RetryRule("*", "*", (), HOUR),)


def test_senders():
    assert matches_sender("*@Lab.test".lower(), "Wiki@lab.test")
    assert matches_sender("*", "")
    assert not matches_sender("wiki@lab.test", "xwiki@lab.test")
    assert matches_sender("<>", "")
    assert not matches_sender("<>", "wiki@lab.test")
    assert matches_sender("*@wiki.test", "j??rg@wiki.test")


PATTERN = st.sampled_from(["*", "a.test", "*.test", "joe@a.test", "lsearch;/x", "*@b.test"])
RULE = st.builds(
    RetryRule,
    PATTERN,
    st.sampled_from(["*", "quota", "timeout_connect"]),
    st.lists(st.sampled_from(["*", "wiki@a.test", "*@a.test", "lsearch;/x"]), max_size=2).map(tuple),
    st.floats(0, 10 * DAY),
)


SURELY_FOR = {
    "*": ["a.test", "b.test", "c.example"],
    "a.test": ["a.test"],
    "*.test": ["a.test", "b.test"],
    "*@b.test": ["b.test"],
}


@given(st.lists(RULE, max_size=6), st.sampled_from(["a.test", "b.test", "c.example"]), st.booleans())
def test_never_more_than_the_first_rule_that_surely_applies(rules, domain, is_wiki):
    matched = ["wiki@a.test", "*@a.test", "*"] if is_wiki else ["*"]
    sure = [
        rule.cutoff
        for rule in rules
        if domain in SURELY_FOR.get(rule.pattern, [])
        and rule.error == "*"
        and (not rule.senders or set(rule.senders) & set(matched))
    ]
    found = cutoff(rules, domain, matched)
    assert found == 0.0 or found in [rule.cutoff for rule in rules]
    if sure:
        assert found <= sure[0]


def test_a_rule_about_full_mailboxes_is_none_of_remote_domains():
    # exim4 -brt user@customer.test of Exim 4.96 with these rules: F,4d,6h
    rules = parse_rules("begin retry\n* quota F,1m,1m\n* auth_failed F,1h,1m\n* * F,2h,15m; F,4d,6h\n")
    assert cutoff(rules, "(local)", ()) == 60
    assert cutoff(rules, "customer.test", ()) == 3600, "one that may come from a remote host still counts"


@pytest.mark.parametrize(
    ("transport", "expected"), [("hosts_require_auth = *", HOUR), ("hosts_try_auth = *", 2 * HOUR)]
)
def test_a_login_fails_only_where_a_transport_demands_one(tmp_path, transport, expected):
    config = tmp_path / "exim4"
    lines = f"begin transports\n  {transport}\nbegin retry\n  * auth_failed F,1h,1m\n  * * F,2h,15m\n"
    config.write_text(f"#!/bin/sh\ncat <<'E'\n{lines}E\n")
    config.chmod(0o755)
    script = RULES.script.replace(exim.BINARY, str(config))
    rules = parse(ShellHost().read(script, timeout=10).output)
    assert rules.after("customer.test", "-").total_seconds() == expected


def test_a_failure_that_only_may_be_a_failed_login_counts_as_one_if_nothing_else_is_known():
    assert cutoff(parse_rules("begin retry\n* auth_failed F,1h,1m\n* * F,2h,15m\n"), "customer.test", ()) == HOUR
