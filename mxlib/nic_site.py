"""The means of a site, from its configuration."""

from collections.abc import Callable
from urllib.parse import urlsplit

from mxlib import reach
from mxlib.clock import Clock
from mxlib.config_sections import ConsoleSection, GanetiSection, Site
from mxlib.ganeti import Cluster, Rapi
from mxlib.host import Host
from mxlib.instance import instance_name
from mxlib.nic_service import Means
from mxlib.secret import Secret, from_file, from_file_or_prompt


def means_of(
    site: Site,
    host_of: Callable[[str], Host],
    clock: Clock,
    tell: Callable[[str], None],
    *,
    dry_run: bool,
) -> Means | None:
    """What the site has to reach a virtual machine from outside; None without a cluster in its configuration.

    Arguments:
        site: what the site says.
        host_of: a host by its name.
        clock: the time to live in.
        tell: hears each line of a repair's story.
        dry_run: look, and change nothing.

    Raises:
        mxlib.instance.GanetiError: the master's name is none.
    """
    if site.ganeti is None:
        return None
    ganeti, console = site.ganeti, site.console or ConsoleSection()
    options = ganeti.ssh_options
    return Means(
        rapi=lambda: rapi_of(ganeti),
        cluster=Cluster(host_of(instance_name(ganeti.master or urlsplit(ganeti.rapi).hostname or ""))),
        ssh_options=options,
        user=console.user,
        password=_once(lambda: from_file_or_prompt(console.password_file, f"console password of {console.user}")),
        transcripts=console.transcripts,
        answers=lambda name, family: reach.answers(name, family, options),
        families=reach.families,
        clock=clock,
        tell=tell,
        dry_run=dry_run,
    )


def rapi_of(section: GanetiSection) -> Rapi:
    """The cluster's remote API.

    Raises:
        mxlib.secret.SecretError: its password cannot be read.
        mxlib.instance.GanetiError: its URL is none.
    """
    password = from_file(section.password_file)
    return Rapi(section.rapi, section.user, password, ca_file=section.ca_file, timeout=section.timeout)


def _once(ask: Callable[[], Secret]) -> Callable[[], Secret]:
    """Ask a person only once for the same password."""
    known: list[Secret] = []

    def asked() -> Secret:
        if not known:
            known.append(ask())
        return known[0]

    return asked
