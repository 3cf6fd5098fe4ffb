"""The lab, brought up once for all tests; the default one unless MXLAB_NAME names another."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lab import lifecycle
from lab.faults import catalogue as faults
from lab.lifecycle import Progress, Stations
from lab.place import DEFAULT_LAB, Lab, exchanger

HERE = Path(__file__).parent
Break = Callable[..., AbstractContextManager[faults.Target]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # A verification looks back a quarter of an hour in the log: it goes before the tests that fill it with errors.
    items.sort(key=lambda item: item.path.name not in ("test_verify.py", "test_verify_matrix.py"))
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def place() -> Stations:
    """The lab, up; whatever an interrupted run left broken is mended first."""
    lab = Lab(os.environ.get("MXLAB_NAME", DEFAULT_LAB))
    lifecycle.up(lab, Progress())
    stations = lifecycle.stations(lab)
    for entry in faults.broken(lab):
        goal = faults.target(stations, exchanger(entry["host"] or "mx2001"), entry["kernel"])
        faults.undo(goal, faults.find(entry["fault"]))
    return stations


@pytest.fixture
def broken(place: Stations) -> Break:
    """Put a fault on for the length of a `with` block."""

    @contextmanager
    def put_on(name: str, host: str = "mx2001", kernel: str | None = None) -> Iterator[faults.Target]:
        goal = faults.target(place, exchanger(host), kernel)
        faults.apply(goal, faults.find(name))
        try:
            yield goal
        finally:
            faults.undo(goal, faults.find(name))

    return put_on
