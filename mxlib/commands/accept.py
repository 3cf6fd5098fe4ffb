"""The names that ``--accept`` understands: of the guard's findings, of the checks, of what a run judges on its way."""

import ipaddress
from collections.abc import Iterable

from mxlib.base.errors import ConfigError
from mxlib.checks.registry import all_checks
from mxlib.config.known_bad import load as load_kernels
from mxlib.config.sections import Site
from mxlib.drain import client_judge
from mxlib.reboot.steps import ledger
from mxlib.verify.request import inbound_names, outbound_names

GUARD = frozenset(
    {
        *("host", "standing", "record", "ports", "listeners", "mta", "mta-serves", "next-entry", "shutdown"),
        *("busy", "packages", "logins", "inhibitors", "nft", "slot", "pool", "others", "alerts"),
        *("kernels", "kernel-target", "kernel-fallback", "entry-target", "entry-fallback", "fallback", "target-runs"),
        *("known-bad", "grub", "grub-default", "grub-savedefault", "grub-environment"),
        *("rescue", "console", "machine", "nic-forecast", "outbound", "inbound", "queue-trend"),
    }
)
"""The findings of the guard beside those of checks and probes, and of the soak."""


def names(site: Site) -> tuple[str, ...]:
    """Return every name that can be accepted, except those of single clients."""
    checks = (one.name for one in all_checks(load_kernels(site.verify.known_bad), site.aliases))
    probes = (*outbound_names(site.probes), *inbound_names(site.verify))
    return tuple(sorted({*GUARD, *checks, *probes, ledger.ACCEPT, client_judge.ACCEPT}))


def check(site: Site, accepted: Iterable[str]) -> None:
    """Refuse a name that no finding has.

    Raises:
        mxlib.base.errors.ConfigError: names it, and what there is.
    """
    wanted = tuple(accepted)
    known = names(site) if wanted else ()
    for name in wanted:
        if name not in known and not _is_client(name):
            expected = f"{', '.join(known)}, client-ADDRESS"
            raise ConfigError(f"--accept: there is no check {name!r}; there are {expected}")


def _is_client(name: str) -> bool:
    kind, _, address = name.partition("-")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return kind == "client"
