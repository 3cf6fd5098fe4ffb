"""Several questions side by side: on a slow host the round trips take the time, and the answers are independent."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

MOST = 32

Q = TypeVar("Q")
A = TypeVar("A")
B = TypeVar("B")


def at_once(ask: Callable[[Q], A], questions: Iterable[Q]) -> tuple[A, ...]:
    """Ask several questions, each in a thread of its own, and wait for all answers.

    Arguments:
        ask: answers one question; shares no state with the others.

    Returns:
        The answers, in the order of the questions. The first exception among them is raised instead.
    """
    known = tuple(questions)
    if len(known) < 2:
        return tuple(map(ask, known))
    with ThreadPoolExecutor(max_workers=min(MOST, len(known)), thread_name_prefix="asking") as pool:
        return tuple(pool.map(ask, known))


def side_by_side(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Ask two questions at the same time and return both answers."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="asking") as pool:
        pending = pool.submit(first)
        answer = second()
        return pending.result(), answer


def with_progress(work: Callable[[], A], tick: Callable[[], None]) -> A:
    """Work in a thread, and call ``tick`` until it is done; a tick shows progress and lets a moment pass."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        while not future.done():
            tick()
    return future.result()


def once(ask: Callable[[], A], *, keep: tuple[type[Exception], ...] = ()) -> Callable[[], A]:
    """Return a question that is asked once, from whichever thread, and then remembers its answer.

    Arguments:
        keep: errors that count as an answer; after any other error the question is asked again.
    """
    lock = threading.Lock()
    known: list[A | Exception] = []

    def asked() -> A:
        with lock:
            if not known:
                try:
                    known.append(ask())
                except keep as error:
                    known.append(error)
        if isinstance(known[0], Exception):
            raise known[0]
        return known[0]

    return asked


class Outstanding:
    """Several questions of which somebody sees how many are answered, and which are not."""

    def __init__(self, names: Iterable[str], show: Callable[[int, int, Sequence[str]], None]) -> None:
        """Nothing is answered yet.

        Arguments:
            names: of all the questions, each once.
            show: called at each change with how many are answered, how many there are, and which are not answered;
                called from the thread that has asked, one at a time.
        """
        self._waiting = dict.fromkeys(names)
        self._all = len(self._waiting)
        self._show = show
        self._lock = threading.Lock()
        show(0, self._all, tuple(self._waiting))

    def watched(self, name: str, ask: Callable[[], A]) -> Callable[[], A]:
        """Return a question that is counted once it has an answer, or an error.

        Arguments:
            name: one of the names.
            ask: the question.
        """

        def asked() -> A:
            try:
                return ask()
            finally:
                with self._lock:
                    self._waiting.pop(name, None)
                    self._show(self._all - len(self._waiting), self._all, tuple(self._waiting))

        return asked


class UnderWay(Generic[A]):
    """A question that is asked in a thread of its own, and that nobody has to wait for to the end.

    The thread is a daemon: what never answers keeps no process from ending.
    """

    def __init__(self, ask: Callable[[], A]) -> None:
        """Begin to ask.

        Arguments:
            ask: answers it; must not touch what another thread touches.
        """
        self._ask = ask
        self._answer: list[A] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._answer.append(self._ask())
        except BaseException as error:  # it is raised where somebody waits for the answer
            self._error = error

    def answer(self, seconds: float) -> A:
        """Return the answer, or raise what came instead of it.

        Arguments:
            seconds: how long it is waited for.

        Raises:
            TimeoutError: there is none yet.
        """
        self._thread.join(timeout=max(0.0, seconds))
        if self._error is not None:
            raise self._error
        if not self._answer:
            raise TimeoutError(f"no answer within {seconds:g} s")
        return self._answer[0]
