"""Where the main log is and what was written to it since a mark: run for real, over each way of rotation."""

import gzip
import os
from datetime import datetime, timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.event import EventKind
from mxlib.mta.exim import log as mainlog
from mxlib.mta.exim import maillog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.log import LogMark
from tests.unit.support.exim_log import ask, exim_says, lines, read_growth, read_mark
from tests.unit.support.facts import fact


def test_growth_over_a_rotation(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    with log.open("a") as file:
        file.write(lines("=> b@ok.test R=r T=t"))
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.DELIVERED, EventKind.COMPLETED]
    assert not growth.lost
    assert growth.mark.startswith(f"{log.stat().st_ino}:{log.stat().st_size}:")


def test_growth_over_a_rotation_right_at_the_mark(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.COMPLETED]
    assert not growth.lost


def rotate(log, how):
    """Rotate as logrotate does, by one of its ways."""
    if how == "dateext":
        log.rename(log.with_name("mainlog-20261121"))
    elif how == "compress":
        log.with_name("mainlog.1.gz").write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()
    elif how == "copytruncate":
        log.with_name("mainlog.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        return
    elif how == "twice":
        log.rename(log.with_name("mainlog.2"))
        log.with_name("mainlog.1").write_text(lines("-> between@ok.test R=r T=t"))
    log.write_text("")


@pytest.mark.parametrize("how", ["dateext", "compress", "copytruncate", "twice"])
def test_growth_is_found_however_the_log_was_rotated(host, log, how):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    with log.open("a") as file:
        file.write(lines("=> b@ok.test R=r T=t"))
    rotate(log, how)
    with log.open("a") as file:
        file.write(lines("Completed", *["-> later@ok.test R=r T=t"] * 9))
    growth = read_growth(host, mark)
    assert not growth.lost
    seen = [event.address for event in growth.events if event.address != "later@ok.test"]
    assert seen == ["b@ok.test", *(["between@ok.test"] if how == "twice" else []), ""]
    assert read_growth(host, growth.mark).events == ()


def test_a_log_that_is_gone_or_cut_is_said_to_be_lost(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1", "Completed"))
    mark = read_mark(host)
    log.unlink()
    log.write_text(lines("Completed"))
    assert read_growth(host, mark).lost
    here = read_mark(host)
    log.write_text("")
    assert read_growth(host, here).lost


def test_a_mark_of_an_older_run_is_followed_by_its_inode(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = f"{log.stat().st_ino}:{log.stat().st_size}"
    log.rename(log.with_name("mainlog.1"))
    log.write_text(lines("Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.COMPLETED]
    assert not growth.lost


def test_without_a_log_nothing_is_known(host):
    with pytest.raises(ParseError):
        read_mark(host)
    with pytest.raises(ParseError):
        read_growth(host, "1:0")


def test_a_clock_that_was_just_changed_makes_the_last_minutes_unknown(tmp_path):
    through = exim_says(tmp_path, log_file_path=f"{tmp_path}/%slog")
    (tmp_path / "mainlog").touch()
    fake = 'date() { case "$*" in +%z) echo +0100 ;; *%z*) echo +0200 06:59:00 ;; *) command date "$@" ;; esac; }\n'
    done = ask(fake + through(maillog.RECENT_SECTION.script))
    assert (done.returncode, done.stderr) == (4, "the clock has just been changed\n")


def test_a_dated_log_is_followed_from_day_to_day(tmp_path):
    through = exim_says(tmp_path, log_file_path=f"syslog : {tmp_path}/%slog-%D")
    yesterday = tmp_path / "mainlog-20261120"
    yesterday.write_text(lines("<= a@lab.test U=root P=local S=1"))
    found = ask(through(maillog.MARK.script)).stdout
    mark = fact(maillog.MARK_SOURCE, found)
    with yesterday.open("a") as file:
        file.write(lines("=> b@ok.test R=r T=t"))
    (tmp_path / f"mainlog-{datetime.now():%Y%m%d}").write_text(lines("Completed"))
    first = maillog.growth_source(mark)
    piece = fact(first, ask(through(first.sections[0].script)).stdout)
    assert ([event.kind for event in piece.events], piece.lost, piece.whole) == ([EventKind.DELIVERED], False, False)
    second = maillog.growth_source(piece.mark)
    rest = fact(second, ask(through(second.sections[0].script)).stdout)
    assert ([event.kind for event in rest.events], rest.lost, rest.whole) == ([EventKind.COMPLETED], False, True)


@pytest.mark.parametrize("path", ["syslog", "syslog :", " syslog : "])
def test_a_log_that_goes_to_syslog_alone_is_unknown(tmp_path, path):
    through = exim_says(tmp_path, log_file_path=path)
    done = ask(through(maillog.MARK.script))
    assert (done.returncode, done.stderr) == (3, f"Exim has no log file: {path.strip()}\n")


@pytest.mark.parametrize("path", [":syslog", " : syslog", "syslog : :", "syslog :: /elsewhere/%slog", ""])
def test_an_empty_item_of_the_setting_is_the_file_of_debian(tmp_path, log, path):
    """As a site has it that sends its log to syslog as well."""
    log.touch()
    script = exim_says(tmp_path, log_file_path=path)(maillog.MARK.script).replace(exim.MAINLOG, str(log))
    done = ask(script)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"mark {log.stat().st_ino} 0 4294967295\n")


@pytest.mark.parametrize(("said", "minutes"), [("+0000", 0), ("+0530", 330), ("-0330", -210), ("+1400", 840)])
def test_the_zone_of_the_host(said, minutes):
    zone = mainlog.parse_zone(f"last\nzone {said}\nmark 1 2 3\n")
    assert zone.utcoffset(None) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "zone\n", "zone UTC\n", "zone +00:00\n", "a zone +0000\n", "zone +0000 \n"])
def test_a_zone_of_another_form_is_unknown(text):
    with pytest.raises(ParseError, match="zone is unknown"):
        mainlog.parse_zone(text)


# --- marks


def test_a_mark_is_kept_as_one_word_and_read_again():
    for mark in (LogMark(12, 34, "56"), LogMark(12, 34), LogMark(12, 0, "4294967295")):
        assert mainlog.read_mark(str(mark)) == mark
    assert str(LogMark(12, 34, "56")) == "12:34:56"
    assert str(LogMark(12, 34)) == "12:34"


@pytest.mark.parametrize("text", ["", "12", "12:", "12:34:", "12:34:56:78", "12:34;reboot", "x:1", "12:-4"])
def test_what_is_no_mark(text):
    with pytest.raises(ParseError, match="not a mark"):
        mainlog.read_mark(text)
    with pytest.raises(ParseError, match="no mark"):
        mainlog.parse_mark(text)


def test_the_mark_of_a_place_is_a_checksum_of_what_precedes_it(log):
    log.write_text("x" * 5000)
    marks = [mainlog.parse_mark(ask(f"{mainlog.FUNCTIONS}mark_at {log} {n}").stdout) for n in (0, 1000, 5000)]
    assert [mark.offset for mark in marks] == [0, 1000, 5000]
    assert {mark.inode for mark in marks} == {log.stat().st_ino}
    assert len({mark.head for mark in marks}) == 3
    log.write_text("x" * 1024 + "y" * 5000)
    again = mainlog.parse_mark(ask(f"{mainlog.FUNCTIONS}mark_at {log} 5000").stdout)
    assert again.head == marks[2].head, "only the first kilobyte is looked at"


def growth(log, mark, wide=""):
    script = mainlog.since(mark).replace(mainlog.exim.MAINLOG, str(log))
    done = ask(f"{script}{wide}\ngrowth")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_growth_that_is_lost_begins_with_the_present_log_unless_more_was_asked_for(log):
    for number, name in enumerate(["mainlog.3", "mainlog.2", "mainlog.1", "mainlog"], 1):
        log.with_name(name).write_text(f"{name}\n")
        os.utime(log.with_name(name), (number, number))
    gone = LogMark(log.stat().st_ino + 1_000_000, 7, "9")
    assert growth(log, gone) == ["hole", "mainlog", "whole"]
    assert growth(log, gone, "wide=2") == ["hole", "mainlog.2", "mainlog.1", "mainlog", "whole"]


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("2026-11-21 02:08:30 1xUaVg-00006e-2b <= a@b T=\"=> x\"", "<="),
        ("2026-11-21 02:08:30 1xUaVg-00006e-2b => c@d", "=>"),
        ("2026-11-21 02:08:30 +0100 [77] 1xUaVg-000000006e1-2bAz Completed", "Completed"),
        ("2026-11-21 02:08:30 1xUaVg-00006e-2b ** c@d: gone", "**"),
        ("2026-11-21 02:08:30 1xUaVg-00006e-2b H=x [192.0.2.1] == x", ""),
        ("2026-11-21 02:08:30 Start queue run: <= x", ""),
        ("", ""),
    ],
)
def test_the_mark_of_a_line_follows_its_id(line, mark):
    program = f"{mainlog.MARK_OF}{{ print mark_of() }}"
    assert ask(f"printf '%s\\n' '{line}' | awk '{program}'").stdout == f"{mark}\n"
