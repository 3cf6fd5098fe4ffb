"""The live line on a real terminal: never garbled, never left behind, and nothing of a host in it but its words."""

import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from mxlib.adapters import live_line as module
from mxlib.adapters.live_line import Frame, LiveLine, NoLiveLine, live_line_of
from mxlib.protocols.operator import Share
from tests.unit.support.terminal import Terminal

BEGIN = """
import logging, os, signal, sys, threading, time
from mxlib.adapters.operator import TerminalOperator
from mxlib.base.errors import InterruptedRunError
from mxlib.base.stop import Stop, StoppableClock, signals
from mxlib.protocols.operator import Share

class Clock(StoppableClock):
    def now(self):
        return super().now().replace(hour=0, minute=55, second=7)

stop = Stop()
clock = Clock(stop)
handler = logging.StreamHandler()
handler.setLevel(logging.INFO)
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.DEBUG)
tell = TerminalOperator(clock, heard=lambda: stop.heard)

def wait(text):
    assert sys.stdin.readline().strip() == text
"""


def program(text, **terminal):
    return Terminal(BEGIN + text, **terminal)


def test_each_live_line_replaces_the_last_one_and_the_outcome_is_what_stays():
    terminal = program(
        """
tell.line("drain: 300 messages")
for left in (300, 150, 7):
    tell.live(f"drain: {left} messages left", Share(300 - left, 300))
wait("on")
tell.line("mx2001: done: all is well")
tell.close()
"""
    )
    *_, live = terminal.shows("7 messages left")
    assert live.startswith("|███████████████████▌| drain: 7 messages left")
    terminal.type("on\n")
    assert terminal.end()[0] == [
        "00:55:07 drain: 300 messages",
        "00:55:07 mx2001: done: all is well",
    ]


def test_what_others_log_stands_whole_above_the_live_line():
    terminal = program(
        """
tell.live("soak: 3 messages in the queue", Share(1, 2))
def log(name):
    for number in range(8):
        logging.getLogger(name).warning("%s says %s", name, number)
        tell.live(f"soak: {number} messages in the queue", Share(1, 2))
threads = [threading.Thread(target=log, args=(name,)) for name in ("etcd", "urllib3", "cumin")]
[one.start() for one in threads]
[one.join() for one in threads]
tell.live("soak: the end")
wait("on")
tell.close()
"""
    )
    *above, live = terminal.shows("soak: the end")
    assert live == "soak: the end"
    assert sorted(above) == sorted(
        f"{name} says {number}" for name in ("etcd", "urllib3", "cumin") for number in range(8)
    )
    terminal.type("on\n")
    assert not [line for line in terminal.end()[0] if "soak" in line]


@pytest.mark.parametrize("text", ["x" * 300, "日本" * 20])
def test_a_line_that_is_longer_than_the_screen_is_cut_and_stays_one_line(text):
    terminal = program(f"tell.live({text!r}); tell.live({text!r} + 'y'); tell.line('end'); wait('on')", columns=50)
    assert terminal.shows("end") == ["00:55:07 end"]
    drawn = terminal.raw.decode().split("\r")[0]
    assert drawn.endswith("…")
    assert text.startswith(drawn[:-1])


def test_the_line_follows_the_width_of_the_terminal():
    terminal = program(
        """
for step in range(3):
    tell.live(f"{step} " + "0123456789" * 20, Share(step, 3))
    wait("on")
tell.line("end")
tell.close()
""",
        columns=100,
    )
    *_, live = terminal.shows("|                    | 0 0123")
    assert len(live) == 96
    terminal.resize(40)
    terminal.type("on\n")
    *_, live = terminal.shows("1 0123")
    # a terminal that is made narrower may keep the last column, which nothing can be written to without a wrap
    assert (live[:6], live[:39].rstrip()[-2:], len(live[:39].rstrip())) == ("1 0123", "2…", 36)
    terminal.resize(80)
    terminal.type("on\n")
    *_, live = terminal.shows("2 0123")
    assert len(live) == 76
    terminal.type("on\n")
    assert terminal.end()[0][-1] == "00:55:07 end"


def test_what_is_under_way_shows_its_seconds_by_itself():
    terminal = program("tell.busy('prove'); wait('on'); tell.line('end'); tell.close()")
    terminal.shows("prove, 1.")
    *_, live = terminal.shows("prove, 2.")
    assert live.startswith("prove, 2.")
    terminal.type("on\n")
    assert "prove" not in "".join(terminal.end()[0])


def test_a_password_is_asked_for_on_a_line_of_its_own():
    terminal = program(
        """
from mxlib.adapters.secret import from_prompt
tell.busy("guard")
wait("on")
given = from_prompt("console password of root").reveal()
tell.line(f"{len(given)} characters")
tell.close()
"""
    )
    terminal.shows("guard, 0.")
    terminal.type("on\n")
    terminal.shows("password of root:")
    terminal.stays(2.5)
    assert terminal.lines == ["console password of root:"]
    terminal.type("secret\n")
    assert terminal.end()[0] == ["console password of root:", "00:55:07 6 characters"]


