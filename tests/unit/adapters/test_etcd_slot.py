import itertools
import re

import etcd
import pytest

from mxlib.adapters.etcd_slot import EtcdSlot, Holder, SlotView
from mxlib.base.errors import SlotError, SlotTakenError
from mxlib.model.state import Slot
from tests.unit.support.etcd import FakeEtcd


def slot(client, host="mx2001.lab.test", run="run-1", session=None):
    return EtcdSlot(client, "/mx", 60, Holder(host, run, "op@cumin1001", "now"), session or f"session of {run}")


@pytest.fixture
def client():
    return FakeEtcd()


def test_taken_once_and_given_up(client):
    one = slot(client)
    assert (one.state(), one.token) == (Slot.FREE, 0)
    token = one.take()
    assert (one.state(), one.token) == (Slot.MINE, token)
    one.release()
    assert (one.state(), one.token, client.keys) == (Slot.FREE, 0, {})
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
    with pytest.raises(SlotTakenError, match=r"its run is dead: cookbook .* mx2001.lab.test --resume"):
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


# --- between a look and what follows it


def seen(one, view):
    """Freeze what a slot sees: what follows is decided on a look that is outdated."""
    one.look = lambda: view


def test_a_holder_that_has_come_since_the_look_keeps_the_slot(client):
    one, two = slot(client, run="a"), slot(client, "mx1001.lab.test", run="b")
    seen(two, two.look())
    one.take()
    one.leave()
    with pytest.raises(SlotTakenError, match=r"^somebody else took the slot of the service in this very moment$"):
        two.take()
    assert (one.look().holder.host, two.token, one.look().alive) == ("mx2001.lab.test", 0, "")


def test_a_holder_that_has_changed_since_the_look_keeps_the_slot(client):
    slot(client, run="dead").take()
    client.expire()
    one, two = slot(client, run="a"), slot(client, run="b")
    seen(two, two.look())
    one.take()
    one.leave()
    with pytest.raises(SlotTakenError):
        two.take()
    assert slot(client).look().holder.run == "a"


def test_a_holder_that_is_gone_since_the_look_is_not_written_again(client):
    dead = slot(client, run="dead")
    dead.take()
    client.expire()
    one = slot(client)
    seen(one, one.look())
    dead.release()
    with pytest.raises(SlotTakenError):
        one.take()
    assert client.keys == {}


def test_a_slot_that_is_taken_over_between_look_and_release_is_left_to_its_heir(client, caplog):
    dead, heir = slot(client), slot(client, session="another")
    dead.take()
    view = dead.look()
    client.expire()
    heir.take()
    seen(dead, view)
    dead.release()
    assert (heir.state(), heir.look().alive) == (Slot.MINE, "another")
    assert [one.getMessage() for one in caplog.records] == ["the slot of the service was not ours any more"]


def test_a_slot_that_somebody_else_has_is_not_released_and_that_is_noted(client, caplog):
    dead, heir = slot(client), slot(client, session="another")
    dead.take()
    client.expire()
    heir.take()
    dead.release()
    assert (heir.state(), dead.token) == (Slot.MINE, 0)
    assert [one.getMessage() for one in caplog.records] == ["the slot of the service was not ours any more"]


# --- the lease


def test_a_lease_runs_out_unless_it_is_renewed(client):
    one = slot(client)
    one.take()
    for again in (None, one.renew, one.twin(client).renew):
        if again is not None:
            client.keys["/mx/lease"].ttl = 1
            again()
        assert (one.look().alive, one.look().left_s) == ("session of run-1", 60)
    client.expire()
    one.twin(client).renew()
    assert one.look().left_s == 60, "a lease that is begun again ends too"


def test_a_lease_that_another_begins_between_two_looks_is_not_begun_again(client):
    one = slot(client)
    one.take()
    write = client.write

    def late(key, value, **conditions):
        if "prevValue" in conditions:
            client.expire()
            write(key, "another", ttl=60)
            raise etcd.EtcdKeyNotFound(key)
        return write(key, value, **conditions)

    client.write = late
    with pytest.raises(SlotTakenError, match=r"held for mx2001\.lab\.test .*its run is alive"):
        one.renew()
    assert one.look().alive == "another"


def test_each_renewal_is_another_sign_of_life(client):
    one = slot(client)
    one.take()
    first = one.look().beat
    one.renew()
    assert one.look().beat > first > 0


def test_a_view_has_the_index_of_holder_and_lease(client):
    one = slot(client)
    assert one.look() == SlotView(None, 0, "", 0, 0, 0)
    one.renew()
    client.write("/mx/lease", "a run that begins", ttl=9)
    assert one.look() == SlotView(None, 0, "a run that begins", 7, 9)
    client.write("/mx/holder", '{"host": "h", "run": "r", "who": "w", "since": "s", "token": 5}')
    client.keys["/mx/lease"].ttl = None
    assert one.look() == SlotView(Holder("h", "r", "w", "s", "", 5), 5, "a run that begins", 7, 0, 8)


def test_only_ones_own_lease_is_ended(client):
    one = slot(client)
    slot(client, session="another").take()
    one.leave()
    one.release()
    assert one.look().alive == "another"


# --- what is said


