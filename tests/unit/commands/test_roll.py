"""What the operator of a roll types comes before what the site says."""

import pytest

from mxlib.base.errors import ConfigError
from mxlib.commands.roll import RollRequest, overridden
from mxlib.config.roll import RollSection, RollSoak


def test_the_operator_overrides_the_site() -> None:
    section = RollSection(windows=("mon 20:00-22:00",), canary="a", max_failed=2, soak=RollSoak(60, 120))
    assert overridden(section, RollRequest("x")) == section
    said = overridden(section, RollRequest("x", canary="b", windows=("always",), soak_s=600.0, max_failed=0))
    assert (said.canary, said.windows, said.max_failed, said.soak.seconds, said.soak.limit) == (
        "b",
        ("always",),
        0,
        600,
        600,
    )
    with pytest.raises(ConfigError, match="windows: expected"):
        overridden(section, RollRequest("x", windows=("at night",)))
