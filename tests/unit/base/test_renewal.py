import threading

from mxlib.base.errors import SlotError
from mxlib.base.renewal import Renewal


def renewed(lives, renew=lambda: None, looks=3):
    """How often something is renewed while it is asked that many times whether the run lives."""
    told, asked, count = [], threading.Event(), []

    def asks():
        count.append(1)
        if len(count) == looks:
            asked.set()
        return lives

    def renews():
        told.append(1)
        renew()

    renewal = Renewal(renews, 0.001, "the lease", asks)
    renewal.start()
    assert asked.wait(10)
    renewal.stop()
    return len(told)


def test_a_run_that_hangs_renews_nothing():
    assert renewed(lives=False) == 0
    assert renewed(lives=True) >= 2


def test_what_could_not_be_renewed_is_tried_again():
    def fails():
        raise SlotError("etcd: refused")

    assert renewed(lives=True, renew=fails) >= 2
