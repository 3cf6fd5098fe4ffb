"""Whether a host answers over SSH, judged from here by connections of its own: one that is kept open proves nothing."""

import socket
import subprocess

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_CONNECT_S = 5
# A connection from before the reboot must not answer for the host.
_OPTIONS = (
    f"-oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout={_CONNECT_S} -oControlMaster=no -oControlPath=none"
)


def families(name: str) -> tuple[int, ...]:
    """Return the address families the name resolves to from here: 4, 6, both or none."""
    return tuple(family for family, number in _FAMILIES.items() if _resolves(name, number))


def _resolves(name: str, family: int) -> bool:
    try:
        return bool(socket.getaddrinfo(name, 22, family, socket.SOCK_STREAM))
    except OSError:
        return False


def greets(address: str, port: int, seconds: float = 2 * _CONNECT_S) -> bool:
    """Whether an SSH server greets a new connection; an existing one proves nothing.

    Arguments:
        seconds: for each address of a name, and for the greeting.
    """
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def answers(name: str, family: int, ssh_options: tuple[str, ...] = (), user: str = "root") -> bool:
    """Whether a command runs on the host over SSH.

    Arguments:
        name: the host, a validated name.
        family: 4 or 6.
    """
    argv = ["ssh", *ssh_options, f"-{family}", *_OPTIONS.split(), f"{user}@{name}", "true"]
    try:
        # no pipe: a proxy that ssh leaves behind would hold it open, and the answer would come too late
        nowhere = subprocess.DEVNULL
        result = subprocess.run(
            argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=4 * _CONNECT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return result.returncode == 0
