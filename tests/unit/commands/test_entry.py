"""What is over before Spicerack begins: refusals and readings end with their own code, unannounced and without a lock.

First as a real `cookbook` in a process of its own, with a socket for the admin log, and etcd down.
"""

import importlib
import logging
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import yaml
from spicerack.locking import NoLock

from mxlib.base.errors import ConfigError
from mxlib.commands.entry import begin, check_lock, owner_of
from mxlib.model.outcome import Outcome
from tests.unit.support.etcd_server import KEY, Answers, answering, etcdrc
from tests.unit.support.site import TEN_LINES

ROOT = Path(__file__).resolve().parents[3]
MX = "mx1001.lab.test"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def admin_log() -> Iterator[tuple[int, list[str]]]:
    """The port of a server admin log, and what it got."""
    got: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    got.append(connection.recv(4096).decode())

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], got
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def run(spicerack_cli: Run, tmp_path: Path, admin_log: tuple[int, list[str]]) -> Run:
    def file(name: str, content: object) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        etcd = file("etcdrc", {"host": "127.0.0.1", "port": taken.getsockname()[1], "protocol": "http"})
    file("cookbooks/sre.mail.yaml", {**TEN_LINES, "slot": {"etcdrc": etcd}, "pool": "none", "reports": str(tmp_path)})
    cumin = {
        "transport": "clustershell",
        "default_backend": "direct",
        "clustershell": {"ssh_options": ["-o ProxyCommand=false"]},
        "log_file": str(tmp_path / "cumin.log"),
    }
    parameters = {
        "spicerack_config_dir": str(tmp_path),
        "etcd_config": etcd,
        "cumin_config": file("cumin/config.yaml", cumin),
    }
    main: dict[str, object] = {"tcpircbot_host": "127.0.0.1", "tcpircbot_port": admin_log[0]}

    def cookbook(*words: str, conftool: Path | None = None) -> subprocess.CompletedProcess[str]:
        if conftool is not None:
            options = {"driver_options": {"etcd_config_file": str(conftool), "suppress_san_warnings": False}}
            parameters["conftool_config"] = file("conftool/config.yaml", options)
            parameters["conftool_schema"] = file("conftool/schema.yaml", {})
        return spicerack_cli([ROOT], *words, parameters=parameters, main=main)

    return cookbook


def closed_window() -> str:
    """A window that opens in six hours."""
    opens = datetime.now(UTC) + timedelta(hours=6)
    return f"daily {opens:%H}:00-{opens:%H}:30"


@pytest.mark.parametrize(
    ("words", "outcome", "said"),
    [
        (["verify-mx", "--only", "nosuchcheck"], Outcome.REFUSED, "--only: there is no check 'nosuchcheck'; there are"),
        (["verify-mx", "A:nosuchalias"], Outcome.REFUSED, "finds no host"),
        (["roll-kernel", "--kernel", "newest", "--window", closed_window()], Outcome.OUTSIDE, "the next one opens"),
        (["reboot-mx", MX, "--status", "--level", "cold"], Outcome.REFUSED, "--level: not expected beside --status"),
        (["depool-mx", MX, "-r", "a test"], Outcome.REFUSED, "where etcd is the incident, cookbook --no-locks"),
    ],
)
def test_what_ends_before_anything_begins(run, admin_log, words, outcome, said) -> None:
    begin = time.monotonic()
    ended = run(f"sre.mail.{words[0]}", *words[1:])
    assert ended.returncode == outcome.value, ended.stderr
    assert said in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert admin_log[1] == []
    # neither Spicerack's lock nor the slot is waited for
    assert time.monotonic() - begin < 30


