import threading

from mxlib.base.pulse import QUIET_S, Pulse
from mxlib.base.stop import Stop


class Seconds:
    """Seconds that a test lets pass."""

    now = 1000.0

    def __call__(self):
        return self.now


def test_a_run_that_gives_no_sign_for_too_long_makes_no_progress():
    seconds = Seconds()
    pulse = Pulse(seconds)
    seconds.now += QUIET_S - 1
    assert pulse.beats()
    seconds.now += 1
    assert not pulse.beats()
    pulse.quiet()
    assert pulse.beats()


def test_what_may_take_long_says_so_before():
    seconds = Seconds()
    pulse = Pulse(seconds)
    pulse.quiet(900.0)
    seconds.now += QUIET_S + 899
    assert pulse.beats()
    seconds.now += 1
    assert not pulse.beats()


def test_one_thread_that_goes_on_is_enough_and_the_next_sign_takes_the_place_of_the_last():
    seconds = Seconds()
    pulse = Pulse(seconds)
    other = threading.Thread(target=pulse.quiet, args=(60.0,))
    other.start()
    other.join()
    pulse.quiet(900.0)
    pulse.quiet()
    seconds.now += QUIET_S + 59
    assert pulse.beats()
    seconds.now += 1
    assert not pulse.beats()


def test_to_wait_is_a_sign_of_life():
    seconds = Seconds()
    stop = Stop(seconds)
    seconds.now += QUIET_S
    stop.wait(0)
    assert stop.pulse.beats()
