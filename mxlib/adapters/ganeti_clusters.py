"""Which Ganeti cluster a host is a virtual machine of: as the site's configuration says, or Netbox through Spicerack.

Spicerack's names (read in Spicerack 14): a Ganeti cluster is a cluster group in Netbox, a Ganeti group is a cluster
there, and machines have their short names.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from spicerack import Spicerack
from spicerack.exceptions import SpicerackError
from spicerack.netbox import NetboxHostNotFoundError
from wmflib.exceptions import WmflibError

from mxlib.adapters.error_words import words_of
from mxlib.config.sections import GanetiSection
from mxlib.nic.instance import GanetiError, NotAnInstanceError

logger = logging.getLogger(__name__)

_DEADLINE_S = 30.0
"""Some eight requests of a fraction of a second each; Spicerack tries one that gets no answer for about 20 s."""
_FAILURE_HOLDS_S = 60.0
"""All questions of one guard wait for a dead Netbox once; a repair some minutes later asks again."""


@dataclass(frozen=True)
class ClusterAddress:
    """Where a cluster is reached.

    Attributes:
        rapi: base URL of its remote API.
        master: host name of its master; not checked yet.
        known_by: who says that the host is a machine of this very cluster, as a sentence; empty if nobody does.
    """

    rapi: str
    master: str
    known_by: str = ""


class Clusters(Protocol):
    """What knows the cluster of a host."""

    def of(self, host: str) -> ClusterAddress:
        """Return the cluster of a host.

        Args:
            host: fully qualified.

        Raises:
            mxlib.nic.instance.NotAnInstanceError: the host is certainly no virtual machine.
            mxlib.nic.instance.GanetiError: its cluster is not known; says what was found and what was expected.
        """


class ConfiguredCluster:
    """The one cluster that the site's configuration names, the same for every host."""

    def __init__(self, rapi: str, master: str | None) -> None:
        """Keep what the configuration says.

        Args:
            rapi: base URL of its remote API.
            master: its master; None: the host in ``rapi``.
        """
        self._address = ClusterAddress(rapi, master or urlsplit(rapi).hostname or "")

    def of(self, host: str) -> ClusterAddress:
        """Return the cluster; whether it knows the host is for its remote API to say."""
        del host
        return self._address


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {words_of(error, 300)}"


class NetboxClusters:
    """The clusters in Netbox, asked read-only through Spicerack; an answer holds for the run."""

    def __init__(
        self,
        spicerack: Spicerack,
        master: str | None,
        *,
        deadline_s: float = _DEADLINE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet: not even whether Spicerack has a configuration for Netbox.

        Args:
            spicerack: asked read-only.
            master: the master of every cluster; None: each cluster's own name in Netbox.
            deadline_s: seconds after which a lookup is given up.
        """
        self._spicerack = spicerack
        self._master = master
        self._deadline_s = deadline_s
        self._monotonic = monotonic
        self._known: dict[str, tuple[ClusterAddress | GanetiError, float]] = {}

    def of(self, host: str) -> ClusterAddress:
        """Return the cluster that Netbox has the host in.

        Args:
            host: fully qualified; Netbox is asked for its short name, and must have this name for its primary IP.

        Raises:
            mxlib.nic.instance.NotAnInstanceError: Netbox has it as a physical machine.
            mxlib.nic.instance.GanetiError: Netbox does not answer in time, does not have the host, or has it in
                no cluster that Spicerack can find.
        """
        found, until = self._known.get(host, (None, 0.0))
        if found is None or self._monotonic() >= until:
            found = self._in_time(host)
            failed = isinstance(found, GanetiError) and not isinstance(found, NotAnInstanceError)
            self._known[host] = (found, self._monotonic() + (_FAILURE_HOLDS_S if failed else math.inf))
        if isinstance(found, GanetiError):
            raise found
        return found

    def _in_time(self, host: str) -> ClusterAddress | GanetiError:
        found: list[ClusterAddress | GanetiError] = []
        # A daemon: one that is left behind must not hold up the end of the program, as a pool's thread would.
        asking = threading.Thread(target=lambda: found.append(self._tried(host)), name="asking-netbox", daemon=True)
        asking.start()
        asking.join(self._deadline_s)
        late = f"{host}: Netbox did not name its Ganeti cluster within {self._deadline_s:g} s"
        return found[0] if found else GanetiError(late)

    def _tried(self, host: str) -> ClusterAddress | GanetiError:
        try:
            return self._looked_up(host)
        except GanetiError as error:
            return error
        except (WmflibError, KeyError) as error:
            expected = "expected netbox/config.yaml and ganeti/config.yaml in Spicerack's configuration directory"
            why = f"Spicerack cannot ask Netbox for its Ganeti cluster: {_words(error)}"
            return GanetiError(f"{host}: {why}; {expected}")
        except Exception as error:
            # Spicerack lets through what pynetbox, requests and an answer of another form raise, each of its own kind.
            logger.debug("Netbox cannot be asked for %s", host, exc_info=True)
            return GanetiError(f"{host}: its Ganeti cluster cannot be read from Netbox: {_words(error)}")

    def _looked_up(self, host: str) -> ClusterAddress:
        short = host.partition(".")[0]
        try:
            server = self._spicerack.netbox_server(short)
        except NetboxHostNotFoundError:
            raise GanetiError(f"{host}: Netbox has no {short!r}, expected a device or a virtual machine") from None
        # Short names are not unique in the world: a namesake's cluster would answer that it has no such machine.
        if server.fqdn != host:
            raise GanetiError(f"{host}: the {short!r} in Netbox is {server.fqdn!r}, expected {host!r}")
        if not server.virtual:
            raise NotAnInstanceError(f"{host} is a physical machine in Netbox")
        name = self._cluster_name(host, short)
        try:
            cluster = self._spicerack.ganeti().get_cluster(name)
        except SpicerackError as error:
            expected = "expected a Ganeti cluster that Spicerack can find"
            raise GanetiError(f"{host}: Netbox has it in the cluster {name!r}, {expected}: {error}") from None
        known_by = f"Netbox has {host} in the cluster {name!r}"
        return ClusterAddress(str(cluster.rapi), self._master or str(cluster.fqdn), known_by)

    def _cluster_name(self, host: str, short: str) -> str:
        """As Spicerack finds it for its own gnt-instance; the server object of Spicerack does not have it."""
        group = self._spicerack.netbox().api.virtualization.virtual_machines.get(name=short).cluster
        cluster = group.group if group is not None else None
        if cluster is None:
            expected = "expected a cluster in a cluster group, which is its Ganeti cluster"
            raise GanetiError(f"{host}: Netbox has the virtual machine in {str(group)!r}, {expected}")
        return str(cluster.name)


def clusters_of(spicerack: Spicerack, section: GanetiSection) -> Clusters:
    """Return what knows the cluster of each host of a site: a URL in its configuration wins over Netbox."""
    if section.rapi is not None:
        return ConfiguredCluster(section.rapi, section.master)
    return NetboxClusters(spicerack, section.master)
