"""The disk that both mail exchangers start from: Debian 12, two kernels, GRUB, Exim; built once, cached by content."""

import fcntl
import hashlib
import json
import re
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.build import mmdebstrap
from lab.build.apt import PrivateApt
from lab.place import CONSOLE_PASSWORD
from lab.shell import LabError, run

RECIPE = Path(__file__).resolve().parents[1] / "data" / "guest"
KERNEL_PACKAGE = re.compile(r"linux-image-((\d+)\.(\d+)\.(\d+)-(\d+)-cloud-amd64)")
KERNEL_PATTERN = r"linux-image-6\.1\.0-\d+-cloud-amd64"
DISK_BYTES = 3 << 30
SECTOR = 512
PARTITION_OFFSET = 2048 * SECTOR
FS_UUID = "5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11"
BUILD_DEADLINE = 900.0
KEPT_IMAGES = 2
OPTIONS = (*mmdebstrap.OPTIONS, "--dpkgopt=path-include=/usr/share/doc/*/copyright")
# A mount and process namespace of its own: when its first process ends, no process and no mount of it is left.
# It ends with us, even if we are killed.
PRIVATE = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"),
)


@dataclass(frozen=True)
class ImageFacts:
    """What is known of a built image, kept beside it as JSON.

    Attributes:
        kernels: the releases (as ``uname -r`` says), older first.
        uuid: the root filesystem's UUID, which GRUB's entry ids contain.
        built: when, in seconds since the epoch.
        seconds: how long the build took.
    """

    kernels: tuple[str, str]
    uuid: str
    built: int
    seconds: float

    def grub_entry(self, kernel: str) -> str:
        """The full id of a kernel's GRUB entry: the bare id boots the newest kernel in silence."""
        return f"gnulinux-advanced-{self.uuid}>gnulinux-{kernel}-advanced-{self.uuid}"


