"""What the tests put in the place of the world."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


class Tell:
    """An operator who keeps what it reads."""

    def __init__(self):
        self.lines = []
        self.shown = []
        """Each live line with how much of it is done, and what was begun as (text, None)."""

    def line(self, text):
        self.lines.append(text)

    def live(self, text, share=None):
        self.shown.append((text, share))

    def busy(self, text, share=None):
        self.shown.append((text, share))

    def close(self):
        """Nothing to undo."""
