"""What waits and where to: the script runs for real on a made-up spool and log, with a router of its own."""

from datetime import timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import backlog, backlog_script
from mxlib.mta.exim.logline import Cause
from tests.unit.support.exim_backlog import NOW, Spool
from tests.unit.support.facts import output


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path)


def heaps(found):
    return {(heap.domain, heap.senders): (heap.count, heap.frozen) for heap in found.heaps}


def test_an_alias_is_followed_by_the_log_and_else_by_the_router(spool):
    spool.put("list-a@lab.test")
    spool.put("user1@lab.test")
    spool.put("someone@elsewhere.test", frozen=True)
    spool.say("1xUeoW-00005z-0A", "== list-a@lists.test <list-a@lab.test> R=dnslookup T=remote_smtp defer (111): "
              "Connection refused DT=0s")  # fmt: skip
    found = spool.backlog()
    assert heaps(found) == {
        ("lists.test", "-"): (1, 0), ("provider.test", "-"): (1, 0), ("elsewhere.test", "-"): (0, 1)
    }  # fmt: skip
    assert (found.total, found.frozen) == (3, 1)
    assert found.hosts == {
        "provider.test": {"2001:db8:51::10", "198.51.100.10"},
        "lists.test": {"198.51.100.30"},
    }


def test_what_the_log_says_of_a_destination(spool):
    spool.say("1xUeoW-00005z-0A", "== a@x.test <a@lab.test> R=r T=remote_smtp defer (111): Connection refused", 50)
    spool.say("1xUeoW-00005z-0B", "== a@x.test <a@lab.test> R=r T=remote_smtp defer (-54): retry time not reached for "
              "any host for 'x.test'", 40)  # fmt: skip
    spool.say("1xUeoW-00005z-0C", "=> b@y.test R=r T=remote_smtp H=mx.y.test [2001:db8::1] X=TLS C=\"250 OK\"", 35)
    spool.say("1xUeoW-00005z-0D", "== b@y.test R=r T=remote_smtp defer (-44) H=mx.y.test [192.0.2.7]: SMTP error from "
              "remote mail server after RCPT TO:<b@y.test>: 450 4.2.2 mailbox full", 30)  # fmt: skip
    spool.say("1xUeoW-00005z-0E", "=> c@z.test R=r T=remote_smtp H=mx.z.test [192.0.2.9] C=\"250 OK\"", 3600)
    spool.say("1xUeoW-00005z-0F", "=> /var/mail/joe <joe@lab.test> R=local T=address_file", 5)
    found = spool.backlog()
    x, y = found.lately["x.test"], found.lately["y.test"]
    assert (x.delivered, x.fails, x.host_fails, x.cause) == (None, 1, 1, Cause.REFUSED)
    assert (y.fails, y.host_fails, y.cause) == (1, 0, Cause.REMOTE_4XX)
    assert y.delivered is not None
    assert y.text.startswith("T=remote_smtp defer (-44)")
    assert "z.test" not in found.lately, "too long ago to prove anything"
    assert found.lately["(local)"].delivered is not None
    assert set(found.took) == {"2001:db8::1"}


def test_a_recipient_who_is_put_off_again_and_again_counts_once_until_the_next_delivery(spool):
    """A drain tries the one message that is left three times: that made a healthy destination "at fault"."""

    def put_off(who, age):
        spool.say("1xUeoW-00005z-0B", f"== {who} <x@lab.test> R=r T=remote_smtp defer (-44) H=mx.x.test [192.0.2.7]: "
                  f"SMTP error from remote mail server after RCPT TO:<{who}>: 450 4.2.2 mailbox full", age)  # fmt: skip

    def fails():
        lately = spool.backlog().lately["x.test"]
        return lately.fails, lately.host_fails

    spool.say("1xUeoW-00005z-0A", '=> a@x.test R=r T=remote_smtp H=mx.x.test [192.0.2.7] C="250 OK"', 90)
    for age in (80, 70, 60):
        put_off("Full@x.test", age)
    assert fails() == (1, 0)
    put_off("other@x.test", 50)
    put_off("full@x.test", 49)
    assert fails() == (2, 0)
    spool.say("1xUeoW-00005z-0C", '=> a@x.test R=r T=remote_smtp H=mx.x.test [192.0.2.7] C="250 OK"', 40)
    put_off("full@x.test", 30)
    assert fails() == (1, 0)
    for age in (20, 10):
        spool.say("1xUeoW-00005z-0D", "== full@x.test R=r T=remote_smtp defer (111): Connection refused", age)
    assert fails() == (3, 2), "each failure of a host counts"


def test_senders_are_kept_apart_where_the_retry_rules_do(spool):
    spool.put("a@x.test", sender="Wiki@lab.test")
    spool.put("a@x.test", sender="joe@lab.test")
    spool.put("a@x.test", sender="")
    found = spool.backlog(["wiki@lab.test", "*@lab.test"])
    assert heaps(found) == {("x.test", "1,2"): (1, 0), ("x.test", "2"): (1, 0), ("x.test", "-"): (1, 0)}


def test_ages(spool):
    spool.put("a@x.test", age=500)
    spool.put("a@x.test", age=100)
    heap = spool.backlog().heaps[0]
    assert (heap.oldest, heap.newest) == (NOW - timedelta(seconds=500), NOW - timedelta(seconds=100))
    assert spool.backlog().oldest == heap.oldest


def test_an_empty_queue(spool):
    found = spool.backlog()
    assert (found.total, found.heaps, found.oldest) == (0, (), None)


def test_a_rotated_log_is_read(spool):
    spool.say("1xUeoW-00005z-0A", "=> a@x.test R=r T=t H=mx [192.0.2.1]")
    spool.log.rename(f"{spool.log}.1")
    spool.log.write_text("")
    assert "x.test" in spool.backlog().lately


def test_addresses_are_data(spool):
    spool.put("$(touch)@lab.test", "-oX@lab.test", "'\"@x.test")
    assert {heap.domain for heap in spool.backlog().heaps} == {"lab.test", "x.test"}


@pytest.mark.parametrize("text", ["", "zone +0000\nnow 1\ntotal 1 0\n", "zone +0000\nnow 1\nend\n", "total x 0\nend\n"])
def test_what_is_cut_short_is_unknown(text):
    asked = backlog_script.section(())
    with pytest.raises(ParseError):
        backlog.parse(output(asked, text))


def test_a_quoted_local_part_in_the_log_has_the_domain_after_it(spool):
    spool.say("1xUeoW-00005z-0A", '=> "a b"@x.test <"c \\" d"@y.test> R=r T=t H=mx.x.test [192.0.2.7] C="250 OK"')
    spool.say("1xUeoW-00005z-0B", '== "a b"@z.test R=r T=t defer (111): Connection refused')
    spool.put('"c \\" d"@y.test')
    found = spool.backlog()
    assert set(found.lately) == {"x.test", "z.test"}
    assert heaps(found) == {("x.test", "-"): (1, 0)}


@pytest.mark.parametrize("kept", [0, 30, 120])
def test_a_header_file_that_is_cut_short_may_be_for_anybody(spool, kept):
    message = spool.put("a@x.test", "b@x.test")
    path = spool.input / f"{message}-H"
    path.write_text(path.read_text()[:kept] if kept < 120 else path.read_text().replace("b@x.test\n", ""))
    found = spool.backlog()
    assert found.total == 1
    assert ("?", "-") in heaps(found)
    assert spool.choose("try ? - - 9\ntry x.test - - 9\n") == []
