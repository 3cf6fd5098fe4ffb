"""Servers that answer as an etcd does, and real ones where they are at hand (MX_ETCD: their programs)."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mxlib.adapters.etcd_api import make_client

PROGRAMS = [*filter(None, os.environ.get("MX_ETCD", "").split(":")), *filter(None, [shutil.which("etcd")])]
real = pytest.mark.skipif(not PROGRAMS, reason="no etcd here: Debian's etcd-server, or MX_ETCD=PROGRAM:PROGRAM")
KEY = "/mx-cookbooks/mail"


class Answers(BaseHTTPRequestHandler):
    """An etcd as 3.6 answers: its version, and nothing else; with ``cut``, it hangs up on the v2 API."""

    version = json.dumps({"etcdserver": "3.6.1", "etcdcluster": "3.6.0"})
    cut = False

    def do_GET(self) -> None:
        if self.path != "/version" and self.cut:
            return
        body = (self.version if self.path == "/version" else "404 page not found\n").encode()
        self.send_response(200 if self.path == "/version" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


def etcdrc(folder: Path, port: int, **more: object) -> Path:
    path = folder / "etcdrc"
    path.write_text(json.dumps({"host": "127.0.0.1", "port": port, "protocol": "http", **more}))
    return path


@contextmanager
def answering(answers: type[Answers]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def etcd_server(program: str, folder: Path, *options: str) -> Iterator[Path]:
    """A real etcd on a port of its own."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], two.getsockname()[1]
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    words = [program, "--data-dir", str(folder / "data"), "--listen-client-urls", client, *options]
    words += ["--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    words += ["--initial-cluster", f"default={peer}"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            path = etcdrc(folder, ports[0])
            for _ in range(100):
                try:
                    assert make_client(path).version  # type: ignore[attr-defined]
                    break
                except Exception:
                    time.sleep(0.1)
            yield path
        finally:
            server.terminate()
