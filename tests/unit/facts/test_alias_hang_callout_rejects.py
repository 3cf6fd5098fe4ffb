"""Why a run hangs, cached callouts and the reject log, from what a real host printed."""

import subprocess
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import alias_hang, callout, rejects
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.facts import fact, fixture

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
    with pytest.raises(ParseError):
        alias_hang.parse("process 10 1 Rs 50 - sh -c x\n")


def test_the_look_is_valid_shell():
    subprocess.run(["/bin/sh", "-n", "-c", alias_hang.script(GENERATOR)], check=True)


DUMP = """\
21-Nov-2026 07:01:28 newqueue@tickets.test callout=reject
21-Nov-2026 07:01:28 Support@tickets.test/<user9@world.test> callout=reject
21-Nov-2026 07:01:28 fine@tickets.test callout=accept
21-Nov-2026 07:01:28 tickets.test callout=accept postmaster=unknown random=unknown
21-Nov-2026 07:01:28 closed.test callout=reject postmaster=unknown random=unknown
21-Nov-2026 07:01:28 $(reboot)@x callout=reject
end
"""


def test_only_refusals_of_the_addresses_concerned_are_found():
    found = fact(callout.SOURCE, DUMP)
    wanted = ["NEWQUEUE@tickets.test", "support@tickets.test", "fine@tickets.test", "$(reboot)@x", "a@closed.test"]
    assert found.negative(wanted) == ("Support@tickets.test/<user9@world.test>", "newqueue@tickets.test")
    assert found.negative_domains(wanted) == ("closed.test",)
    assert fact(callout.SOURCE, "end\n").negative(wanted) == ()


def test_a_dump_that_is_cut_short_is_not_known():
    with pytest.raises(ParseError):
        fact(callout.SOURCE, DUMP[:-4])


def test_records_are_removed_one_by_one(tmp_path):
    typed = tmp_path / "typed"
    stub = tmp_path / "exim_fixdb"
    stub.write_text(f"#!/bin/sh\ncat >{typed}\nprintf '> 21-Nov-2026\\n0 callout: reject\\n> deleted\\n> \\n'\n")
    stub.chmod(0o755)
    script = callout.clear_script(["a@x.test", "b@x.test/<p%c@d.test>"[:8]])
    done = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert done.stdout == "cleared 1\n"
    assert typed.read_text() == "a@x.test\nd\nb@x.test\nd\n"
    for bad in ("a'b@x", "$(x)@y", "a b@x.test", "x\ny@z.test"):
        with pytest.raises(ParseError):
            callout.clear_script([bad])


def test_whose_mail_was_refused(tmp_path, monkeypatch):
    log = tmp_path / "rejectlog"
    log.write_text(fixture("aliases/rejectlog.txt"))
    monkeypatch.setattr(rejects, "REJECTLOG", str(log))
    since = datetime(2026, 11, 21, 6, 59, tzinfo=UTC)
    section = rejects.section(["NewQueue@lab.test"], since)
    done = subprocess.run(["/bin/sh", "-c", section.script], capture_output=True, text=True, check=True)
    found = rejects.parse(done.stdout)
    assert [(one.sender, one.recipient, one.why) for one in found] == [
        ("user9@world.test", "newqueue@lab.test", "Unrouteable address")
    ] * 2
    assert found[0].host == "cumin1001.lab.test [2001:db8:77::31]"
    none = rejects.section(["newqueue@lab.test"], datetime(2026, 11, 21, 8, 0, tzinfo=UTC))
    done = subprocess.run(["/bin/sh", "-c", none.script], capture_output=True, text=True, check=True)
    assert rejects.parse(done.stdout) == ()


def test_what_is_no_address_is_never_asked_for():
    with pytest.raises(ParseError):
        rejects.section(["a b'@x"], datetime(2026, 11, 21, tzinfo=UTC))
    with pytest.raises(ParseError):
        rejects.parse("zone +0000\n")
