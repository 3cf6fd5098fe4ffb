import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mxlib.facts.depool import gate
from mxlib.facts.source import FactUnknownError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import service as mta
from mxlib.mta.service import Role
from tests.unit.support.facts import ShellHost, fact, fixture

SHOW = fixture("exim/systemctl-show-exim4.txt")
VERSION = fixture("exim/exim-bV.txt")
LISTENING = "".join(
    f"{line.removeprefix('LISTEN')}\n" for line in fixture("host/ss-tanp.txt").splitlines() if line.startswith("LISTEN")
)
DAEMON = "400 1 /usr/sbin/exim4 -bd -q30m \n"


def read_mta(show=SHOW, hold="no\n", version=VERSION, processes=DAEMON, listening=LISTENING, established=""):
    return fact(mta.SOURCE, show, hold, version, processes + "end\n", listening, established)


def test_a_running_mta():
    facts = read_mta()
    assert facts.version == "4.96"
    assert [(socket.local, socket.port) for socket in facts.listeners] == [("0.0.0.0", 25), ("::", 25)]
    assert [(process.pid, process.role) for process in facts.processes] == [(400, Role.DAEMON)]
    assert (facts.enabled, facts.masked, facts.held, facts.still) == (True, False, False, False)
    assert facts.unit.active == "active"


def test_an_mta_at_rest_and_held():
    masked = SHOW.replace("LoadState=loaded", "LoadState=masked").replace("ActiveState=active", "ActiveState=inactive")
    facts = read_mta(show=masked, processes="", listening="")
    assert facts.still
    assert facts.masked
    assert facts.held
    dropped = SHOW.replace("LoadState=loaded", f"LoadState=loaded\nDropInPaths={gate(exim.UNIT)}")
    assert read_mta(show=dropped, hold="yes\n").held
    assert not read_mta(show=dropped).held
    assert not read_mta(hold="yes\n").held


def test_a_process_that_outlives_the_stop_is_not_stillness():
    assert not read_mta(processes="514 1 /usr/sbin/exim4 -q \n", listening="").still


@pytest.mark.parametrize(
    ("command", "parent", "role"),
    [
        ("/usr/sbin/exim4 -oP /run/exim4/exim.pid -q1m", 1, Role.DAEMON),
        ("/usr/sbin/exim4 -bd -q30m", 400, Role.CHILD),
        ("/usr/sbin/exim4 -q", 400, Role.RUNNER),
        ("/usr/sbin/exim4 -qff", 1, Role.RUNNER),
        ("/usr/sbin/exim4 -Mc 1xUaVg-00006Y-1v", 600, Role.DELIVERY),
        ("/usr/sbin/exim4 -t -oi", 700, Role.OTHER),
    ],
)
def test_roles_by_the_command_line(command, parent, role):
    facts = read_mta(processes=f"{DAEMON}514 {parent} {command} \n")
    assert facts.processes[1].role is role


def test_roles_by_sockets():
    established = (
        '0 0 192.0.2.11:25 198.51.100.9:40000 users:(("exim4",pid=501,fd=0))\n'
        '0 0 [2001:db8:77::11]:40001 [2001:db8:51::10]:25 users:(("exim4",pid=502,fd=7))\n'
    )
    processes = DAEMON + "501 400 /usr/sbin/exim4 -bd -q30m \n502 400 /usr/sbin/exim4 -bd -q30m \n"
    facts = read_mta(processes=processes, established=established)
    assert [process.role for process in facts.processes] == [Role.DAEMON, Role.SESSION, Role.DELIVERY]
    assert len(facts.role(Role.DELIVERY)) == 1


@pytest.mark.parametrize(
    "answer", [{"version": ""}, {"show": ""}, {"hold": ""}, {"processes": "x"}, {"listening": "nonsense\n"}]
)
def test_an_mta_that_cannot_be_read_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        read_mta(**answer)


def test_the_processes_of_this_machine_can_be_listed():
    sleep = str(Path(shutil.which("sleep")).resolve())
    seconds = f"5.{os.getpid()}"
    started = f'sleep {seconds} & pid=$!\nuntil [ "$(readlink /proc/$pid/exe)" = {sleep} ]; do :; done\n'
    script = started + mta.PROCESSES.script.replace(exim.BINARY, sleep) + "kill $pid"
    answer = ShellHost().read(script, timeout=10).output
    lines = [line for line in answer.splitlines() if line.endswith(f"sleep {seconds} ")]
    assert len(lines) == 1
    assert answer.rstrip().endswith("end")


@pytest.mark.parametrize(("exes", "said"), [
    (["/usr/sbin/exim4", "/usr/sbin/exim4 (deleted)", "/usr/bin/exim4", "/usr/bin/mawk"], "processes 2\n"),
    (["/usr/bin/mawk"], "processes 0\n"),
    ([], ""),
])  # fmt: skip
def test_processes_are_counted_by_their_executable_and_only_where_it_can_be_read(tmp_path, exes, said):
    (tmp_path / "exes").write_text("".join(f"{one}\n" for one in exes))
    script = f"readlink() {{ cat {tmp_path}/exes; }}\n{mta.COUNT}"
    assert ShellHost().read(script, timeout=10).output == said


def test_processes_that_cannot_be_listed_are_not_none():
    script = "ls() { return 1; }\n" + mta.PROCESSES.script
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "no process can be listed\n")
