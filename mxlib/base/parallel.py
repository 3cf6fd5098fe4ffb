"""Several questions at the same time: on a slow host the asking is what takes long, and the answers are independent."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 16

Q = TypeVar("Q")
A = TypeVar("A")


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
