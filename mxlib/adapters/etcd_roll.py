"""What the nights of a roll share in etcd: the right to roll, and which hosts have failed with which kernel."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import etcd

from mxlib.adapters.etcd_api import BROKEN, EtcdClient, cause
from mxlib.adapters.etcd_slot import EtcdSlot, Holder, SlotView
from mxlib.adapters.etcd_wait import wait_for_silence
from mxlib.base.clock import Clock
from mxlib.base.errors import SlotError, SlotTakenError
from mxlib.base.renewal import Renewal
from mxlib.base.text import one_line
from mxlib.model.outcome import Outcome
from mxlib.model.state import Slot
from mxlib.roll.state import Failure

ROLL = "roll"
"""Stands where a host's name would: a roll is over all hosts."""


class EtcdRollSlot:
    """One roll at a time: a slot of its own beside the service's, which is free while a roll watches between hosts."""

    def __init__(self, slot: EtcdSlot, renewal: Renewal, clock: Clock, say: Callable[[str], None]):
        """Take nothing yet.

        Arguments:
            slot: with :data:`ROLL` as its host.
            renewal: of its lease.
            say: says what is waited for.
        """
        self._slot, self._renewal, self._clock, self._say = slot, renewal, clock, say

    def take(self) -> int:
        """Take it; where a roll was killed a moment ago, wait until its lease has run out."""
        if not wait_for_silence(self._slot.look, self._clock, self._say):
            raise SlotTakenError(describe(self._slot.look()))
        try:
            token = self._slot.take()
        except SlotTakenError:
            raise SlotTakenError(describe(self._slot.look())) from None
        self._renewal.start()
        return token

    def mine(self) -> bool:
        """Whether it is still ours."""
        return self._slot.state() is Slot.MINE

    def release(self) -> None:
        """Give it up."""
        self._renewal.stop()
        self._slot.release()


def describe(view: SlotView) -> str:
    """Return who rolls, in words."""
    if view.holder is None:
        return "another roll is beginning in this very moment"
    return f"a roll is under way: run {view.holder.run} by {view.holder.who} since {view.holder.since}"


def roll_slot(clients: tuple[EtcdClient, EtcdClient], key: str, lease_s: int, me: Holder, session: str, clock: Clock,
              say: Callable[[str], None], lives: Callable[[], bool]) -> EtcdRollSlot:  # fmt: skip
    """Return the right to roll, not yet taken.

    Arguments:
        clients: python-etcd's clients, one for each thread.
        key: etcd directory of the service's slot.
        lease_s: seconds after which the lease runs out.
        me: who would roll.
        session: unique to this process.
        say: says what is waited for.
        lives: whether the roll makes progress.
    """
    slot = EtcdSlot(clients[0], f"{key}-{ROLL}", lease_s, me, session)
    renewal = Renewal(slot.twin(clients[1]).renew, lease_s / 3, "the right to roll", lives)
    return EtcdRollSlot(slot, renewal, clock, say)


class EtcdMemory:
    """Which hosts failed with which kernel: one key, so that the next night knows it on any management host."""

    def __init__(self, client: EtcdClient, key: str):
        """Read nothing yet.

        Arguments:
            key: etcd directory of the service's slot.
        """
        self._client = client
        self._key = f"{key}-{ROLL}/failed"

    def failed(self, kernel: str) -> dict[str, Failure]:
        """Return the hosts that failed with a kernel, and how."""
        try:
            return {host: _failure(raw) for host, raw in self._all().get(kernel, {}).items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SlotError(f"etcd key {self._key} is not a roll's memory: {one_line(repr(error))}") from None

    def remember(self, kernel: str, failed: Mapping[str, Failure]) -> None:
        """Write down which hosts failed with a kernel."""
        known = {one: hosts for one, hosts in self._all().items() if one != kernel}
        if failed:
            known[kernel] = {host: _raw(failure) for host, failure in failed.items()}
        try:
            self._client.write(self._key, json.dumps(known, sort_keys=True))
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None

    def _all(self) -> dict[str, Any]:
        try:
            found = json.loads(self._client.read(self._key).value)
        except etcd.EtcdKeyNotFound:
            return {}
        except ValueError:
            raise SlotError(f"etcd key {self._key} is not a roll's memory") from None
        except BROKEN as error:
            raise SlotError(cause(self._client, error)) from None
        if not isinstance(found, dict):
            raise SlotError(f"etcd key {self._key} is not a roll's memory")
        return found


def _raw(failure: Failure) -> dict[str, str]:
    return {"outcome": failure.outcome.name, "why": failure.why, "at": failure.at, "run": failure.run}


def _failure(raw: Mapping[str, str]) -> Failure:
    at = datetime.fromisoformat(raw["at"]).isoformat()
    return Failure(Outcome[raw["outcome"]], one_line(str(raw["why"]), 400), at, one_line(str(raw["run"])))