def test_a_night_without_etcd_does_not_leave_the_metrics_of_an_earlier_one(run, tmp_path) -> None:
    metrics, path = tmp_path / "mx_roll.prom", tmp_path / "cookbooks/sre.mail.yaml"
    metrics.write_text('mx_roll_stopped{kernel="6.1.0-55"} 0\n')
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "roll": {"metrics": str(metrics)}}))
    ended = run("sre.mail.roll-kernel", "--kernel", "newest", "--unattended")
    assert ended.returncode == Outcome.REFUSED.value, ended.stderr
    assert 'mx_roll_exit_code{kernel="newest"} 10\n' in metrics.read_text()


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh client here")
def test_what_reads_is_not_announced_and_what_acts_is(run, admin_log, tmp_path) -> None:
    assert run("sre.mail.verify-mx", "--no-probes", "--only", "disk").returncode == Outcome.NO_ANSWER.value
    asked = run("sre.mail.status")
    assert asked.returncode == Outcome.NO_ANSWER.value, asked.stderr
    assert "UNKNOWN: it does not answer: no session" in asked.stdout + asked.stderr
    assert "slot of the service: unknown: etcd" in asked.stdout + asked.stderr
    # python-etcd says the same in a line of its own, which stays in Spicerack's log
    assert "Request to server" not in asked.stdout + asked.stderr
    assert any("Request to server" in path.read_text() for path in tmp_path.rglob("*.log"))
    looked = run("sre.mail.reboot-mx", MX, "--status")
    # etcd is down, so whether a run holds the host is not known
    assert looked.returncode == Outcome.UNKNOWN.value, looked.stderr
    assert "does not answer" in looked.stdout + looked.stderr
    assert admin_log[1] == []
    acted = run("--no-locks", "sre.mail.drain-queue", MX)
    assert acted.returncode == Outcome.UNKNOWN.value, acted.stderr
    assert [re.findall("START|END", line) for line in admin_log[1]] == [["START"], ["END"]]


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh client here")
@pytest.mark.parametrize(
    "words",
    [
        ["sre.mail.depool-mx", MX, "-r", "a test"],
        ["sre.mail.roll-kernel", "--kernel", "6.1.0-1-amd64", "--plan"],
        ["--no-locks", "sre.mail.depool-mx", MX, "-r", "a test", "--without-slot"],
    ],
)
def test_a_password_of_etcd_in_a_file_that_is_no_yaml_is_shown_nowhere(run, tmp_path, words) -> None:
    """The file is that of the slot, of Spicerack's own lock and of conftool."""
    etcdrc = tmp_path / "etcdrc"
    etcdrc.write_text("host: 127.0.0.1\npassword: !hunter2\n")
    site = yaml.safe_load((tmp_path / "cookbooks/sre.mail.yaml").read_text())
    (tmp_path / "cookbooks/sre.mail.yaml").write_text(yaml.safe_dump({**site, "pool": TEN_LINES["pool"]}))
    ended = run(*words, conftool=etcdrc)
    shown = ended.stdout + ended.stderr
    logs = list(tmp_path.rglob("*.log"))
    assert len(logs) > 1
    assert "hunter2" not in shown + "".join(path.read_text() for path in logs)
    assert "Traceback" not in shown
    assert ended.returncode != 0


# --- the same in this process: many at once


