"""The proof of a console, with a simulated one behind ``ssh``."""

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from mxlib.adapters import console_login, serial_shell
from mxlib.adapters.console import ConsoleMuteError
from mxlib.adapters.console_proof import prove_console
from mxlib.adapters.console_repair import Means
from mxlib.adapters.secret import SecretError
from mxlib.base.verdict import Status
from tests.unit.support.console_means import FakeCluster, nowhere
from tests.unit.support.rapi import NAME


def test_the_console_is_proven_before_it_is_needed(means: Means) -> None:
    good = prove_console(means, NAME, "r1", timeout=10.0)
    assert good.status is Status.OK
    assert good.evidence
    bad = prove_console(replace(means, cluster=FakeCluster("--refuse")), NAME, "r2", timeout=10.0)  # type: ignore[arg-type]
    assert bad.status is Status.FAILED
    assert "refused" in bad.why
    nowhere(means, good.why + bad.why + repr(good))


def test_in_a_dry_run_only_the_password_is_looked_at(means: Means) -> None:
    dry = prove_console(replace(means, dry_run=True), NAME, "r1")
    assert (dry.status, dry.why) == (Status.UNKNOWN, "dry run: no password is asked for, and nobody has logged in")
    kept = replace(means, dry_run=True, password_file=Path("/x"))
    assert prove_console(kept, NAME, "r1").why == "dry run: its password is there, and nobody has logged in"
    none = mock.Mock(side_effect=SecretError("password file /x: No such file or directory"))
    assert prove_console(replace(kept, password=none), NAME, "r1").status is Status.FAILED
    assert prove_console(replace(means, dry_run=True, password=none), NAME, "r1").status is Status.UNKNOWN
    assert not means.transcripts.exists()


def test_a_shell_that_stays_open_is_warned_of(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_shell.SerialShell, "close", lambda _: None)
    found = prove_console(means, NAME, "r1", timeout=10.0)
    assert found.warnings == ("it could not be left at a login prompt: look whether a shell is open there",)


def test_a_console_whose_getty_logs_in_by_itself_serves_with_a_warning(means: Means) -> None:
    found = prove_console(replace(means, cluster=FakeCluster("--autologin")), NAME, "r1", timeout=10.0)  # type: ignore[arg-type]
    assert found.status is Status.OK
    assert "logs root in by itself" in found.warnings[0]
    assert prove_console(means, NAME, "r2", timeout=10.0).warnings == ()


@pytest.mark.parametrize(("mute", "status"), [(1, Status.OK), (2, Status.FAILED)])
def test_a_host_that_is_too_busy_for_a_login_is_tried_once_more(
    means: Means, monkeypatch: pytest.MonkeyPatch, mute: int, status: Status
) -> None:
    enter, tries = console_login.ConsoleLogin.enter, iter(range(10))

    def busy(self: console_login.ConsoleLogin) -> None:
        if next(tries) < mute:
            raise ConsoleMuteError("root was typed at its login prompt, and nothing came")
        enter(self)

    monkeypatch.setattr(console_login.ConsoleLogin, "enter", busy)
    found = prove_console(means, NAME, "r1", timeout=10.0)
    assert found.status is status
    assert ("too busy for a login" in found.why) is (status is Status.FAILED)
    assert next(tries) == 2


def test_a_login_that_is_refused_is_not_tried_again(means: Means) -> None:
    refusing = FakeCluster("--refuse")
    with mock.patch.object(refusing, "console_argv", wraps=refusing.console_argv) as opened:
        prove_console(replace(means, cluster=refusing), NAME, "r1", timeout=10.0)  # type: ignore[arg-type]
    assert opened.call_count == 1
