"""The disk that exchangers of one Debian release start from: two kernels, GRUB, Exim. Built once, cached by content."""

import fcntl
import hashlib
import json
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.build import mmdebstrap
from lab.build.apt import PrivateApt
from lab.build.release import Release, kernel_key
from lab.place import CONSOLE_PASSWORD
from lab.shell import LabError, run

RECIPE = Path(__file__).resolve().parents[1] / "data" / "guest"
DISK_BYTES = 3 << 30
SECTOR = 512
PARTITION_OFFSET = 2048 * SECTOR
FS_UUID = "5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11"
BUILD_DEADLINE = 900.0
# Two recipes of each of two releases.
KEPT_IMAGES = 4
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


def choose_kernels(kernels: Iterable[str]) -> tuple[str, str]:
    """Return the two newest kernels by their releases, older first.

    Raises:
        LabError: there are not two.
    """
    newest = sorted(set(kernels), key=kernel_key)[-2:]
    if len(newest) < 2:
        raise LabError(f"expected two cloud kernels of different releases among the Debian packages, found {newest}")
    return newest[0], newest[1]


def recipe_files(recipe: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a recipe, as (name and executable bit, content)."""
    for path in sorted(recipe.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{path.relative_to(recipe)}:{bool(path.stat().st_mode & 0o100)}", path.read_bytes()


def digest(release: Release, recipe: Path = RECIPE) -> str:
    """Identity of a release's recipe: it does not change when Debian publishes newer kernels."""
    constants = (*OPTIONS, repr(release), str(DISK_BYTES), str(PARTITION_OFFSET), FS_UUID, CONSOLE_PASSWORD)
    total = hashlib.sha256("\n".join(constants).encode())
    for name, content in recipe_files(recipe):
        total.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:12]


def guest_packages(recipe: Path, release: Release, kernels: Iterable[str]) -> list[str]:
    """Debian packages of the guest: the recipe's list, the release's own, and the kernels."""
    lines = (recipe / "packages").read_text().splitlines()
    listed = [name for line in lines if not line.startswith("#") for name in line.split()]
    return [*listed, *release.packages, *(f"linux-image-{kernel}" for kernel in kernels)]


def partition_table() -> bytes:
    """First sector of the disk: one bootable Linux partition to its end (MBR; GRUB's image goes between them)."""
    first, count = PARTITION_OFFSET // SECTOR, (DISK_BYTES - PARTITION_OFFSET) // SECTOR
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, count)
    return bytes(440) + b"mxlb\0\0" + entry + bytes(48) + b"\x55\xaa"


@contextmanager
def building(images: Path, suite: str) -> Iterator[Path]:
    """A working folder below the images' one, held by one builder of a release at a time, gone afterwards.

    What a killed builder left is removed first: nobody else holds the lock.
    """
    images.mkdir(parents=True, exist_ok=True)
    with (images / f"lock-{suite}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in images.glob(f"build-{suite}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f"build-{suite}-", dir=images) as work:
            yield Path(work)


def build_bases(cache: Path, say: Callable[[str], None], releases: Iterable[Release]) -> dict[str, Path]:
    """Build the images that are not in the cache, side by side; return all by the releases' code names.

    Raises:
        LabError: one cannot be built.
    """
    wanted = {release.suite: release for release in releases}
    if not all(base(cache, release).exists() for release in wanted.values()):
        # Once, and not by each of them at the same time.
        mmdebstrap.unpacked_tool(cache)
    with ThreadPoolExecutor(len(wanted)) as pool:
        tasks = {suite: pool.submit(build_base, cache, say, release) for suite, release in wanted.items()}
    return {suite: task.result() for suite, task in tasks.items()}


def base(cache: Path, release: Release) -> Path:
    """Where a release's image is, or will be."""
    return cache / "images" / f"base-{release.suite}-{digest(release)}.raw"


def build_base(cache: Path, say: Callable[[str], None], release: Release) -> Path:
    """Build a release's image if this recipe's is not in the cache, and return it.

    Its facts are read by :func:`read_facts`.

    Raises:
        LabError: it cannot be built; neither a half-built file nor a mount nor a loop device stays.
    """
    image = base(cache, release)
    if image.exists():
        return image
    with building(image.parent, release.suite) as work:
        if not image.exists():
            facts = _build(cache, work, say, release)
            (work / "facts").write_text(json.dumps(asdict(facts)) + "\n")
            (work / "facts").rename(f"{image}.json")
            (work / "disk.raw").rename(image)
            _prune(image.parent)
    return image


def _prune(images: Path) -> None:
    """Remove all but the newest images: nothing refers to a base image once a disk was made of it."""
    by_age = sorted(images.glob("base-*.raw"), key=lambda path: path.stat().st_mtime)
    for image in by_age[:-KEPT_IMAGES]:
        image.unlink(missing_ok=True)
        Path(f"{image}.json").unlink(missing_ok=True)


def _build(cache: Path, work: Path, say: Callable[[str], None], release: Release) -> ImageFacts:
    start = time.monotonic()
    kernels = _available_kernels(cache, release)
    what = f"Debian {release.number}, kernels {kernels[0]} and {kernels[1]}"
    say(f"building the mail exchangers' image ({what}), once, about a minute")
    _make_root(cache, work / "root", release, guest_packages(RECIPE, release, kernels))
    say(f"{release.suite}: packages unpacked and configured ({time.monotonic() - start:.0f} s)")
    _make_disk(work / "root", work / "disk.raw")
    seconds = round(time.monotonic() - start, 1)
    say(f"{release.suite}: image built in {seconds:.0f} s")
    return ImageFacts(kernels, FS_UUID, int(time.time()), seconds)


def _available_kernels(cache: Path, release: Release) -> tuple[str, str]:
    apt = PrivateApt(cache, release.suite)
    apt.update()
    prefix = "linux-image-"
    return choose_kernels(name.removeprefix(prefix) for name in apt.names(prefix + release.kernel))


def _make_root(cache: Path, root: Path, release: Release, packages: Iterable[str]) -> None:
    options = (*OPTIONS, *release.options, f"--essential-hook={RECIPE}/essential.sh", f"--include={','.join(packages)}")
    # What mmdebstrap drops into the temporary folder goes with the build, even if it is killed.
    env = {"TMPDIR": str(root.parent)}
    mmdebstrap.make(cache, root, options, suite=release.suite, within=PRIVATE, env=env, timeout=BUILD_DEADLINE)
    settings = {"FS_UUID": FS_UUID, "ROOT_PASSWORD": CONSOLE_PASSWORD, "LOCALES": " ".join(release.locales)}
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
