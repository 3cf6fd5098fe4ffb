"""An etcd without the v2 API is named, with its version; real ones where they are at hand (MX_ETCD: their programs)."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from mxlib.adapters.etcd_api import make_client, reachable
from mxlib.adapters.etcd_budget import ProbeBudget
from mxlib.adapters.etcd_slot import EtcdSlot, Holder
from mxlib.base.errors import SlotError
from mxlib.config.probes import OutboundProbe
from mxlib.model.state import Slot
from tests.unit.support.etcd_server import KEY, PROGRAMS, Answers, answering, etcd_server, etcdrc, real


def test_an_etcd_without_the_v2_api_is_named_with_its_version(tmp_path: Path) -> None:
    with answering(Answers) as port, pytest.raises(SlotError) as caught:
        reachable(make_client(etcdrc(tmp_path, port)), KEY)
    assert str(caught.value) == (
        f"etcd 3.6.1 at 127.0.0.1:{port} has no v2 API, which conftool and these cookbooks use: "
        "expected etcd 3.4 or 3.5 with --enable-v2"
    )


def test_an_etcd_that_hangs_up_on_the_v2_api_is_named(tmp_path: Path) -> None:
    said = r"etcd 3\.6\.1 at 127\.0\.0\.1:\d+ cut off a request to its v2 API"
    with answering(type("Cut", (Answers,), {"cut": True})) as port, pytest.raises(SlotError, match=said):
        reachable(make_client(etcdrc(tmp_path, port)), KEY)


def test_a_version_that_cannot_be_read_hides_nothing(tmp_path: Path) -> None:
    said = r"etcd of unknown version at .* has no v2 API"
    with answering(type("Mute", (Answers,), {"version": "what?"})) as port, pytest.raises(SlotError, match=said):
        reachable(make_client(etcdrc(tmp_path, port)), KEY)


def test_one_that_is_asked_for_its_members_first_is_named_too(tmp_path: Path) -> None:
    with answering(Answers) as port, pytest.raises(SlotError, match=r"etcdrc: etcd has no v2 API, .* --enable-v2"):
        make_client(etcdrc(tmp_path, port, allow_reconnect=True))


def test_an_etcd_that_does_not_answer_is_another_matter(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = rf"^etcd at 127\.0\.0\.1:{port} does not answer: .*Connection refused$"
        with pytest.raises(SlotError, match=said):
            reachable(make_client(etcdrc(tmp_path, port)), KEY)


def test_the_slot_and_the_budget_say_it_too(tmp_path: Path) -> None:
    """A run with --status, or a verification, is not refused: it has to say what is wrong."""
    with answering(Answers) as port:
        client = make_client(etcdrc(tmp_path, port))
        said = slot(client).describe()
        withheld = ProbeBudget(lambda: client, KEY, 10).reserve("mx", [OutboundProbe("any", "u@example.net")])
    assert "etcd 3.6.1" in said
    assert "etcd 3.6.1" in withheld["any"]


def slot(client, host: str = "mx1001.example.org", session: str = "one") -> EtcdSlot:
    return EtcdSlot(client, KEY, 2, Holder(host, f"run of {session}", "op@cumin1001", "now"), session)


@real
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_real_etcd_with_the_v2_api_keeps_the_slot(program: str, tmp_path: Path) -> None:
    with etcd_server(program, tmp_path, "--enable-v2") as path:
        reachable(make_client(path), KEY)
        mine, heir = slot(make_client(path)), slot(make_client(path), session="two")
        token = mine.take()
        mine.renew()
        assert (mine.state(), heir.state()) == (Slot.MINE, Slot.OTHERS)
        time.sleep(3.5)
        assert heir.state() is Slot.LEFT, "the lease ran out"
        assert heir.take() > token
        assert mine.state() is Slot.OTHERS
        heir.release()
        assert slot(make_client(path)).state() is Slot.FREE
        budget = ProbeBudget(lambda: make_client(path), KEY, 5)
        mails = [OutboundProbe("any", "u@example.net", sizes=(2048,), times=3)]
        assert budget.reserve("mx", mails) == {}
        assert "there would be 6 in an hour" in budget.reserve("mx", mails)["any"]


@real
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_real_etcd_that_is_restored_makes_nobody_elses_taking_ours(program: str, tmp_path: Path) -> None:
    with etcd_server(program, tmp_path, "--enable-v2") as path:
        make_client(path).write("/other", "1")
    shutil.copytree(tmp_path / "data", tmp_path / "backup")
    with etcd_server(program, tmp_path, "--enable-v2") as path:
        mine = slot(make_client(path))
        token = mine.take(0)
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "backup").rename(tmp_path / "data")
    with etcd_server(program, tmp_path, "--enable-v2") as path:
        mine._client = make_client(path)
        assert mine.state() is Slot.OTHERS
        assert "gone from etcd" in mine.describe()
        other = slot(make_client(path), session="two")
        assert (other.take(), other.state(), mine.state()) == (token, Slot.MINE, Slot.OTHERS)
        other.release()
        assert slot(make_client(path), session="three").take(205) == 206


@real
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_real_etcd_without_it_is_named(program: str, tmp_path: Path) -> None:
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    with etcd_server(program, tmp_path) as path, pytest.raises(SlotError, match=rf"etcd {version} at .* no v2 API"):
        reachable(make_client(path), KEY)


@pytest.mark.parametrize(
    "line",
    [
        "password: !hunter2",
        "password: *hunter2",
        "password: {hunter2",
        'password: "hunter2',
        "password: hunter2: x",
        "password: hunter2\nno_such_hunter2: 1",
    ],
)
def test_no_password_stands_in_an_error(tmp_path, line):
    path = tmp_path / "etcdrc"
    path.write_text(f"username: mx\n{line}\n")
    with pytest.raises(SlotError) as error:
        make_client(path)
    assert str(path) in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path):
    path = tmp_path / "etcdrc"
    path.write_text("username: mx\npassword: !hunter2\n")
    with pytest.raises(SlotError, match=r"it is not YAML from line 2, column 11 on: a value .* stands in quotes"):
        make_client(path)
