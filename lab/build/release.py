"""The Debian releases that an exchanger can have: what its image is built from."""

import re
from dataclasses import dataclass

from lab.shell import LabError


@dataclass(frozen=True)
class Release:
    """What the images of two Debian releases differ in.

    Attributes:
        suite: code name, as in apt's sources.
        number: as in ``/etc/debian_version``.
        kernel: regular expression of the kernels' releases, as ``uname -r`` says them.
        packages: Debian packages beside those of every exchanger.
        locales: languages a host may speak beside C; all are in the image, and each host chooses.
    """

    suite: str
    number: int
    kernel: str
    packages: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Options of mmdebstrap that let the translations of the locales in, after those that keep all out."""
        languages = sorted({locale.partition("_")[0] for locale in self.locales})
        return tuple(f"--dpkgopt=path-include=/usr/share/locale/{language}/*" for language in languages)


_ALL = (
    Release("bookworm", 12, r"6\.1\.0-\d+-cloud-amd64"),
    Release(
        "trixie",
        13,
        # No number of an ABI any more: 6.12.107+deb13-cloud-amd64, and 6.12.115+deb13.1-cloud-amd64.
        r"6\.12\.\d+\+deb13(\.\d+)?-cloud-amd64",
        # util-linux-locales: since this release login is util-linux's. tzdata: since this one it is not required.
        packages=("locales", "util-linux-locales", "tzdata", "libpam-systemd"),
        locales=("de_DE.UTF-8",),
    ),
)
RELEASES = {release.suite: release for release in _ALL}


def find(suite: str) -> Release:
    """Return the release of that code name.

    Raises:
        LabError: there is none.
    """
    if suite not in RELEASES:
        raise LabError(f"release {suite!r}: expected one of {', '.join(RELEASES)}")
    return RELEASES[suite]


def kernel_key(kernel: str) -> tuple[int, ...]:
    """Return all numbers of a kernel's release but its flavour's: by them Debian orders the kernels of one release."""
    return tuple(map(int, re.findall(r"\d+", kernel.partition("-cloud")[0])))
