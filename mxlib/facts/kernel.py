"""The running kernel and the installed ones, and whether each of those is whole."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# A release as `uname -r` says it, safe in commands and file names.
RELEASE = r"[0-9][0-9A-Za-z.+~_-]{0,99}"
_PACKAGE = re.compile(rf"linux-image-(?P<release>{RELEASE}?)(?:-unsigned)?")
_DEBUG = re.compile(r".*-dbg")
_FILE = re.compile(rf"/(?:boot/(?P<kind>vmlinuz|initrd\.img)-|lib/modules/)(?P<release>{RELEASE}?)(?:/modules\.dep)?")

# Debian's kernels say in `uname -v` from which version of the package they were built.
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
    """A kernel of which something is on the host.

    Attributes:
        release: its ABI name, as ``uname -r`` would say it.
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
        """What it lacks to be booted and trusted; empty when it is whole."""
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
    """Kernels of a host.

    Attributes:
        running: ABI name of the running kernel (``uname -r``).
        installed: every kernel of which a package or a file is there, by release.
        build: version of the package that the running kernel was built as (``uname -v``); empty when it does not say.
    """

    running: str
    installed: tuple[InstalledKernel, ...]
    build: str = ""

    def find(self, release: str) -> InstalledKernel | None:
        """The installed kernel of a release, whole or not."""
        return next((kernel for kernel in self.installed if kernel.release == release), None)

    @property
    def running_kernel(self) -> InstalledKernel | None:
        """What is installed of the running kernel."""
        return self.find(self.running)

    @property
    def waiting_build(self) -> str:
        """Version of another build of the running release, installed and not booted yet; empty if there is none.

        A security update keeps the release where it keeps the ABI: the same name is then another kernel.
        """
        own = self.running_kernel
        return own.version if own is not None and self.build and own.version not in ("", self.build) else ""


def build_of(version: str) -> str:
    """Version of the package that a running kernel was built as; empty where it does not say.

    Arguments:
        version: what ``uname -v`` or /proc/sys/kernel/version says.
    """
    found = _BUILD.fullmatch(version.strip())
    return found["version"] if found else ""


def flavour(release: str) -> str:
    """The flavour of a release: ``cloud-amd64`` of ``6.1.0-47-cloud-amd64`` and ``6.12.107+deb13-cloud-amd64``.

    Arguments:
        release: as ``uname -r`` says it.
    """
    parts = release.split("-")
    numbers = [index for index, part in enumerate(parts) if _PART_OF_VERSION.fullmatch(part)]
    return "-".join(parts[max(numbers, default=-1) + 1 :])


def parse(outputs: Outputs) -> KernelFacts:
    """Read the answer of the section.

    Raises:
        mxlib.base.errors.ParseError: no running release in it, or dpkg did not answer.
    """
    output = outputs[SECTION.name]
    lines = output.text().splitlines()
    running = [line.removeprefix("running ") for line in lines if line.startswith("running ")]
    if len(running) != 1 or not re.fullmatch(RELEASE, running[0]):
        raise ParseError(f"no running kernel release in {lines[:1]}")
    if "dpkg-query" in output.errors and "no packages found" not in output.errors:
        raise ParseError(f"dpkg-query: {output.errors.strip()[:200]}")
    odd = next((line for line in lines if line and not line.startswith(_KEYWORDS)), None)
    if odd is not None:
        raise ParseError(f"not a line about kernels: {odd[:100]!r}")
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
