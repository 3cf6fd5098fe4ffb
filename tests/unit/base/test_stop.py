import os
import pty
import shlex
import signal
import subprocess
import sys
import time

import pytest

from mxlib.base.errors import InterruptedRunError, MxlibError
from mxlib.base.stop import ONE_S, Stop, StoppableClock, signals


class Seconds:
    """Seconds that a test lets pass."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_a_later_second_one_ends(number):
    seconds = Seconds()
    stop = Stop(seconds)
    with signals(stop):
        os.kill(os.getpid(), number)
        with pytest.raises(InterruptedRunError, match=signal.Signals(number).name):
            stop.check()
        seconds.now += ONE_S
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


@pytest.mark.parametrize("numbers", [(signal.SIGHUP, signal.SIGHUP), (signal.SIGHUP, signal.SIGTERM)])
def test_a_terminal_that_is_closed_sends_two_signals_and_asks_once(numbers):
    seconds = Seconds()
    stop = Stop(seconds)
    with signals(stop):
        for number in numbers:
            os.kill(os.getpid(), number)
            seconds.now += ONE_S - 0.1
        with pytest.raises(InterruptedRunError, match="SIGHUP"):
            stop.check()


def test_a_terminal_that_goes_away_while_the_run_is_undone_does_not_stop_that():
    seconds = Seconds()
    stop = Stop(seconds)
    with signals(stop):
        os.kill(os.getpid(), signal.SIGINT)
        stop.rest()
        seconds.now += 60
        os.kill(os.getpid(), signal.SIGHUP)
        stop.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


# The handler runs at every line of whatever waits, in this module's code and in that of threads below it.
ANYWHERE = """
import sys
from mxlib.base.errors import InterruptedRunError
from mxlib.base.stop import Stop
stop, lines = Stop(), set()
def at_each_line(frame, event, _argument):
    if frame.f_code.co_filename.endswith(("stop.py", "threading.py", "pulse.py")) and event == "line":
        place = frame.f_code.co_filename, frame.f_lineno
        if place not in lines:
            lines.add(place)
            sys.settrace(None)
            stop.ask("SIGTERM")
            sys.settrace(at_each_line)
    return at_each_line
def waits():
    stop.rest()
    try:
        stop.wait(0.001)
    except InterruptedRunError:
        pass
sys.settrace(at_each_line)
for _ in range(30):
    waits()
sys.settrace(None)
print(len(lines))
"""


def test_a_signal_at_any_moment_of_a_wait_locks_nothing():
    done = subprocess.run([sys.executable, "-c", ANYWHERE], capture_output=True, text=True, timeout=20, check=True)
    assert int(done.stdout) > 5


def test_a_sleep_ends_when_asked():
    stop = Stop()
    clock = StoppableClock(stop)
    begin = clock.monotonic()
    stop.ask("test")
    with pytest.raises(InterruptedRunError):
        clock.sleep(60)
    assert clock.monotonic() - begin < 5


def test_after_it_was_heard_the_clean_end_is_undisturbed():
    stop = Stop()
    stop.ask("test")
    stop.rest()
    stop.check()
    StoppableClock(stop).sleep(0)


def test_the_old_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with signals(Stop()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_who_takes_an_error_for_unknown_does_not_swallow_a_request_to_stop():
    assert not issubclass(InterruptedRunError, MxlibError)


# What a cookbook does: it waits, is asked to stop, and takes its time to undo.
RUNS = """
import sys
from mxlib.base.errors import InterruptedRunError
from mxlib.base.stop import Stop, StoppableClock, signals
log = open(sys.argv[1], "a", buffering=1)
stop = Stop()
clock = StoppableClock(stop)
with signals(stop):
    try:
        log.write("started\\n")
        clock.sleep(20)
    except InterruptedRunError:
        stop.rest()
        clock.sleep(0.5)
        log.write("undone\\n")
"""


def test_a_run_in_a_terminal_that_is_closed_ends_as_it_should(tmp_path):
    log, script = tmp_path / "log", tmp_path / "runs.py"
    script.write_text(RUNS)
    shell, terminal = pty.fork()
    if not shell:
        os.execvp("bash", ["bash", "--norc", "-i"])
    try:
        command = shlex.join([sys.executable, "-c", f"exec(open({str(script)!r}).read())", str(log)])
        os.write(terminal, command.encode() + b"\n")
        assert comes(log, "started")
    finally:
        os.close(terminal)
        os.waitpid(shell, 0)
    assert comes(log, "undone")


def comes(log, word):
    """Whether a word stands in a file in time."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if log.exists() and word in log.read_text():
            return True
        time.sleep(0.05)
    return False


def test_who_has_asked_is_known_until_the_run_has_heard():
    stop = Stop(Seconds())
    assert stop.heard == ""
    stop.ask("SIGINT")
    assert stop.heard == "SIGINT"
    stop.rest()
    assert stop.heard == ""
