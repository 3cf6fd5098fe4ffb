"""The hypervisor's view of a virtual machine: what it is configured to be, and what its cluster can do with it.

Facts about slots, reboot types and the remote API were tried on Ganeti 3.0.2; see :mod:`mxlib.nic.forecast`.
"""

import logging
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import requests

from mxlib.adapters.secret import Secret
from mxlib.base.errors import CommandFailedError, HostError
from mxlib.base.text import one_line
from mxlib.nic.instance import (
    ENDED_ITSELF,
    RUNS,
    GanetiError,
    GanetiUnreachableError,
    Instance,
    NotAnInstanceError,
    instance_name,
    names_of,
    parse_instance,
    parse_version,
)
from mxlib.protocols.host import CommandResult, Host, read_text

logger = logging.getLogger(__name__)

_ACPI_S = 120


class Rapi:
    """Ganeti's remote API, read only, over verified TLS.

    Args:
        url: base URL, ``https://CLUSTER:5080``.
        user: its user; read access is enough.
        ca_file: the authority of the certificate; None is the system's store.
        timeout: seconds a request may take.
        known_by: who says that the machines asked for are this cluster's, as a sentence; empty if nobody does.
    """

    def __init__(
        self, url: str, user: str, password: Secret, *, ca_file: Path | None, timeout: float, known_by: str = ""
    ) -> None:
        if urlsplit(url).scheme != "https":
            raise GanetiError(f"the remote API's URL must be https: {url}")
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._known_by = known_by
        self._session = requests.Session()
        # Environment variables (REQUESTS_CA_BUNDLE, proxies, ~/.netrc) would replace the authority or the password.
        self._session.trust_env = False
        self._session.verify = str(ca_file) if ca_file is not None else True
        self._session.auth = (user, password.reveal())

    def instance(self, name: str) -> Instance:
        """Return one virtual machine, by its name or else by its short one: a cluster may have only that.

        Raises:
            NotAnInstanceError: the cluster knows none of this name, and nobody says it should.
            GanetiUnreachableError: no answer.
            GanetiError: another answer than expected.
        """
        for known_as in names_of(name):
            answer = self._get(f"/2/instances/{quote(known_as)}")
            if answer is not None:
                found = parse_instance(answer)
                # Only the guest agent's device is planned otherwise by another Ganeti.
                agent = bool(found.hvparams.get("use_guest_agent"))
                return replace(found, version=parse_version(self._get("/2/info") or {})) if agent else found
        unknown = f"{self._url} knows no instance {name}"
        # Two sources that contradict each other prove nothing: it may be a machine of another cluster by now.
        raise GanetiError(f"{unknown}, yet {self._known_by}") if self._known_by else NotAnInstanceError(unknown)

    def _get(self, path: str) -> dict[str, Any] | None:
        """Return the answer; None where there is nothing of this name."""
        try:
            answer = self._session.get(self._url + path, timeout=self._timeout, allow_redirects=False)
        except (requests.RequestException, OSError) as error:
            raise GanetiUnreachableError(f"{self._url} does not answer: {_reason(error)}") from None
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise GanetiError(f"{self._url}{path}: HTTP {answer.status_code} {one_line(answer.reason or '')}")
        try:
            content = answer.json()
        except requests.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            raise GanetiError(f"{self._url}{path}: the answer is not a JSON object")
        return content

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: Exception) -> str:
    """Return the part of a nested connection error that a person needs."""
    found = re.search(
        r"\[Errno[^'\")]*|certificate verify failed[^'\")]*|timed out|[Nn]ame or service not known", str(error)
    )
    return f"{type(error).__name__} {found[0] if found else ''}".strip()


