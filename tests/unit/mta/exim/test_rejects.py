"""The reject log, from what a real host wrote."""

import gzip
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import rejects
from tests.unit.support.exim_log import ask, exim_says
from tests.unit.support.facts import fixture

SINCE = datetime(2026, 11, 21, 6, 59, tzinfo=UTC)


def refusals(folder, since=SINCE, path="%slog", *, write_rejectlog=True, **environment):
    """What is read of the logs in a folder; Exim's own zone is that of the lines."""
    settings = {"log_file_path": f"{folder}/{path}", "timezone": "UTC", "write_rejectlog": write_rejectlog}
    through = exim_says(folder, **settings)
    (folder / "mainlog").touch()
    done = ask(through(rejects.section(["NewQueue@lab.test"], since).script), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return rejects.parse(done.stdout)


def test_whose_mail_was_refused(tmp_path):
    (tmp_path / "rejectlog").write_text(fixture("aliases/rejectlog.txt"))
    found = refusals(tmp_path)
    assert [(one.sender, one.recipient, one.why) for one in found] == [
        ("user9@world.test", "newqueue@lab.test", "Unrouteable address")
    ] * 2
    assert found[0].host == "cumin1001.lab.test [2001:db8:77::31]"
    assert refusals(tmp_path, datetime(2026, 11, 21, 8, 0, tzinfo=UTC)) == ()


@pytest.mark.parametrize("name", ["rejectlog.1", "rejectlog-20261121", "rejectlog.2.gz"])
def test_a_rotated_log_is_read_as_well(tmp_path, name):
    text = fixture("aliases/rejectlog.txt").encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert len(refusals(tmp_path)) == 2


def test_dated_logs_are_found_where_exim_writes_them(tmp_path):
    first, *others = fixture("aliases/rejectlog.txt").splitlines(keepends=True)
    (tmp_path / "mainlog-20261122").touch()
    (tmp_path / "rejectlog-20261121").write_text(first)
    (tmp_path / "rejectlog-20261122").write_text("".join(others))
    assert len(refusals(tmp_path, path="%slog-%D")) == 2


def test_refusals_are_in_exims_own_zone(tmp_path):
    (tmp_path / "rejectlog").write_text(fixture("aliases/rejectlog.txt"))
    assert len(refusals(tmp_path, TZ="Asia/Tokyo")) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2026-11-21 12:33:09 +0530 H=h.test [192.0.2.9] F=<b@y.test> rejected RCPT <a@x.test>: no", "no"),
        ("2026-11-21 07:03:09.123 [77] H=(h) [192.0.2.9]:2525 I=[192.0.2.1]:25 F=<b@y.test> rejected RCPT "
         "<a@x.test>", ""),
        ("2026-11-21 07:03:09 H=h.test (helo) [192.0.2.9] X=TLS1.3:A:256 CV=no F=<b@y.test> A=plain:joe rejected RCPT "
         "<a@x.test>: relay not permitted", "relay not permitted"),
        ("2026-11-21 07:03:09 H=h.test [192.0.2.9] F=<b@y.test> temporarily rejected RCPT <a@x.test>: greylisted",
         "for now: greylisted"),
    ],
)  # fmt: skip
def test_each_form_of_a_refusal_that_exim_writes(line, said):
    (found,) = rejects.parse(f"zone +0000\n{line}\nend\n")
    assert found.when == datetime(2026, 11, 21, 7, 3, 9, tzinfo=UTC)
    assert (found.sender, found.recipient, found.why) == ("b@y.test", "a@x.test", said)


def test_where_exim_writes_no_files_refusals_are_unknown(tmp_path):
    script = exim_says(tmp_path, log_file_path="syslog")(rejects.section(["a@lab.test"], SINCE).script)
    assert ask(script).returncode == 3


def test_where_exim_writes_no_reject_log_refusals_are_unknown(tmp_path):
    settings = {"log_file_path": f"{tmp_path}/%slog", "write_rejectlog": False}
    (tmp_path / "mainlog").touch()
    (tmp_path / "rejectlog").touch()  # it was written earlier
    done = ask(exim_says(tmp_path, **settings)(rejects.section(["a@lab.test"], SINCE).script))
    assert (done.returncode, done.stderr) == (3, "Exim writes no reject log: no_write_rejectlog\n")


@pytest.mark.parametrize("name", ["mainlog", "mainlog.1", "mainlog.2.gz"])
def test_without_a_file_the_main_log_says_whether_anybody_was_refused(tmp_path, name):
    """A host that has refused nobody has no reject log; where it was removed, nobody knows what was in it."""
    text = b"2026-11-21 07:10:00 H=h.test [192.0.2.9] F=<b@y.test> rejected RCPT <other@x.test>: no\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    with pytest.raises(ParseError, match="there is no reject log"):
        refusals(tmp_path)
    assert refusals(tmp_path, datetime(2026, 11, 21, 8, 0, tzinfo=UTC)) == ()


def test_a_main_log_that_is_rotated_meanwhile_does_not_say_that_nobody_was_refused(tmp_path):
    (tmp_path / "mainlog").touch()
    through = exim_says(tmp_path, log_file_path=f"{tmp_path}/%slog")
    rotated = f"stream() {{ mv {tmp_path}/mainlog {tmp_path}/mainlog.1; : >{tmp_path}/mainlog; }}\n"
    script = through(rejects.section(["a@lab.test"], SINCE).script).replace("echo \"zone", f"{rotated}echo \"zone")
    with pytest.raises(ParseError, match="cut short"):
        rejects.parse(ask(script).stdout)


def test_over_a_change_of_the_clock_refusals_are_unknown(tmp_path):
    (tmp_path / "mainlog").touch()
    (tmp_path / "rejectlog").write_text(fixture("aliases/rejectlog.txt"))
    through = exim_says(tmp_path, log_file_path=f"{tmp_path}/%slog")
    fake = 'date() { case "$*" in +%z) echo +0100 ;; *%z*) echo +0200 06:59:00 ;; *) command date "$@" ;; esac; }\n'
    assert ask(fake + through(rejects.section(["a@lab.test"], SINCE).script)).returncode == 4


def test_what_is_no_address_is_never_asked_for():
    with pytest.raises(ParseError):
        rejects.section(["a b'@x"], datetime(2026, 11, 21, tzinfo=UTC))
    with pytest.raises(ParseError):
        rejects.parse("zone +0000\n")