def test_how_much_room_a_line_has_is_known_on_a_terminal_and_nowhere_else():
    ask = "tell.line(f'{tell.room} columns')"
    assert program(ask, columns=70).end()[0] == ["00:55:07 61 columns"]
    assert program(ask, TERM="dumb").end()[0] == ["00:55:07 None columns"]


STOPPED = """
with signals(stop):
    try:
        tell.live("drain: 5 messages left", Share(1, 2))
        while True:
            if {obeys}:
                clock.sleep(60)
            else:
                time.sleep(0.1)
    except InterruptedRunError as error:
        stop.rest()
        tell.line(f"mx2001: interrupted: stopped by {{error}}")
    finally:
        tell.close()
"""


def test_ctrl_c_ends_with_the_outcome_and_nothing_of_the_live_line():
    terminal = program(STOPPED.format(obeys=True), echo=True)
    terminal.shows("5 messages left")
    terminal.type("\x03")
    lines, _code = terminal.end()
    assert lines == ["00:55:07 mx2001: interrupted: stopped by SIGINT"]


def test_a_ctrl_c_that_is_heard_late_is_said_to_be_heard_and_its_echo_goes():
    terminal = program(STOPPED.format(obeys=False), echo=True, columns=100)
    terminal.shows("5 messages left")
    terminal.type("\x03")
    *_, live = terminal.shows("SIGINT heard")
    assert live.startswith("|██████████          | SIGINT heard, stops at the next safe point; drain: 5 messages")
    assert "^C" not in live


def test_a_second_ctrl_c_leaves_the_traceback_last_and_no_live_line():
    at_once = "from mxlib.base import stop as stops\nstops.ONE_S = 0.0\n"
    terminal = program(at_once + STOPPED.format(obeys=False), echo=True)
    terminal.shows("5 messages left")
    terminal.type("\x03")
    terminal.shows("SIGINT heard")
    terminal.type("\x03")
    lines, _code = terminal.end()
    assert lines[-1] == "KeyboardInterrupt: SIGINT"
    assert not any("messages left" in line for line in lines)


HOSTILE = "\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mreached \\x1b[Atarget\\rX\\x9b2J \\u202egnp"


def test_nothing_of_a_host_reaches_the_terminal_but_its_words():
    terminal = program(
        f"""
tell.line("before")
tell.live("boot: {HOSTILE}")
wait("on")
tell.busy("boot: {HOSTILE}")
tell.line("line {HOSTILE}")
logging.getLogger("x").warning("log {HOSTILE}")
tell.close()
"""
    )
    assert terminal.shows("reached") == ["00:55:07 before", "boot: reached targetX2J gnp"]
    terminal.type("on\n")
    lines, _code = terminal.end()
    assert lines[-2:] == ["00:55:07 line reached targetX2J gnp", "log reached targetX2J gnp"]
    assert not [one for one in (b"\x1b", b"\x07", b"\x9b", "\u202e".encode()) if one in terminal.raw]


def test_a_second_line_in_a_text_does_not_look_like_one_of_ours():
    terminal = program('tell.line("out: why\\n00:55:08 mx2001: done: all is well"); tell.close()')
    assert terminal.end()[0] == ["00:55:07 out: why", "         00:55:08 mx2001: done: all is well"]
    assert b"\x1b" not in terminal.raw


VERDICTS = """
tell.line("OK      mx1001")
tell.line("FAILED  mx2001")
tell.live("drain: 5 messages left", Share(1, 2))
tell.line("mx2001: done: all is well")
tell.close()
"""


def test_verdicts_are_in_colour_on_a_terminal():
    terminal = program(VERDICTS)
    assert terminal.end()[0] == ["00:55:07 OK      mx1001", "00:55:07 FAILED  mx2001",
                                 "00:55:07 mx2001: done: all is well"]  # fmt: skip
    assert b"\x1b[32mOK\x1b[0m      mx1001" in terminal.raw
    assert b"\x1b[31mFAILED\x1b[0m  mx2001" in terminal.raw
    assert b"mx2001: \x1b[1;32mdone\x1b[0m: all is well" in terminal.raw


def test_no_color_takes_the_escape_sequences_and_leaves_the_live_line():
    terminal = program(VERDICTS, NO_COLOR="1")
    assert len(terminal.end()[0]) == 3
    assert b"\x1b" not in terminal.raw
    assert b"5 messages left" in terminal.raw


@pytest.mark.parametrize("term", ["dumb", "", None])
def test_a_terminal_that_can_only_print_gets_plain_lines(term):
    terminal = program(VERDICTS + "tell.busy('prove')\ntell.live('not yet again')\n", TERM=term)
    plain = ["00:55:07 OK      mx1001", "00:55:07 FAILED  mx2001", "00:55:07 drain: 5 messages left",
             "00:55:07 mx2001: done: all is well"]  # fmt: skip
    terminal.end()
    assert terminal.raw.decode().splitlines() == plain


