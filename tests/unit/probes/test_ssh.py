"""Whether a host answers over SSH: against servers on loopback, and an ssh that notes how it was called."""

import socket
import subprocess
import threading
import time

import pytest

from mxlib.probes import ssh


@pytest.fixture
def server():
    """Serves one connection with a greeting; None hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve(greeting):
            def once():
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(greeting)

            thread = threading.Thread(target=once, daemon=True)
            thread.start()
            return listener.getsockname()[1]

        yield serve


@pytest.mark.parametrize(
    ("greeting", "expected"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"220 mx ESMTP\r\n", False), (b"", False)]
)
def test_an_ssh_server_greets_a_new_connection(server, greeting, expected):
    assert ssh.greets("127.0.0.1", server(greeting)) is expected


def test_a_port_on_which_nobody_listens_does_not_greet():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert ssh.greets("127.0.0.1", port) is False


def test_a_server_that_says_nothing_does_not_greet():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        begin = time.monotonic()
        assert ssh.greets("127.0.0.1", mute.getsockname()[1], 0.1) is False
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    ("there", "expected"), [({4, 6}, (4, 6)), ({4}, (4,)), ({6}, (6,)), (set(), ())], ids=["both", "v4", "v6", "none"]
)
def test_the_families_of_a_name(monkeypatch, there, expected):
    numbers = {socket.AF_INET: 4, socket.AF_INET6: 6}

    def getaddrinfo(name, port, family, kind):
        assert (name, kind) == ("mx1001.lab.test", socket.SOCK_STREAM)
        if numbers[family] not in there:
            raise socket.gaierror("no address")
        return [(family, kind, 6, "", ("address", port))]

    monkeypatch.setattr(ssh.socket, "getaddrinfo", getaddrinfo)
    assert ssh.families("mx1001.lab.test") == expected


@pytest.fixture
def client(tmp_path, monkeypatch):
    """An ssh that notes its arguments and ends with the code it was given."""

    def install(code, first=":"):
        tool = tmp_path / "ssh"
        tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/called\n{first}\nexit {code}\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return tmp_path / "called"

    return install


@pytest.mark.parametrize(("code", "expected"), [(0, True), (255, False), (1, False)])
def test_a_host_answers_when_a_command_ran_there(client, code, expected):
    client(code)
    assert ssh.answers("mx1001.lab.test", 6) is expected


def test_the_connection_is_a_new_one_and_asks_nobody(client):
    called = client(0)
    ssh.answers("mx1001.lab.test", 6, ("-F", "/etc/own"), user="probe")
    words = called.read_text().split()
    assert words[:3] == ["-F", "/etc/own", "-6"]
    assert words[-2:] == ["probe@mx1001.lab.test", "true"]
    assert {"-oControlMaster=no", "-oControlPath=none", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes"} <= set(words)


def test_an_ssh_that_hangs_is_no_answer(monkeypatch):
    def run(argv, *, timeout, **_):
        raise subprocess.TimeoutExpired(argv, timeout)

    monkeypatch.setattr(ssh.subprocess, "run", run)
    assert ssh.answers("mx1001.lab.test", 4) is False


def test_a_proxy_that_ssh_leaves_behind_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr(ssh, "_CONNECT_S", 0.5)
    client(0, first="sleep 20 &")
    begin = time.monotonic()
    assert ssh.answers("mx1001.lab.test", 4)
    assert time.monotonic() - begin < 1.5


def test_an_ssh_that_outlasts_its_limit_is_ended(client, monkeypatch):
    monkeypatch.setattr(ssh, "_CONNECT_S", 0.1)
    client(0, first="exec sleep 20")
    begin = time.monotonic()
    assert not ssh.answers("mx1001.lab.test", 4)
    assert time.monotonic() - begin < 5
