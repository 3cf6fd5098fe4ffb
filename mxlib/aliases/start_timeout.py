"""A start timeout for an alias generator, by a drop-in of our own: a oneshot unit has none and can hang for ever."""

import difflib
import shlex
from dataclasses import dataclass

from mxlib.base.errors import StepError
from mxlib.config.aliases import AliasGenerator
from mxlib.protocols.host import Host, read_text

_NAME = "90-mx-start-timeout.conf"
_HEAD = "# Written by mx-cookbooks (sre.mail.refresh-aliases --pin-timeout; --unpin-timeout removes it)."


@dataclass(frozen=True)
class Pin:
    """What changes on a host.

    Attributes:
        path: the drop-in.
        before: its text now; empty where there is none.
        after: its text then; empty to remove it.
    """

    path: str
    before: str
    after: str

    @property
    def diff(self) -> tuple[str, ...]:
        """The change as people read it; empty for none."""
        there = self.before.splitlines(), self.after.splitlines()
        names = self.path if self.before else "/dev/null", self.path if self.after else "/dev/null"
        return tuple(difflib.unified_diff(*there, *names, lineterm="", n=3))


def path_of(generator: AliasGenerator) -> str:
    """Return the path of the drop-in."""
    return f"/etc/systemd/system/{generator.unit}.d/{_NAME}"


def text_of(seconds: int) -> str:
    """Return the text of the drop-in.

    Arguments:
        seconds: after which systemd ends a run.
    """
    return f"{_HEAD}\n[Service]\nTimeoutStartSec={seconds}\n"


def plan_pin(host: Host, generator: AliasGenerator, seconds: int | None) -> Pin:
    """Return what would change; read only.

    Arguments:
        seconds: after which systemd ends a run; None removes the limit again.

    Raises:
        mxlib.base.errors.StepError: another file of that name is there.
        mxlib.base.errors.HostError: it does not answer.
    """
    path = path_of(generator)
    before = read_text(host, f"# read {path}\n[ ! -e {shlex.quote(path)} ] || cat {shlex.quote(path)}", timeout=20)
    before = "\n".join(before.split("\r\n"))
    if before.strip() and not before.startswith(_HEAD):
        raise StepError(f"{host.name}: {path} is not of our making: left as it is")
    return Pin(path, before.strip() and before, text_of(seconds) if seconds is not None else "")


def apply_pin(host: Host, pin: Pin) -> None:
    """Write or remove the drop-in; systemd then knows it.

    Raises:
        mxlib.base.errors.HostError: the host failed.
    """
    path = shlex.quote(pin.path)
    if pin.after:
        write = f'mkdir -p "$(dirname {path})"\nprintf %s {shlex.quote(pin.after)} >{path}\nchmod 644 {path}'
    else:
        write = f'rm -f {path}\nrmdir --ignore-fail-on-non-empty "$(dirname {path})"'
    host.act(f"# {'write' if pin.after else 'remove'} {pin.path}\nset -e\n{write}\nsystemctl daemon-reload", timeout=60)
