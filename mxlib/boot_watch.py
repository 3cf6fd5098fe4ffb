"""A console kept attached through a reboot: drained all the time, attached again when a cold start ends it."""

import threading
from typing import Self

from mxlib.console import Console, ConsoleError
from mxlib.terminal import Screen

_TRIES_S = 2.0
_EVERY_S = 1.0


class BootWatch:
    """Watches a boot in the background.

    Arguments:
        console: not yet attached; its transcript holds the whole boot.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="boot-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10 * _TRIES_S)
        self._console.close()

    def screen(self) -> Screen:
        """What was last seen; safe to show."""
        return self._console.screen()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._console.alive:
                    self._console.reattach(timeout=_TRIES_S, every=_EVERY_S)
            except ConsoleError:  # no ssh to be started: nothing to watch, and no reason to end the run
                return
            self._stop.wait(_EVERY_S)
