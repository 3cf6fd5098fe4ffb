"""Why a run hangs, from what a real host printed."""

import subprocess

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import alias_hang
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.facts import fixture

HANG = fixture("aliases/hang.txt")


def test_a_hang_says_process_peer_and_age():
    hang = alias_hang.parse(HANG)
    assert [(one.pid, one.waits_in) for one in hang.processes] == [(386, "wait_woken")]
    assert [(one.peer, one.pid, one.keepalive) for one in hang.sockets] == [("[2001:db8:77::61]:2525", 386, False)]
    assert "/usr/local/sbin/generate-vrts-aliases) has run for 2 min 45 s, waits in wait_woken" in hang.why
    assert "connection to [2001:db8:77::61]:2525 (ESTAB), silent for 2 min 4" in hang.why
    assert "no keepalive" in hang.why
    assert any("tcp_recvmsg" in line for line in hang.lines)


def test_the_process_with_the_connection_is_the_one_that_waits():
    text = "process 10 1 Ss 50 do_wait sh -c x\nprocess 11 10 S 49 pipe_read cat\nprocess 12 10 S 48 - mysql\n"
    text += 'socket SYN-SENT 0 1 10.0.0.1:5 10.0.0.2:3306 users:(("mysql",pid=12,fd=3)) timer:(on,1sec,0) x\nlooked\n'
    hang = alias_hang.parse(text)
    assert hang.why == "mysql (pid 12, mysql) has run for 48 s; connection to 10.0.0.2:3306 (SYN-SENT), no keepalive to notice that it is gone"  # noqa: E501


def test_no_process_and_no_connection():
    assert alias_hang.parse("looked\n").why == "no process of it is left"
    assert "it has no TCP connection" in alias_hang.parse("process 10 1 Rs 50 - sh -c x\nlooked\n").why


def test_what_is_not_understood_is_not_called_nothing():
    assert alias_hang.parse("process ? 1 Rs\nlooked\n").why == "what is said of each process of it is not understood"
    said = alias_hang.parse("process 10 1 Rs 50 - sh -c x\nsocket another form\nlooked\n").why
    assert said.endswith("what is said of each socket of it is not understood")
    with pytest.raises(ParseError):
        alias_hang.parse("process 10 1 Rs 50 - sh -c x\n")


def test_the_look_is_valid_shell():
    subprocess.run(["/bin/sh", "-n", "-c", alias_hang.script(GENERATOR)], check=True)
