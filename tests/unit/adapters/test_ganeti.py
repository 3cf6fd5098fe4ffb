"""What a Ganeti cluster says of a virtual machine: its remote API, and the commands of its master."""

from datetime import UTC, datetime
from types import SimpleNamespace
from unittest import mock

import pytest

from mxlib.adapters.ganeti import Cluster, Rapi
from mxlib.adapters.secret import Secret
from mxlib.base.errors import CommandFailedError
from mxlib.nic.instance import GanetiError, GanetiUnreachableError, NotAnInstanceError
from mxlib.protocols.host import CommandResult
from tests.unit.support.rapi import MAC, NAME


class Master:
    name = "ganeti01.lab.test"

    def __init__(self) -> None:
        self.scripts: list[str] = []
        self.code, self.node_code = 0, 0

    def read(self, script: str, *, timeout: float) -> CommandResult:
        self.scripts.append(script)
        output = (
            "node: ganeti01.lab.test\n"
            " 479 Sat Nov 21 04:08:58 2026 socat -u UNIX-CONNECT:/x/mx2001.lab.test.serial OPEN:/dev/null\n"
            " 556 Sat Nov 21 04:10:39 2026 ssh -t x socat STDIO UNIX-CONNECT:/x/mx2001.lab.test.serial\n"
            " 563 Sat Nov 21 04:10:39 2026 /usr/bin/socat STDIO,raw UNIX-CONNECT:/x/mx2001.lab.test.serial\n"
            f"return code = {self.node_code}\n"
        )
        return CommandResult(script, self.code, output, datetime(2026, 1, 1, tzinfo=UTC), 0.0)

    act = read


def test_the_commands_of_the_cluster() -> None:
    master = Master()
    cluster = Cluster(lambda: master)  # type: ignore[arg-type]
    holders = cluster.console_holders(NAME, None)
    assert [holder.split()[1] for holder in holders] == ["479", "563"]
    master.node_code = 255
    with pytest.raises(CommandFailedError, match="the nodes' return codes are 255"):
        cluster.console_holders(NAME, None)
    master.code = 1
    with pytest.raises(CommandFailedError, match="exit code 1 of look for other readers of the console"):
        cluster.console_holders(NAME, "node1")
    argv = cluster.console_argv(NAME, ("-F", "/etc/x"))
    assert argv[:4] == ("ssh", "-F", "/etc/x", "-tt")
    assert argv[-2:] == ("root@ganeti01.lab.test", f"gnt-instance console {NAME}")
    with pytest.raises(GanetiError, match="not a host name"):
        cluster.console_argv("mx;reboot")


@pytest.mark.parametrize(
    ("status", "content", "error", "why"),
    [
        (404, {}, NotAnInstanceError, "knows no instance"),
        (401, {}, GanetiError, "HTTP 401"),
        (302, {}, GanetiError, "HTTP 302"),
        (200, [], GanetiError, "not a JSON object"),
        (200, {}, GanetiError, "no usable"),
    ],
)
def test_answers_of_the_remote_api(status: int, content: object, error: type[Exception], why: str) -> None:
    rapi = Rapi("https://x:5080", "ops", Secret("pw-of-rapi"), ca_file=None, timeout=1)
    answer = mock.Mock(status_code=status, reason="", json=lambda: content)
    with mock.patch.object(rapi._session, "get", return_value=answer) as get, pytest.raises(error, match=why):
        rapi.instance(NAME)
    assert get.call_args.kwargs["allow_redirects"] is False
    assert rapi._session.trust_env is False


class Cluster30:
    """The remote API of a cluster: what it answers by path; all else is not there."""

    def __init__(self, **instances: object) -> None:
        self.answers = {f"/2/instances/{name.replace('_', '.')}": one for name, one in instances.items()}
        self.asked: list[str] = []

    def get(self, url: str, **_: object) -> mock.Mock:
        path = url.removeprefix("https://x:5080")
        self.asked.append(path)
        return mock.Mock(status_code=200 if path in self.answers else 404, reason="", json=lambda: self.answers[path])


def asked(cluster: Cluster30) -> Rapi:
    rapi = Rapi("https://x:5080", "ops", Secret("pw-of-rapi"), ca_file=None, timeout=1)
    rapi._session = cluster  # type: ignore[assignment]
    return rapi


def answer(name: str, **hvparams: object) -> dict[str, object]:
    node, nics, disks = "ganeti01.lab.test", [MAC], [10]
    return {
        "name": name,
        "pnode": node,
        "status": "running",
        "nic.macs": nics,
        "disk.sizes": disks,
        "hvparams": hvparams,
    }


