"""verify-mx run by an operator of the lab, and what it found."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from lab import demo
from lab.lifecycle import Stations
from mxlib.model.outcome import Outcome

_FILE = "/tmp/verification.json"


@dataclass(frozen=True)
class Verification:
    """One run of the cookbook.

    Attributes:
        outcome: how it ended.
        checks: status of each check, by the host's short name.
        seconds: how long each host took.
        said: what the operator read.
    """

    outcome: Outcome
    checks: Mapping[str, Mapping[str, str]]
    seconds: Mapping[str, float]
    said: str

    @property
    def wrong(self) -> dict[str, dict[str, str]]:
        """The checks that are not OK, by host; hosts that are well are left out."""
        found = {
            host: {name: status for name, status in checks.items() if status != "OK"}
            for host, checks in self.checks.items()
        }
        return {host: checks for host, checks in found.items() if checks}


def verify(place: Stations, *words: str, options: tuple[str, ...] = ()) -> Verification:
    """Run the cookbook on the operator's management host.

    Arguments:
        place: the lab.
        words: its arguments.
        options: Spicerack's.
    """
    place.operator.sh(f"rm -f {_FILE}")
    done = subprocess.run(
        demo.cookbook(place.operator, *options, "sre.mail.verify-mx", *words, "--json", _FILE),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode in {one.value for one in Outcome} - {Outcome.REFUSED.value}, done.stdout
    hosts = {one["host"].split(".")[0]: one for one in json.loads(place.operator.sh(f"cat {_FILE}"))["hosts"]}
    return Verification(
        Outcome(done.returncode),
        {name: {check["check"]: check["status"] for check in one["checks"]} for name, one in hosts.items()},
        {name: one["seconds"] for name, one in hosts.items()},
        done.stdout,
    )
