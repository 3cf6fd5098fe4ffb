"""Ganeti's remote API in memory."""

from mxlib.nic.instance import Instance

NAME = "mx2001.lab.test"
MAC = "aa:00:00:77:00:21"


class FakeRapi:
    def __init__(self, answer: Instance | Exception) -> None:
        self._answer = answer

    def instance(self, name: str) -> Instance:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def __enter__(self) -> "FakeRapi":
        return self

    def __exit__(self, *_: object) -> None:
        pass
