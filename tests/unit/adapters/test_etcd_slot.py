
import pytest

from mxlib.adapters.etcd_slot import EtcdSlot, Holder, WithoutSlot
from mxlib.base.errors import HostUnreachableError, SlotError, SlotTakenError
from mxlib.model.state import Slot
from tests.unit.support.etcd import FakeEtcd


def slot(client, host="mx2001.lab.test", run="run-1", session=None):
    return EtcdSlot(client, "/mx", 60, Holder(host, run, "op@cumin1001", "now"), session or f"session of {run}")


@pytest.fixture
def client():
    return FakeEtcd()


def test_taken_once_and_given_up(client):
    one = slot(client)
    assert one.state() is Slot.FREE
    token = one.take()
    assert one.state() is Slot.MINE
    one.release()
    assert client.keys == {}
    assert slot(client).take() > token


@pytest.mark.parametrize("host", ["mx1001.lab.test", "mx2001.lab.test"])
def test_while_a_run_lives_nobody_else_gets_it(client, host):
    slot(client).take()
    other = slot(client, host, "run-2")
    assert other.state() is Slot.OTHERS
    with pytest.raises(SlotTakenError, match=r"mx2001.lab.test by op@cumin1001 since now .* alive"):
        other.take()


def test_a_dead_run_keeps_the_slot_for_its_host(client):
    slot(client).take()
    client.expire()
    other = slot(client, "mx1001.lab.test", "run-2")
    assert other.state() is Slot.OTHERS
    with pytest.raises(SlotTakenError, match=r"lives no more: cookbook .* mx2001.lab.test --resume"):
        other.take()


def test_a_dead_run_is_taken_over_on_the_same_host_and_fenced(client):
    dead = slot(client)
    old = dead.take()
    client.expire()
    heir = slot(client, run="run-1", session="another")
    assert heir.state() is Slot.LEFT
    assert heir.take() > old
    assert dead.state() is Slot.OTHERS
    with pytest.raises(SlotTakenError):
        dead.renew()
    dead.release()
    assert heir.state() is Slot.MINE


def test_of_two_that_take_at_once_one_wins(client):
    one, two = slot(client, run="a"), slot(client, "mx1001.lab.test", run="b")
    view = two.look()
    one.take()
    two.look = lambda: view
    with pytest.raises(SlotTakenError):
        two.take()
    assert one.state() is Slot.MINE


def test_a_lease_that_ran_out_while_etcd_was_away_is_begun_anew(client):
    one = slot(client)
    one.take()
    client.expire()
    one.twin(client).renew()
    assert client.read("/mx/lease").value == "session of run-1"


def test_renewal_before_the_taking_begins_nothing(client):
    slot(client).renew()
    assert client.keys == {}


def test_who_was_not_fast_enough_has_nothing_to_renew_and_says_nothing(client):
    slot(client).take()
    slot(client, "mx1001.lab.test", "run-2").twin(client).renew()


def test_a_lease_that_another_session_has_taken_is_said(client):
    one = slot(client)
    one.take()
    beside = one.twin(client)
    beside.renew()
    client.expire()
    slot(client, session="another").take()
    with pytest.raises(SlotTakenError):
        beside.renew()


def test_leaving_lets_another_session_take_over(client):
    one = slot(client)
    one.take()
    one.leave()
    assert slot(client, session="another").state() is Slot.LEFT


def test_what_cannot_be_read_is_unknown(client):
    one = slot(client)
    one.take()
    client.down = True
    assert one.state() is Slot.UNKNOWN
    for act in (one.take, one.renew, one.release):
        with pytest.raises(SlotError):
            act()
    one.leave()


def test_a_foreign_value_is_no_holder(client):
    client.write("/mx/holder", "something else")
    one = slot(client)
    assert one.state() is Slot.UNKNOWN
    with pytest.raises(SlotError, match="is not a holder"):
        one.take()


def test_without_slot_the_operator_vouches():
    one = WithoutSlot(lambda: 4)
    assert (one.take(), one.state()) == (5, Slot.MINE)


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
    assert (one.token, one.token, one.token) == (0, 8, 8)
