"""The lab, brought up once for all tests; the default one unless MXLAB_NAME names another."""

import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lab import demo, lifecycle
from lab.faults import catalogue as faults
from lab.faults.fault import FaultTarget
from lab.lifecycle import ProgressLog, Stations
from lab.place import DEFAULT_LAB, EXCHANGERS, Lab, exchanger

HERE = Path(__file__).parent
Break = Callable[..., AbstractContextManager[FaultTarget]]
_FAILED = pytest.StashKey[str]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # A verification reads the last 15 minutes of the log, so it comes before the tests that fill it with errors.
    items.sort(key=lambda item: item.path.name not in ("test_verify.py", "test_verify_matrix.py"))
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def place() -> Stations:
    """The lab, up; faults that an interrupted run left are mended first."""
    lab = Lab(os.environ.get("MXLAB_NAME", DEFAULT_LAB))
    lifecycle.up(lab, ProgressLog())
    stations = lifecycle.stations(lab)
    list(faults.undo_all(stations))
    return stations


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that a test of the lab has failed, for :func:`independent`."""
    report = yield
    if report.failed:
        item.config.stash[_FAILED] = item.nodeid
    return report


@pytest.fixture(autouse=True)
def independent(request: pytest.FixtureRequest) -> None:
    """After a failed test: abort what it left claimed, so that a defect is not reported once for every later test."""
    failed = request.config.stash.get(_FAILED, "")
    if not failed or "place" not in request.fixturenames:
        return
    request.config.stash[_FAILED] = ""
    place = request.getfixturevalue("place")
    for mx in EXCHANGERS:
        if lifecycle.ssh(place, mx, "test -e /var/lib/mx-cookbooks/run.json").returncode == 0:
            print(f"{mx.name} is still claimed after {failed}: aborting its run")
            words = ("sre.mail.reboot-mx", mx.fqdn, "--abort", "--reason", f"left by {failed}")
            subprocess.run(demo.cookbook(place.management[1], *words), stdin=subprocess.DEVNULL, check=False)


@pytest.fixture
def broken(place: Stations) -> Break:
    """Put a fault on for the length of a `with` block."""

    @contextmanager
    def put_on(name: str, host: str = "mx2001", kernel: str | None = None) -> Iterator[FaultTarget]:
        goal = faults.target(place, exchanger(host), kernel)
        faults.apply(goal, faults.find(name))
        try:
            yield goal
        finally:
            faults.undo(goal, faults.find(name))

    return put_on
