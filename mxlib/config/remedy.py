"""The section ``remedy`` of the site's configuration: how far the remedies may go."""

import math
import re
from dataclasses import dataclass, field

from mxlib.config.values import must

_KEY = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_VALUE = re.compile(r"[0-9]+(?: [0-9]+)*")
_PATTERN = re.compile(r"[A-Za-z0-9:_.@*\\-]{1,200}")


def _mitigations() -> dict[str, tuple[str, ...]]:
    """The kernel parameters of which each alone made the kernel bug of 2021 harmless."""
    return {
        "net.ipv4.tcp_fastopen": ("0",),
        "net.ipv4.tcp_fastopen_blackhole_timeout_sec": ("3600",),
        "net.netfilter.nf_conntrack_tcp_be_liberal": ("1",),
    }


@dataclass(frozen=True)
class RemedySection:
    """How far the remedies may go.

    Attributes:
        sysctls: kernel parameters that may be set, each with its allowed values; a parameter in ``verify.sysctls`` may
            also be set to the value required there.
        clearable_units: patterns of units whose past failure may be cleared.
        unit_timeout: seconds a unit may take to start.
        hole_max: seconds a temporary hole may stay open.
        firewall_undo: seconds after which a reload of the firewall is undone unless a new session has proven it.
    """

    sysctls: dict[str, tuple[str, ...]] = field(default_factory=_mitigations)
    clearable_units: tuple[str, ...] = ("ifup@*.service",)
    unit_timeout: float = 90.0
    hole_max: float = 14400.0
    firewall_undo: float = 120.0

    def __post_init__(self) -> None:
        must(all(map(_KEY.fullmatch, self.sysctls)), "sysctls", "names of sysctls")
        values = [value for values in self.sysctls.values() for value in values]
        must(all(map(_VALUE.fullmatch, values)), "sysctls", "a list of numbers, as texts, for each")
        must(all(map(_PATTERN.fullmatch, self.clearable_units)), "clearable_units", "names of units, with * for any")
        for key in ("unit_timeout", "hole_max", "firewall_undo"):
            value = getattr(self, key)
            must(math.isfinite(value) and value >= 30, key, "30 or more seconds")
        must(self.hole_max <= 86400, "hole_max", "a day at most")
