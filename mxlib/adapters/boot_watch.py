"""A console that stays attached through a reboot: always read, and attached again when a cold start ends it."""

import threading
from collections.abc import Mapping
from typing import Self

from mxlib.adapters.console import Console, ConsoleError
from mxlib.nic.screen import NEW_BOOT, Screen, Waiting

_TRIES_S = 2.0
_EVERY_S = 1.0
_EXCERPT = 160
STANDSTILL_S: Mapping[Waiting, float] = {
    # At a prompt the boot has ended, and SSH is due. Elsewhere nothing happens by itself, save a panic with panic=20.
    Waiting.LOGIN: 12.0,
    Waiting.ROOT_SHELL: 12.0,
    Waiting.USER_SHELL: 12.0,
    Waiting.EMERGENCY: 12.0,
    Waiting.INITRAMFS: 12.0,
    Waiting.GRUB_RESCUE: 12.0,
    Waiting.GRUB_SHELL: 12.0,
    Waiting.FSCK: 12.0,
    Waiting.NO_BOOT_DEVICE: 30.0,
    Waiting.PANIC: 45.0,
}
"""Seconds after which a boot is stuck whose console still shows the same."""


class BootWatch:
    """Watches a boot in the background.

    Arguments:
        console: not yet attached; its transcript holds the whole boot.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="boot-watch", daemon=True)
        self._booting = False
        self._shows: tuple[Screen, float] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10 * _TRIES_S)
        self._console.close()

    def screen(self) -> Screen:
        """Return what was last seen; safe to show."""
        return self._console.screen()

    def excerpt(self) -> tuple[str, ...]:
        """Return the last lines of the boot, as a page shows them; safe to show."""
        return self._console.excerpt(_EXCERPT)

    def standstill(self) -> str:
        """Return what the console of the new boot has shown for a while; empty while the boot makes progress."""
        screen = self._still()
        if screen is None:
            return ""
        # at a login prompt the boot has ended: a unit that failed on the way is not what stopped it
        why = "" if screen.waiting is Waiting.LOGIN else screen.detail
        return f"{screen.waiting.value}{f': {why}' if why else ''}"

    def panic(self) -> Screen | None:
        """Return the console on which the new boot has stood still since its kernel panicked; None: it has not."""
        screen = self._still()
        return screen if screen is not None and screen.waiting is Waiting.PANIC else None

    def _still(self) -> Screen | None:
        shows = self._shows
        if shows is None:
            return None
        screen, since = shows
        return screen if self._console.clock.monotonic() - since >= STANDSTILL_S[screen.waiting] else None

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._console.alive:
                    self._console.reattach(timeout=_TRIES_S, every=_EVERY_S)
            except ConsoleError:  # ssh cannot be started: nothing to watch, and no reason to end the run
                return
            self._look()
            self._stop.wait(_EVERY_S)

    def _look(self) -> None:
        """Note since when the same is shown; what the old boot left on the screen does not count."""
        self._booting = self._booting or self._console.seen(NEW_BOOT)
        screen = self._console.screen()
        if not self._booting or screen.waiting not in STANDSTILL_S:
            self._shows = None
        elif self._shows is None or self._shows[0].waiting is not screen.waiting:
            self._shows = screen, self._console.clock.monotonic()
