from mxlib.base.meter import Meter, Reading
from mxlib.base.parallel import at_once


def test_round_trips_are_counted_and_their_times_add_up():
    meter = Meter()
    before = meter.read()
    at_once(meter.add, [0.5, 0.25, 0.25, 1.0])
    assert meter.read() == Reading(4, 2.0)
    later = meter.read()
    meter.add(3.0)
    assert later.since(before) == Reading(4, 2.0)
    assert meter.read().since(later) == Reading(1, 3.0)