def test_who_has_it_is_described(client):
    one, other = slot(client), slot(client, "mx1001.lab.test", "run-2")
    assert other.describe() == ""
    client.write("/mx/lease", "a run that begins")
    assert other.describe() == "another run is taking the slot of the service in this very moment"
    client.keys.clear()
    one.take()
    holder = "the slot of the service is held for mx2001.lab.test by op@cumin1001 since now"
    alive = f"{holder} (run run-1; its run is alive)"
    assert (one.describe(), other.describe()) == (alive, alive)
    one.leave()
    assert other.describe() == alive.replace(
        "its run is alive",
        "its run is dead: cookbook sre.mail.reboot-mx mx2001.lab.test --resume, or --abort, frees it",
    )


def test_what_etcd_answers_is_said_of_each_question_that_fails(client, caplog):
    client.host, client.port, client.version = "etcd1001", 2379, "3.5.16"
    said = "^etcd 3.5.16 at etcd1001:2379 has no v2 API"
    one = slot(client)
    one.take()
    write, delete = client.write, client.delete

    def no_api(*_args, **_conditions):
        raise etcd.EtcdException("Bad response: 404 page not found")

    client.write = no_api
    for act in (one.take, one.renew, slot(client, session="another", run="run-3").twin(client).renew):
        with pytest.raises(SlotError, match=said):
            act()
    client.keys.clear()
    with pytest.raises(SlotError, match=said):
        one.take()
    client.write, client.delete = write, no_api
    one.take()
    with pytest.raises(SlotError, match=said):
        one.release()
    client.delete, client.read = delete, no_api
    with pytest.raises(SlotError, match=said):
        one.take()
    assert one.state() is Slot.UNKNOWN
    assert re.match(said, caplog.messages[-1])
    assert re.match(said, one.describe())


def test_of_two_that_take_at_once_one_wins(client):
    one, two = slot(client, run="a"), slot(client, "mx1001.lab.test", run="b")
    view = two.look()
    one.take()
    two.look = lambda: view
    with pytest.raises(SlotTakenError):
        two.take()
    assert one.state() is Slot.MINE


def test_a_lease_that_ran_out_while_etcd_was_away_is_begun_again(client):
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
    with pytest.raises(SlotTakenError, match=r"^another session has taken the lease of the slot$"):
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


# --- an etcd that was built again, or restored from a backup


def test_the_token_is_greater_than_any_that_the_host_has_seen(client):
    one = slot(client)
    assert one.take(205) == 206
    assert one.state() is Slot.MINE
    assert one.look().token == 206
    one.release()
    assert client.keys == {}


def test_a_token_that_was_raised_is_raised_again_by_whoever_takes_over(client):
    slot(client).take(205)
    client.expire()
    assert slot(client, session="another").take() > 206


def test_who_holds_the_slot_may_raise_its_token(client):
    one = slot(client)
    low = one.take()
    assert one.take(205) == 206 > low
    assert one.state() is Slot.MINE
    one.release()
    assert client.keys == {}


def test_an_index_that_comes_twice_makes_nobody_elses_taking_ours(client):
    one = slot(client)
    token = one.take()
    client.keys.clear()
    client.index = itertools.count(7)
    other = slot(client, "mx1001.lab.test", "run-2")
    assert other.take() == token, "etcd counts again from where it was when this one took it"
    assert (one.state(), other.state()) == (Slot.OTHERS, Slot.MINE)
    one.release()
    assert other.state() is Slot.MINE


def test_a_taking_that_etcd_has_forgotten_is_named_with_the_command_that_takes_it_again(client):
    one = slot(client)
    one.take(205)
    client.keys.clear()
    assert one.state() is Slot.OTHERS
    assert re.search(r"token 206\) is gone from etcd.*reboot-mx mx2001.lab.test --resume takes", one.describe())
    one.twin(client).renew()
    assert client.keys == {}, "nothing is renewed that is not ours"
    assert slot(client, session="another").take(206) == 207


@pytest.mark.parametrize("again", [True, False])
def test_a_taking_whose_answer_was_lost_is_taken_once_more_or_given_up(client, again):
    one = slot(client)
    write = client.write

    def lossy(key, *args, **conditions):
        write(key, *args, **conditions)
        if key.endswith("holder"):
            raise etcd.EtcdConnectionFailed("read timed out")
        return client.keys[key]

    client.write = lossy
    with pytest.raises(SlotError, match="read timed out"):
        one.take()
    client.write = write
    assert one.state() is Slot.LEFT
    if again:
        assert one.take() > 0
        assert one.state() is Slot.MINE
    one.release()
    assert set(client.keys) & {"/mx/holder", "/mx/lease"} == set()


def test_a_holder_of_an_earlier_release_can_be_taken_over(client):
    client.write("/mx/holder", '{"host": "mx2001.lab.test", "run": "run-1", "who": "op", "since": "now"}')
    old = client.read("/mx/holder").modifiedIndex
    assert slot(client).state() is Slot.LEFT
    assert slot(client).take() > old


@pytest.mark.parametrize("key", ["/mx/holder", "/mx/lease"])
def test_a_key_that_is_a_directory_is_named(client, key):
    client.keys[key] = etcd.EtcdResult(node={"key": key, "dir": True})
    one = slot(client)
    assert one.state() is Slot.UNKNOWN
    expected = "a value or nothing: make sure that no MX is out of service and no run is under way, then remove it"
    for said in (one.describe, one.take):
        with pytest.raises(SlotError, match=f"etcd key {key} is a directory, expected {expected}$"):
            raise SlotError(said())
