"""The main log: what was written since a mark, piece by piece, and what went wrong lately."""

from datetime import UTC, datetime, timedelta

import pytest

from mxlib.facts.source import FactUnknownError
from mxlib.mta.event import Cause, EventKind
from mxlib.mta.exim import maillog
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.logline import parse_lines
from tests.unit.support.exim_log import ID, ask, exim_says, lines, read_growth, read_mark
from tests.unit.support.facts import fact, fixture, output


def test_growth_since_a_mark(host, log):
    log.write_text(lines("<= a@lab.test U=root P=local S=1"))
    mark = read_mark(host)
    assert read_growth(host, mark).events == ()
    with log.open("a") as file:
        file.write(lines('=> b@ok.test R=r T=t H=h [192.0.2.3] C="250 OK"', "Completed"))
    growth = read_growth(host, mark)
    assert [event.kind for event in growth.events] == [EventKind.DELIVERED, EventKind.COMPLETED]
    assert (growth.completed, growth.arrived, growth.lost) == ({ID}, frozenset(), False)
    assert len(growth.of(ID)) == 2
    assert read_growth(host, growth.mark).events == ()


def test_much_growth_comes_in_pieces(host, log, monkeypatch):
    monkeypatch.setattr(maillog, "MAX_GROWTH", 100)
    log.write_text("")
    mark = read_mark(host)
    log.write_text(lines(*["=> b@ok.test R=r T=t"] * 20))
    growth = read_growth(host, mark)
    assert [event.address for event in growth.events] == ["b@ok.test"] * 20


def recent(host):
    return fact(maillog.RECENT_SOURCE, host.read(maillog.RECENT_SECTION.script, timeout=5).output)


def test_the_recent_log_is_counted_and_classified(host, log):
    now, then = datetime.now(), datetime.now() - timedelta(hours=1)
    old = f"{then:%Y-%m-%d %H:%M:%S} {ID} == x@old.test R=r T=t defer (111): Connection refused\n"
    text = "".join(
        f"{now:%Y-%m-%d} {now:%H:%M:%S} {line[20:]}\n" if line.startswith("2026") else f"{line}\n"
        for line in fixture("exim/mainlog.txt").splitlines()
    )
    log.with_name("mainlog.1").write_text(old)
    log.write_text(old + text)
    found = recent(host)
    assert (found.arrived, found.completed) == (text.count(" <= "), text.count(" Completed"))
    assert found.delivered == text.count(" => ") + text.count(" -> ")
    assert found.count(Cause.TIMEOUT_AFTER_DATA) == 3
    assert found.causes()["hang.test"] == {Cause.TIMEOUT_AFTER_DATA: 3}
    assert found.causes()["tmp.test"] == {Cause.REMOTE_4XX: 2}
    assert "old.test" not in found.causes()


def test_a_recent_log_that_is_missing_or_cut_short_is_unknown(host, log):
    answer = host.read(maillog.RECENT_SECTION.script, timeout=5)
    assert answer.exit_code == 3
    with pytest.raises(FactUnknownError):
        fact(maillog.RECENT_SOURCE, output(maillog.RECENT_SECTION, answer.output, code=3))
    log.write_text(lines("Completed"))
    whole = host.read(maillog.RECENT_SECTION.script, timeout=5).output
    with pytest.raises(FactUnknownError, match="cut short"):
        fact(maillog.RECENT_SOURCE, whole.replace("end\n", ""))


@pytest.mark.parametrize("host_zone", ["Asia/Tokyo", "America/New_York"])
def test_the_lines_are_in_exims_own_zone(tmp_path, host_zone):
    through = exim_says(tmp_path, timezone="UTC", log_file_path=f"{tmp_path}/%slog")
    young, old = (datetime.now(UTC) - timedelta(minutes=one) for one in (2, 240))
    (tmp_path / "mainlog").write_text("".join(
        f"{when:%Y-%m-%d %H:%M:%S} {ID} == b@{where}.test R=r T=t defer (111): Connection refused\n"
        for when, where in ((old, "old"), (young, "young"))
    ))  # fmt: skip
    done = ask(through(maillog.RECENT_SECTION.script), TZ=host_zone)
    found = fact(maillog.RECENT_SOURCE, done.stdout)
    assert {event.domain for event in found.events} == {"young.test"}
    assert abs((found.events[0].when - young).total_seconds()) < 1


def test_a_refused_chunk_is_an_error_though_it_has_no_message(host, log):
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    log.write_text("".join(f"{now}{line[19:]}\n" for line in fixture("exim/bdat-incoming.txt").splitlines()))
    found = recent(host)
    assert found.wrong == 6
    assert found.refused_chunks == {"provider.test": 2}


def test_a_subject_is_no_mark(host, log):
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    log.write_text(
        f'{now} 1xX4cT-0000000000H-2Dcw <= a@b.test U=root P=local S=339 T="Order Completed ** => x"\n'
        f"{now} 1xX4cT-0000000000H-2Dcw => user <user@b.test> R=local T=file\n"
        f"{now} 1xX4cT-0000000000H-2Dcw Completed\n"
    )
    found = recent(host)
    assert (found.arrived, found.delivered, found.completed, found.wrong) == (1, 1, 1, 0)


def test_lines_of_another_form_are_kept_and_not_passed_over(host, log):
    """A log of another form has no line that fits: it must not look like one in which nothing happened."""
    odd = "Nov 21 04:40:00 mx1001 exim[9]: == user@x.test R=r T=t defer (111): Connection refused"
    log.write_text(f"{odd}\n" * 3)
    found = recent(host)
    assert (found.arrived, found.events, found.unread) == (0, (), (odd, odd))  # the first one may be cut


