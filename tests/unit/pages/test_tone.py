import pytest

from mxlib.model.outcome import Outcome
from mxlib.pages.tone import BAD, DOUBT, GOOD, PLAIN, of_outcome, of_status


@pytest.mark.parametrize(
    ("outcome", "tone"),
    [
        (Outcome.DONE, GOOD),
        (Outcome.LEFT_OUT, BAD),
        (Outcome.MAIL_LOST, BAD),
        (Outcome.TAKEN, PLAIN),
        (Outcome.UNDONE, DOUBT),
        (Outcome.FELL_BACK, DOUBT),
        (Outcome.INTERRUPTED, DOUBT),
    ],
)
def test_nothing_that_is_not_done_looks_good(outcome, tone):
    assert of_outcome(outcome) == tone


@pytest.mark.parametrize(("status", "tone"), [("OK", GOOD), ("FAILED", BAD), ("UNKNOWN", DOUBT), ("", DOUBT)])
def test_a_status_that_is_not_known_is_a_doubt(status, tone):
    assert of_status(status) == tone
