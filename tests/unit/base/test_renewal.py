import logging
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


def test_a_trouble_that_lasts_is_said_once_and_so_is_its_end(caplog):
    caplog.set_level(logging.INFO)
    answers = iter(["no route", "refused", "", "", "no route"])

    def renew():
        if said := next(answers, "no route"):
            raise SlotError(f"etcd: {said}")

    renewed(lives=True, renew=renew, looks=6)
    assert caplog.messages == [
        "the lease was not renewed: etcd: no route; that is tried again",
        "the lease is renewed again",
        "the lease was not renewed: etcd: no route; that is tried again",
    ]


def test_a_run_that_makes_no_progress_is_told_of_once(caplog):
    renewed(lives=False)
    assert caplog.messages == ["the lease is not renewed: the run makes no progress"]
