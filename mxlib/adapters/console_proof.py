"""Proof of a serial console before it is needed: root logs in with the site's password, and out again."""

from mxlib.adapters.console import ConsoleError, ConsoleMuteError
from mxlib.adapters.console_login import Login
from mxlib.adapters.console_repair import Means, open_console, refuse_busy, why_no_shell
from mxlib.adapters.serial_shell import SerialShell
from mxlib.base.errors import MxlibError
from mxlib.base.text import one_line
from mxlib.base.verdict import Evidence, Status, Verdict

_CHANCES = 2
"""Logins for which a busy host is given its time: test mails that are sent meanwhile may be what keeps it busy."""


def prove_console(means: Means, name: str, run: str, *, timeout: float = 120.0) -> Verdict:
    """Whether the console and its password serve, before they are needed: logs in, changes nothing, logs out.

    Args:
        timeout: seconds for one login; a host that asks for no password in them is tried once more.
    """
    try:
        if means.dry_run:
            kept = "its password is there" if means.password_file and means.password() else "no password is asked for"
            return Verdict("console", Status.UNKNOWN, f"dry run: {kept}, and nobody has logged in")
        login = Login(means.user, means.password(), timeout)
        return _log_in(means, name, run, login, chances=_CHANCES)
    except (MxlibError, OSError) as error:
        return Verdict("console", Status.FAILED, one_line(str(error)))


def _log_in(means: Means, name: str, run: str, login: Login, *, chances: int) -> Verdict:
    begin = means.clock.now()
    with open_console(means, name, run, login.password) as console:
        try:
            refuse_busy(means, name, console, means.say)
            with SerialShell(console, name, login) as shell:
                said = shell.read("id -un; tty", timeout=60).output
            left = _left_open(shell)  # a console that is detached shows nothing any more
        except ConsoleError as error:
            if not isinstance(error, ConsoleMuteError) or chances == 1:
                found = why_no_shell(means, name, console, error)
                return Verdict("console", Status.FAILED, f"{found.cause.value}: {one_line(found.why)}. {found.advice}")
        else:
            evidence = Evidence(f"gnt-instance console {name}; id -un; tty", one_line(said), begin)
            why = f"root's shell over the serial console of {name} serves"
            return Verdict("console", Status.OK, why, (evidence,), left)
    return _log_in(means, name, run, login, chances=chances - 1)


def _left_open(shell: SerialShell) -> tuple[str, ...]:
    """Return warnings about a console that was not left at a login prompt."""
    if shell.autologin:
        return ("its getty logs root in by itself: whoever reaches the console is root",)
    return () if shell.logged_out else ("it could not be left at a login prompt: look whether a shell is open there",)
