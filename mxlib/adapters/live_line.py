"""The operator's terminal: one live line at its bottom, lines that stay above it, verdicts in colour.

The live line is moved by carriage returns and blanks alone: whatever else is written, no escape sequence has to be
understood, and what a terminal echoes of a typed ^C goes with the next one. tqdm draws the bar and measures text.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TextIO

from tqdm import tqdm
from tqdm.utils import disp_len, disp_trim

from mxlib.adapters.colour import coloured
from mxlib.base.text import duration, one_line, printable
from mxlib.protocols.operator import Share

_TICK_S = 1.0
_BAR = 20
_BAR_FROM = 60
"""A terminal with fewer columns has no room for a bar beside the text."""
_ECHO = 4
"""Columns that stay free: a ^C that is typed is echoed behind the live line, and must not wrap it."""
_COLUMNS = 80
"""Of a terminal that does not say how wide it is, such as a serial line."""
_LONGEST = 500


@dataclass(frozen=True)
class Frame:
    """What the live line shows.

    Attributes:
        text: in words; whatever a host said may be in it.
        share: how much of it is done; None: nobody knows.
        ticking: whether the seconds since the first such frame in a row stand behind it.
        heard: who asked the run to stop; empty: nobody.
    """

    text: str
    share: Share | None = None
    ticking: bool = False
    heard: Callable[[], str] = lambda: ""


class NoLiveLine:
    """No terminal, or one that can only print: nothing is ever replaced, and nothing is in colour."""

    live = False
    columns = None

    def show(self, frame: Frame) -> None:
        """Show nothing."""

    def clear(self) -> None:
        """Nothing to take away."""

    def close(self) -> None:
        """Nothing to undo."""


class LiveLine:
    """The live line of a terminal, safe to use from several threads.

    A signal's handler must not use it: the lock may be held below it.
    """

    def __init__(self, stream: TextIO, *, colours: bool, now: Callable[[], float] = time.monotonic) -> None:
        """Show nothing yet.

        Arguments:
            stream: the terminal.
            colours: whether verdicts are in colour.
            now: seconds that never jump.
        """
        self._stream, self._colours, self._now = stream, colours, now
        self._unicode = "utf" in (stream.encoding or "").lower()
        self._lock = threading.RLock()
        self._frame: Frame | None = None
        self._since = 0.0
        self._drawn = ""
        self._above = _Above(self)
        self._handlers: list[tuple[logging.StreamHandler[TextIO], logging.Formatter | None]] = []
        self._ticker: threading.Thread | None = None
        self._closed = threading.Event()
        self.live = True

    def show(self, frame: Frame) -> None:
        """Show this in the live line from now on.

        Arguments:
            frame: what.
        """
        if not self.live:
            return
        self._attach()
        with self._lock:
            if self._frame is None or not self._frame.ticking:
                self._since = self._now()
            self._frame = frame
            self._draw()
            self._tick()

    def clear(self) -> None:
        """Take the live line away: what is written next stays, and is the last that is seen."""
        self._attach()
        with self._lock:
            self._frame = None
            self._erase()

    def close(self) -> None:
        """Take the live line away, and give the log its terminal back."""
        with self._lock:
            self._frame = None
            self._erase()
            self._closed.set()
            ticker, self._ticker = self._ticker, None
            handlers, self._handlers = self._handlers, []
        if ticker is not None:
            ticker.join(timeout=2 * _TICK_S)
        for handler, formatter in handlers:
            handler.setStream(self._stream)
            handler.setFormatter(formatter)

    def write_above(self, text: str) -> None:
        """Write text that stays, and the live line again below it.

        Raises:
            OSError: the terminal is gone.
        """
        with self._lock:
            self._erase()
            self._stream.write(text)
            self._stream.flush()
            self._draw()

    # --- the log

    def _attach(self) -> None:
        """Have the log's lines for this terminal written above the live line, readable.

        Not under the lock: a handler that writes holds its own lock, and waits for this one.
        """
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self._stream:
                self._handlers.append((handler, handler.formatter))
                handler.setFormatter(_Readable(handler.formatter or logging.Formatter(), colours=self._colours))
                handler.setStream(self._above)

    # --- drawing, under the lock

    def _tick(self) -> None:
        if self._ticker is None:
            self._closed = threading.Event()
            self._ticker = threading.Thread(target=self._run, args=(self._closed,), name="live-line", daemon=True)
            self._ticker.start()

    def _run(self, closed: threading.Event) -> None:
        while not closed.wait(_TICK_S):
            with self._lock:
                if not closed.is_set():
                    self._draw()

    def _draw(self) -> None:
        if self._frame is None:
            return
        text = self._fitted(self._frame, self.columns - _ECHO)
        if text != self._drawn:
            self._erase()
            self._put(text)
            self._drawn = text if self.live else ""

    def _erase(self) -> None:
        if self._drawn:
            self._put(f"\r{' ' * (self.columns - 1)}\r")
            self._drawn = ""

    @property
    def columns(self) -> int:
        """How wide the terminal is now."""
        with contextlib.suppress(OSError):
            return os.get_terminal_size(self._stream.fileno()).columns or _COLUMNS
        return _COLUMNS

    def _fitted(self, frame: Frame, room: int) -> str:
        """The line as it fits: the bar, a request to stop that was heard, the words, the seconds."""
        bar = self._bar(frame.share) if frame.share is not None and room >= _BAR_FROM - _ECHO else ""
        heard = f"{frame.heard()} heard, stops at the next safe point; " if frame.heard() else ""
        took = f", {duration(self._now() - self._since)}" if frame.ticking else ""
        return bar + self._cut(f"{heard}{one_line(frame.text, _LONGEST)}", room - len(bar) - len(took)) + took

    def _bar(self, share: Share) -> str:
        done = max(0.0, min(share.done, share.total))
        drawn = tqdm.format_meter(done, share.total, 0, bar_format=f"{{bar:{_BAR}}}", ascii=not self._unicode)
        return f"|{drawn}| "

    def _cut(self, text: str, room: int) -> str:
        """Text in its columns; what the terminal's character set lacks is spelt before it is measured."""
        encoding = self._stream.encoding or "ascii"
        spelt = text.encode(encoding, "backslashreplace").decode(encoding)
        if disp_len(spelt) <= room:
            return spelt
        more = "…" if self._unicode else "..."
        return disp_trim(spelt, max(0, room - len(more))) + more

    def _put(self, text: str) -> None:
        """Write to a terminal that may be gone after a SIGHUP: then there is none from here on."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self.live, self._frame = False, None


class _Above:
    """What a log's handler writes to in place of the terminal."""

    def __init__(self, live: LiveLine) -> None:
        self._live = live

    def write(self, text: str) -> int:
        self._live.write_above(text)
        return len(text)

    def flush(self) -> None:
        """It is flushed already."""


class _Readable(logging.Formatter):
    """A log's lines as the terminal gets them: without control characters of others, with colours of ours."""

    def __init__(self, inner: logging.Formatter, *, colours: bool) -> None:
        super().__init__()
        self._inner, self._colours = inner, colours

    def format(self, record: logging.LogRecord) -> str:
        text = printable(self._inner.format(record))
        return coloured(text) if self._colours else text


@cache
def live_line_of(stream: TextIO | None) -> LiveLine | NoLiveLine:
    """Return the one live line of a stream, whoever writes to it.

    Colours go by https://no-color.org, and a terminal that names itself dumb, or not at all, gets plain lines.

    Arguments:
        stream: where live lines would go; None: it was closed before this process began, as by ``2>&-``.
    """
    if stream is None or not stream.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        return NoLiveLine()
    return LiveLine(stream, colours=not os.environ.get("NO_COLOR"))
