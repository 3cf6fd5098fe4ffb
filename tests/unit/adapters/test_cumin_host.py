import logging
import re
import subprocess
import time
from types import SimpleNamespace

import pytest
from ClusterShell.NodeSet import NodeSet
from ClusterShell.Task import task_self
from ClusterShell.Worker.Exec import ExecWorker
from spicerack.remote import RemoteHosts

from mxlib.adapters.cumin_host import CuminHost, cumin_transport, unwrap, wrap
from mxlib.base.clock import SystemClock
from mxlib.base.errors import CommandFailedError, CommandTimeoutError, HostUnreachableError, InterruptedRunError
from mxlib.base.stop import Stop
from mxlib.base.text import plural
from mxlib.mta.exim.hints import clear_script
from tests.unit.support.fakes import FakeClock


def local(what, script, *, timeout, is_safe):
    command = ["sh", "-s", "--", what]
    done = subprocess.run(command, input=script.encode(), capture_output=True, timeout=timeout, check=False)
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
        ("cat <<'x'\n$HOME `true` \\\nx", 0, "$HOME `true` \\\n"),
        ("# nothing but a comment", 0, ""),
        ("seq 1 9999 | tail -n 1; (exit 4)", 4, "9999\n"),
        ("exit 3; echo never", 3, ""),
        ("trap 'echo last' EXIT; exit 6", 6, "last\n"),
        ("( ", 2, 'sh: 5: Syntax error: ")" unexpected\n'),
    ],
)
def test_exit_code_and_output_come_back_undamaged(script, code, output):
    result = host().read(script, timeout=5)
    assert (result.exit_code, result.output) == (code, output)


def test_bytes_that_are_not_utf8_are_replaced():
    assert host().read("printf '\\377x'", timeout=5).output == "\ufffdx"


def test_before_each_script_it_is_said_how_long_nothing_may_be_heard():
    said = []
    found = host(check=said.append)
    found.read("true", timeout=5)
    found.act("true", timeout=60)
    assert said == [15.0, 70.0]


def test_a_script_that_does_not_end_is_ended_on_the_host():
    with pytest.raises(CommandTimeoutError, match=r"no end within 0\.2 s: wait for nothing"):
        host().act("# wait for nothing\nsleep 5", timeout=0.2)


def test_what_does_not_end_on_a_signal_is_killed(tmp_path):
    begin = time.monotonic()
    with pytest.raises(CommandTimeoutError):
        host().read(f"trap '' TERM; sleep 7; touch {tmp_path}/outlived", timeout=0.2)
    assert time.monotonic() - begin < 6.5
    time.sleep(2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "code"),
    [("timeout 0.1 sleep 5", 124), ("timeout -s KILL 0.1 sleep 5", 137), ("sh -c 'kill -9 $$'", 137)],
)
def test_a_limit_of_the_script_s_own_is_not_taken_for_ours(script, code):
    assert host().read(f"echo said; {script}", timeout=5).exit_code == code
    assert host().act(script, timeout=5, ok_codes=(0, code)).exit_code == code
    with pytest.raises(CommandFailedError, match=f"exit code {code}: said"):
        host().act(f"echo said; {script}", timeout=5)


def test_a_child_that_keeps_the_output_open_does_not_outlast_the_script():
    begin = time.monotonic()
    assert host().read("setsid sleep 8 & echo kept", timeout=1).output == "kept\n"
    with pytest.raises(CommandTimeoutError, match=r"no end within 1 s: wait"):
        host().read("# wait\nsetsid sleep 8 & echo lost; sleep 9", timeout=1)
    assert time.monotonic() - begin < 4


def test_what_comes_after_the_answer_is_not_heard_where_sigpipe_is_ignored(tmp_path):
    (tmp_path / "timeout").write_text('#!/bin/sh\nshift 3\n"$@"\nsleep 0.3  # sed has ended by then\n')
    (tmp_path / "timeout").chmod(0o755)
    shell = ["sh", "-c", "trap '' PIPE; PATH=$1:$PATH; exec sh -s", "sh", str(tmp_path)]
    done = subprocess.run(shell, input=wrap("echo ok", 5, "mxmark"), capture_output=True, text=True, check=True)
    assert unwrap(done.stdout, "mxmark") == (0, "ok\n")
    assert done.stderr == ""


