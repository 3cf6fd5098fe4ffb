"""A console is read until its other side ends, attached again, and never shows the password."""

import pytest

from mxlib.adapters.console import Console, ConsoleError
from tests.unit.support.consoles import console


def test_the_end_of_the_other_side_is_seen_and_reattached() -> None:
    with console("--show", "bye\\r\\n", "--end-after", "1.5") as line:
        assert line.wait(lambda text: "bye" in text, timeout=5)
        assert not line.wait(lambda text: "never" in text, timeout=5)
        assert not line.alive
        with pytest.raises(ConsoleError, match="not attached"):
            line.send("x")
        assert line.reattach(timeout=5, every=0.5)
        assert line.alive


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(ConsoleError, match="cannot start"), Console(["/nonexistent/ssh"]):
        pass


def test_the_screen_never_shows_the_password() -> None:
    with console("--show", "mail login: s3cret-on-the-line\\r\\n") as line:
        assert line.wait(lambda text: "line" in text, timeout=5)
        assert "s3cret" not in line.screen().last
        assert line.excerpt(5) == ("mail login: ***",)
