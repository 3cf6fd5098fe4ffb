"""A run without the slot of the service: the operator vouches, and no two operators have the same token."""

from mxlib.adapters.without_slot import WithoutSlot
from mxlib.base.errors import HostUnreachableError
from mxlib.model.state import Slot


def test_without_slot_the_operator_vouches():
    one = WithoutSlot(lambda: 4)
    assert one.take() == one.token > 4
    assert one.state() is Slot.MINE


def test_without_slot_nobody_is_called_free_unasked():
    assert "not asked" in WithoutSlot(lambda: 4).describe()


def test_without_slot_a_silent_host_has_no_token_yet():
    answers = [HostUnreachableError("no session"), 7]

    def newest():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    one = WithoutSlot(newest)
    assert one.token == 0
    assert one.token == one.token > 7


def test_two_operators_without_the_slot_never_have_the_same_token():
    first, second = WithoutSlot(lambda: 4), WithoutSlot(lambda: 4)
    assert first.token > 4
    assert second.token > 4
    assert first.token != second.token