def test_an_unexpected_exit_code_is_an_error():
    with pytest.raises(CommandFailedError, match="exit code 4: broken"):
        host().act("echo broken; exit 4", timeout=5)
    with pytest.raises(CommandFailedError, match=r"exit code 4: close the mail ports$"):
        host().act("# close the mail ports\nexit 4", timeout=5)
    assert host().act("exit 4", timeout=5, ok_codes=(0, 4)).exit_code == 4


@pytest.mark.parametrize("said", ["", "ssh: connect to host mx1001.lab.test port 22: No route to host"])
def test_what_ssh_says_is_not_an_answer(said):
    with pytest.raises(HostUnreachableError, match="no session"):
        host(lambda *_args, **_kwargs: said).read("echo", timeout=5)


def test_a_reading_that_a_signal_broke_off_says_nothing_of_the_host():
    stop = Stop()

    def ended_too(*_args, **_kwargs):
        stop.ask("SIGINT")
        return ""

    found = host(ended_too, check=lambda _seconds: stop.check())
    with pytest.raises(InterruptedRunError, match="SIGINT"):
        found.read("echo", timeout=5)
    stop.rest()
    # an action may have been done: who goes on from here has to look
    with pytest.raises(HostUnreachableError):
        found.act("touch x", timeout=5)


def test_a_broken_connection():
    def broken(_what, script, **_kwargs):
        return re.search(r"mx[0-9a-f]{16}-begin", script)[0] + "\nConnection to mx1001 closed by remote host."

    with pytest.raises(HostUnreachableError, match="connection broke"):
        host(broken).read("echo", timeout=5)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.95, 0.99, 0.997])
def test_of_a_script_that_did_not_arrive_whole_nothing_is_run(tmp_path, part):
    def cut(what, script, **options):
        return local(what, script[: int(len(script) * part)], **options)

    with pytest.raises(HostUnreachableError):
        host(cut).act(f"touch {tmp_path}/made\n" * 20, timeout=5)
    assert list(tmp_path.iterdir()) == []


def answer(script, mark="m"):
    printed = local("", wrap(script, 5, mark), timeout=5, is_safe=True)
    return printed.strip().removesuffix(f"{mark}-end")


def test_a_machine_that_went_down_after_the_last_line_has_still_answered():
    assert unwrap(answer("echo ordered; exit 3"), "m") == (3, "ordered\n")


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_answer_cut_before_the_end_of_its_code_is_none(cut):
    assert unwrap(answer("echo ordered; exit 12").strip()[:-cut], "m") is None


@pytest.mark.parametrize(
    ("noise", "whole"), [("Killed by signal 1.", True), ("a b", True), ("abcd", False), ("a" * 75, False)]
)
@pytest.mark.parametrize("line", [2, -1])
def test_words_of_ssh_between_the_lines_never_become_part_of_the_answer(noise, whole, line):
    numbers = "".join(f"{one}\n" for one in range(1, 61))
    lines = answer("seq 1 60").strip().splitlines()
    lines.insert(line, noise)
    assert unwrap("\n".join(lines), "m") == ((0, numbers) if whole else None)


