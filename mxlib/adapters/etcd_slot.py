"""The one slot of the whole service, in etcd (API version 2): only one MX is out at a time, whoever works on it.

Two keys. ``holder`` has no time limit: it names the host that is out and stays until that host is given back, so a run
that dies does not make room for the next host. ``lease`` has one and is renewed while the run lives: without it anybody
may take the same host's run over. Every taking changes ``holder`` by compare-and-set; its etcd index is the fencing
token, which grows with each taking.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import etcd
import urllib3
from wmflib.config import load_yaml_config

from mxlib.adapters.etcd_api import NO_API, Client, cause, without_v2
from mxlib.base.errors import HostError, SlotError, SlotTakenError
from mxlib.base.text import one_line
from mxlib.model.state import Slot

logger = logging.getLogger(__name__)

_BROKEN = (etcd.EtcdException, urllib3.exceptions.HTTPError, OSError)
_TIMEOUT_S = 5


@dataclass(frozen=True)
class Holder:
    """Who has the slot.

    Attributes:
        host: the MX that is out.
        run: id of the run.
        who: operator and management host.
        since: when it was taken, ISO 8601.
    """

    host: str
    run: str
    who: str
    since: str


@dataclass(frozen=True)
class SlotView:
    """The slot as it is now.

    Attributes:
        holder: who has it; None: nobody.
        token: the holder's fencing token.
        alive: the session that renews the lease; empty: no living run.
        beat: etcd index of the lease's last renewal; another number is a sign of life.
        left_s: seconds until the lease runs out unless it is renewed.
    """

    holder: Holder | None
    token: int
    alive: str
    beat: int = 0
    left_s: int = 0


def make_client(etcdrc: Path) -> Client:
    """A client from the file that Spicerack uses for its own locks.

    Arguments:
        etcdrc: parameters of python-etcd's client.

    Raises:
        mxlib.base.errors.SlotError: the file or its parameters are wrong.
    """
    try:
        parameters: Mapping[str, Any] = load_yaml_config(etcdrc)
        return etcd.Client(**{"read_timeout": _TIMEOUT_S, **parameters})  # type: ignore[no-any-return]
    except Exception as error:  # whatever python-etcd makes of wrong parameters
        why = f"etcd has {NO_API}" if without_v2(error) else one_line(str(error))
        raise SlotError(f"no etcd client from {etcdrc}: {why}") from None


def reachable(client: Client, key: str) -> None:
    """Ask etcd one question, whatever the answer.

    Arguments:
        client: python-etcd's client.
        key: any key.

    Raises:
        mxlib.base.errors.SlotError: it does not answer.
    """
    try:
        client.read(key)
    except etcd.EtcdKeyNotFound:
        return
    except _BROKEN as error:
        raise SlotError(cause(client, error)) from None


class EtcdSlot:
    """The slot, seen by one run."""

    def __init__(self, client: Client, directory: str, lease_s: int, me: Holder, session: str):
        """Look at nothing yet.

        Arguments:
            client: python-etcd's client.
            directory: etcd directory of the two keys.
            lease_s: time limit of the lease.
            me: who would hold it.
            session: unique to this process; a resumed run is another session of the same run.
        """
        self._client = client
        self._holder_key = f"{directory}/holder"
        self._lease_key = f"{directory}/lease"
        self._lease_s = lease_s
        self._me = me
        self._session = session
        self._renewed = False
        self.token = 0

    def twin(self, client: Client) -> "EtcdSlot":
        """The same session over another client, for another thread.

        Arguments:
            client: that thread's own client.
        """
        directory = self._holder_key.removesuffix("/holder")
        return EtcdSlot(client, directory, self._lease_s, self._me, self._session)

    def look(self) -> SlotView:
        """Read the slot.

        Raises:
            mxlib.base.errors.SlotError: etcd cannot be read, or the key is not ours.
        """
        holder = self._read(self._holder_key)
        lease = self._read(self._lease_key)
        alive = (lease.value, lease.modifiedIndex, lease.ttl or 0) if lease is not None else ("", 0, 0)
        if holder is None:
            return SlotView(None, 0, *alive)
        try:
            return SlotView(Holder(**json.loads(holder.value)), holder.modifiedIndex, *alive)
        except (ValueError, TypeError):
            raise SlotError(f"etcd key {self._holder_key} is not a holder: {one_line(holder.value)}") from None

    def state(self) -> Slot:
        """What the slot means for this run; a slot that cannot be read is UNKNOWN."""
        try:
            view = self.look()
        except SlotError as error:
            logger.warning("%s", error)
            return Slot.UNKNOWN
        if self.token and view.token == self.token:
            return Slot.MINE
        others = view.holder is not None and view.holder.host != self._me.host
        if self.token or others or view.alive not in ("", self._session):
            return Slot.OTHERS
        return Slot.FREE if view.holder is None else Slot.LEFT

    def describe(self) -> str:
        """Who has it, in words; empty if nobody has."""
        try:
            view = self.look()
        except SlotError as error:
            return str(error)
        return self._taken(view) if view.holder is not None or view.alive else ""

    def take(self) -> int:
        """Take the slot, or take it over from a dead run of the same host.

        Returns:
            The fencing token.

        Raises:
            mxlib.base.errors.SlotTakenError: another host is out, or a run for this host lives.
            mxlib.base.errors.SlotError: etcd cannot be written.
        """
        view = self.look()
        if view.holder is not None and view.holder.host != self._me.host:
            raise SlotTakenError(self._taken(view))
        self._begin_lease(view)
        condition = {"prevExist": False} if view.holder is None else {"prevIndex": view.token}
        try:
            written = self._client.write(self._holder_key, json.dumps(asdict(self._me)), **condition)
        except (etcd.EtcdAlreadyExist, etcd.EtcdCompareFailed, etcd.EtcdKeyNotFound):
            self._end_lease()
            raise SlotTakenError("somebody else took the slot of the service in this very moment") from None
        except _BROKEN as error:
            raise SlotError(cause(self._client, error)) from None
        self.token = written.modifiedIndex
        return self.token

    def _begin_lease(self, view: SlotView) -> None:
        try:
            self._client.write(self._lease_key, self._session, ttl=self._lease_s, prevExist=False)
        except etcd.EtcdAlreadyExist:
            raise SlotTakenError(self._taken(view)) from None
        except _BROKEN as error:
            raise SlotError(cause(self._client, error)) from None

    def _taken(self, view: SlotView) -> str:
        if view.holder is None:
            return "another run is taking the slot of the service in this very moment"
        way_on = f"cookbook sre.mail.reboot-mx {view.holder.host} --resume, or --abort, frees it"
        life = "its run is alive" if view.alive else f"its run lives no more: {way_on}"
        return (
            f"the slot of the service is held for {view.holder.host} by {view.holder.who} "
            f"since {view.holder.since} (run {view.holder.run}; {life})"
        )

    def renew(self) -> None:
        """Prolong the lease, or begin it anew where it ran out while etcd was away.

        Raises:
            mxlib.base.errors.SlotTakenError: another session has the lease now.
            mxlib.base.errors.SlotError: etcd cannot be written.
        """
        try:
            self._client.write(self._lease_key, self._session, ttl=self._lease_s, prevValue=self._session)
            self._renewed = True
        except etcd.EtcdKeyNotFound:
            if self._mine(self.look()):
                self._begin_lease(self.look())
        except etcd.EtcdCompareFailed:
            # before the taking, or after another run was faster, there is nothing to prolong
            if self._renewed or self.token:
                raise SlotTakenError("another session has taken the lease of the slot") from None
        except _BROKEN as error:
            raise SlotError(cause(self._client, error)) from None

    def _mine(self, view: SlotView) -> bool:
        """Whether the holder's key was written by this run, whichever of its threads asks."""
        return view.holder is not None and view.holder == self._me

    def release(self) -> None:
        """Give the slot up; only if it is still ours.

        Raises:
            mxlib.base.errors.SlotError: etcd cannot be written; the slot stays held for the host.
        """
        if self.token:
            try:
                self._client.delete(self._holder_key, prevIndex=self.token)
            except (etcd.EtcdCompareFailed, etcd.EtcdKeyNotFound):
                logger.warning("the slot of the service was not ours any more")
            except _BROKEN as error:
                raise SlotError(cause(self._client, error)) from None
            self.token = 0
        self._end_lease()

    def leave(self) -> None:
        """Stop renewing: the host keeps the slot, and anybody may take its run over at once."""
        self._end_lease()

    def _end_lease(self) -> None:
        try:
            self._client.delete(self._lease_key, prevValue=self._session)
        except _BROKEN as error:
            logger.debug("lease not removed, it will run out: %s", error)

    def _read(self, key: str) -> Any:
        try:
            return self._client.read(key)
        except etcd.EtcdKeyNotFound:
            return None
        except _BROKEN as error:
            raise SlotError(cause(self._client, error)) from None


class WithoutSlot:
    """In the place of the slot where etcd itself is the incident and the operator says so."""

    def __init__(self, newest: Callable[[], int]):
        """Ask nothing yet.

        Arguments:
            newest: reads the newest token that the host has seen.
        """
        self._newest = newest
        self._token = 0

    @property
    def token(self) -> int:
        """A token greater than the one on the host; 0 while the host does not answer."""
        if not self._token:
            try:
                self._token = self._newest() + 1
            except HostError as error:
                logger.debug("the token on the host is not known yet: %s", error)
        return self._token

    @token.setter
    def token(self, value: int) -> None:
        self._token = value

    def state(self) -> Slot:
        """Always ours: the operator vouches for it."""
        return Slot.MINE

    def describe(self) -> str:
        """Nobody is asked."""
        return "not asked (--without-slot)"

    def take(self) -> int:
        """Nothing to take."""
        return self.token

    def release(self) -> None:
        """Nothing to give up."""

    def leave(self) -> None:
        """Nothing to leave."""
