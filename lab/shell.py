"""Running commands on the machine, and the lab's one error."""

import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class LabError(Exception):
    """The lab cannot do what was asked: the message names the thing, the value and what was expected."""


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float = 60,
    check: bool = True,
    input_text: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and keep its output (both streams in ``stdout``).

    Raises:
        LabError: the command failed (with ``check``) or did not end within ``timeout`` seconds.
    """
    command = [str(word) for word in argv]
    stdin: dict[str, object] = {"stdin": subprocess.DEVNULL} if input_text is None else {"input": input_text}
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=env,
            cwd=cwd,
            **stdin,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no end after {timeout:.0f} s: {shlex.join(command)[:300]}") from error
    except OSError as error:
        raise LabError(f"cannot run {command[0]}: {error}") from error
    if check and done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"exit code {done.returncode} from: {shlex.join(command)[:300]}\n{tail}")
    return done


def wait_for(
    what: str, condition: Callable[[], bool], *, deadline: float, every: float = 0.2, evidence: Callable[[], str] = str
) -> float:
    """Wait until a condition holds.

    Arguments:
        what: what is waited for, for the error.
        deadline: seconds until the wait is given up.
        every: seconds between two checks.
        evidence: called when the wait is given up; returns what the next person should see.

    Returns:
        The seconds it took.

    Raises:
        LabError: the condition did not hold within the deadline.
    """
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > deadline:
            raise LabError(f"{what}: not so after {deadline:.0f} s\n{evidence()}".rstrip())
        time.sleep(every)
    return time.monotonic() - start
