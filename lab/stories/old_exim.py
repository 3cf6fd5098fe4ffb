"""The Exim of May 2022: Debian 11's, whose CHUNKING fault 4.96 has mended, in place of an exchanger's own.

It is mounted over the exchanger's own binary, so configuration, queue and tools stay, and a reboot takes it off. Its
queue files are those of 4.96; 4.98 has longer message ids, so an exchanger of Debian 13 keeps its own.
"""

import base64
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.build.apt import PrivateApt
from lab.lifecycle import Stations
from lab.place import EXCHANGERS, Exchanger, Lab, cache
from lab.shell import LabError
from lab.world import worlds

SUITE, VERSION = "bullseye", "4.94.2"
RELEASES = ("bookworm",)
PACKAGES = ("exim4-daemon-light", "libpcre3", "libidn11")
BINARY, FOLDER = "/usr/sbin/exim4", "/var/lib/lab-old-exim"
_UNDO = f"""\
if mountpoint -q {BINARY}; then
systemctl stop exim4.service
while pgrep -x exim4 >/dev/null; do sleep 1; done
umount {BINARY}
systemctl start exim4.service
fi
[ ! -d {FOLDER} ] || ls {FOLDER}/lib | while read -r one; do rm -f "/usr/local/lib/$one"; done
rm -rf {FOLDER}
ldconfig"""
_RECEIVE = f"mkdir -p {FOLDER}; base64 -d | tar -xz -C {FOLDER}"
# The libraries not by LD_LIBRARY_PATH, which a program with the setuid bit ignores.
_APPLY = f"""\
cp -a {FOLDER}/lib/. /usr/local/lib/
ldconfig
systemctl stop exim4.service
while pgrep -x exim4 >/dev/null; do sleep 1; done
chown root:root {FOLDER}/exim4
chmod 4755 {FOLDER}/exim4
mount --bind {FOLDER}/exim4 {BINARY}
systemctl start exim4.service
{BINARY} -bV | grep -q 'version {VERSION} '"""


def exchanger_for(lab: Lab) -> Exchanger:
    """Return an exchanger that can run it.

    Raises:
        LabError: there is none in this world.
    """
    for mx in EXCHANGERS:
        if worlds.of(lab, mx).release in RELEASES:
            return mx
    raise LabError(f"no exchanger of {', '.join(RELEASES)} in world {worlds.name_of(lab)!r}, for Exim {VERSION}")


@contextmanager
def in_place(place: Stations, mx: Exchanger) -> Iterator[None]:
    """Run it on an exchanger for the length of a ``with`` block."""
    _on(place, mx, _UNDO)  # of a replay that was interrupted
    _on(place, mx, _RECEIVE, base64.encodebytes(archive()).decode())
    try:
        _on(place, mx, _APPLY)
        yield
    finally:
        _on(place, mx, _UNDO)


def _on(place: Stations, mx: Exchanger, script: str, text: str | None = None) -> None:
    words = ["ssh", "-F", "/etc/cumin/ssh_config", "-o", "ConnectTimeout=15", mx.fqdn, "--", f"set -eu; {script}"]
    place.operator.run(words, timeout=180, input_text=text)


def archive() -> bytes:
    """Return the binary and its libraries as an archive; what was downloaded stays in the lab's cache.

    Raises:
        LabError: they cannot be had.
    """
    kept = cache() / "tools" / f"old-exim-{VERSION}.tar.gz"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(".new")
        new.write_bytes(_download())
        new.replace(kept)
    return kept.read_bytes()


def _download() -> bytes:
    apt = PrivateApt(cache(), SUITE)
    apt.update()
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            apt.unpack(package, Path(folder))
        return pack(Path(folder))


def pack(folder: Path) -> bytes:
    """Return a compressed tar archive of unpacked packages: the binary as ``exim4``, the libraries in ``lib/``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder / BINARY.lstrip("/"), "exim4")
        for library in sorted(folder.rglob("lib*.so.*")):
            tar.add(library, f"lib/{library.name}")
    return packed.getvalue()
