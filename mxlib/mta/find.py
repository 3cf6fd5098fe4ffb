"""The MTA of a site, by its name in the configuration."""

import dataclasses
import importlib

from mxlib.config.mta import known
from mxlib.config.verify import VerifyPolicy
from mxlib.mta.protocol import Mta

ADAPTERS: dict[str, Mta] = {}
"""Adapters that are loaded, by name."""


def find(name: str) -> Mta:
    """Return the adapter of an MTA: what ``mxlib/mta/NAME/adapter.py`` calls ``ADAPTER``.

    Args:
        name: value of the key ``mta`` of the configuration, where it was checked.
    """
    if name not in ADAPTERS:
        ADAPTERS[name] = importlib.import_module(f"mxlib.mta.{name}.adapter").ADAPTER
    return ADAPTERS[name]


def with_mta(policy: VerifyPolicy) -> VerifyPolicy:
    """Return a policy that also requires the MTA's unit, unless it names or ignores that unit already."""
    unit = find(policy.mta).units[0]
    if unit in policy.ignored_units or any(unit in names.split("|") for names in policy.required_units):
        return policy
    return dataclasses.replace(policy, required_units=(unit, *policy.required_units))


def configurations() -> tuple[str, ...]:
    """Return the configuration directories of every known MTA."""
    return tuple(path for name in known() for path in find(name).configuration)
