"""The pool state in front of the MXs, in conftool."""

import logging
import re
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TypeVar

import etcd
from conftool.configuration import ConfigurationError
from conftool.drivers import BackendError
from spicerack.confctl import ConftoolEntity
from spicerack.exceptions import SpicerackError

from mxlib.adapters.error_words import words_of
from mxlib.base.errors import PoolError
from mxlib.config.pool import ConftoolTags

logger = logging.getLogger(__name__)

T = TypeVar("T")
_CONFTOOL = (SpicerackError, BackendError, ConfigurationError)
_ONE_AT_A_TIME = threading.Lock()
"""The pools of several hosts are asked side by side, and all of conftool's objects share one client of etcd."""


class NoPool:
    """A site without a pool state: its clients' own failover takes its place."""

    def read(self, services: Collection[str] = ()) -> dict[str, str]:
        """Nothing."""
        return {}

    def write(self, values: Mapping[str, str]) -> None:
        """Nothing to set."""

    def command(self, values: Mapping[str, str]) -> list[str]:
        """Nothing to type."""
        return []


class ConftoolPool:
    """conftool's node objects of one MX, one for each service."""

    def __init__(self, make: Callable[[], ConftoolEntity], tags: ConftoolTags, host: str):
        """Look at nothing yet: not even whether conftool has a configuration, or an etcd that answers.

        Arguments:
            make: returns Spicerack's ``confctl("node")``.
            tags: of the host's objects.
            host: fully qualified.
        """
        self._make = make
        self._tags = tags
        self._host = host

    def _select(self, service: str) -> dict[str, str]:
        # Spicerack makes regular expressions of them, bound as ^...$: an alternative would escape the anchors
        tags = {"dc": self._tags.dc, "cluster": self._tags.cluster, "service": service, "name": self._host}
        return {tag: re.escape(value) for tag, value in tags.items()}

    def read(self, services: Collection[str] = ()) -> dict[str, str]:
        """Return the value of ``pooled`` by service."""
        return {service: _guarded(partial(self._read, service)) for service in services or self._tags.services}

    def _read(self, service: str) -> str:
        found = [str(found.pooled) for found in self._make().get(**self._select(service))]
        if len(found) != 1:
            where = f"{self._host} in dc {self._tags.dc}, cluster {self._tags.cluster}"
            raise PoolError(f"conftool: {len(found)} objects for service {service} of {where}: expected one")
        return found[0]

    def write(self, values: Mapping[str, str]) -> None:
        """Set ``pooled`` by service, and read it back."""
        for service, value in values.items():
            _guarded(partial(self._write, service, value))

    def _write(self, service: str, value: str) -> None:
        self._make().set_and_verify("pooled", value, **self._select(service))

    def command(self, values: Mapping[str, str]) -> list[str]:
        """Return the confctl command lines."""
        return [
            f"confctl select 'dc={self._tags.dc},cluster={self._tags.cluster},service={service},"
            f"name={self._host}' set/pooled={value}"
            for service, value in values.items()
        ]


class PoolIfReadable:
    """The pool state of a run without the slot, for when etcd itself is the incident.

    The first reading decides for the whole run: a pool that could not be read then is not written to later, as its
    previous values are unknown.
    """

    def __init__(self, pool: ConftoolPool, say: Callable[[str], None]):
        """Look at nothing yet."""
        self._pool = pool
        self._say = say
        self._readable: bool | None = None

    def read(self, services: Collection[str] = ()) -> dict[str, str] | None:
        """Return the present values; None where the pool could not be read at first."""
        if self._readable is False:
            return None
        try:
            values = self._pool.read(services)
        except PoolError as error:
            if self._readable:
                raise
            self._readable = False
            self._say(f"the pool state is left as it is, the closed ports alone keep clients away: {error}")
            return None
        self._readable = True
        return values

    def write(self, values: Mapping[str, str]) -> None:
        """Set values and read them back; refused where the pool could not be read at first."""
        if self._readable is False:
            raise PoolError("the pool state could not be read, so it is left as it is")
        self._pool.write(values)

    def command(self, values: Mapping[str, str]) -> list[str]:
        """Return what an operator would type to set these values."""
        return self._pool.command(values)


def _guarded(ask: Callable[[], T]) -> T:
    """Turn what conftool raises into our own error; on a backend that fails it calls sys.exit(3).

    Its configuration, schema and client are made at the first question; wrong parameters of the client are a TypeError.
    """
    try:
        with _ONE_AT_A_TIME:
            return ask()
    except (*_CONFTOOL, etcd.EtcdException, ValueError, KeyError, TypeError, OSError, SystemExit) as error:
        raise PoolError(f"conftool: {words_of(error) or type(error).__name__}") from None
