"""How many test mails a destination gets in an hour, by all MXs and all management hosts together.

It lives in etcd, beside the slot of the service: that is the one place all management hosts share, and without it two
timers on two of them would each know half. Every verification writes an entry of its own that etcd removes after an
hour, then reads all of them: nobody has to count down, and two that ask at the same moment both see both.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mxlib.adapters.etcd_api import BROKEN, EtcdClient, cause
from mxlib.base.errors import SlotError
from mxlib.base.text import one_line
from mxlib.config.probes import OutboundProbe

HOUR_S = 3600


class ProbeBudget:
    """The budget of one service."""

    def __init__(
        self, connect: Callable[[], EtcdClient], directory: str, per_hour: int, *, exceed: bool = False
    ) -> None:
        """Ask nothing yet.

        Arguments:
            connect: returns a client of etcd.
            directory: etcd directory of the service.
            per_hour: test mails to one destination in an hour.
            exceed: whether to send whatever the count says; it is counted all the same.
        """
        self._connect = connect
        self._directory = f"{directory}/test-mails"
        self._per_hour = per_hour
        self._exceed = exceed
        self._lock = threading.Lock()
        self._client: EtcdClient | None = None

    def reserve(self, host: str, mails: Sequence[OutboundProbe]) -> Mapping[str, str]:
        """Ask for the test mails of a host.

        Returns:
            The destinations that get none, by name, and why. Without etcd that is all of them: a budget that cannot be
            read is none.
        """
        with self._lock:
            try:
                return {one.name: why for one in mails if (why := self._one(host, one))}
            except (SlotError, *BROKEN) as error:
                said = one_line(str(error)) if self._client is None else cause(self._client, error)
                why = f"no test mail sent: their budget cannot be read (--over-budget sends): {said}"
                return {} if self._exceed else {one.name: why for one in mails}

    def _one(self, host: str, mail: OutboundProbe) -> str:
        """Reserve for one destination, and return why it gets none; empty where it does."""
        client = self._client = self._client or self._connect()
        count = len(mail.sizes) * mail.times
        directory = f"{self._directory}/{mail.name}"
        mine = client.write(directory, json.dumps({"host": host, "mails": count}), ttl=HOUR_S, append=True)
        spent = self._spent(client, directory)
        if self._exceed or spent <= self._per_hour:
            return ""
        client.delete(mine.key)
        return (
            f"no test mail sent: with these {count} there would be {spent} in an hour, "
            f"the budget is {self._per_hour} (--over-budget sends)"
        )

    def _spent(self, client: EtcdClient, directory: str) -> int:
        try:
            leaves: list[Any] = [leaf for leaf in client.read(directory).leaves if not leaf.dir]
            return sum(int(json.loads(leaf.value)["mails"]) for leaf in leaves)
        except (ValueError, TypeError, KeyError):
            raise SlotError(f"etcd directory {directory} holds something else than test mails") from None
