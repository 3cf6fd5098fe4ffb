"""Where the lab's secrets can be read that no run may show: in output, in logs, in the arguments of programs."""

from contextlib import suppress
from pathlib import Path

from lab.lifecycle import Stations
from lab.place import CONSOLE_PASSWORD, RAPI_READ_PASSWORD

SECRETS = (CONSOLE_PASSWORD, RAPI_READ_PASSWORD)


def readable(place: Stations, said: str) -> list[str]:
    """Return where a secret can be read."""
    where = ["the output"] if any(secret in said for secret in SECRETS) else []
    for box in place.management:
        folder = box.folder / "log.upper" / "spicerack"
        paths = (path for path in folder.rglob("*") if path.is_file())
        where += [path.name for path in paths if any(secret.encode() in path.read_bytes() for secret in SECRETS)]
    return [f"a secret can be read in {name}" for name in where]


def arguing(place: Stations) -> set[str]:
    """Return the programs of the management hosts and the node that have a secret in their arguments now."""
    pids = [box.pid for box in (*place.management, place.node)]
    spaces, found = set(), set()
    for pid in pids:
        with suppress(OSError):  # a station whose power is being cut
            spaces.add(Path(f"/proc/{pid}/ns/pid").readlink())
    for process in Path("/proc").glob("[1-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (process / "cmdline").read_bytes()
            if any(secret.encode() in words for secret in SECRETS) and (process / "ns/pid").readlink() in spaces:
                found.add((process / "comm").read_text().strip())
    return found
