"""What is watched all the while a run lasts: that somebody serves, and that no program is given a secret."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab import demo
from lab.campaign import secrecy
from lab.lifecycle import Stations
from lab.place import EXCHANGERS
from lab.shell import LabError

_LOOK_S = 3.0
_ARGUMENTS_S = 0.5
_BOTH_OUT = 3
"""So many looks in a row with no exchanger in service are no accident of the looks."""


def thread(wrong: list[str], what: str, act: Callable[..., None], *args: object) -> threading.Thread:
    """Return a thread whose error is no secret: it makes the run bad."""

    def run() -> None:
        try:
            act(*args)
        except Exception as error:
            wrong.append(f"{what} came to an end by an error: {error!r}")

    return threading.Thread(target=run)


@contextmanager
def watched(place: Stations) -> Iterator[tuple[list[str], set[str], list[str]]]:
    """Watch that one exchanger is always in service, that no program is given a secret, and that both are watched."""
    both_out, arguing, ended = list[str](), set[str](), list[str]()
    stop = threading.Event()
    watchers = [
        thread(ended, "the watch of the service", _watch, place, stop, both_out),
        thread(ended, "the look at arguments", _look_at_arguments, place, stop, arguing),
    ]
    for one in watchers:
        one.start()
    try:
        yield both_out, arguing, ended
    finally:
        stop.set()
        for one in watchers:
            one.join()


def _look_at_arguments(place: Stations, stop: threading.Event, arguing: set[str]) -> None:
    while not stop.wait(_ARGUMENTS_S):
        arguing |= secrecy.arguing(place)


def _watch(place: Stations, stop: threading.Event, wrong: list[str]) -> None:
    out = blind = 0
    while not stop.wait(_LOOK_S):
        try:
            out = 0 if any(demo.is_serving(place, mx) is not False for mx in EXCHANGERS) else out + 1
            blind = 0
        except LabError as error:
            blind += 1
            if blind == _BOTH_OUT:
                wrong.append(f"whether an exchanger was in service could not be seen at {demo.now()}: {error}")
        if out == _BOTH_OUT:
            wrong.append(f"no exchanger was in service at {demo.now()}")
