"""A client of etcd's v2 API, which is off by default since 3.4, gone in 3.6, and what Spicerack and conftool speak too.

Seen with Debian's packages 3.4.23, 3.5.16 and 3.5.30: with ``--enable-v2`` the slot works, without it every request is
answered by "404 page not found". With ``--experimental-enable-v2v3`` there are no time limits, so no lease.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import etcd
import urllib3
from wmflib.config import load_yaml_config

from mxlib.adapters.error_words import words_of
from mxlib.base.errors import SlotError
from mxlib.base.text import one_line

logger = logging.getLogger(__name__)

BROKEN = (etcd.EtcdException, urllib3.exceptions.HTTPError, OSError)
"""What python-etcd, and what is below it, raise of a request that failed."""
NO_API = "no v2 API, which conftool and these cookbooks use: expected etcd 3.4 or 3.5 with --enable-v2"
_NO_SUCH_PAGE = "404 page not found"
_CONNECTION = re.compile(r"^HTTPS?Connection\(.*?\): ")
_CUT_OFF = ("RemoteDisconnected", "ProtocolError")
_TIMEOUT_S = 5


class Server(Protocol):
    """What python-etcd's client knows of the etcd that it asks."""

    @property
    def version(self) -> str:
        """Its version; asked at the first use, and not of the v2 API."""

    @property
    def host(self) -> str:
        """Its name."""

    @property
    def port(self) -> int:
        """Its port."""


class EtcdClient(Server, Protocol):
    """What is used of python-etcd's client."""

    def read(self, key: str) -> Any:
        """Read a key."""

    def write(self, key: str, value: str | None, ttl: int | None = None, **options: Any) -> Any:
        """Write a key."""

    def delete(self, key: str, **options: Any) -> Any:
        """Delete a key."""


def keep_requests_off_the_terminal() -> None:
    """Have python-etcd log into files only, as Spicerack has cumin: what failed is said by who asked, once."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.addFilter(_not_of_python_etcd)


def _not_of_python_etcd(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] != "etcd"


def make_client(etcdrc: Path) -> EtcdClient:
    """Return a client from the file that Spicerack uses for its own locks.

    Arguments:
        etcdrc: YAML; parameters of python-etcd's client.

    Raises:
        mxlib.base.errors.SlotError: the file or its parameters are wrong; says nothing of what stands in it.
    """
    parameters: Mapping[str, Any] = {}
    try:
        parameters = load_yaml_config(etcdrc)
        return etcd.Client(**{"read_timeout": _TIMEOUT_S, **parameters})  # type: ignore[no-any-return]
    except Exception as error:  # whatever python-etcd makes of wrong parameters
        why = f"etcd has {NO_API}" if without_v2(error) else _wrong(error, parameters)
        raise SlotError(f"no etcd client from {etcdrc}: {why.removeprefix(f'{etcdrc}: ')}") from None


def _wrong(error: Exception, parameters: Mapping[str, Any]) -> str:
    """Return what is wrong with the file or its parameters; python-etcd names an unknown one, whatever it is."""
    said = words_of(error)
    secret = str(parameters.get("password") or "") if isinstance(parameters, Mapping) else ""
    return said.replace(secret, "***") if secret else said


def reachable(client: EtcdClient, key: str) -> None:
    """Ask etcd one question, whatever the answer.

    Raises:
        mxlib.base.errors.SlotError: it does not answer.
    """
    try:
        client.read(key)
    except etcd.EtcdKeyNotFound:
        return
    except BROKEN as error:
        raise SlotError(cause(client, error)) from None


def cause(server: Server, error: Exception) -> str:
    """Return why a request failed, for a person: where etcd lacks a working v2 API, that and its version.

    Arguments:
        server: the client that asked; it is asked for the version.
        error: what python-etcd, or what is below it, made of the answer.
    """
    said = str(error)
    if _NO_SUCH_PAGE in said:
        return f"etcd {_version(server) or 'of unknown version'} at {server.host}:{server.port} has {NO_API}"
    # 3.5.26: https://github.com/etcd-io/etcd/issues/21249. One that is down does not answer with its version either.
    if any(word in said for word in _CUT_OFF) and (version := _version(server)):
        return f"etcd {version} at {server.host}:{server.port} cut off a request to its v2 API; 3.5.26 always does"
    # What python-etcd and urllib3 wrap around it would fill the line before the reason comes.
    if (reason := getattr(getattr(error, "cause", None), "reason", None)) is not None:
        why = one_line(_CONNECTION.sub("", str(reason)))
        return f"etcd at {server.host}:{server.port} does not answer: {why}"
    return f"etcd: {one_line(said)}"


def without_v2(error: Exception) -> bool:
    """Whether an error says that there is no v2 API."""
    return _NO_SUCH_PAGE in str(error)


def _version(server: Server) -> str:
    try:
        return str(server.version)
    except Exception as error:  # python-etcd takes the answer apart without a check
        logger.debug("no version of etcd: %r", error)
        return ""
