"""The lab's certificates stand up to the strictest of its clients."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from lab.stations import pki

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """Shake hands in memory.

    Raises:
        SSLError: the client does not trust the server.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(5):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert sides == []


def test_python_3_13_trusts_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def here(_labroot: Path, keys: Path, script: str) -> None:
        subprocess.run(["/bin/sh", "-euc", script], cwd=keys, check=True, capture_output=True)

    monkeypatch.setattr(pki, "_in_root", here)
    pki.make_authority(tmp_path, tmp_path)
    pki.make_certificate(tmp_path, tmp_path, "mx", ["DNS:mx1001.lab.test"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "mx.crt", tmp_path / "mx.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # the default of Python 3.13
    handshake(client, server, "mx1001.lab.test")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(client, server, "mx2001.lab.test")
