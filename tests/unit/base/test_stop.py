import os
import signal

import pytest

from mxlib.base.errors import InterruptedRunError, MxlibError
from mxlib.base.stop import Stop, StoppableClock, signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_ends(number):
    stop = Stop()
    with signals(stop):
        os.kill(os.getpid(), number)
        with pytest.raises(InterruptedRunError, match=signal.Signals(number).name):
            stop.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


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
