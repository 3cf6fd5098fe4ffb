"""The budget of test mails in etcd: one count for all MXs and management hosts."""

import json
from types import SimpleNamespace

import etcd
import pytest

from mxlib.adapters.etcd_budget import HOUR_S, ProbeBudget
from mxlib.base.errors import SlotError
from mxlib.config.probes import OutboundProbe

BIG, SMALL = (
    OutboundProbe("provider", "u@provider.test"),
    OutboundProbe("lists", "l@lists.test", sizes=(2048,), times=1),
)


class Etcd:
    """The part of etcd that is used: entries of a directory, with their time to live."""

    def __init__(self):
        self.entries = {}
        self.ttls = []

    def write(self, key, value, ttl=None, append=False):
        assert append
        name = f"{key}/{len(self.ttls):020d}"
        self.entries[name] = value
        self.ttls.append(ttl)
        return SimpleNamespace(key=name)

    def read(self, key):
        found = [SimpleNamespace(key=k, value=v, dir=False) for k, v in self.entries.items() if k.startswith(key + "/")]
        return SimpleNamespace(leaves=found)

    def delete(self, key):
        del self.entries[key]


def budget(client, per_hour, **options):
    return ProbeBudget(lambda: client, "/mx-cookbooks/mail", per_hour, **options)


def test_it_is_counted_by_destination_over_all_hosts():
    client = Etcd()
    ours, theirs = budget(client, 8), budget(client, 8)
    assert ours.reserve("a", [BIG, SMALL]) == {}
    assert theirs.reserve("b", [BIG]) == {}
    held = ours.reserve("a", [BIG, SMALL])
    assert list(held) == ["provider"]
    assert "12 in an hour, the budget is 8" in held["provider"]
    assert "--over-budget" in held["provider"]


def test_what_was_refused_does_not_count():
    client = Etcd()
    assert budget(client, 4).reserve("a", [BIG]) == {}
    before = dict(client.entries)
    assert budget(client, 4).reserve("b", [BIG])
    assert client.entries == before


def test_entries_end_by_themselves():
    client = Etcd()
    budget(client, 4).reserve("a", [BIG])
    assert client.ttls == [HOUR_S]
    assert json.loads(next(iter(client.entries.values()))) == {"host": "a", "mails": 4}


def test_an_operator_can_exceed_it_and_is_counted():
    client = Etcd()
    assert budget(client, 1, exceed=True).reserve("a", [BIG]) == {}
    assert len(client.entries) == 1


@pytest.mark.parametrize("error", [etcd.EtcdConnectionFailed("gone"), OSError("no route"), SlotError("no etcdrc")])
def test_a_budget_that_cannot_be_read_is_none(error):
    def broken():
        raise error

    held = ProbeBudget(broken, "/d", 100).reserve("a", [BIG, SMALL])
    assert list(held) == ["provider", "lists"]
    assert all("cannot be read" in why for why in held.values())
    assert ProbeBudget(broken, "/d", 100, exceed=True).reserve("a", [BIG]) == {}


def test_what_is_no_entry_of_ours_is_no_budget():
    client = Etcd()
    client.entries["/mx-cookbooks/mail/test-mails/provider/x"] = "something"
    assert "holds something else" in budget(client, 100).reserve("a", [BIG])["provider"]
