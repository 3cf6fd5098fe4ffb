"""The outside world's station: remote mail servers, senders, and evidence that does not depend on the product."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.place import BRIDGE, INFRA, Lab
from lab.stations import network
from lab.stations.box import Box
from lab.stations.infra import OUTSIDE_HOSTS
from lab.world import behaviour

NAME, SINKS, OBSERVER = "world", "sinks", "observer"
PYTHON = {"PYTHONPATH": "/opt/mxlab"}


def box(lab: Lab, labroot: Path, repository: Path) -> Box:
    """Return the station, which is the segment's gateway and everything beyond it."""
    binds = ((lab.logs, "/logs"), (lab.outside, "/outside"), (repository / "lab", "/opt/mxlab/lab"))
    return Box(lab, NAME, labroot, binds)


def start(world: Box) -> None:
    """Give the outside world its addresses and start its mail servers."""
    addresses = {f"{v4}/32" for _, v4, _ in OUTSIDE_HOSTS if v4} | {f"{v6}/128" for _, _, v6 in OUTSIDE_HOSTS if v6}
    network.add_outside(world, sorted(addresses))
    world.run(["tee", "/etc/resolv.conf"], input_text=f"nameserver {INFRA.v4}\n")
    world.serve(SINKS, ["/usr/bin/python3", "-m", "lab.world.sinks", "--state", "/outside"], PYTHON)


def start_observer(node: Box) -> None:
    """Start the observer on the bridge, where every frame of the segment passes."""
    words = ["/usr/bin/python3", "-m", "lab.world.observer", "watch", "--state", "/outside", "--interface", BRIDGE]
    node.serve(OBSERVER, words, PYTHON)


def change(lab: Lab, place: str, value: dict[str, object] | None) -> None:
    """Change how a place of the outside world behaves; None mends it."""
    behaviour.change(lab.outside / behaviour.FILE_NAME, place, value)


@contextmanager
def behaving(lab: Lab, place: str, value: dict[str, object]) -> Iterator[None]:
    """Let a place of the outside world behave like that for the length of the block; afterwards it is well again."""
    change(lab, place, value)
    try:
        yield
    finally:
        change(lab, place, None)


def program(world: Box, name: str, *arguments: str) -> list[str]:
    """Return the command line of one of the outside world's own programs."""
    words = ["/usr/bin/python3", "-m", f"lab.world.{name}", *arguments]
    return world.inside(words, PYTHON)


def inbox(lab: Lab) -> list[dict[str, object]]:
    """Return everything that has arrived, in order."""
    path = lab.outside / "inbox.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
