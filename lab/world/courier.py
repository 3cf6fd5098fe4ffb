"""A sender with a queue of its own: failover between hosts, retries with a bound, every fate written down once."""

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.world import jsonl
from lab.world.message import Message
from lab.world.routes import NextHop, NoRouteError, Router
from lab.world.submit import Attempt

FIRST_RETRY = 1.0
LONGEST_RETRY = 15.0
ATTEMPTS_KEPT = 50
STOP_LIMIT = 5.0
TryOnce = Callable[[NextHop, str, tuple[str, ...], bytes], Attempt]


@dataclass(frozen=True)
class Patience:
    """How long a sender keeps at it.

    Attributes:
        deadline: seconds a message may wait before it is given up.
        retries: False: the first failure is final, as with a program that has no queue.
        failover: False: only the first address of a message's route is ever tried.
        dead_memory: seconds an address that did not answer is left alone, as an MTA's retry hints would have it.
    """

    deadline: float = 300.0
    retries: bool = True
    failover: bool = True
    dead_memory: float = 10.0


@dataclass(eq=False)
class Item:
    """A message in the queue; `open` are the recipients whose fate is not known yet."""

    message: Message
    born: float
    open: tuple[str, ...]
    tries: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    note: str = ""
    closed: bool = False


def retry_delay(tries: int) -> float:
    """Return the seconds until the next try after `tries` tries: 1, 2, 4, 8, then 15."""
    return min(FIRST_RETRY * 2.0 ** min(tries - 1, 10), LONGEST_RETRY)


class Courier:
    """Takes messages, delivers them with a few workers, writes what became of each."""

    def __init__(
        self,
        router: Router,
        try_once: TryOnce,
        record: Callable[[dict[str, object]], None],
        say: Callable[[str], None],
        clock: Callable[[], float],
        patience: Patience,
        workers: int = 4,
    ) -> None:
        """Start the workers; `record` takes a line of sent.jsonl, `clock` returns monotonic seconds."""
        self._router = router
        self._try_once = try_once
        self._record = record
        self._say = say
        self._clock = clock
        self._patience = patience
        self.counts: Counter[str] = Counter()
        self._dead: dict[str, float] = {}
        self._queue: list[tuple[float, int, Item]] = []
        self._numbers = itertools.count()
        self._held: set[Item] = set()
        self._ending = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def put(self, message: Message) -> None:
        """Take a message."""
        item = Item(message, self._clock(), message.recipients)
        with self._changed:
            self._held.add(item)
            self._push(item, item.born)

    def waiting(self) -> int:
        """Return how many messages are in the queue or under way."""
        return len(self._held)

    def drain(self, end: Callable[[], float]) -> None:
        """Wait until the queue is empty; what is left at the end is written down as not sent.

        Arguments:
            end: the time, on the courier's clock, to wait until; asked again and again, since it may be moved.
        """
        with self._changed:
            while self._held and (left := end() - self._clock()) > 0:
                self._changed.wait(min(0.5, left))
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, end() + STOP_LIMIT - self._clock()))
        for item in list(self._held):
            self._close(item, "sender stopped")

    def _push(self, item: Item, due: float) -> None:
        heapq.heappush(self._queue, (due, next(self._numbers), item))
        self._changed.notify()

    def _work(self) -> None:
        while (item := self._next()) is not None:
            self._deliver(item)

    def _next(self) -> Item | None:
        with self._changed:
            while not self._ending:
                now = self._clock()
                if self._queue and self._queue[0][0] <= now:
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(self._queue[0][0] - now if self._queue else None)
        return None

    def _deliver(self, item: Item) -> None:
        item.tries += 1
        try:
            targets = self._router.targets(item.open[0].rpartition("@")[2])
        except NoRouteError as error:
            item.note = str(error)
            targets = []
        for target in self._alive(targets):
            self._attempt(item, target)
            if not item.open or self._ending:
                break
        self._after(item)

    def _alive(self, targets: list[NextHop]) -> list[NextHop]:
        now = self._clock()
        chosen = targets if self._patience.failover else targets[:1]
        if not self._patience.retries:
            return chosen
        return [target for target in chosen if self._dead.get(target.ip, 0.0) <= now]

    def _attempt(self, item: Item, target: NextHop) -> None:
        result = self._try_once(target, item.message.sender, item.open, item.message.payload)
        item.attempts.append(result)
        if result.outcome in ("timeout", "unreachable") and result.stage == "connect":
            self._dead[target.ip] = self._clock() + self._patience.dead_memory
        item.open = tuple(one for one in item.open if one not in result.taken and one not in result.rejected)
        if result.taken:
            self._write(item, result.taken, "accepted", result)
        if result.rejected:
            self._write(item, result.rejected, "refused", result)
        if result.outcome != "ok":
            self._say(
                f"{item.message.lab_id} {target.host} [{target.ip}] {result.stage} {result.outcome}: {result.reply}"
            )

    def _after(self, item: Item) -> None:
        due = self._clock() + retry_delay(item.tries)
        expired = due > item.born + self._patience.deadline
        with self._changed:
            if item.open and self._patience.retries and not expired and not self._ending:
                self._push(item, due)
                return
        self._close(item, "sender stopped" if self._ending else "given up")

    def _close(self, item: Item, why: str) -> None:
        if item.open:
            self._write(item, item.open, "unsent", item.attempts[-1] if item.attempts else None, why)
        with self._changed:
            item.closed = True
            self._held.discard(item)
            self._changed.notify_all()

    def _write(self, item: Item, recipients: tuple[str, ...], fate: str, last: Attempt | None, why: str = "") -> None:
        if item.closed:
            return
        self.counts[fate] += 1
        message = item.message
        self._record(
            {
                "time": jsonl.now(),
                "id": message.lab_id,
                "from": message.sender,
                "to": list(recipients),
                "size": len(message.payload),
                "body_size": message.body_size,
                "body_sha256": message.body_sha256,
                "accepted": fate == "accepted",
                "fate": fate,
                "why": why or item.note,
                "via": last.target.host if last else None,
                "ip": last.target.ip if last else None,
                "family": last.target.family if last else None,
                "reply": last.reply if last else None,
                "waited": round(self._clock() - item.born, 3),
                "ambiguous": sum(one.ambiguous for one in item.attempts),
                "attempts": [one.as_line() for one in item.attempts[-ATTEMPTS_KEPT:]],
            }
        )
