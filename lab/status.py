"""The state of a lab: its stations, services and exchangers."""

import json
from concurrent.futures import ThreadPoolExecutor

from lab.lifecycle import Stations, ssh, stations
from lab.place import EXCHANGERS, Exchanger, Lab
from lab.shell import LabError
from lab.stations import infra, node
from lab.world import worlds


def read(lab: Lab) -> dict[str, object]:
    """Return the lab's state as plain values, ready to be printed or turned into JSON."""
    place = stations(lab)
    up_now = {box.name: bool(box.pid) for box in place.all}
    report: dict[str, object] = {
        "lab": lab.name,
        "world": worlds.name_of(lab),
        "state": str(lab.state),
        "logs": str(lab.logs),
        "stations": up_now,
    }
    if all(up_now.values()):
        report["services"] = infra.running(place.infra)
        report["instances"] = node.instances(place.node)
        with ThreadPoolExecutor(len(EXCHANGERS)) as pool:
            report["exchangers"] = dict(
                zip((mx.name for mx in EXCHANGERS), pool.map(lambda mx: _look(place, mx), EXCHANGERS), strict=True)
            )
    return report


LOOK = """printf '{"kernel": "%s", "queue": "%s", "mail": "%s", "listening": "%s", "interface": "%s"}' "$(uname -r)" \
"$(exim4 -bpc)" "$(systemctl is-active exim4)" "$(ss -Hltn 'sport = :25' | grep -q . && echo yes || echo no)" \
"$(ip -o -4 route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/')" """


def _look(place: Stations, mx: Exchanger) -> dict[str, str]:
    try:
        seen = ssh(place, mx, LOOK, timeout=30)
        return dict(json.loads(seen.stdout))
    except (LabError, ValueError):
        return {"ssh": "no answer"}
