import inspect

from mxlib.base import errors

EVERY = {one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)}


def test_a_request_to_stop_is_no_failure():
    """Whoever turns a failure into "could not be read" must let it through."""
    assert {one for one in EVERY if not issubclass(one, errors.MxlibError)} == {errors.InterruptedRunError}


def test_the_evidence_of_a_step_is_a_copy():
    evidence = {"queue": 5}
    error = errors.StepError("the queue grows", evidence)
    evidence["queue"] = 6
    assert (str(error), error.evidence) == ("the queue grows", {"queue": 5})
    assert errors.StepError("no evidence").evidence == {}
