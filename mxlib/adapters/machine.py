"""The means of a site, from its configuration."""

from collections.abc import Callable
from typing import TypeVar

from spicerack import Spicerack
from spicerack.exceptions import SpicerackError

from mxlib.adapters.console_repair import Means
from mxlib.adapters.ganeti import Cluster, Rapi
from mxlib.adapters.ganeti_clusters import Clusters, clusters_of
from mxlib.adapters.secret import from_file, from_file_or_prompt
from mxlib.base.clock import Clock
from mxlib.base.text import one_line
from mxlib.config.sections import ConsoleSection, GanetiSection, Site
from mxlib.nic.instance import GanetiError, instance_name
from mxlib.probes import ssh as reach
from mxlib.protocols.host import Host

T = TypeVar("T")


def means_of(
    spicerack: Spicerack,
    site: Site,
    name: str,
    host_of: Callable[[str], Host],
    clock: Clock,
    say: Callable[[str], None],
) -> Means | None:
    """Return what the site has to reach a virtual machine from outside; None without a ganeti section.

    Nothing is asked yet: where the cluster is not known, each of the means says so when it is used.

    Args:
        name: the virtual machine, fully qualified.
        host_of: returns a host by its name.
        say: hears each line of a repair's story.
    """
    if site.ganeti is None:
        return None
    ganeti, console = site.ganeti, site.console or ConsoleSection()
    options, clusters = ganeti.ssh_options, clusters_of(spicerack, ganeti)
    return Means(
        rapi=lambda: rapi_of(ganeti, clusters, name),
        cluster=Cluster(_once(lambda: _master(clusters, name, host_of))),
        ssh_options=options,
        user=console.user,
        password=_once(lambda: from_file_or_prompt(console.password_file, f"console password of {console.user}")),
        transcripts=console.transcripts,
        answers=lambda name, family: reach.answers(name, family, options),
        families=reach.families,
        clock=clock,
        say=say,
        dry_run=spicerack.dry_run,
        password_file=console.password_file,
    )


def rapi_opener(spicerack: Spicerack, section: GanetiSection | None) -> Callable[[str], Rapi] | None:
    """Return what opens the remote API of the cluster of a host; None where the site has no cluster."""
    if section is None:
        return None
    ganeti, clusters = section, clusters_of(spicerack, section)
    return lambda host: rapi_of(ganeti, clusters, host)


def rapi_of(section: GanetiSection, clusters: Clusters, host: str) -> Rapi:
    """Return the remote API of the cluster of a host.

    Raises:
        mxlib.adapters.secret.SecretError: its password cannot be read.
        mxlib.nic.instance.NotAnInstanceError: the host is certainly no virtual machine.
        mxlib.nic.instance.GanetiError: its cluster is not known, or the URL is none.
    """
    address, password = clusters.of(host), from_file(section.password_file)
    return Rapi(
        address.rapi,
        section.user,
        password,
        ca_file=section.ca_file,
        timeout=section.timeout,
        known_by=address.known_by,
    )


def _master(clusters: Clusters, name: str, host_of: Callable[[str], Host]) -> Host:
    master = instance_name(clusters.of(name).master)
    try:
        return host_of(master)
    except SpicerackError as error:
        raise GanetiError(f"the master {master} of the cluster of {name} is no host: {one_line(str(error))}") from None


def _once(ask: Callable[[], T]) -> Callable[[], T]:
    """Keep an answer, so that nobody is asked for it twice; after an error the question is asked again."""
    known: list[T] = []

    def asked() -> T:
        if not known:
            known.append(ask())
        return known[0]

    return asked
