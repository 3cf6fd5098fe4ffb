"""A script under a time limit: its own exit code is not taken for the limit's, whatever it is."""

import subprocess

import pytest

from mxlib.adapters.limited import ended, noted

MARK = "@@mark"


def printed(script: str, limit: float = 5.0) -> str:
    """What comes back of a script, as the transports send it."""
    done = subprocess.run(
        ["timeout", "-k", "1", str(limit), "sh"], input=noted(script, MARK), capture_output=True, text=True, check=False
    )
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return f"{done.stdout}\n{MARK}-limit {code}\n"


@pytest.mark.parametrize("code", [0, 3, 124, 137])
def test_a_code_of_its_own_is_its_own(code: int) -> None:
    assert ended(printed(f"echo said; exit {code}"), MARK) == (code, "said\n")


def test_a_timeout_inside_is_not_the_limit() -> None:
    assert ended(printed("timeout 0.1 sleep 9"), MARK) == (124, "")


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "], ids=["asked to end", "killed"])
def test_what_the_limit_ended_has_no_code(deaf: str) -> None:
    assert ended(printed(f"{deaf}echo said; while :; do sleep 0.1; done", 0.3), MARK) == (None, "said\n")


def test_a_shell_that_ended_without_a_word_has_no_end() -> None:
    assert ended("said", MARK) is None


def test_a_script_that_no_shell_can_read_is_not_run() -> None:
    code, said = ended(printed("echo begun; if then"), MARK) or (0, "")
    assert code not in (0, None)
    assert "begun" not in said


def test_a_script_cannot_read_what_comes_after_it() -> None:
    assert ended(printed("cat"), MARK) == (0, "")
