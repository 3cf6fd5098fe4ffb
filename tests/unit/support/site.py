"""The smallest configuration of a site, and what it says of a wrong value."""

import copy
from typing import Any

import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.load import parse

TEN_LINES: dict[str, Any] = {
    "mxs": {"mx1001.lab.test": {"dc": "eqiad"}, "mx2001.lab.test": {"dc": "codfw"}},
    "pool": {"conftool": {"cluster": "mail", "service": "smtp"}},
    "probes": {
        "sender": "probe@lab.test",
        "outbound": [{"name": "provider", "to": "user1@provider.test"}],
        "inbound": {"accepted": ["user1@lab.test"]},
    },
}

SITE = parse(
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
"""A site without pool and alerts."""


def changed(key: str, value: Any) -> dict[str, Any]:
    """Return it with another value for a key, such as ``probes.outbound.0.to``; with ``...`` the key is left out."""
    raw = copy.deepcopy(TEN_LINES)
    *path, last = key.split(".")
    at: Any = raw
    for name in path:
        at = at.setdefault(name, {}) if isinstance(at, dict) else at[int(name)]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return raw


def refusal(key: str, value: Any) -> str:
    """Return the error that another value for a key is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse(changed(key, value), "x.yaml")
    assert str(caught.value).startswith("x.yaml: ")
    assert caught.value.__suppress_context__, "a traceback of what led to it hides the line"
    return str(caught.value)
