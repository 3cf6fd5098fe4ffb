"""A console kept attached through a boot, and what it means when the same stands there for a while."""

import sys
import time
from pathlib import Path

from mxlib.adapters.boot_watch import BootWatch
from mxlib.adapters.console import Console
from mxlib.nic.screen import Screen, Waiting
from tests.unit.support.consoles import console
from tests.unit.support.fakes import FakeClock


def test_a_watched_boot_is_drained_and_attached_again_when_a_cold_start_ends_it(tmp_path: Path) -> None:
    line = console("--show", "mail login: ", "--end-after", "1.5", transcript=tmp_path / "transcript")
    with BootWatch(line) as watch:
        assert line.wait(lambda text: "login" in text, timeout=5)
        end = time.monotonic() + 15
        while (tmp_path / "transcript").read_text().count("mail login:") < 2 and time.monotonic() < end:
            time.sleep(0.1)
        assert watch.screen().waiting is Waiting.LOGIN
    assert (tmp_path / "transcript").read_text().count("mail login:") >= 2
    assert not line.alive


class Shown(Console):
    """A console that shows what a test sets, by a clock of its own."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-c", ""], clock=FakeClock())
        self.waiting, self.new = Waiting.BOOTING, False

    def seen(self, pattern: object) -> bool:
        return self.new

    def screen(self) -> Screen:
        return Screen(self.waiting, "detail" if self.waiting is Waiting.PANIC else "", "")


def test_a_boot_stands_still_when_its_console_shows_the_same_prompt_for_a_while() -> None:
    console = Shown()
    watch = BootWatch(console)
    console.waiting = Waiting.LOGIN
    look(watch, console, 60)
    assert watch.standstill() == ""  # the old boot's prompt
    console.new = True
    look(watch, console, 10)
    assert watch.standstill() == ""
    look(watch, console, 5)
    assert watch.standstill() == "a login prompt"
    assert watch.panic() is None
    console.waiting = Waiting.BOOTING
    look(watch, console, 1)
    assert watch.standstill() == ""
    console.waiting = Waiting.PANIC
    look(watch, console, 30)
    assert watch.standstill() == ""  # panic=20 would have it boot again by itself
    assert watch.panic() is None
    look(watch, console, 30)
    assert watch.standstill() == "a kernel panic: detail"
    assert watch.panic() == console.screen()


def look(watch: BootWatch, console: Shown, seconds: int) -> None:
    for _ in range(seconds):
        watch._look()
        console.clock.sleep(1)
