"""Debian 12's promtool, unpacked into the cache and not installed: it checks alert rules and a dashboard's queries."""

import os
import shutil
from pathlib import Path

from lab.build.apt import PrivateApt
from lab.place import REPOSITORY
from lab.shell import LabError, run

_FEWER_COLLECTIONS = {"GOGC": "400"}
"""For Go: memory of a process that lives for seconds is not worth a third of its processor time."""
FOLDERS = (REPOSITORY / "alerts", REPOSITORY / "dashboards")


def promtool(cache: Path) -> Path:
    """Path of a promtool.

    Arguments:
        cache: the lab's cache folder.

    Raises:
        LabError: there is none to be had.
    """
    unpacked = cache / "promtool" / "usr" / "bin" / "promtool"
    if not unpacked.exists():
        _fetch(cache, unpacked)
    return unpacked


def _fetch(cache: Path, unpacked: Path) -> None:
    """Unpack Debian's package aside, then move the one program to its place: a torn copy would look whole."""
    aside = cache / f"promtool.{os.getpid()}"
    try:
        apt = PrivateApt(cache)
        apt.update()
        apt.unpack("prometheus", aside)
        unpacked.parent.mkdir(parents=True, exist_ok=True)
        (aside / "usr" / "bin" / "promtool").replace(unpacked)
    except (LabError, OSError) as error:
        missing = "no promtool in the cache, and Debian's package `prometheus` cannot be had"
        raise LabError(f"{missing}: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check(cache: Path) -> str:
    """Check the alert rules of this repository, and pass their tests and those of the dashboard's queries.

    Arguments:
        cache: the lab's cache folder.

    Returns:
        What promtool said.

    Raises:
        LabError: there is no promtool, or the rules or their tests are wrong.
    """
    tool = promtool(cache)
    tests = sorted(path for folder in FOLDERS for path in folder.glob("*_test.yaml"))
    rules = sorted(path for folder in FOLDERS for path in folder.glob("*.yaml") if path not in tests)
    said = ""
    for verb, files in (("check", rules), ("test", tests)):
        done = run([tool, verb, "rules", *files], check=False, timeout=300, env={**os.environ, **_FEWER_COLLECTIONS})
        said += done.stdout
        if done.returncode:
            raise LabError(f"promtool {verb} rules: exit code {done.returncode}:\n{done.stdout}")
    return said
