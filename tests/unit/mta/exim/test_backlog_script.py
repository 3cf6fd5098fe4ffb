"""Which messages orders let through: the scripts, run for real on a made-up spool and log."""

from datetime import timedelta
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.backlog import Try
from mxlib.mta.exim import backlog_script
from mxlib.mta.exim import names as exim
from tests.unit.support.exim_backlog import NOW, Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def test_only_what_orders_let_through_is_chosen(spool):
    old = spool.put("a@x.test", age=900)
    young = spool.put("a@x.test", age=100)
    spool.put("a@x.test", "b@y.test")
    spool.put("a@x.test", frozen=True)
    wiki = spool.put("a@x.test", sender="wiki@lab.test")
    patterns = ["wiki@lab.test"]
    assert spool.choose("try x.test - - 9\n", patterns) == [old, young]
    assert spool.choose("try x.test - - 1\n", patterns) == [old]
    bound = exim.id_time(NOW - timedelta(seconds=500))
    assert spool.choose(f"try x.test - {bound} 9\n", patterns) == [young]
    assert spool.choose("try x.test 1 - 9\n", patterns) == [wiki]
    assert len(spool.choose("try x.test - - 9\ntry y.test - - 9\n", patterns)) == 3
    assert spool.choose("try x.test - - 9\nspare a@x.test\n", patterns) == []


def test_an_address_is_spared_by_the_name_it_is_delivered_to(spool):
    spool.put("joe@lab.test")
    other = spool.put("ann@lab.test")
    for name in ("joe", "ann"):
        spool.say("1xUeoW-00005z-0A", f"== {name}@x.test <{name}@lab.test> R=r T=t defer (1): x")
    assert spool.choose("try x.test - - 9\nspare joe@x.test\n") == [other]


def test_a_single_message_is_spared_by_its_id(spool):
    alone, other = spool.put("a@x.test"), spool.put("a@x.test")
    assert spool.choose(f"try x.test - - 9\nspare {alone}\n") == [other]


def test_an_address_with_a_blank_is_spared(spool):
    spool.put('"joe smith"@x.test')
    assert spool.choose(backlog_script.order_lines([Try("x.test", "-", None, 9)], ['"joe smith"@x.test'])) == []


def test_a_pattern_is_not_taken_for_a_command():
    with pytest.raises(ParseError):
        backlog_script.section(["x' ; reboot"])


def test_an_empty_queue_has_nothing_to_choose(spool):
    assert spool.choose("try x.test - - 5\n") == []


def test_orders_as_the_script_takes_them():
    when = exim.received_at("1xUaVg-00006Y-1v")
    tries = [Try("x.test", "1,3", when, 5), Try("y.test", "-", None, 9)]
    lines = backlog_script.order_lines(tries, ["a@x.test"])
    assert lines == "try x.test 1,3 1xUaVh 5\ntry y.test - - 9\nspare a@x.test\n"
    assert backlog_script.order_lines([], []) == ""


def test_an_order_takes_what_came_in_after_its_bound_and_not_at_it(spool):
    at, after = (spool.put("a@x.test", age=age) for age in (500, 499))
    bound = NOW - timedelta(seconds=500)
    orders = backlog_script.order_lines([Try("x.test", "-", bound, 9)], [])
    assert spool.choose(orders) == [after]
    earlier = backlog_script.order_lines([Try("x.test", "-", bound - timedelta(seconds=1), 9)], [])
    assert spool.choose(earlier) == [at, after]


def test_the_limit_of_an_order_counts_the_messages_to_it(spool):
    first = spool.put("a@x.test", "b@y.test", age=900)
    spool.put("a@x.test", "b@y.test", age=800)
    only = spool.put("b@y.test", age=700)
    assert spool.choose("try x.test - - 1\ntry y.test - - 2\n") == [first, only]


def test_a_message_that_is_done_but_for_one_recipient_goes_where_that_one_is(spool):
    ours = spool.put("u1@ok.test", "a@x.test", tree="NY u1@ok.test\nNN bcc@else.test")
    assert spool.choose("try x.test - - 9\n") == [ours]


def test_intermediate_files_are_removed(spool):
    spool.put("a@x.test")
    spool.choose("try x.test - - 9\n")
    assert spool.folders() == []


def test_the_empty_sender_of_a_bounce_is_a_class_of_its_own(spool):
    spool.put("a@x.test")
    bounce = spool.put("a@x.test", sender="")
    assert spool.choose("try x.test 1 - 9\n", ["<>"]) == [bounce]


def test_a_crowd_at_one_destination_does_not_hide_the_hosts_of_another(spool):
    for number in range(205):
        spool.put(f"person{number}@lists.test", age=900)
    spool.put("postmaster@provider.test", age=10)
    assert spool.backlog().names["provider.test"] == {"mx.provider.test"}


def test_a_message_in_a_named_queue_is_chosen_with_the_name_of_its_queue(spool):
    plain, slow = spool.put("a@x.test", age=900), spool.put("a@x.test", queue="slow")
    split = spool.put("a@x.test", age=30)
    (spool.input / "a").mkdir()
    (spool.input / f"{split}-H").rename(spool.input / "a" / f"{split}-H")
    spool.put("a@x.test", queue="odd;one")
    assert spool.choose("try x.test - - 9\n") == [plain, f"slow/{slow}", split]
    assert spool.backlog().total == 4


@pytest.mark.parametrize("recipient", ['"john smith"@x.test', '"a@b"@x.test', "jörg@x.test", '"q\\"uote"@x.test'])
def test_a_local_part_in_quotes_or_in_utf_8_has_the_domain_after_it(spool, recipient):
    odd = spool.put(recipient)
    assert [heap.domain for heap in spool.backlog().heaps] == ["x.test"]
    assert spool.choose("try x.test - - 9\n") == [odd]
