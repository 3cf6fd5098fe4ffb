"""An etcd in memory."""

import itertools

import etcd


class FakeEtcd:
    """What python-etcd's client does with keys, their indices and conditions (etcd 3.4, API version 2)."""

    def __init__(self):
        self.keys = {}
        self.index = itertools.count(7)
        self.down = False

    def _check(self):
        if self.down:
            raise etcd.EtcdConnectionFailed("refused")

    def read(self, key):
        self._check()
        if key not in self.keys:
            raise etcd.EtcdKeyNotFound(key)
        return self.keys[key]

    def _conditions(self, key, prevExist=None, prevIndex=None, prevValue=None):  # noqa: N803
        if prevExist is False and key in self.keys:
            raise etcd.EtcdAlreadyExist(key)
        if (prevExist or prevIndex is not None or prevValue is not None) and key not in self.keys:
            raise etcd.EtcdKeyNotFound(key)
        if prevIndex is not None and self.keys[key].modifiedIndex != prevIndex:
            raise etcd.EtcdCompareFailed(key)
        if prevValue is not None and self.keys[key].value != prevValue:
            raise etcd.EtcdCompareFailed(key)

    def write(self, key, value, ttl=None, **conditions):
        self._check()
        self._conditions(key, **conditions)
        node = {"key": key, "value": value, "ttl": ttl, "modifiedIndex": next(self.index)}
        self.keys[key] = etcd.EtcdResult(node=node)
        return self.keys[key]

    def delete(self, key, **conditions):
        self._check()
        self._conditions(key, **conditions)
        if key not in self.keys:
            raise etcd.EtcdKeyNotFound(key)
        del self.keys[key]

    def expire(self):
        self.keys = {key: value for key, value in self.keys.items() if not key.endswith("/lease")}
