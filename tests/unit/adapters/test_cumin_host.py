import subprocess

import pytest

from mxlib.adapters.cumin_host import CuminHost, unwrap, wrap
from mxlib.base.errors import CommandFailedError, CommandTimeoutError, HostError, HostUnreachableError
from tests.unit.support.fakes import FakeClock


def local(command, *, timeout, is_safe):
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=timeout, check=False)
    return (done.stdout + done.stderr).decode(errors="replace")


def host(transport=local, **options):
    return CuminHost("mx1001.lab.test", transport, FakeClock(), **{"dry_run": False, **options})


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("true", 0, ""),
        ("echo ok", 0, "ok\n"),
        ("printf 'p1\\rp2\\rp3\\n'; exit 3", 3, "p1\rp2\rp3\n"),
        ("echo to-stderr >&2; exit 255", 255, "to-stderr\n"),
        ("printf 'no end of line'", 0, "no end of line"),
        ("cat", 0, ""),
        ("printf 'a\\n\\n\\n'", 0, "a\n\n\n"),
        ("echo \"$HOME 'quoted' %h %n\" | tr -d '/a-z'", 0, " '' % %\n"),
    ],
)
def test_exit_code_and_output_come_back_undamaged(script, code, output):
    result = host().read(script, timeout=5)
    assert (result.exit_code, result.output) == (code, output)


def test_bytes_that_are_not_utf8_are_replaced():
    assert host().read("printf '\\377x'", timeout=5).output == "\ufffdx"


def test_a_script_that_does_not_end_is_ended_on_the_host():
    with pytest.raises(CommandTimeoutError):
        host().act("sleep 5", timeout=0.2)


def test_an_unexpected_exit_code_is_an_error():
    with pytest.raises(CommandFailedError, match="exit code 4: broken"):
        host().act("echo broken; exit 4", timeout=5)
    assert host().act("exit 4", timeout=5, ok_codes=(0, 4)).exit_code == 4


@pytest.mark.parametrize("said", ["", "ssh: connect to host mx1001.lab.test port 22: No route to host"])
def test_what_ssh_says_is_not_an_answer(said):
    with pytest.raises(HostUnreachableError, match="no session"):
        host(lambda *_args, **_kwargs: said).read("echo", timeout=5)


def test_a_broken_connection():
    def broken(command, **_kwargs):
        return command.split(";")[0].removeprefix("echo ") + "\nConnection to mx1001 closed by remote host."

    with pytest.raises(HostUnreachableError, match="connection broke"):
        host(broken).read("echo", timeout=5)


def answer(script, mark="m"):
    printed = subprocess.run(["sh", "-c", wrap(script, 5, mark)], capture_output=True, text=True, check=True).stdout
    return printed.strip().removesuffix(f"{mark}-end")


def test_a_machine_that_went_down_after_the_last_line_has_still_answered():
    assert unwrap(answer("echo ordered; exit 3"), "m") == (3, "ordered\n")


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_answer_cut_before_the_end_of_its_code_is_none(cut):
    assert unwrap(answer("echo ordered; exit 12").strip()[:-cut], "m") is None


def test_dry_run_reads_and_does_not_act(tmp_path):
    target = tmp_path / "made"
    assert host(dry_run=True).read("echo real", timeout=5).output == "real\n"
    assert host(dry_run=True).act(f"touch {target}", timeout=5).exit_code == 0
    assert not target.exists()


def test_control_characters_do_not_reach_the_error():
    with pytest.raises(CommandFailedError) as caught:
        host().act("printf '\\033[31mred\\033[0m'; exit 1", timeout=5)
    assert "\x1b" not in str(caught.value)


def test_a_script_too_long_for_an_argument():
    with pytest.raises(HostError, match="too long"):
        wrap("x" * 100_000, 1, "m")


def test_damaged_base64_is_no_answer():
    assert unwrap("m-begin\nabc\nm-end", "m") is None
