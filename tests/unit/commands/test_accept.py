"""``--accept`` understands every finding there is, and nothing else."""

import re
from pathlib import Path

import pytest

from mxlib.base.errors import ConfigError
from mxlib.commands import accept
from mxlib.config.load import parse
from tests.unit.support.site import TEN_LINES

ROOT = Path(__file__).resolve().parents[3] / "mxlib"
SITE = parse(TEN_LINES, "test")
_MADE = re.compile(r"""(?:Verdict|_verdict|_asked|_timed)\((?:world, )?\s*f?"([a-z{}-]+)\"""")


def made() -> set[str]:
    """Every name that a run gives a finding of its own, as it stands in the code."""
    paths = [*(ROOT / "reboot").rglob("*.py"), ROOT / "adapters/console_repair.py", ROOT / "adapters/ganeti_rescue.py"]
    found = {name for path in paths for name in _MADE.findall(path.read_text(encoding="utf-8"))}
    roles = {name.replace("{role}", role) for name in found for role in ("target", "fallback")}
    return {name for name in roles if "{" not in name}


def test_every_finding_of_a_run_can_be_accepted() -> None:
    assert len(made()) > 25
    assert made() - set(accept.names(SITE)) == set()


@pytest.mark.parametrize("name", ["disk", "outbound-provider", "inbound-v6", "ledger", "clients", "client-2001:db8::7"])
def test_what_a_site_knows_is_accepted(name: str) -> None:
    accept.check(SITE, [name])


@pytest.mark.parametrize("name", ["nosuchcheck", "outbound-elsewhere", "client-", "client-mx", "clients-192.0.2.7"])
def test_what_no_finding_is_called_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--accept: there is no check '{name}'; there are .*disk.*client-ADDRESS"):
        accept.check(SITE, [name])