def test_dry_run_reads_and_does_not_act(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    target = tmp_path / "made"
    assert host(dry_run=True).read("echo real", timeout=5).output == "real\n"
    assert host(dry_run=True).act(f"# make a file\ntouch {target}", timeout=5).exit_code == 0
    assert not target.exists()
    assert caplog.messages == ["mx1001.lab.test: would make a file"]


def test_control_characters_do_not_reach_the_error():
    with pytest.raises(CommandFailedError) as caught:
        host().act("printf '\\033[31mred\\033[0m'; exit 1", timeout=5)
    assert "\x1b" not in str(caught.value)


def test_damaged_base64_is_no_answer():
    assert unwrap("m-begin\nabc\nm-end", "m") is None


class OnThisMachine(ExecWorker):
    """Where ssh would go to the host, the command line is given to a shell here."""

    def __init__(self, nodes, handler, timeout=None, **kwargs):
        super().__init__(nodes, handler, timeout, **{**kwargs, "command": kwargs["command"].replace("%", "%%")})
        self.command = kwargs["command"]


@pytest.fixture
def through_spicerack():
    """The whole way but for ssh: Spicerack, cumin, ClusterShell, a real shell."""
    task = task_self()
    plain = task.default("distant_worker")
    task.set_default("distant_worker", OnThisMachine)

    def make(*, dry_run=False):
        remote = RemoteHosts({"transport": "clustershell"}, NodeSet("mx1001.lab.test"), dry_run=dry_run)
        return CuminHost("mx1001.lab.test", cumin_transport(remote), SystemClock(), dry_run=dry_run)

    yield make
    assert task.default("distant_worker") is OnThisMachine, "what is run next by others would get the script, too"
    task.set_default("distant_worker", plain)


def test_the_script_reaches_a_shell_and_no_log(through_spicerack, caplog):
    caplog.set_level(logging.DEBUG)
    result = through_spicerack().read("# read 31 facts of 50%hosts\necho sec''ret; exit 3", timeout=5)
    assert (result.exit_code, result.output) == (3, "secret\n")
    logged = "\n".join(caplog.messages)
    assert "Executing commands [read 31 facts of 50%hosts] on 1 hosts: mx1001.lab.test" in logged
    assert "sec''ret" not in logged
    assert len(logged) < 1000, logged


def test_a_dry_run_says_what_it_reads_and_acts_on_nothing(through_spicerack, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    dry = through_spicerack(dry_run=True)
    assert dry.read("# read the clock\necho now", timeout=5).output == "now\n"
    dry.act(f"# make a file\ntouch {tmp_path}/made", timeout=5)
    assert list(tmp_path.iterdir()) == []
    assert "Executing commands [read the clock] on 1 hosts: mx1001.lab.test" in caplog.messages
    assert "mx1001.lab.test: would make a file" in caplog.messages


def test_a_queue_full_of_stale_hints_fits_into_one_script(through_spicerack, tmp_path):
    (tmp_path / "exim_fixdb").write_text("#!/bin/sh\nwc -l >&2\n")
    (tmp_path / "exim_fixdb").chmod(0o755)
    keys = [f"T:mx-in.provider.example.net:192.0.2.25:1nAb{number:05d}-00000000" for number in range(4000)]
    result = through_spicerack().act(f"PATH={tmp_path}:$PATH\n{clear_script(keys)}", timeout=20)
    assert result.output.strip() == "8000", "each key, and the order to delete it"


@pytest.mark.parametrize("count", [4000, 40_000])
def test_a_script_may_be_of_any_length(through_spicerack, count):
    keys = "".join(f"T:mx-in.provider.example.net:192.0.2.25:é{number}\n" for number in range(count))
    result = through_spicerack().read(f"# count {plural(count, 'hint')}\nprintf %s '{keys}' | wc -l", timeout=20)
    assert (result.exit_code, result.output.strip()) == (0, str(count))


def test_what_was_run_is_written_down_and_a_script_only_where_it_may_change_the_host():
    kept = []
    events = SimpleNamespace(write=lambda event, **values: kept.append((event, values)))
    one = host(events=events)
    one.read("# read 3 facts\nexit 3", timeout=5)
    one.act("# close the mail ports\necho \x1b[31m" + "x" * 9000, timeout=5)
    with pytest.raises(HostUnreachableError):
        host(lambda *_, **__: "ssh: no route", events=events).read("# ask whether it answers\ntrue", timeout=5)
    said = [(values["host"], values["what"], values["code"]) for _event, values in kept]
    name = "mx1001.lab.test"
    assert said == [
        (name, "read 3 facts", 3), (name, "close the mail ports", 0), (name, "ask whether it answers", None),
    ]  # fmt: skip
    assert [len(values.get("script", "")) for _event, values in kept] == [0, 6000, 0]
    assert "\x1b" not in kept[1][1]["script"]


@pytest.mark.parametrize(("within", "asked"), [(None, (60, 70.0)), (5.0, (5.0, 5.0)), (100.0, (60, 100.0))])
def test_an_answer_can_be_bounded_connection_included(within, asked):
    seen = []

    def transport(what, script, *, timeout, is_safe):
        seen.append((float(re.search(r"timeout -k 5 (\S+) sh", script)[1]), timeout))
        return local(what, script, timeout=timeout, is_safe=is_safe)

    host(transport, within=within).read("true", timeout=60)
    assert seen == [asked]
