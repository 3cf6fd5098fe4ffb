"""conftool's objects of each MX; in a run without the slot what cannot be read is left alone, for the whole run."""

import re
import threading
import time
from types import SimpleNamespace

import etcd
import pytest
from conftool.configuration import ConfigurationError

from mxlib.adapters.conftool import ConftoolPool, NoPool, PoolIfReadable
from mxlib.base.errors import PoolError
from mxlib.base.parallel import at_once
from mxlib.config.load import parse
from mxlib.config.pool import ConftoolTags
from mxlib.model.state import Pool
from mxlib.reboot import reading
from tests.unit.support.site import TEN_LINES


class Conftool:
    def __init__(self, *answers):
        self.answers, self.written = list(answers), []

    def read(self, _services=()):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def write(self, values):
        self.written.append(values)

    def command(self, values):
        return [str(values)]


def test_conftool_is_asked_by_one_thread_at_a_time():
    """What all of them share, python-etcd's client, is not made for more."""
    first, overlaps = threading.Event(), []

    def get(**_tags):
        overlaps.append(first.is_set())
        first.set()
        time.sleep(0.05)
        first.clear()
        return [SimpleNamespace(pooled="yes")]

    pool = ConftoolPool(lambda: SimpleNamespace(get=get), ConftoolTags("eqiad", "mail", ("smtp",)), "mx1001.lab.test")
    assert at_once(lambda one: one.read(), [pool] * 3) == ({"smtp": "yes"},) * 3
    assert overlaps == [False] * 3


class Entity:
    """Spicerack's entity: it makes regular expressions of what it is given."""

    def __init__(self, objects):
        self.objects, self.set = objects, []

    def get(self, **tags):
        fits = [one for one in self.objects if all(re.fullmatch(tags[tag], one[tag]) for tag in tags)]
        return [SimpleNamespace(pooled=one["pooled"]) for one in fits]

    def set_and_verify(self, key, value, **tags):
        self.set.append((key, value, tags["dc"], tags["name"]))


EACH_IN_ANOTHER = [
    {"dc": dc, "cluster": "mail", "service": "smtp", "name": name, "pooled": pooled}
    for dc, name, pooled in (("eqiad", "mx1001.lab.test", "yes"), ("codfw", "mx2001.lab.test", "no"))
]


@pytest.mark.parametrize(
    ("dc", "name", "pooled"), [("eqiad", "mx1001.lab.test", "yes"), ("codfw", "mx2001.lab.test", "no")]
)
def test_an_object_is_looked_for_in_the_data_centre_of_its_host(dc, name, pooled):
    entity = Entity(EACH_IN_ANOTHER)
    pool = ConftoolPool(lambda: entity, parse(TEN_LINES, "x.yaml").conftool_tags(name), name)
    assert pool.read() == {"smtp": pooled}
    pool.write({"smtp": "inactive"})
    assert entity.set == [("pooled", "inactive", dc, re.escape(name))]
    assert pool.command({"smtp": "no"}) == [
        f"confctl select 'dc={dc},cluster=mail,service=smtp,name={name}' set/pooled=no"
    ]


def test_an_object_of_another_data_centre_is_none_of_it():
    pool = ConftoolPool(lambda: Entity(EACH_IN_ANOTHER), ConftoolTags("eqiad", "mail", ("smtp",)), "mx2001.lab.test")
    with pytest.raises(PoolError, match=r"0 objects for service smtp of mx2001.lab.test in dc eqiad, cluster mail"):
        pool.read()


def test_what_a_run_has_to_restore_is_read_whatever_services_the_site_names_since():
    objects = [{**EACH_IN_ANOTHER[0], "service": name, "pooled": name} for name in ("smtp", "submission")]
    pool = ConftoolPool(lambda: Entity(objects), ConftoolTags("eqiad", "mail", ("submission",)), "mx1001.lab.test")
    assert (pool.read(), pool.read(["smtp"])) == ({"submission": "submission"}, {"smtp": "smtp"})
    assert PoolIfReadable(pool, print).read(["smtp"]) == {"smtp": "smtp"}
    assert NoPool().read(["smtp"]) == {}


@pytest.mark.parametrize(
    "error",
    [TypeError("unexpected keyword argument 'hots'"), etcd.EtcdConnectionFailed("refused"), ConfigurationError("bad")],
)
def test_a_conftool_that_cannot_be_made_is_a_pool_that_cannot_be_read(error):
    def make():
        raise error

    pool, lines = ConftoolPool(make, ConftoolTags("eqiad", "mail", ("smtp",)), "mx1001.lab.test"), []
    with pytest.raises(PoolError, match=f"conftool: {error}"):
        pool.read()
    with pytest.raises(PoolError):
        pool.write({"smtp": "no"})
    assert PoolIfReadable(pool, lines.append).read() is None
    assert "left as it is" in lines[0]


def test_a_pool_that_can_be_read_is_used():
    conftool = Conftool({"smtp": "yes"}, {"smtp": "no"})
    pool = PoolIfReadable(conftool, print)
    assert (pool.read(), pool.read()) == ({"smtp": "yes"}, {"smtp": "no"})
    pool.write({"smtp": "no"})
    assert conftool.written == [{"smtp": "no"}]


def test_one_that_cannot_is_left_alone_also_when_it_comes_back():
    conftool, lines = Conftool(PoolError("etcd is away"), {"smtp": "yes"}), []
    pool = PoolIfReadable(conftool, lines.append)
    assert (pool.read(), pool.read()) == (None, None)
    with pytest.raises(PoolError, match="could not be read, so it is left as it is"):
        pool.write({"smtp": "no"})
    assert conftool.written == []
    assert ["left as it is" in line for line in lines] == [True]


def test_one_that_could_be_read_and_cannot_any_more_is_an_error():
    pool = PoolIfReadable(Conftool({"smtp": "yes"}, PoolError("etcd is away")), print)
    assert pool.read() == {"smtp": "yes"}
    with pytest.raises(PoolError, match="etcd is away"):
        pool.read()


@pytest.mark.parametrize(
    ("prior", "now", "pool"),
    [
        ({}, {"smtp": "yes"}, Pool.NONE),
        (None, {"smtp": "yes"}, Pool.NONE),
        (None, {"smtp": "yes", "submission": "no"}, Pool.UNREAD),
        (None, {"smtp": "inactive"}, Pool.UNREAD),
        (None, None, Pool.UNREAD),
        (None, PoolError("away"), Pool.UNREAD),
        ({"smtp": "yes"}, None, Pool.UNREAD),
        ({"smtp": "yes"}, PoolError("away"), Pool.UNKNOWN),
    ],
)
def test_who_resumes_such_a_run_leaves_it_alone_too_and_calls_it_pooled_only_where_it_is(prior, now, pool):
    record = SimpleNamespace(prior=SimpleNamespace(pool=prior))
    context = SimpleNamespace(adapters=SimpleNamespace(pool=Conftool(now)))
    journal = SimpleNamespace(write=lambda *_said, **_values: None)
    assert reading._read_pool(context, journal, record) is pool
