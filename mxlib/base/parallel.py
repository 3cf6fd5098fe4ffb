"""Several questions at the same time: on a slow host the asking is what takes long, and the answers are independent."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 32

Q = TypeVar("Q")
A = TypeVar("A")
B = TypeVar("B")


def at_once(ask: Callable[[Q], A], questions: Iterable[Q]) -> tuple[A, ...]:
    """Ask several questions in threads of their own and wait for all answers.

    Arguments:
        ask: answers one; must not touch what another one touches.
        questions: what is asked.

    Returns:
        The answers, in the order of the questions; the first that raised, raises.
    """
    known = tuple(questions)
    if len(known) < 2:
        return tuple(map(ask, known))
    with ThreadPoolExecutor(max_workers=min(MOST, len(known)), thread_name_prefix="asking") as pool:
        return tuple(pool.map(ask, known))


def side_by_side(first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Return what two questions answer that are asked at the same time."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="asking") as pool:
        pending = pool.submit(first)
        answer = second()
        return pending.result(), answer


def while_told(work: Callable[[], A], tell: Callable[[], None]) -> A:
    """Work in a thread, and tell again and again that time passes.

    Arguments:
        work: what takes long.
        tell: says so, and lets a moment pass.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        while not future.done():
            tell()
    return future.result()


def once(ask: Callable[[], A], *, keep: tuple[type[Exception], ...] = ()) -> Callable[[], A]:
    """Ask only once, whoever wants to know, from whichever thread.

    Arguments:
        ask: the question.
        keep: errors that are an answer, too; after any other one it is asked again.
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
