"""Addresses asked for from outside, at every MX: an MX that does not know one shows in seconds."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from mxlib.config.probes import ProbeSection
from mxlib.config.verify import VerifyPolicy
from mxlib.model.answers import InboundResult
from mxlib.probes.inbound import ask

MAX_ADDRESSES = 20
"""An MX may answer slower, or not at all, after too many unknown recipients in a session."""
_MAX_PARALLEL = 16


def ask_everywhere(
    names: Sequence[str],
    addresses: Sequence[str],
    section: ProbeSection,
    policy: VerifyPolicy,
    *,
    question: Callable[..., InboundResult] = ask,
) -> Mapping[str, InboundResult]:
    """Ask every MX for the same recipients, at the same time, over the first address family it has.

    Arguments:
        addresses: recipients; those beyond :data:`MAX_ADDRESSES` are left out.
        section: envelope sender, source ports and authorities.
        policy: families, and how long an answer may take.
        question: holds a session.

    Returns:
        A session each, by name.
    """
    probe = dataclasses.replace(section.inbound, accepted=tuple(addresses[:MAX_ADDRESSES]), refused=(), relay=None)

    def one(name: str) -> InboundResult:
        for family in policy.families:
            result = question(name, family, probe, section.sender, timeout_s=policy.answer_s)
            if result.address:
                break
        return result

    with ThreadPoolExecutor(max_workers=max(1, min(_MAX_PARALLEL, len(names)))) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))