def test_an_instance_may_be_known_by_its_short_name() -> None:
    cluster = Cluster30(mx2001=answer("mx2001"))
    assert asked(cluster).instance(NAME).name == "mx2001"
    assert cluster.asked == [f"/2/instances/{NAME}", "/2/instances/mx2001"]
    both = Cluster30(mx2001=answer("mx2001"), mx2001_lab_test=answer(NAME))
    assert asked(both).instance(NAME).name == NAME
    with pytest.raises(NotAnInstanceError, match=f"knows no instance {NAME}"):
        asked(Cluster30()).instance(NAME)


def test_the_version_is_asked_for_where_a_slot_depends_on_it() -> None:
    agent = Cluster30(mx2001=answer("mx2001", use_guest_agent=True))
    assert asked(agent).instance("mx2001").version is None
    agent.answers["/2/info"] = {"software_version": "3.0.1"}
    assert asked(agent).instance("mx2001").version == (3, 0, 1)
    plain = Cluster30(mx2001=answer("mx2001", use_guest_agent=False))
    assert asked(plain).instance("mx2001").version is None
    assert "/2/info" not in plain.asked


def test_a_remote_api_without_tls_or_answer_shows_no_password() -> None:
    with pytest.raises(GanetiError, match="https"):
        Rapi("http://x", "ops", Secret("pw-of-rapi"), ca_file=None, timeout=1)
    rapi = Rapi("https://127.0.0.1:1", "ops", Secret("pw-of-rapi"), ca_file=None, timeout=1)
    with pytest.raises(GanetiUnreachableError, match="does not answer") as caught:
        rapi.instance(NAME)
    assert "pw-of-rapi" not in str(caught.value)


class Saying:
    name = "ganeti01.lab.test"

    def __init__(self, output: str) -> None:
        self.output, self.scripts = output, []  # type: ignore[var-annotated]

    def read(self, script: str, *, timeout: float) -> SimpleNamespace:
        self.scripts.append(script)
        return SimpleNamespace(output=self.output, exit_code=0)

    act = read


@pytest.mark.parametrize("state", ["running", "ERROR_up"])
def test_the_power_of_a_machine_that_runs_is_cut(state: str) -> None:
    master = Saying(f"{state}:ganeti01.lab.test\n")
    Cluster(lambda: master).power_cycle(NAME)  # type: ignore[arg-type, return-value]
    assert master.scripts[-1] == f"gnt-instance reboot --type=soft {NAME}"


@pytest.mark.parametrize("state", ["ERROR_wrongnode", "ERROR_nodedown", "ERROR_down", "ADMIN_down"])
def test_no_power_is_cut_where_that_would_start_a_machine(state: str) -> None:
    """Ganeti starts what does not run on its primary node: on the wrong node it runs already."""
    master = Saying(f"{state}:ganeti01.lab.test\n")
    with pytest.raises(GanetiError, match=rf"is {state}; look first where it runs: gnt-instance info {NAME}"):
        Cluster(lambda: master).power_cycle(NAME)  # type: ignore[arg-type, return-value]
    assert not any("reboot" in script for script in master.scripts)


def test_the_state_of_a_machine_is_read_on_the_master() -> None:
    for output, off in (("ERROR_down:ganeti01.lab.test\n", True), ("ADMIN_down:ganeti01.lab.test\n", False)):
        assert Cluster(lambda output=output: Saying(output)).switched_off(NAME) is off  # type: ignore[arg-type]
    short = Saying(f"{NAME.partition('.')[0]}\nother.lab.test\n")
    assert Cluster(lambda: short).known_as(NAME) == "mx2001"  # type: ignore[arg-type]
    assert Cluster(lambda: Saying(f"mx2001\n{NAME}\n")).known_as(NAME) == NAME  # type: ignore[arg-type]
    with pytest.raises(GanetiError, match="cannot be read"):
        Cluster(lambda: Saying("Failure: prerequisites not met\n")).status(NAME)  # type: ignore[arg-type]
    master = Saying("VM status: paused (prelaunch)\n")
    assert Cluster(lambda: master).paused(NAME, "ganeti01.lab.test")  # type: ignore[arg-type]
    Cluster(lambda: master).start(NAME)  # type: ignore[arg-type]
    assert master.scripts[-1] == f"gnt-instance start {NAME}"
