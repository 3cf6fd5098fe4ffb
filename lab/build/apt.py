"""Debian packages for the lab's own folders: the machine's sources, but not the machine's apt state."""

import re
import tempfile
from pathlib import Path

from lab.shell import LabError, run

SUITE = "bookworm"


def debian_sources(suite: str = SUITE) -> list[str]:
    """One-line apt sources of a Debian release, by the machine's own mirrors, whichever release it has itself.

    Raises:
        LabError: the machine has no Debian source.
    """
    form = "$(REPO_URI) $(COMPONENT) $(ARCHITECTURE) $(RELEASE)"
    listed = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages", "Origin: Debian"], check=False)
    repositories = {line.split()[0] for line in listed.stdout.splitlines() if re.match(r"\S+:\S+ main ", line)}
    if not repositories:
        repositories = set(uris_in(_configured()))
    main = [uri for uri in repositories if "security" not in uri]
    security = [uri for uri in repositories if "security" in uri]
    if not main:
        raise LabError("no Debian source among the machine's apt sources: expected one with component main")
    lines = [f"deb {uri} {suite} main" for uri in main[:1]]
    return lines + [f"deb {uri} {suite}-security main" for uri in security[:1]]


def _configured() -> str:
    """The machine's apt sources as configured: ``indextargets`` knows none before the first ``apt-get update``."""
    paths = (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))
    return "\n".join(path.read_text(errors="replace") for path in paths if path.is_file())


def uris_in(sources: str) -> list[str]:
    """Addresses of Debian's repositories among apt sources of either format."""
    found = re.findall(r"^\s*(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s*(\S+)", sources, re.MULTILINE)
    return [uri.rstrip("/") + "/" for uri in found if re.search(r"/debian(-security)?/?$", uri)]


class PrivateApt:
    """apt with the lists and downloads of one Debian release in a folder of its own.

    Args:
        cache: the lab's cache folder.
        suite: the release's code name.
    """

    def __init__(self, cache: Path, suite: str = SUITE) -> None:
        self._folder = cache / ("apt" if suite == SUITE else f"apt-{suite}")
        self._suite = suite

    def _command(self, *words: str) -> list[str]:
        options = {
            "Dir::State": self._folder / "state",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::SourceList": self._folder / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::status": self._folder / "status",
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "root",
        }
        return ["apt-get", *(word for key, value in options.items() for word in ("-o", f"{key}={value}")), *words]

    def update(self) -> None:
        """Fetch the lists of the release.

        Raises:
            LabError: they cannot be had.
        """
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        (self._folder / "sources.list").write_text("\n".join(debian_sources(self._suite)) + "\n")
        run(self._command("update", "-qq"), timeout=180)

    def names(self, pattern: str) -> list[str]:
        """Package names that match a regular expression as a whole."""
        command = self._command("pkgnames")
        command[0] = "apt-cache"
        return [name for name in run(command).stdout.split() if re.fullmatch(pattern, name)]

    def unpack(self, package: str, into: Path) -> None:
        """Download one package and lay its files into a folder: nothing is installed on the machine."""
        downloads = self._folder / "debs"
        downloads.mkdir(parents=True, exist_ok=True)
        run(self._command("download", "-qq", package), timeout=180, cwd=downloads)
        newest = max(downloads.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
        run(["dpkg", "-x", newest, into])


def unpacked(cache: Path, package: str) -> Path:
    """Folder of a package of Debian 12 that is unpacked and not installed; done if it is not in the cache.

    Arguments:
        cache: the lab's cache folder.
        package: its name.

    Raises:
        LabError: it cannot be had.
    """
    folder = cache / "tools" / package
    if not folder.is_dir():
        # Aside first: half of a package would look like all of it.
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{package}.", dir=folder.parent) as aside:
            apt = PrivateApt(cache)
            apt.update()
            apt.unpack(package, Path(aside, "files"))
            Path(aside, "files").rename(folder)
    return folder
