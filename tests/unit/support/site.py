"""The smallest configuration of a site."""

from typing import Any

TEN_LINES: dict[str, Any] = {
    "mxs": {"mx1001.lab.test": {"dc": "eqiad"}, "mx2001.lab.test": {"dc": "codfw"}},
    "pool": {"conftool": {"cluster": "mail", "service": "smtp"}},
    "probes": {
        "sender": "probe@lab.test",
        "outbound": [{"name": "provider", "to": "user1@provider.test"}],
        "inbound": {"accepted": ["user1@lab.test"]},
    },
}
