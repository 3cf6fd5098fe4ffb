"""A result that would go nowhere is refused before any host is asked."""

import dataclasses
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from mxlib.base.errors import ReportError
from mxlib.commands.roll import RollKernel, RollRequest
from mxlib.commands.verify import Verify, VerifyRequest
from mxlib.config import load as config
from mxlib.config.roll import RollSection

SITE = config.parse(
    {
        "mxs": ["mx1001.example.org", "mx2001.example.org"],
        "pool": "none",
        "alerts": {"source": "none"},
        "probes": {
            "sender": "probe@example.org",
            "outbound": [{"name": "any", "to": "probe@example.net", "family": "any"}],
            "inbound": {"accepted": ["postmaster@example.org"], "refused": ["nobody@example.org"]},
        },
    },
    "sre.mail.yaml",
)


@pytest.fixture
def spicerack() -> MagicMock:
    """No host is asked."""
    made = MagicMock(dry_run=False)
    made.remote.side_effect = AssertionError("a host was asked")
    return made


def test_verify_mx_refuses_metrics_that_would_go_nowhere(spicerack: MagicMock, tmp_path: Path) -> None:
    request = VerifyRequest(query="", metrics_file=tmp_path / "none" / "mx.prom")
    with pytest.raises(ReportError, match=f"there is no folder {tmp_path}/none: expected .* textfile collector"):
        Verify(spicerack, SITE, request)


def test_verify_mx_refuses_json_that_would_go_nowhere(spicerack: MagicMock, tmp_path: Path) -> None:
    request = VerifyRequest(query="", json_file=tmp_path / "none" / "mx.json")
    with pytest.raises(ReportError, match=f"there is no folder {tmp_path}/none"):
        Verify(spicerack, SITE, request)


def test_a_roll_refuses_metrics_that_would_go_nowhere(spicerack: MagicMock, tmp_path: Path) -> None:
    site = dataclasses.replace(SITE, roll=RollSection(metrics=tmp_path / "none" / "mx.prom"))
    with pytest.raises(ReportError, match=f"there is no folder {tmp_path}/none: expected .* textfile collector"):
        RollKernel(spicerack, site, RollRequest(kernel="newest"))
