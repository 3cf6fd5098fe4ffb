"""What can be ordered, and the bounds that the site sets. Pure."""

import fnmatch
import shlex
from dataclasses import dataclass

from mxlib.config.sections import Site
from mxlib.mta.find import with_mta

RESTART_UNIT = "restart-unit"
CLEAR_FAILED = "clear-failed"
RELOAD_FIREWALL = "reload-firewall"
SET_SYSCTL, UNSET_SYSCTL = "set-sysctl", "unset-sysctl"
CLEAR_HINTS = "clear-hints"
ALLOW, CLOSE_HOLE = "allow", "close-hole"
FIREWALLS = {
    "ferm.service": "ferm --noexec --lines /etc/ferm/ferm.conf >/dev/null",
    "nftables.service": "nft -c -f /etc/nftables.conf",
}
"""The firewalls that are known, each with what tries its files without loading them."""


@dataclass(frozen=True)
class Order:
    """One remedy that is asked for.

    Attributes:
        remedy: its name.
        argument: what it is for: a unit, KEY=VALUE, a destination, an address; empty where it takes none.
        seconds: how long, for a temporary one.
    """

    remedy: str
    argument: str = ""
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """As an operator would type it."""
        if self.remedy == "allow":
            how_long = f"{self.seconds:.0f}s" if self.seconds % 60 else f"{self.seconds / 60:.0f}m"
            return f"allow --from {self.argument} --for {how_long}"
        return f"{self.remedy} {shlex.quote(self.argument)}" if self.argument else self.remedy


def is_stale(site: Site, unit: str) -> bool:
    """Whether a failure of this unit may be cleared: it is not required, and the site counts it among the leftovers.

    Arguments:
        unit: full name of the unit.
    """
    patterns = site.remedy.clearable_units
    return unit not in with_mta(site.verify).unit_names and any(fnmatch.fnmatchcase(unit, one) for one in patterns)


def restartable(site: Site) -> tuple[str, ...]:
    """Return the units that may be restarted: the required ones, and the generators of alias files."""
    return (*with_mta(site.verify).unit_names, *(generator.unit for generator in site.aliases))


def firewalls(site: Site) -> list[str]:
    """Return the firewalls that the site requires and that are known here."""
    return [name for name in site.verify.unit_names if name in FIREWALLS]


def allowed(site: Site, key: str) -> tuple[str, ...]:
    """Return the values a parameter may be set to."""
    required = site.verify.sysctls.get(key)
    return (*site.remedy.sysctls.get(key, ()), *([" ".join(required.split())] if required else []))