def read_facts(image: Path) -> ImageFacts:
    """What is known of a built image.

    Raises:
        LabError: nothing is, or it cannot be read.
    """
    path = Path(f"{image}.json")
    try:
        kept = json.loads(path.read_text())
        older, newer = kept["kernels"]
        return ImageFacts((older, newer), kept["uuid"], kept["built"], kept["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path}: expected the facts of a built image: {error}") from error


def choose_kernels(packages: Iterable[str]) -> tuple[str, str]:
    """The two newest kernels of different ABI, older first.

    Arguments:
        packages: names of Debian packages; those that are no cloud kernel images are passed over.

    Raises:
        LabError: there are not two.
    """
    matches = filter(None, map(KERNEL_PACKAGE.fullmatch, packages))
    found = {match[1]: tuple(map(int, match.groups()[1:])) for match in matches}
    newest = sorted(found, key=lambda release: found[release])[-2:]
    if len(newest) < 2:
        raise LabError(f"expected two cloud kernels of different ABI among the Debian packages, found {newest}")
    return newest[0], newest[1]


def recipe_files(recipe: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a recipe, as (name and executable bit, content)."""
    for path in sorted(recipe.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{path.relative_to(recipe)}:{bool(path.stat().st_mode & 0o100)}", path.read_bytes()


def digest(recipe: Path = RECIPE) -> str:
    """Identity of the recipe: it does not change when Debian publishes newer kernels."""
    constants = (*OPTIONS, KERNEL_PATTERN, str(DISK_BYTES), str(PARTITION_OFFSET), FS_UUID, CONSOLE_PASSWORD)
    total = hashlib.sha256("\n".join(constants).encode())
    for name, content in recipe_files(recipe):
        total.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:12]


def guest_packages(recipe: Path, kernels: Iterable[str]) -> list[str]:
    """Debian packages of the guest: the recipe's list and the kernels."""
    lines = (recipe / "packages").read_text().splitlines()
    listed = [name for line in lines if not line.startswith("#") for name in line.split()]
    return listed + [f"linux-image-{kernel}" for kernel in kernels]


def partition_table() -> bytes:
    """First sector of the disk: one bootable Linux partition to its end (MBR; GRUB's image goes between them)."""
    first, count = PARTITION_OFFSET // SECTOR, (DISK_BYTES - PARTITION_OFFSET) // SECTOR
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, count)
    return bytes(440) + b"mxlb\0\0" + entry + bytes(48) + b"\x55\xaa"


@contextmanager
def building(images: Path) -> Iterator[Path]:
    """A working folder below the images' one, held by one builder at a time, gone afterwards.

    What a killed builder left is removed first: nobody else holds the lock.
    """
    images.mkdir(parents=True, exist_ok=True)
    with (images / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in images.glob("build-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=images) as work:
            yield Path(work)


def build_base(cache: Path, say: Callable[[str], None]) -> Path:
    """Build the image if this recipe's is not in the cache.

    Arguments:
        cache: the lab's cache folder.
        say: told what is going on.

    Returns:
        the image; its facts are read by :func:`read_facts`.

    Raises:
        LabError: it cannot be built; neither a half-built file nor a mount nor a loop device stays.
    """
    image = cache / "images" / f"base-{digest()}.raw"
    if image.exists():
        return image
    with building(image.parent) as work:
        if not image.exists():
            facts = _build(cache, work, say)
            (work / "facts").write_text(json.dumps(asdict(facts)) + "\n")
            (work / "facts").rename(f"{image}.json")
            (work / "disk.raw").rename(image)
            _prune(image.parent)
    return image


def _prune(images: Path) -> None:
    """Remove all but the newest images of older recipes: nothing refers to a base image once a disk was made of it."""
    by_age = sorted(images.glob("base-*.raw"), key=lambda path: path.stat().st_mtime)
    for image in by_age[:-KEPT_IMAGES]:
        image.unlink()
        Path(f"{image}.json").unlink(missing_ok=True)


def _build(cache: Path, work: Path, say: Callable[[str], None]) -> ImageFacts:
    start = time.monotonic()
    kernels = _available_kernels(cache)
    say(f"building the mail exchangers' image (Debian 12, kernels {kernels[0]} and {kernels[1]}), once, about a minute")
    _make_root(cache, work / "root", guest_packages(RECIPE, kernels))
    say(f"packages unpacked and configured ({time.monotonic() - start:.0f} s)")
    _make_disk(work / "root", work / "disk.raw")
    seconds = round(time.monotonic() - start, 1)
    say(f"image built in {seconds:.0f} s")
    return ImageFacts(kernels, FS_UUID, int(time.time()), seconds)


def _available_kernels(cache: Path) -> tuple[str, str]:
    apt = PrivateApt(cache / "apt")
    apt.update()
    return choose_kernels(apt.names(KERNEL_PATTERN))


def _make_root(cache: Path, root: Path, packages: Iterable[str]) -> None:
    hook = f"--essential-hook={RECIPE}/essential.sh"
    include = f"--include={','.join(packages)}"
    # What mmdebstrap drops into the temporary folder goes with the build, even if it is killed.
    env = {"TMPDIR": str(root.parent)}
    mmdebstrap.make(cache, root, [*OPTIONS, hook, include], within=PRIVATE, env=env, timeout=BUILD_DEADLINE)
    settings = {"FS_UUID": FS_UUID, "ROOT_PASSWORD": CONSOLE_PASSWORD}
    _run_script("configure.sh", root, RECIPE, settings=settings)


def _make_disk(root: Path, image: Path) -> None:
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
        file.write(partition_table())
    _run_script("disk.sh", root, image, settings={"FS_UUID": FS_UUID})
    shutil.rmtree(root)


def _run_script(name: str, *arguments: Path, settings: dict[str, str]) -> None:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": path, "LC_ALL": "C.UTF-8", **settings}
    run([*PRIVATE, "/bin/sh", RECIPE / name, *arguments], timeout=BUILD_DEADLINE, env=environment)
