"""What in Exim's configuration ends a fault that its log shows. Pure.

Whoever does not use BDAT uses DATA, so a mail is never lost by switching CHUNKING off. The options are in spec.txt,
"Main configuration" and "The smtp transport".
"""

import re
from collections.abc import Iterator, Sequence

from mxlib.mta.event import Cause, RecentLog
from mxlib.mta.exim import names as exim

FIXED_IN = "4.96"
"""The first version that offers CHUNKING again after a rejected message (its ChangeLog, JH/32)."""
_TRY_IT = f"`{exim.BINARY} -bV`, `systemctl reload {exim.UNIT}`"
_LATER = "Not a matter of the kernel: a reboot changes nothing."
_OFFER_NONE = "chunking_advertise_hosts ="


def settings(found: RecentLog) -> tuple[str, ...]:
    """Return the settings that would end the faults."""
    hosts = found.hosts(Cause.CHUNKING)
    return (*((_OFFER_NONE,) if found.refused_chunks else ()), *((_try_but(hosts),) if hosts else ()))


def advice(found: RecentLog, version: str) -> tuple[str, ...]:
    """Return what would end the faults, each in whole sentences.

    Args:
        version: upstream version, such as ``4.94.2``.
    """
    return (*_incoming(found, version), *_outgoing(found))


def _incoming(found: RecentLog, version: str) -> Iterator[str]:
    if not found.refused_chunks:
        return
    known = _number(version) < _number(FIXED_IN)
    why = (
        f"Exim {version} forgets after a rejected message that it has offered CHUNKING, and answers the next BDAT of "
        f"the session with 503 (mended in {FIXED_IN})"
        if known
        else f"Exim {version} answers BDAT with 503"
    )
    yield (
        f"{why}. In the main section of its configuration, where the site keeps it: `{_OFFER_NONE}` "
        f"(nothing after the equals sign); then {_TRY_IT}. Senders then use DATA. {_LATER}"
    )


def _outgoing(found: RecentLog) -> Iterator[str]:
    if hosts := found.hosts(Cause.CHUNKING):
        yield (
            f"{', '.join(hosts)} offers CHUNKING and refuses BDAT. In the smtp transport of Exim's configuration, "
            f"where the site keeps it: `{_try_but(hosts)}`; then {_TRY_IT}. "
            f"Exim then uses DATA there. {_LATER}"
        )


def _try_but(hosts: Sequence[str]) -> str:
    """Return the setting, a host list (spec.txt, "Host lists"); a colon in an address needs another separator."""
    mark = ";" if any(":" in host for host in hosts) else ":"
    listed = f" {mark} ".join((*(f"! {host}" for host in hosts), "*"))
    return f"hosts_try_chunking = {'<; ' if mark == ';' else ''}{listed}"


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:2]))
