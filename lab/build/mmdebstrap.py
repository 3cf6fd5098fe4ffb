"""mmdebstrap, which makes root directories of Debian: always Debian 12's own, unpacked into the cache, not installed.

One that the machine has is left alone: what is built must not depend on it.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.build.apt import SUITE, debian_sources, unpacked
from lab.place import cache
from lab.shell import run

OPTIONS = (
    "--mode=root",
    "--variant=minbase",
    "--skip=check/empty",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=force-unsafe-io",
)


def make(
    folder: Path,
    root: Path,
    options: Sequence[str],
    *,
    suite: str = SUITE,
    within: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = 900,
) -> None:
    """Make a root directory.

    Arguments:
        folder: the lab's cache folder.
        root: where it is made: not there yet, or empty.
        options: of mmdebstrap, :data:`OPTIONS` among them.
        suite: the Debian release, by its code name.
        within: words of a command that runs it.
        env: variables added to the environment.
        timeout: seconds.

    Raises:
        LabError: it cannot be made; what there is of it stays.
    """
    tool = unpacked_tool(folder)
    # It starts programs of its own package by their names.
    variables = {**os.environ, **(env or {}), "PATH": f"{tool.parent}:{os.environ['PATH']}"}
    run([*within, tool, *options, suite, root, *debian_sources(suite)], timeout=timeout, env=variables)


def unpacked_tool(folder: Path) -> Path:
    """The program, unpacked if it is not in the cache.

    Raises:
        LabError: it cannot be had.
    """
    return unpacked(folder, "mmdebstrap") / "usr" / "bin" / "mmdebstrap"


if __name__ == "__main__":
    make(cache(), Path(sys.argv[2]), OPTIONS, suite=sys.argv[1])