class Cluster:
    """What only the command line of the cluster's master can do.

    Args:
        master: returns the master node; called when it is needed; raises
            :class:`mxlib.nic.instance.GanetiError` where it is unknown.
    """

    def __init__(self, master: Callable[[], Host]) -> None:
        self._master = master
        self._known_as: dict[str, str] = {}

    def known_as(self, name: str) -> str:
        """Return the name the cluster has a virtual machine by; its own where the cluster lists none.

        Raises:
            GanetiError: not a host name, or the master is not known.
        """
        if name not in self._known_as:
            names = names_of(name)
            try:
                listed = read_text(self._master(), "gnt-instance list --no-headers -o name", timeout=30).split()
            except HostError as error:
                logger.warning("whether the cluster knows %s by another name: %s", name, one_line(str(error)))
                return names[0]
            self._known_as[name] = next((one for one in names if one in listed), names[0])
        return self._known_as[name]

    def console_argv(self, name: str, ssh_options: tuple[str, ...] = (), user: str = "root") -> tuple[str, ...]:
        """Return the command that joins this terminal to the serial console of a virtual machine.

        Args:
            ssh_options: options for ssh, such as ``-F FILE``.
            user: who logs in on the master.

        Raises:
            GanetiError: not a host name, or the master is not known.
        """
        guard = (
            "-oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=10 -oServerAliveInterval=5 -oEscapeChar=none"
        )
        remote = f"gnt-instance console {shlex.quote(self.known_as(name))}"
        return ("ssh", *ssh_options, "-tt", *guard.split(), f"{user}@{self._master().name}", remote)

    def console_holders(self, name: str, node: str | None) -> tuple[str, ...]:
        """Return who is attached to the serial console now, as the node's process list shows it; needs no console.

        Args:
            node: its primary node; None where it is not known: every node is asked.

        Raises:
            mxlib.base.errors.HostError: the master cannot be asked.
        """
        # The bracket keeps the question out of its own answer.
        pattern = f"socat .*[U]NIX-CONNECT:.*/{re.escape(self.known_as(name))}[.]serial"
        asked = f"ps -eo pid,lstart,args | grep {shlex.quote(pattern)}; true"
        where = f"-n {shlex.quote(node)} " if node is not None else ""
        script = f"# look for other readers of the console\ngnt-cluster command {where}{shlex.quote(asked)}"
        output = read_text(self._master(), script, timeout=30)
        codes = re.findall(r"^return code = (\d+)$", output, re.MULTILINE)
        if not codes or set(codes) != {"0"}:
            raise CommandFailedError(f"the nodes' return codes are {', '.join(codes) or 'missing'}: {script}")
        started = (re.match(r" *(\d+) (.{24}) \S*socat ", line) for line in output.splitlines())
        return tuple(f"socat {found[1]} since {one_line(found[2])}" for found in started if found)

    def power_cycle(self, name: str) -> CommandResult:
        """Cut the power and start again with the same slots: the last resort.

        Raises:
            GanetiError: it does not run on its primary node, where the order would be a cold start, and a second copy
                of a machine that runs on another node.
            mxlib.base.errors.HostError: the master cannot be asked, or the order failed.
        """
        state = self.status(name)[0]
        if state not in RUNS:
            look = f"look first where it runs: gnt-instance info {self.known_as(name)}"
            raise GanetiError(f"the power of {name} is not cut, as its state in the cluster is {state}; {look}")
        return self._act(f"gnt-instance reboot --type=soft {shlex.quote(self.known_as(name))}")

    def status(self, name: str) -> tuple[str, str]:
        """Return what the cluster says of the machine now, e.g. ``running`` or ``ERROR_down``, and its primary node.

        Raises:
            GanetiError: it knows no such machine, or answers in another form.
            mxlib.base.errors.HostError: the master cannot be asked.
        """
        asked = f"gnt-instance list --no-headers --separator=: -o status,pnode {shlex.quote(self.known_as(name))}"
        script = f"# ask the cluster for the state of {name}\n{asked}"
        output = self._master().read(script, timeout=30).output
        found = re.search(r"^(\w+):([a-z0-9.-]+)$", output, re.MULTILINE)
        if found is None:
            raise GanetiError(f"the state of {name} cannot be read: {one_line(output)}")
        return found[1], instance_name(found[2])

    def switched_off(self, name: str) -> bool:
        """Whether the machine is off though nobody had the cluster stop it.

        Raises:
            GanetiError: its state cannot be read.
            mxlib.base.errors.HostError: the master cannot be asked.
        """
        return self.status(name)[0] in ENDED_ITSELF

    def start(self, name: str) -> CommandResult:
        """Start the machine, built from its configuration: its slots are planned again. One that runs is left alone.

        Never with ``--paused``, though the whole boot would be on the console then: Ganeti remembers it, and leaves the
        machine paused after the next soft reboot or live migration (its issues 1106 and 1234).
        """
        return self._act(f"gnt-instance start {shlex.quote(self.known_as(name))}")

    def paused(self, name: str, node: str) -> bool:
        """Whether the machine waits before its first instruction; False also where its monitor does not answer.

        Raises:
            mxlib.base.errors.HostError: the master cannot be asked.
        """
        return "VM status: paused" in self._monitor(name, node, "info status")

    def unpause(self, name: str, node: str) -> None:
        """Let a machine run that is paused, whether a console is attached to it or not.

        Raises:
            mxlib.base.errors.HostError: the master cannot be asked.
        """
        self._monitor(name, node, "cont")

    def _monitor(self, name: str, node: str, command: str) -> str:
        path = f"/var/run/ganeti/kvm-hypervisor/ctrl/{self.known_as(name)}.monitor"
        asked = f"echo {shlex.quote(command)} | socat -t 2 STDIO UNIX-CONNECT:{path} 2>&1; true"
        script = f"gnt-cluster command -n {shlex.quote(node)} {shlex.quote(asked)}"
        return self._master().act(f"# ask the monitor of {name}: {command}\n{script}", timeout=30).output

    def _act(self, script: str) -> CommandResult:
        return self._master().act(script, timeout=_ACPI_S + 120)
