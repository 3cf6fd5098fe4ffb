"""What an operator asks of a run, checked against the site's configuration."""

from dataclasses import dataclass
from pathlib import Path

from ClusterShell.NodeSet import NodeSetException
from spicerack import Spicerack
from spicerack.remote import RemoteError

from mxlib.base.errors import ConfigError
from mxlib.base.text import one_line
from mxlib.config.load import load
from mxlib.config.sections import Site
from mxlib.model.goal import Goal

CONFIG_NAME = Path("cookbooks") / "sre.mail.yaml"


@dataclass(frozen=True)
class RunRequest:
    """What the operator asked for.

    Attributes:
        host: the MX.
        goal: what is wanted.
        reason: why, in words.
        task: the task's id; may be empty.
        max_residual: messages that may stay in the queue; None: what the site says.
        drain_timeout: seconds the queue may take; None: what the site says.
        accept: names of guard findings that do not block.
        soak: seconds of watching at the end; None: what the site says.
        without_slot: whether to do without the slot of the service, as etcd is the incident.
        unattended: whether nobody is asked.
        run: id of the run; empty: one is made.
        prevention: what is done before a cold start that would rename the network interface; None: what the site says.
    """

    host: str
    goal: Goal
    reason: str
    task: str = ""
    max_residual: int | None = None
    drain_timeout: float | None = None
    accept: frozenset[str] = frozenset()
    soak: float | None = None
    without_slot: bool = False
    unattended: bool = True
    run: str = ""
    prevention: str | None = None


def load_site(spicerack: Spicerack) -> Site:
    """Return the site's configuration.

    Raises:
        mxlib.base.errors.ConfigError: it is wrong.
    """
    return load(Path(spicerack.config_dir) / CONFIG_NAME)


def check_host(site: Site, host: str) -> str:
    """Return a host that the operator typed, once it is known to be an MX.

    Raises:
        mxlib.base.errors.ConfigError: it is not one of the MXs of the site.
    """
    if host not in site.mxs:
        raise ConfigError(f"{host!r} is not one of the MXs in {CONFIG_NAME.name}: {', '.join(site.mxs)}")
    return host


def find_hosts(spicerack: Spicerack, site: Site, query: str) -> tuple[str, ...]:
    """Return the hosts of a cumin query, in order; all MXs of the site where it is empty.

    Raises:
        mxlib.base.errors.ConfigError: it is no query, finds nothing, or a host that is no MX of the site.
    """
    if not query:
        return tuple(site.mxs)
    try:
        names = tuple(sorted(str(name) for name in spicerack.remote().query(query).hosts))
    except (RemoteError, NodeSetException) as error:  # cumin lets those of ClusterShell's host lists through
        cause = error.__cause__ or error
        raise ConfigError(f"{query!r} finds no host: {one_line(str(cause))}") from None
    if strangers := [name for name in names if name not in site.mxs]:
        raise ConfigError(f"not an MX of the site: {', '.join(strangers)}; there are {', '.join(site.mxs)}")
    return names
