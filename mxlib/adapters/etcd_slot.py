"""The one slot of the whole service, in etcd (API version 2): only one MX is out of service at a time.

Two keys. ``holder`` has no time limit: it names the host that is out and stays until that host is back, so a run
that dies does not make room for the next host. ``lease`` has one and is renewed while the run lives: without it anybody
may take over the run of the same host. Every taking changes ``holder`` by compare-and-set.

The fencing token stands in ``holder``. It is greater than etcd's index, than the previous holder's token, and than the
newest one that the host has seen: an etcd that was built again or restored from a backup counts from a lower number.
For the same reason a run recognises its own taking by the session in it, not by an index, which may come twice.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import Any

import etcd

from mxlib.adapters.etcd_api import BROKEN, EtcdClient, cause
from mxlib.base.errors import SlotError, SlotTakenError
from mxlib.base.text import one_line
from mxlib.model.state import Slot

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """Who has the slot.

    Attributes:
        host: the MX that is out.
        run: id of the run.
        who: operator and management host.
        since: when it was taken, ISO 8601.
        session: unique to the process that has taken it; empty in one from before this was kept.
        token: its fencing token; 0 in one from before this was kept, which is etcd's index then.
    """

    host: str
    run: str
    who: str
    since: str
    session: str = ""
    token: int = 0


@dataclass(frozen=True)
class SlotView:
    """The slot as it is now.

    Attributes:
        holder: who has it; None: nobody.
        token: the holder's fencing token.
        index: etcd index at which the holder was written.
        alive: the session that renews the lease; empty: no living run.
        beat: etcd index of the lease's last renewal; another number is a sign of life.
        left_s: seconds until the lease runs out unless it is renewed.
    """

    holder: Holder | None
    token: int
    alive: str
    beat: int = 0
    left_s: int = 0
    index: int = 0


class EtcdSlot:
    """The slot, seen by one run."""

    def __init__(self, client: EtcdClient, directory: str, lease_s: int, me: Holder, session: str):
        """Look at nothing yet.

        Arguments:
            directory: etcd directory of the two keys.
            lease_s: seconds after which the lease runs out.
            me: who would hold it.
            session: unique to this process; who resumes a run is another session of it.
        """
        self._client = client
        self._holder_key = f"{directory}/holder"
        self._lease_key = f"{directory}/lease"
        self._lease_s = lease_s
        self._me = me
        self._session = session
        self._renewed = False
        self.token = 0
        self._tried = False  # a write whose answer was lost may have taken the slot

    def twin(self, client: EtcdClient) -> "EtcdSlot":
        """Return the same session over another client, which belongs to another thread."""
        directory = self._holder_key.removesuffix("/holder")
        return EtcdSlot(client, directory, self._lease_s, self._me, self._session)

    def look(self) -> SlotView:
        """Read the slot.

        Raises:
            mxlib.base.errors.SlotError: etcd cannot be read, or the key is not ours.
        """
        holder = self._read(self._holder_key)
        lease = self._read(self._lease_key)
        alive, beat, left_s = ("", 0, 0) if lease is None else (lease.value, lease.modifiedIndex, lease.ttl or 0)
        if holder is None:
            return SlotView(None, 0, alive, beat, left_s)
        found = self._holder(holder.value)
        return SlotView(found, found.token or holder.modifiedIndex, alive, beat, left_s, holder.modifiedIndex)

    def _holder(self, value: str) -> Holder:
        try:
            return Holder(**json.loads(value))
        except (ValueError, TypeError):
            raise SlotError(f"etcd key {self._holder_key} is not a holder: {one_line(value)}") from None

    def state(self) -> Slot:
        """Return what the slot means for this run; a slot that cannot be read is UNKNOWN."""
        try:
            view = self.look()
        except SlotError as error:
            logger.warning("%s", error)
            return Slot.UNKNOWN
        if self.token and view.token == self.token and self._mine(view):
            return Slot.MINE
        others = view.holder is not None and view.holder.host != self._me.host
        if self.token or others or view.alive not in ("", self._session):
            return Slot.OTHERS
        return Slot.FREE if view.holder is None else Slot.LEFT

    def describe(self) -> str:
        """Return who has it, in words; empty if nobody has."""
        try:
            view = self.look()
        except SlotError as error:
            return str(error)
        if self.token and view.holder is None:
            return (
                f"the slot that this run took (token {self.token}) is gone from etcd, which was built again or restored"
                f" meanwhile: cookbook sre.mail.reboot-mx {self._me.host} --resume takes the slot again"
            )
        return self._taken(view) if view.holder is not None or view.alive else ""

    def take(self, newest: int = 0) -> int:
        """Take the slot, or take it over from a dead run of the same host.

        Arguments:
            newest: the newest fencing token that the host has seen; 0 where nobody has acted there, or it is silent.

        Returns:
            The fencing token.

        Raises:
            mxlib.base.errors.SlotTakenError: another host is out, or a run for this host lives.
            mxlib.base.errors.SlotError: etcd cannot be written.
        """
        view = self.look()
        if view.holder is not None and view.holder.host != self._me.host:
            raise SlotTakenError(self._taken(view))
        # a lease of ours is there where the answer to an earlier attempt was lost
        index = view.beat if view.alive == self._session else self._begin_lease(view)
        token = max(index, view.token, newest) + 1
        me = dataclasses.replace(self._me, session=self._session, token=token)
        condition = {"prevExist": False} if view.holder is None else {"prevIndex": view.index}
        self._tried = True
        try:
            self._client.write(self._holder_key, json.dumps(dataclasses.asdict(me)), **condition)
        except (etcd.EtcdAlreadyExist, etcd.EtcdCompareFailed, etcd.EtcdKeyNotFound):
            self._end_lease()
            raise SlotTakenError("somebody else took the slot of the service in this very moment") from None
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None
        self.token = token
        return token

    def _begin_lease(self, view: SlotView) -> int:
        """Begin the lease, and return etcd's index then."""
        try:
            written = self._client.write(self._lease_key, self._session, ttl=self._lease_s, prevExist=False)
        except etcd.EtcdAlreadyExist:
            raise SlotTakenError(self._taken(view)) from None
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None
        return int(written.modifiedIndex)

    def _taken(self, view: SlotView) -> str:
        if view.holder is None:
            return "another run is taking the slot of the service in this very moment"
        way_on = f"cookbook sre.mail.reboot-mx {view.holder.host} --resume, or --abort, frees it"
        life = "its run is alive" if view.alive else f"its run is dead: {way_on}"
        return (
            f"the slot of the service is held for {view.holder.host} by {view.holder.who} "
            f"since {view.holder.since} (run {view.holder.run}; {life})"
        )

    def renew(self) -> None:
        """Prolong the lease, or begin it again where it ran out while etcd was away.

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
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None

    def _mine(self, view: SlotView) -> bool:
        """Whether the holder's key was written by this process, whichever of its threads asks."""
        holder = view.holder
        return holder is not None and (holder.host, holder.session) == (self._me.host, self._session)

    def release(self) -> None:
        """Give the slot up; only if it is still ours.

        Raises:
            mxlib.base.errors.SlotError: etcd cannot be written; the slot stays held for the host.
        """
        if self._tried:
            view = self.look()
            if self._mine(view):
                self._give_up(view)
            elif self.token:
                logger.warning("the slot of the service was not ours any more")
            self.token, self._tried = 0, False
        self._end_lease()

    def _give_up(self, view: SlotView) -> None:
        try:
            self._client.delete(self._holder_key, prevIndex=view.index)
        except (etcd.EtcdCompareFailed, etcd.EtcdKeyNotFound):
            logger.warning("the slot of the service was not ours any more")
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None

    def leave(self) -> None:
        """Stop renewing: the host keeps the slot, and anybody may take its run over at once."""
        self._end_lease()

    def _end_lease(self) -> None:
        try:
            self._client.delete(self._lease_key, prevValue=self._session)
        except BROKEN as error:
            logger.debug("lease not removed, it will run out: %s", error)

    def _read(self, key: str) -> Any:
        try:
            found = self._client.read(key)
        except etcd.EtcdKeyNotFound:
            return None
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None
        if found.dir:
            raise SlotError(
                f"etcd key {key} is a directory, expected a value or nothing: make sure that no MX is out of service"
                " and no run is under way, then remove it"
            )
        return found
