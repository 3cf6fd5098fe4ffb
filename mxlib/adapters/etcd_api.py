"""Whether an etcd has the v2 API: off by default since 3.4, gone in 3.6, and what Spicerack and conftool speak as well.

Seen with Debian's packages 3.4.23, 3.5.16 and 3.5.30: with ``--enable-v2`` the slot works, without it every request is
answered by "404 page not found". With ``--experimental-enable-v2v3`` there are no time limits, so no lease.
"""

import logging
import re
from typing import Any, Protocol

from mxlib.base.text import one_line

logger = logging.getLogger(__name__)

NO_API = "no v2 API, which conftool and these cookbooks use: expected etcd 3.4 or 3.5 with --enable-v2"
_NO_SUCH_PAGE = "404 page not found"
_CONNECTION = re.compile(r"^HTTPS?Connection\(.*?\): ")
_CUT_OFF = ("RemoteDisconnected", "ProtocolError")


class Server(Protocol):
    """What python-etcd's client tells of the etcd that it asks."""

    @property
    def version(self) -> str:
        """Its version; asked at the first use, and not of the v2 API."""

    @property
    def host(self) -> str:
        """Its name."""

    @property
    def port(self) -> int:
        """Its port."""


class Client(Server, Protocol):
    """What is used of python-etcd's client."""

    def read(self, key: str) -> Any:
        """Read a key."""

    def write(self, key: str, value: str | None, ttl: int | None = None, **options: Any) -> Any:
        """Write a key."""

    def delete(self, key: str, **options: Any) -> Any:
        """Delete a key."""


def cause(server: Server, error: Exception) -> str:
    """Return why a request failed, for a person: where etcd lacks a working v2 API, that and its version.

    Arguments:
        server: the client that asked; it is asked for the version.
        error: what python-etcd, or what is below it, made of the answer.
    """
    said = str(error)
    if _NO_SUCH_PAGE in said:
        return f"etcd {_version(server) or 'of unknown version'} at {server.host}:{server.port} has {NO_API}"
    # 3.5.26: https://github.com/etcd-io/etcd/issues/21249. One that is down does not tell its version either.
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
