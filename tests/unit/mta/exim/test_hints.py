import subprocess
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.source import FactUnknownError
from mxlib.mta.exim import hints
from mxlib.mta.exim import names as exim
from tests.unit.support.facts import fact

WHEN = datetime(2026, 11, 21, 6, 43, 9, tzinfo=UTC)
# exim_dumpdb of Exim 4.96 with TZ=UTC, and an address's hint from the same host
DUMP = """\
  T:mx.lists.test:198.51.100.30 111 77 Connection refused
21-Nov-2026 06:43:09  21-Nov-2026 06:43:09  21-Nov-2026 06:58:09 *
  T:mx.lists.test:2001:db8:51::30 111 77 Connection refused
21-Nov-2026 06:43:09  21-Nov-2026 06:50:09  21-Nov-2026 06:58:09 
  R:support@tickets.test:<wiki@lab.test> -44 12877 H=mx.tickets.test [198.51.100.20]: SMTP error from remote mail server
21-Nov-2026 06:43:10  21-Nov-2026 06:43:14  21-Nov-2026 06:58:14 
  T:mx.lists.test:2001:db8:51::30:1xUeoW-00005z-0A -46 0 after end of data: 451 later
21-Nov-2026 06:43:10  21-Nov-2026 06:43:14  21-Nov-2026 06:58:14 
  R:nowhere.test -9 0 host lookup did not complete
21-Nov-2026 06:43:10  21-Nov-2026 06:43:14  21-Nov-2026 06:58:14 
end
"""  # noqa: W291


def test_the_hints():
    host4, host6, address, message, route = fact(hints.SOURCE, DUMP)
    assert (host4.ip, host4.address, host4.domain, host4.expired) == ("198.51.100.30", "", "", True)
    assert (host6.ip, host6.expired) == ("2001:db8:51::30", False)
    assert host6.last_try == datetime(2026, 11, 21, 6, 50, 9, tzinfo=UTC)
    assert (address.ip, address.address, address.domain) == ("", "support@tickets.test", "tickets.test")
    assert (message.ip, message.message) == ("2001:db8:51::30", "1xUeoW-00005z-0A")
    assert (host4.message, host6.message, host6.arrived) == ("", "", None)
    assert (route.ip, route.address, route.domain) == ("", "", "nowhere.test")
    assert route.text == "host lookup did not complete"


def test_no_hints():
    assert fact(hints.SOURCE, "end\n") == ()


@pytest.mark.parametrize("text", ["", "  T:a:1.2.3.4 1 1 x\nend\n", "  what\n21-Nov-2026\nend\n"])
def test_what_cannot_be_read_is_unknown(text):
    with pytest.raises(FactUnknownError):
        fact(hints.SOURCE, text)


def test_hints_are_cleared_by_their_exact_keys():
    script = hints.clear_script(["T:mx.x.test:192.0.2.7", "R:o'hara@x.test:<a@b>", "evil\nq", "X:what"])
    shown = subprocess.run(["sh", "-c", script.partition(" | ")[0]], capture_output=True, text=True, check=True).stdout
    assert shown == "T:mx.x.test:192.0.2.7\nd\nR:o'hara@x.test:<a@b>\nd\n"


@pytest.mark.parametrize(
    ("key", "about"),
    [
        ("T:MX.x.test", {"host": "mx.x.test"}),
        ("T:mx.x.test:1025", {"host": "mx.x.test"}),
        ("T:mx.x.test:1xUeoW-000005-0A", {"host": "mx.x.test", "message": "1xUeoW-000005-0A"}),
        ("T:mx.x.test:1025:1xUeoW-0000000005z-0A2b", {"host": "mx.x.test", "message": "1xUeoW-0000000005z-0A2b"}),
        ("T:[192.0.2.7]:192.0.2.7", {"ip": "192.0.2.7"}),
        ("T:mx.x.test:192.0.2.7+1025", {"ip": "192.0.2.7"}),
        ("T:mx.x.test:192.0.2.7:1025", {"ip": "192.0.2.7"}),
        ("T:mx.x.test:192.0.2.7:1abcde-000123-AB", {"ip": "192.0.2.7", "message": "1abcde-000123-AB"}),
        ("T:mx.x.test:192.0.2.7+1025:1abcde-000123-AB", {"ip": "192.0.2.7", "message": "1abcde-000123-AB"}),
        ("T:mx.x.test:2001:db8::7:1abcde-000123-AB", {"ip": "2001:db8::7", "message": "1abcde-000123-AB"}),
        ('T:"joe smith"@x.test:<a@b.test>', {"address": '"joe smith"@x.test', "domain": "x.test"}),
        ("R:X.test", {"domain": "x.test"}),
        ("T:/var/mail/joe", {}),
        ("T:|/usr/bin/procmail", {}),
    ],
)
def test_a_key_says_what_it_is_about(key, about):
    hint = hints.make(key, WHEN, WHEN, WHEN)
    assert hint.arrived == (exim.received_at(hint.message) if hint.message else None)
    named = ("ip", "host", "address", "domain", "message")
    assert {name: getattr(hint, name) for name in named if getattr(hint, name)} == about


@pytest.mark.parametrize("key", ["T:mx x.test", "T:mx.x.test:what", "T:mx.x.test:192.0.2.7:what", "T:", "X:mx.x.test"])
def test_a_key_of_another_form_is_about_anything(key):
    with pytest.raises(ParseError, match="what a retry hint is about is unknown"):
        hints.make(key, WHEN, WHEN, WHEN)


def test_exim_4_98_writes_an_ipv6_address_in_brackets():
    # exim_dumpdb of Exim 4.98.2 on Debian 13
    (one, message) = fact(hints.SOURCE, """\
  T:mx.provider.test:[2001:db8:51::10] 110 0 Connection timed out
21-Nov-2026 06:43:09  21-Nov-2026 06:43:09  21-Nov-2026 06:58:09 *
  T:mx.provider.test:[2001:db8:51::10]:1xUeoW-0000000005z-0A2b -46 0 after end of data
21-Nov-2026 06:43:09  21-Nov-2026 06:43:09  21-Nov-2026 06:58:09
end
""")  # fmt: skip
    assert (one.ip, message.ip, one.expired) == ("2001:db8:51::10", "2001:db8:51::10", True)


@pytest.mark.parametrize(
    ("files", "asked"),
    [((), False), (("retry.lockfile",), False), (("retry",), True), (("retry.dir", "retry.pag"), True)],
)
def test_whichever_database_exim_was_built_with_is_asked(tmp_path, files, asked):
    """Berkeley DB, tdb, gdbm and SQLite keep one file, ndbm two; without any there are no hints."""
    (tmp_path / "db").mkdir()
    for name in files:
        (tmp_path / "db" / name).write_text("x")
    dump = tmp_path / "exim_dumpdb"
    dump.write_text("#!/bin/sh\necho asked\n")
    dump.chmod(0o755)
    script = f"PATH={tmp_path}:$PATH\n{hints.SECTION.script}".replace(exim.SPOOL, str(tmp_path))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ("asked\nend\n" if asked else "end\n")


def test_a_database_that_cannot_be_read_leaves_the_hints_unknown(tmp_path):
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "retry").write_text("x")
    dump = tmp_path / "exim_dumpdb"
    dump.write_text("#!/bin/sh\nexit 1\n")
    dump.chmod(0o755)
    script = f"PATH={tmp_path}:$PATH\n{hints.SECTION.script}".replace(exim.SPOOL, str(tmp_path))
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 1
