"""What waits and where to: the scripts run for real on a made-up spool and log, with a router of our own."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import backlog, backlog_script
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.logline import Cause
from tests.unit.support.exim_spool import header
from tests.unit.support.facts import output

NOW = datetime.now(UTC).replace(microsecond=0)
ROUTER = """#!/bin/sh
shift
for address; do
case $address in
user*@lab.test|postmaster@provider.test) name=${address%@*}
echo "$name@provider.test"; echo "    <-- $address"; echo "  router = dnslookup, transport = remote_smtp"
echo "  host mx.provider.test [2001:db8:51::10] MX=10"; echo "  host mx.provider.test [198.51.100.10] MX=10";;
postmaster@lists.test) echo "$address"; echo "  router = dnslookup, transport = remote_smtp"
echo "  host mx.lists.test [198.51.100.30] MX=10";;
*) echo "$address is undeliverable: Unrouteable address";;
esac
done
"""


class Spool:
    def __init__(self, path):
        self.path = path
        self.input = path / "input"
        self.input.mkdir()
        self.log = path / "mainlog"
        self.log.write_text("")
        self.exim = path / "exim4"
        self.exim.write_text(ROUTER)
        self.exim.chmod(0o755)
        self.count = 0

    def put(self, *recipients, age=60, sender="alice@lab.test", frozen=False):
        self.count += 1
        message_id = f"{exim.id_time(NOW - timedelta(seconds=age))}-{self.count:06d}-0A"
        options = "-frozen 1763690988\n" if frozen else ""
        (self.input / f"{message_id}-H").write_text(header(message_id, recipients, sender=sender, options=options))
        return message_id

    def say(self, message_id, text, ago=30):
        when = (datetime.now() - timedelta(seconds=ago)).strftime("%Y-%m-%d %H:%M:%S")
        with self.log.open("a") as file:
            file.write(f"{when} {message_id} {text}\n")

    def run(self, script):
        for real, ours in ((exim.SPOOL, self.path), (exim.MAINLOG, self.log), (exim.BINARY, self.exim)):
            script = script.replace(str(real), str(ours))
        script = script.replace("mktemp -d /run/", f"mktemp -d {self.path}/")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def backlog(self, patterns=()):
        asked = backlog_script.section(patterns)
        return backlog.parse(output(asked, self.run(asked.script)))

    def choose(self, orders, patterns=()):
        return self.run(backlog_script.choose_script(patterns, orders)).split()


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


def test_senders_are_told_apart_where_the_retry_rules_do(spool):
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
    assert spool.choose("try x.test - - 5\n") == []


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


def test_a_pattern_is_not_taken_for_a_command():
    with pytest.raises(ParseError):
        backlog_script.section(["x' ; reboot"])