def test_an_indented_line_continues_the_one_before_it(host, log):
    log.write_text(f"{datetime.now():%Y-%m-%d %H:%M:%S} Warning: purging the environment.\n Suggested action: x.\n")
    assert recent(host).unread == ()


def test_an_odd_line_before_the_window_does_not_count(host, log):
    then, now = datetime.now() - timedelta(hours=1), datetime.now()
    log.write_text(f"{then:%Y-%m-%d %H:%M:%S} {ID} Completed\nodd\n{now:%Y-%m-%d %H:%M:%S} {ID} Completed\nnew\n")
    assert recent(host).unread == ("new",)


def test_growth_names_what_it_does_not_understand(host, log):
    log.write_text("")
    mark = read_mark(host)
    log.write_text(lines("Completed") + "brand new form\n  more of it\n")
    assert read_growth(host, mark).unread == ("brand new form",)


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x1c", "\r"])
def test_what_a_mail_says_ends_no_line(host, log, end):
    """An address in UTF-8, or an answer of the other end, is logged as it is."""
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    log.write_text(f"{now} {ID} ** a@b.test: no{end}{now} {ID} => c@d.test R=r{end}{now} {ID} Completed\n", newline="")
    assert [event.kind for event in recent(host).events] == [EventKind.FAILED]
    log.write_text("")
    mark = read_mark(host)
    log.write_text(f"{now} {ID} <= a{end}{now} {ID} Completed\n", newline="")
    assert not read_growth(host, mark).completed


def test_a_line_that_says_end_does_not_end_the_answer(host, log):
    log.write_text("first\nend\nbrand new form\n")
    assert recent(host).unread == ("end", "brand new form")


REFUSED = "H=(x) [192.0.2.9] F=<a@b.test> rejected RCPT <c@d.test>: relay not permitted"
ASIDE = {
    "refusals": REFUSED,
    "nonsense": "SMTP call from [192.0.2.9] dropped: too many syntax or protocol errors (last command was \"X\")",
    "hints": f"{ID} == u@x.test routing defer (-52): retry time not reached",
    "hints-bounce": f"{ID} ** u@x.test: retry timeout exceeded",
}


def busy(log, *rests):
    """A log in which these lines came after a deferral and a refused chunk."""
    now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    first = f"{ID} == u@hang.test R=r T=t defer (110): SMTP timeout after end of data: retry timeout exceeded"
    (chunk,) = (line[20:] for line in fixture("exim/bdat-incoming.txt").splitlines()[1:2])
    log.write_text("".join(f"{now} {rest}\n" for rest in (first, chunk, *rests)))


@pytest.mark.parametrize("line", ASIDE.values(), ids=ASIDE)
def test_what_no_verdict_counts_pushes_no_error_out(host, log, line):
    busy(log, *[line] * 4000)
    found = recent(host)
    assert (found.count(Cause.TIMEOUT_AFTER_DATA), found.refused_chunks.total()) == (1, 1)
    assert (found.wrong, len(found.events)) == (4002, 202)
    assert not found.cut
    assert not found.partly


def test_no_error_that_counts_is_put_aside():
    """Whatever is put aside has no cause, or says that nothing was tried."""
    for line in ASIDE.values():
        (event,) = parse_lines([f"2026-11-21 02:08:30 {line}"])
        assert event.cause in (None, Cause.UNTRIED)


@pytest.mark.parametrize(("deferrals", "partly"), [(2798, False), (2799, True), (5000, True)])
def test_where_errors_are_left_out_the_answer_says_so(host, log, deferrals, partly):
    line = f"{ID} == u@tmp.test R=r T=t defer (111): Connection refused"
    busy(log, *[REFUSED] * 300, *[line] * deferrals)
    found = recent(host)
    assert (found.partly, found.cut) == (partly, False)
    assert (found.wrong, found.count(Cause.TIMEOUT_AFTER_DATA)) == (deferrals + 302, 0 if partly else 1)
    assert len(found.events) == 3000


@pytest.mark.parametrize(("odd", "cut"), [(200, False), (201, True)])
def test_where_lines_of_another_form_are_left_out_anything_may_be(host, log, odd, cut):
    log.write_text(f"{datetime.now():%Y-%m-%d %H:%M:%S} {ID} Completed\n" + "brand new form\n" * odd)
    found = recent(host)
    assert (len(found.unread), found.cut) == (200, cut)


@pytest.mark.parametrize(
    ("ages", "rotated", "limit", "cut"),
    [
        ((20, 2), None, 10_000, False),  # the first line is older
        ((2, 1), None, 10_000, False),  # the log begins here
        ((2, 1), 3, 10_000, True),  # rotated twice: what is before is not read
        ((20, 2, 1), None, 100, True),
        ((2, 1), 20, 10_000, False),
    ],
)
def test_counts_are_whole_only_from_a_line_on_that_is_older(host, log, ages, rotated, limit, cut):
    def text(*minutes):
        times = (datetime.now() - timedelta(minutes=one) for one in minutes)
        return "".join(f"{when:%Y-%m-%d %H:%M:%S} {ID} Completed\n" for when in times)

    log.write_text(text(*ages))
    if rotated:
        log.with_name("mainlog.1").write_text(text(rotated))
    script = maillog.RECENT_SECTION.script.replace("64000000", str(limit))
    assert fact(maillog.RECENT_SOURCE, host.read(script, timeout=5).output).cut is cut


def test_a_zone_that_exim_does_not_say_makes_the_last_minutes_unknown(tmp_path):
    through = exim_says(tmp_path)
    (tmp_path / "exim4").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "mainlog").touch()
    script = through(maillog.RECENT_SECTION.script).replace(exim.MAINLOG, str(tmp_path / "mainlog"))
    done = ask(script)
    assert (done.returncode, done.stdout, "time zone" in done.stderr) == (4, "", True)