@pytest.fixture
def parse(tmp_path: Path) -> Callable[..., object]:
    """The parser of a cookbook, as Spicerack calls it."""
    path = tmp_path / "cookbooks/sre.mail.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(TEN_LINES), encoding="utf-8")
    spicerack = mock.MagicMock(config_dir=tmp_path, dry_run=False)
    spicerack.remote().query = lambda query: SimpleNamespace(hosts=[query])

    def parsed(cookbook: str, *words: str, dry_run: bool = False) -> object:
        spicerack.dry_run = dry_run
        module = importlib.import_module(f"cookbooks.sre.mail.{cookbook}")
        own = (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__)
        return next(own)(spicerack).argument_parser().parse_args(list(words))

    return parsed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify-mx", "--skip", "nosuchcheck"], "--skip: there is no check 'nosuchcheck'; there are"),
        (["verify-mx", "--html", "-"], "--html -: expected the name of a file; only --json takes the standard output"),
        (["verify-mx", "--metrics", "-"], "--metrics -: expected the name of a file"),
        (["verify-mx", "other.lab.test"], "not an MX of the site: other.lab.test"),
        (["refresh-aliases", MX], "no section aliases"),
        (["remedy-mx", MX, "restart-unit", "cron.service"], "restart-unit: "),
        (["remedy-mx", MX, "allow"], "allow needs --from ADDRESS --for TIME"),
        (["remedy-mx", MX, "reload-firewall", "--for", "30m"], "--from and --for belong to allow"),
        (["remedy-mx", MX, "reload-firewall", "--prove", "x"], "--prove: probes.outbound has no 'x'"),
        (["remedy-mx", "other.lab.test", "--suggest"], "'other.lab.test' is not one of the MXs"),
        (["reboot-mx", "other.lab.test", "--status"], "'other.lab.test' is not one of the MXs"),
        (["reboot-mx", "other.lab.test", "--kernel", "newest"], "'other.lab.test' is not one of the MXs"),
        (["drain-queue", "other.lab.test"], "'other.lab.test' is not one of the MXs"),
        (["repair-nic", "other.lab.test"], "'other.lab.test' is not one of the MXs"),
        (["status", "other.lab.test"], "'other.lab.test' is not one of the MXs"),
        (["status", "--json", "/nosuch/x.json"], "there is no folder /nosuch"),
        (["reboot-mx", MX, "--kernel", "newest", "--json", "x"], "--json x: expected together with --status only"),
        (["roll-kernel", "--kernel", "newest", "--json", "x"], "--json x: expected together with --plan or -d only"),
        (["roll-kernel", "--kernel", "newest", "--canary", "x"], "--canary: 'x' is none of the hosts"),
        (["depool-mx", MX, "-r", "x", "--accept", "nosuch"], "--accept: there is no check 'nosuch'"),
    ],
)
def test_what_the_site_does_not_allow_is_refused(parse, caplog, words, said) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(SystemExit) as ended:
        parse(*words)
    assert ended.value.code == Outcome.REFUSED.value
    assert "refused, nothing changed: " in caplog.text
    assert said in caplog.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reboot-mx", MX, "--kernel", "foo bar"], "--kernel: expected a release as uname -r prints it"),
        (["depool-mx", MX, "-r", "x", "--accept", "no such"], "--accept: expected the name of a check"),
        (["reboot-mx", MX, "--kernel", "newest", "--max-residual", "-1"], "--max-residual: expected a number"),
        (["reboot-mx", MX, "--kernel", "newest", "--soak", "-5"], "--soak: expected a time"),
        (["reboot-mx", MX, "--kernel", "newest", "--drain-timeout", "0"], "--drain-timeout: expected a time"),
        (["pool-mx", MX, "--soak", "soon"], "--soak: expected a time"),
        (["drain-queue", MX, "--max-residual", "some"], "--max-residual: expected a number"),
        (["roll-kernel", "--kernel", "proven"], "--kernel: expected a release as uname -r prints it"),
        (["roll-kernel", "--kernel", "newest", "--max-failed", "-1"], "--max-failed: expected a number"),
        (["refresh-aliases", MX, "--address", "nobody"], "--address: expected a mail address"),
        (["refresh-aliases", MX, "--limit", "0"], "--limit: expected a time"),
        (["roll-kernel", "--kernel", "newest", "--window", "never"], "--window: expected DAYS HH:MM-HH:MM [ZONE]"),
        (["reboot-mx", MX, "--kernel", "newest", "-t", "123"], "--task-id: expected the id of a task"),
        (["remedy-mx", MX, "nosuchremedy"], "remedy: expected one of restart-unit, clear-failed"),
        (["remedy-mx", MX, "allow", "--from", "nowhere"], "--from: expected an address or a network"),
        (["remedy-mx", MX, "allow", "--for", "long"], "--for: expected a time"),
        (["remedy-mx", MX, "reload-firewall", "--run", "mine"], "--run: expected the id of a run"),
        (["repair-nic", MX, "--kernel", "a b"], "--kernel: expected a release"),
        (["repair-nic", MX, "--known", "ens5"], "--known: expected MAC=NAME"),
        (["repair-nic", MX, "--timeout", "-1"], "--timeout: expected a time"),
        (["status", "--timeout", "0"], "--timeout: expected a time of 1 to 60 seconds"),
        (["depool-mx", MX, "-r", "caf\udce9"], r"'caf\udce9': expected UTF-8"),
        (["verify-mx", "--only", "a b"], "--only: expected the name of a check"),
    ],
)
def test_a_wrong_argument_is_named_with_its_value_before_any_host_is_asked(parse, capsys, words, said) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_dry_run_of_a_roll_is_a_plan_for_a_program_too(parse, monkeypatch) -> None:
    asked = []
    made = lambda spicerack, site, request: asked.append(request.json_file) or Doing(reads_only=True)  # noqa: E731
    monkeypatch.setattr("mxlib.commands.roll.RollKernel", made)
    with pytest.raises(SystemExit) as ended:
        parse("roll-kernel", "--kernel", "newest", "--json", "x", dry_run=True)
    assert (asked, ended.value.code) == ([Path("x")], Outcome.UNKNOWN.value)


