"""Whether SSH can get in: the unit, the port and the packet filter."""

import subprocess

import pytest

from mxlib.facts import reachability
from mxlib.facts.reachability import AccessFacts
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import facts_of


@pytest.mark.parametrize("odd", ["what is this", "listens no more", "route default via 192.0.2.1"])
def test_a_line_of_an_unknown_form_makes_the_access_unknown(odd: str) -> None:
    with pytest.raises(FactUnknownError, match="not understood"):
        facts_of({reachability.SECTION: f"unit active\nlistens\n{odd}\nend\n"}).get(reachability.SOURCE)
    with pytest.raises(FactUnknownError, match="cut short"):
        facts_of({reachability.SECTION: "unit active\nlistens\n"}).get(reachability.SOURCE)
    found = facts_of({reachability.SECTION: "unit failed\nrule policy drop;\nend\n"}).get(reachability.SOURCE)
    assert found == AccessFacts("failed", False, ("policy drop;",))


@pytest.mark.parametrize(
    ("ss", "listening"), [("echo LISTEN 0 128 0.0.0.0:22", True), ("exit 0", False), ("exit 1", None)]
)
def test_an_ss_that_fails_does_not_say_that_nothing_listens(ss: str, listening: bool | None) -> None:
    stubs = f"ss() {{ ( {ss} ); }}; systemctl() {{ echo active; }}; nft() {{ :; }}\n"
    argv = ["sh", "-c", stubs + reachability.SECTION.script]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert facts_of({reachability.SECTION: text}).get(reachability.SOURCE).listening is listening
