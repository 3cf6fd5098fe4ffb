"""The states in which a host and its service can be."""

from mxlib.model.state import MtaState


def test_every_state_of_the_mta_says_something_to_a_person():
    assert {one: one.said for one in MtaState} == {
        MtaState.SERVING: "serving",
        MtaState.HELD: "held",
        MtaState.OTHER: "neither serving nor held",
    }
