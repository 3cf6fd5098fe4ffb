"""The pool state of a run without the slot: what cannot be read is left alone, for the whole run."""

from types import SimpleNamespace

from mxlib.adapters.conftool import PoolIfReadable
from mxlib.base.errors import PoolError
from mxlib.model.state import Pool
from mxlib.reboot import reading


class Conftool:
    def __init__(self, *answers):
        self.answers, self.written = list(answers), []

    def read(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def write(self, values):
        self.written.append(values)

    def command(self, values):
        return [str(values)]


def test_a_pool_that_can_be_read_is_used():
    conftool = Conftool({"smtp": "yes"}, {"smtp": "no"})
    pool = PoolIfReadable(conftool, print)
    assert (pool.read(), pool.read()) == ({"smtp": "yes"}, {"smtp": "no"})
    pool.write({"smtp": "no"})
    assert conftool.written == [{"smtp": "no"}]


def test_one_that_cannot_is_left_alone_also_when_it_comes_back():
    conftool, lines = Conftool(PoolError("etcd is away"), {"smtp": "yes"}), []
    pool = PoolIfReadable(conftool, lines.append)
    assert (pool.read(), pool.read()) == ({}, {})
    pool.write({"smtp": "no"})
    assert (conftool.written, pool.command({"smtp": "no"})) == ([], [])
    assert "left as it is" in lines[0]


def test_who_goes_on_with_such_a_run_leaves_it_alone_too():
    record = SimpleNamespace(prior=SimpleNamespace(pool={}))
    context = SimpleNamespace(adapters=SimpleNamespace(pool=Conftool({"smtp": "yes"})))
    assert reading._read_pool(context, None, record) is Pool.NONE
