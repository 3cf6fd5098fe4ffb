"""A virtual machine as its Ganeti cluster has it configured. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from mxlib.base.errors import MxlibError
from mxlib.base.text import one_line

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
RUNS = frozenset({"running", "ERROR_up"})
"""The states of a machine that runs on its primary node; ERROR_up is that of one that should not."""
ENDED_ITSELF = frozenset({"ERROR_down", "USER_down"})
"""Down though nobody had the cluster stop it (that is ADMIN_down): the guest switched itself off, or crashed."""
OFF = ENDED_ITSELF | {"ADMIN_down"}
"""The states of a machine that is off for certain."""


class GanetiError(MxlibError):
    """The cluster did not answer, or did not do what was asked: its state is UNKNOWN."""


class GanetiUnreachableError(GanetiError):
    """The remote API does not answer; the state of the virtual machine is unknown."""


class NotAnInstanceError(GanetiError):
    """The cluster answers, but knows no virtual machine of this name."""


@dataclass(frozen=True)
class Instance:
    """What the cluster has configured for a virtual machine; it does not know the slots in use.

    Attributes:
        name: its name in the cluster.
        node: its primary node.
        status: e.g. ``running``, ``ERROR_down``, ``ADMIN_down``.
        macs: MAC addresses of its NICs, in order, lower case.
        disks: number of disks.
        hvparams: hypervisor parameters, defaults filled in.
        version: version of the cluster's Ganeti; None if it was not asked for, or is unknown.
    """

    name: str
    node: str
    status: str
    macs: tuple[str, ...]
    disks: int
    hvparams: Mapping[str, Any]
    version: tuple[int, int, int] | None = None

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Parameters that prevent booting a chosen kernel from the machine's own disk, each with its effect."""
        found = []
        if self.hvparams.get("kernel_path"):
            found.append(
                f"kernel_path={self.hvparams['kernel_path']}: the node's kernel is booted, not the machine's own"
            )
        if self.hvparams.get("boot_order") not in (None, "", "disk"):
            found.append(f"boot_order={self.hvparams['boot_order']}: a reboot may reinstall the host")
        return tuple(found)


def parse_instance(answer: Mapping[str, Any]) -> Instance:
    """Read the answer of ``GET /2/instances/NAME``.

    Raises:
        GanetiError: the answer does not have the known form.
    """
    try:
        macs = tuple(str(mac).lower() for mac in answer["nic.macs"])
        if not all(map(_MAC.fullmatch, macs)) or not isinstance(answer["hvparams"], dict):
            raise GanetiError(f"the remote API's answer has MACs {macs} or no hvparams")
        return Instance(
            name=instance_name(answer["name"]),
            node=instance_name(answer["pnode"]),
            status=one_line(str(answer["status"])),
            macs=macs,
            disks=len(answer["disk.sizes"]),
            hvparams=answer["hvparams"],
        )
    except (KeyError, TypeError) as error:
        raise GanetiError(f"the remote API's answer has no usable {error}") from None


def instance_name(name: str) -> str:
    """Return a name that is safe in a URL or a command.

    Raises:
        GanetiError: it is no host name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GanetiError(f"not a host name: {name!r}")
    return name


def names_of(name: str) -> tuple[str, ...]:
    """Return the names by which a cluster may know a host: its full name, then its short one.

    Raises:
        GanetiError: it is no host name.
    """
    return tuple(dict.fromkeys((instance_name(name), name.partition(".")[0])))


def parse_version(answer: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Return the version of Ganeti in the answer of ``GET /2/info``; None if it does not have the known form."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", str(answer.get("software_version", "")))
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


class Instances(Protocol):
    """Where the virtual machines of a cluster are looked up."""

    def instance(self, name: str) -> Instance:
        """Return a virtual machine by its name."""

    def __enter__(self) -> Self:
        """Connect."""

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