def test_without_a_terminal_and_in_files_there_are_plain_lines():
    code = BEGIN + "logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))\n" + VERDICTS
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    plain = (
        b"00:55:07 OK      mx1001\n00:55:07 FAILED  mx2001\n00:55:07 drain: 5 messages left\n"
        b"00:55:07 mx2001: done: all is well\n"
    )
    assert (made.stdout, made.stderr) == (plain, plain)


def test_a_log_file_gets_no_escape_sequence_while_the_terminal_is_in_colour(tmp_path):
    log = tmp_path / "x.log"
    terminal = program(f"logging.getLogger().addHandler(logging.FileHandler({str(log)!r}))\n" + VERDICTS)
    terminal.end()
    assert b"\x1b[32m" in terminal.raw
    assert log.read_text() == "00:55:07 OK      mx1001\n00:55:07 FAILED  mx2001\n00:55:07 mx2001: done: all is well\n"


def test_a_terminal_without_unicode_gets_a_bar_and_words_that_it_can_show():
    terminal = program(
        "tell.live('caf\\u00e9 \\u65e5' + 'x' * 99, Share(1, 2)); wait('on')", PYTHONIOENCODING="ascii:backslashreplace"
    )
    *_, live = terminal.shows("caf")
    assert live.startswith(r"|##########          | caf\xe9 \u65e5xxx")
    assert live.endswith("xxx...")
    assert len(live) == 76


class Pretended(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"
    gone = False

    def isatty(self):
        return True

    def fileno(self):
        raise OSError("no terminal behind it")

    def write(self, text):
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


@pytest.fixture
def stream():
    made = Pretended()
    handler = logging.StreamHandler(made)
    logging.getLogger().addHandler(handler)
    yield made
    logging.getLogger().removeHandler(handler)


def test_a_terminal_that_is_gone_is_none_from_then_on(stream):
    live = LiveLine(stream, colours=True)
    stream.gone = True
    live.show(Frame("drain"))
    assert not live.live
    stream.gone = False
    live.show(Frame("drain"))
    live.close()
    assert stream.getvalue() == ""


def test_the_log_has_its_terminal_back_afterwards(stream):
    (handler,) = [one for one in logging.getLogger().handlers if getattr(one, "stream", None) is stream]
    handler.setFormatter(kept := logging.Formatter("DRY-RUN: %(message)s"))
    live = LiveLine(stream, colours=False)
    live.show(Frame("drain"))
    assert handler.stream is not stream
    logging.getLogger("etcd").warning("said")
    assert stream.getvalue().endswith("\rDRY-RUN: said\ndrain")
    for _ in range(2):
        live.close()
        assert (handler.stream, handler.formatter) == (stream, kept)
    live.show(Frame("again"))
    live.clear()
    assert handler.stream is not stream
    live.close()


def test_the_seconds_go_on_over_what_one_and_the_same_work_says(stream):
    now = [0.0]
    live = LiveLine(stream, colours=False, now=lambda: now[0])
    live.show(Frame("verify: 1 of 4", ticking=True))
    now[0] = 61.0
    live.show(Frame("verify: 2 of 4", ticking=True))
    assert stream.getvalue().endswith("verify: 2 of 4, 1 min 1 s")
    live.clear()
    live.show(Frame("prove", ticking=True))
    live.close()
    assert "prove, 0.0 s" in stream.getvalue()


def test_one_live_line_a_stream_and_none_where_there_is_no_terminal(stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert live_line_of(stream) is live_line_of(stream)
    assert isinstance(live_line_of(io.StringIO()), NoLiveLine)
    assert isinstance(live_line_of(None), NoLiveLine), "closed before the process began"
    assert module.live_line_of(Pretended()) is not live_line_of(stream)


@pytest.mark.parametrize(("done", "bar"), [(-1, " " * 20), (5, "█" * 10 + " " * 10), (99, "█" * 20)])
def test_a_bar_stays_within_its_bounds(stream, done, bar):
    live = LiveLine(stream, colours=False)
    live.show(Frame("x", Share(done, 10)))
    live.close()
    assert f"|{bar}| x" in stream.getvalue()


PAGE = Path(__file__).resolve().parents[3] / "docs" / "reboot-mx.md"


@pytest.mark.parametrize(
    "frame",
    [
        Frame(
            "drain: 72 messages left, 14.2/s, about 5.1 s to go, oldest 2 h 10 min; draining ends within 12 min 3 s",
            Share(216, 288),
        ),
        Frame("boot: 42 s of 10 min 0 s, console: [  OK  ] Reached target Network."),
        Frame("prove outbound", ticking=True),
        Frame("soak: 3 messages in the queue, 42 s to go", Share(18, 60)),
    ],
)
def test_the_examples_of_the_page_are_what_is_drawn(stream, monkeypatch, frame):
    monkeypatch.setattr(module, "_COLUMNS", 140)
    seconds = iter((0.0, 14.0))
    live = LiveLine(stream, colours=False, now=lambda: next(seconds))
    live.show(frame)
    drawn = stream.getvalue()
    live.close()
    assert f"    {drawn}\n" in PAGE.read_text(encoding="utf-8")
