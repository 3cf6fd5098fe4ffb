"""The running kernel and the installed ones, and whether each of these is complete."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# A release as `uname -r` prints it, safe in commands and file names.
RELEASE = r"[0-9][0-9A-Za-z.+~_-]{0,99}"
_PACKAGE = re.compile(rf"linux-image-(?P<release>{RELEASE}?)(?:-unsigned)?")
_DEBUG = re.compile(r".*-dbg")
_FILE = re.compile(rf"/(?:boot/(?P<kind>vmlinuz|initrd\.img)-|lib/modules/)(?P<release>{RELEASE}?)(?:/modules\.dep)?")

# `uname -v` of Debian's kernels has the version of the package they were built as.
_BUILD = re.compile(r"#\d+ .*\bDebian (?P<version>[0-9][0-9A-Za-z.+~:-]*)(?: .*)?")
_PART_OF_VERSION = re.compile(r"\d.*|rc\d+")
_KEYWORDS = ("running ", "build ", "package ", "file ")

SECTION = Section(
    "kernel",
    """\
printf 'running %s\\n' "$(uname -r)"
printf 'build %s\\n' "$(uname -v)"
dpkg-query -W -f 'package ${db:Status-Want} ${db:Status-Status} ${Package} ${Version}\\n' 'linux-image-[0-9]*'
for file in /boot/vmlinuz-* /boot/initrd.img-* /lib/modules/*/modules.dep; do
[ ! -s "$file" ] || printf 'file %s\\n' "$file"
done
""",
)


@dataclass(frozen=True)
class InstalledKernel:
    """A kernel of which the host has a package or a file.

    Attributes:
        release: its ABI name, as ``uname -r`` prints it.
        package_installed: whether dpkg has its image package installed.
        version: version of the package (``6.1.170-3``), empty without one.
        vmlinuz: whether /boot/vmlinuz-RELEASE has content.
        initrd: whether /boot/initrd.img-RELEASE has content.
        modules: whether /lib/modules/RELEASE/modules.dep has content.
        held: whether the package is held against removal and upgrade.
    """

    release: str
    package_installed: bool
    version: str
    vmlinuz: bool
    initrd: bool
    modules: bool
    held: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts that it lacks to be booted and trusted; empty when it is complete."""
        parts = {
            "package": self.package_installed,
            "vmlinuz": self.vmlinuz,
            "initrd": self.initrd,
            "modules": self.modules,
        }
        return tuple(part for part, there in parts.items() if not there)

    @property
    def whole(self) -> bool:
        """Whether package, image, initrd and modules are all there."""
        return not self.missing


@dataclass(frozen=True)
class KernelFacts:
    """The kernels of a host.

    Attributes:
        running: ABI name of the running kernel (``uname -r``).
        installed: every kernel of which there is a package or a file, sorted by release.
        build: version of the package that the running kernel was built as (``uname -v``); empty when unknown.
    """

    running: str
    installed: tuple[InstalledKernel, ...]
    build: str = ""

    def find(self, release: str) -> InstalledKernel | None:
        """Return the kernel of a release, complete or not; None when there is nothing of it."""
        return next((kernel for kernel in self.installed if kernel.release == release), None)

    @property
    def running_kernel(self) -> InstalledKernel | None:
        """What is installed of the running kernel; None when nothing is."""
        return self.find(self.running)

    @property
    def waiting_build(self) -> str:
        """Version of another build of the running release that is installed but not booted; empty if there is none.

        A security update that keeps the ABI keeps the release: the same name is then another kernel.
        """
        own = self.running_kernel
        return own.version if own is not None and self.build and own.version not in ("", self.build) else ""


def build_of(version: str) -> str:
    """Return the version of the package that a kernel was built as; empty when unknown.

    Args:
        version: text of ``uname -v`` or /proc/sys/kernel/version.
    """
    found = _BUILD.fullmatch(version.strip())
    return found["version"] if found else ""


def flavour(release: str) -> str:
    """Return the flavour of a release: ``cloud-amd64`` of ``6.1.0-47-cloud-amd64`` and ``6.12.107+deb13-cloud-amd64``.

    Args:
        release: as ``uname -r`` prints it.
    """
    parts = release.split("-")
    numbers = [index for index, part in enumerate(parts) if _PART_OF_VERSION.fullmatch(part)]
    return "-".join(parts[max(numbers, default=-1) + 1 :])


def parse(outputs: Outputs) -> KernelFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: it has no running release, or dpkg failed.
    """
    output = outputs[SECTION.name]
    lines = output.text().splitlines()
    running = [line.removeprefix("running ") for line in lines if line.startswith("running ")]
    if len(running) != 1 or not re.fullmatch(RELEASE, running[0]):
        raise ParseError(f"no running kernel release in {lines[:1]}")
    if "dpkg-query" in output.errors and "no packages found" not in output.errors:
        raise ParseError(f"dpkg-query: {output.errors.strip()[:200]}")
    refuse_unknown(lines, lambda line: line.startswith(_KEYWORDS), "not a line about kernels")
    build = next((line.removeprefix("build ") for line in lines if line.startswith("build ")), "")
    return KernelFacts(running[0], tuple(_installed(lines)), build_of(build))


def _installed(lines: list[str]) -> Iterable[InstalledKernel]:
    packages = dict(_packages(line for line in lines if line.startswith("package ")))
    files = {
        (found["kind"] or "modules", found["release"])
        for line in lines
        if line.startswith("file ") and (found := _FILE.fullmatch(line.removeprefix("file ")))
    }
    for release in sorted(packages.keys() | {release for _, release in files}):
        want, version = packages.get(release, ("", ""))
        vmlinuz, initrd, modules = ((kind, release) in files for kind in ("vmlinuz", "initrd.img", "modules"))
        yield InstalledKernel(release, bool(version), version, vmlinuz, initrd, modules, held=want == "hold")


def _packages(lines: Iterable[str]) -> Iterable[tuple[str, tuple[str, str]]]:
    """(release, (wanted state, version)) of each image package that dpkg has installed."""
    for line in lines:
        _, want, status, package, *version = line.split(" ")
        found = _PACKAGE.fullmatch(package)
        if status == "installed" and found and version and not _DEBUG.fullmatch(package):
            yield found["release"], (want, version[0])


SOURCE = Source("kernel", (SECTION,), parse)
