"""The location of an MX, and the conftool objects that put it into service."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mxlib.config.values import NAME_PATTERN, must


@dataclass(frozen=True)
class MxSection:
    """What the site says of an MX besides its name.

    Attributes:
        dc: its data centre (conftool's tag), or whatever else fails as one; None if all MXs share one.
        preference: preference of its MX record, 0 to 65535.
    """

    dc: str | None = None
    preference: int = 0

    def __post_init__(self) -> None:
        must(self.dc is None or bool(NAME_PATTERN.fullmatch(self.dc)), "dc", "an exact name, no pattern")
        must(0 <= self.preference <= 65535, "preference", "0 to 65535")

    @property
    def data_centre(self) -> str:
        """Name of its data centre."""
        return self.dc or "default"


@dataclass(frozen=True)
class ConftoolTags:
    """The tags that select the conftool objects of one MX: entity ``node``, named like the host.

    Attributes:
        services: values of the tag ``service``, one object each.
    """

    dc: str
    cluster: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class ConftoolHost:
    """Tags of one MX that differ from the common ones.

    Attributes:
        cluster: value of the tag; None for the common one.
        service: value of the tag, or several; None for the common one.
    """

    cluster: str | None = None
    service: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        must(self.cluster is not None or self.service is not None, "cluster", "a tag that differs: cluster or service")
        _exact(self.cluster, self.service)


@dataclass(frozen=True)
class ConftoolSection:
    """Which conftool objects put an MX into service: those with its data centre, these tags and its name.

    Attributes:
        cluster: value of the tag.
        service: value of the tag, or several; each object is set, verified and restored by itself.
        hosts: tags that differ, by name of the MX.
    """

    cluster: str
    service: str | tuple[str, ...]
    hosts: dict[str, ConftoolHost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _exact(self.cluster, self.service)

    def tags(self, host: str, mxs: Mapping[str, MxSection]) -> ConftoolTags:
        """Return the tags of one MX."""
        own = self.hosts.get(host, ConftoolHost(self.cluster, self.service))
        services = self.service if own.service is None else own.service
        return ConftoolTags(mxs[host].dc or "", own.cluster or self.cluster, _several(services))


@dataclass(frozen=True)
class PoolSection:
    """The pool state in front of the MXs.

    Attributes:
        conftool: the conftool objects of an MX.
    """

    conftool: ConftoolSection


def _several(service: str | tuple[str, ...]) -> tuple[str, ...]:
    return (service,) if isinstance(service, str) else service


def _exact(cluster: str | None, service: str | tuple[str, ...] | None) -> None:
    # Spicerack takes tags for regular expressions, so a pattern might select objects that nobody meant.
    expected = "an exact name, no pattern"
    must(cluster is None or bool(NAME_PATTERN.fullmatch(cluster)), "cluster", expected)
    services = () if service is None else _several(service)
    must(service is None or bool(services), "service", "at least one service")
    must(all(map(NAME_PATTERN.fullmatch, services)), "service", expected)