def test_defaults_are_shown_only_where_there_are_any(parse, capsys) -> None:
    with pytest.raises(SystemExit):
        parse("reboot-mx", "--help")
    shown = capsys.readouterr().out
    assert "(default: None)" not in shown
    assert "(default: guest)" in re.sub(r"\s+", " ", shown)
    assert "proven: the newest" in re.sub(r"\s+", " ", shown)


# --- Spicerack's own lock


def test_it_is_said_before_spicerack_tries_its_lock(tmp_path: Path) -> None:
    with answering(Answers) as port:
        site = mock.MagicMock()
        site.slot.etcdrc, site.slot.key = etcdrc(tmp_path, port), KEY
        with pytest.raises(ConfigError, match=r"etcd 3\.6\.1 at .* has no v2 API"):
            check_lock(mock.MagicMock(dry_run=False), site)


def test_what_takes_no_lock_asks_no_etcd(tmp_path) -> None:
    site = mock.MagicMock()
    site.slot.etcdrc, site.slot.key = tmp_path / "none", KEY
    check_lock(mock.MagicMock(dry_run=True), site)
    check_lock(mock.MagicMock(dry_run=False, lock=NoLock), site)
    with pytest.raises(ConfigError, match=f"no etcd client from {tmp_path}/none"):
        check_lock(mock.MagicMock(dry_run=False), site)


def test_a_lock_that_cannot_be_made_is_a_refusal_with_the_way_around_it(tmp_path) -> None:
    def lock():
        raise TypeError("unexpected keyword argument 'hots'")

    with pytest.raises(ConfigError, match=r"\(--no-locks does without it\): unexpected keyword argument 'hots'"):
        check_lock(mock.MagicMock(dry_run=False, lock=lock), mock.MagicMock())


class Doing:
    """A command that reads or acts."""

    def __init__(self, *, reads_only: bool) -> None:
        self.reads_only, self.done = reads_only, 0

    def execute(self) -> Outcome:
        self.done += 1
        return Outcome.UNKNOWN


@pytest.fixture
def site(tmp_path: Path) -> mock.MagicMock:
    """A Spicerack with a site, and without locks."""
    path = tmp_path / "cookbooks/sre.mail.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({**TEN_LINES, "owner_team": "mail"}), encoding="utf-8")
    return mock.MagicMock(config_dir=tmp_path, dry_run=False, lock=NoLock)


def test_what_only_reads_is_done_at_once_and_what_acts_is_left_to_spicerack(site) -> None:
    reading, acting = Doing(reads_only=True), Doing(reads_only=False)
    assert begin(site, lambda _: reading) == (reading, Outcome.UNKNOWN.value)
    assert begin(site, lambda _: acting) == (acting, None)
    assert (reading.done, acting.done) == (1, 0)


def test_who_interrupts_it_before_it_begins_changed_nothing(site, lines) -> None:
    def make(_site):
        raise KeyboardInterrupt

    assert begin(site, make) == (None, Outcome.INTERRUPTED.value)
    assert lines() == ["interrupted: stopped at once; nothing was changed"]


def test_the_owner_is_the_sites_and_nobody_where_it_cannot_be_read(site, tmp_path) -> None:
    assert owner_of(site) == "mail"
    (tmp_path / "cookbooks/sre.mail.yaml").write_text("mxs: 5")
    assert owner_of(site) == ""
    assert owner_of(mock.MagicMock(config_dir=mock.MagicMock())) == ""
