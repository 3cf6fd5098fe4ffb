import pytest

from mxlib.base.errors import CommandFailedError
from mxlib.protocols.host import CommandResult, purpose, read_text
from tests.unit.support.facts import NOW


class Answers:
    name = "mx1001.lab.test"

    def __init__(self, code, output):
        self.code, self.output = code, output

    def read(self, script, *, timeout):
        return CommandResult(script, self.code, self.output, NOW, timeout)


def test_what_a_script_that_failed_has_printed_is_not_its_answer():
    assert read_text(Answers(0, "a\n"), "# list it\nls", timeout=5) == "a\n"
    assert read_text(Answers(1, ""), "grep x y", timeout=5, ok_codes=(0, 1)) == ""
    with pytest.raises(CommandFailedError, match=r"mx1001\.lab\.test: exit code 2 of list it: ls: no such thing"):
        read_text(Answers(2, "ls: no such\nthing"), "# list it\nls", timeout=5)


def test_the_first_comment_says_what_a_script_is_for():
    assert purpose("mark=x\n# close the mail ports\n# and more\ntrue") == "close the mail ports"
    assert purpose("systemctl stop x.service") == "systemctl stop x.service"


def test_a_long_script_without_a_comment_is_cut():
    assert purpose("x" * 100) == "x" * 79 + "…"
    assert purpose("true\ntrue") == "true true"
