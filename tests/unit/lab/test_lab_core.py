"""The lab's own pure parts: names, refusals, the zone, the command line."""

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import cli, preflight
from lab.build import apt, mmdebstrap
from lab.faults import acts
from lab.faults import catalogue as faults
from lab.faults import scripts as fault_scripts
from lab.faults.fault import Fault, FaultTarget
from lab.place import EXCHANGERS, STATIONS, Lab, exchanger
from lab.shell import LabError, run, wait_for
from lab.stations import infra


@pytest.mark.parametrize("name", ["", "1lab", "Lab", "a/b", "x" * 21, "lab_1"])
def test_a_lab_name_that_could_not_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        Lab(name)


def test_two_labs_keep_their_things_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MXLAB_CACHE", str(tmp_path))
    assert Lab("one").state != Lab("two").state
    assert Lab("one").state.parent == Lab("two").state.parent == tmp_path / "labs"


def test_an_unknown_exchanger_is_named_with_the_known_ones() -> None:
    assert exchanger("mx1001") is exchanger("mx1001.lab.test") is EXCHANGERS[0]
    with pytest.raises(LabError, match=r"'mx3'.*mx1001, mx2001"):
        exchanger("mx3")


def test_no_two_stations_share_an_address() -> None:
    assert len({station.v4 for station in STATIONS}) == len({station.v6 for station in STATIONS}) == len(STATIONS)


def test_the_zone_has_every_station_and_prefers_mx1001() -> None:
    zone = infra.zone().splitlines()
    for station in STATIONS:
        assert f"host-record={station.fqdn},{station.v4},{station.v6}" in zone
    assert "mx-host=lab.test,mx1001.lab.test,10" in zone
    assert "mx-host=lab.test,mx2001.lab.test,50" in zone
    assert "host-record=mx6.provider.test,2001:db8:51::10" in zone, "a host of one address family only"
    assert "local=/#/" in zone, "nothing is asked outside the lab"


def test_nobody_but_root_is_refused_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"as root .* user id 1000"):
        preflight.check(may_install=False, starting=True)


def test_missing_packages_are_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "missing_packages", lambda: ["iproute2", "perl"])
    with pytest.raises(LabError, match=r"missing Debian packages: iproute2 perl; `apt-get install iproute2 perl`"):
        preflight.check(may_install=False, starting=True)


def _machine(monkeypatch: pytest.MonkeyPatch, folder: Path, **programs: str) -> None:
    """Leave nothing on PATH but these programs: name → the shell command it runs."""
    for name, command in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_machine_with_nothing_misses_every_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _machine(monkeypatch, tmp_path, perl="exit 2", python3="exit 1")
    assert preflight.missing_packages() == sorted({*preflight.TOOLS.values(), *preflight.PROOFS})


def test_a_bare_perl_is_not_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tools = dict.fromkeys(preflight.TOOLS, "exit 0")
    bare = "case $* in *syscall.ph*) exit 2 ;; esac"  # as Debian's perl-base alone
    _machine(monkeypatch, tmp_path, **tools, perl=bare, python3="exit 0")
    assert preflight.missing_packages() == ["perl"]


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="dpkg-query is not here")
def test_what_every_debian_has_is_not_listed() -> None:
    listed = run(["dpkg-query", "--show", "--showformat", "${Essential} ${Package}\n"]).stdout
    essential = {line.split()[1] for line in listed.splitlines() if line.startswith("yes ")}
    assert "coreutils" in essential
    assert essential.isdisjoint({*preflight.TOOLS.values(), *preflight.PROOFS})


PRINTS_ITS_PATH = '#!/bin/sh\necho "$PATH" >"$TMPDIR/path"\n'


def test_mmdebstrap_finds_its_own_programs_whatever_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Packages:
        def __init__(self, folder: Path) -> None: ...

        def update(self) -> None: ...

        def unpack(self, package: str, into: Path) -> None:
            programs = into / "usr" / "bin"
            programs.mkdir(parents=True)
            (programs / package).write_text(PRINTS_ITS_PATH)
            (programs / package).chmod(0o755)

    machines = tmp_path / "machine"
    machines.mkdir()
    _machine(monkeypatch, machines, mmdebstrap="exit 1")
    monkeypatch.setattr(apt, "PrivateApt", Packages)
    monkeypatch.setattr(mmdebstrap, "debian_sources", lambda suite: [])
    mmdebstrap.make(tmp_path / "cache", tmp_path / "root", (), env={"TMPDIR": str(tmp_path)})
    programs = tmp_path / "cache" / "tools" / "mmdebstrap" / "usr" / "bin"
    assert (tmp_path / "path").read_text() == f"{programs}:{machines}\n"


def test_half_a_package_is_never_taken_for_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Torn:
        def __init__(self, folder: Path) -> None: ...

        def update(self) -> None: ...

        def unpack(self, package: str, into: Path) -> None:
            into.mkdir()
            raise LabError("no space left")

    monkeypatch.setattr(apt, "PrivateApt", Torn)
    for _ in range(2):
        with pytest.raises(LabError, match="no space left"):
            apt.unpacked(tmp_path, "mmdebstrap")
    assert list((tmp_path / "tools").iterdir()) == []


def test_too_little_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "missing_packages", list)
    monkeypatch.setattr(preflight, "available_mib", lambda: 100)
    with pytest.raises(LabError, match="100 MiB of memory available: expected at least 3500"):
        preflight.check(may_install=False, starting=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deb http://a.example/debian bookworm main\n", ["http://a.example/debian/"]),
        ("deb [signed-by=/x] http://a.example/debian-security/ b main", ["http://a.example/debian-security/"]),
        ("Types: deb\nURIs: http://a.example/debian\nSuites: trixie\n", ["http://a.example/debian/"]),
        ("deb https://packages.example/other stable main\n# deb http://a.example/debian x main", []),
    ],
)
def test_debian_sources_are_found_before_the_first_update(text: str, expected: list[str]) -> None:
    assert apt.uris_in(text) == expected


def test_a_fault_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(LabError, match=r"unknown fault 'quake': expected one of nic-renumber, "):
        faults.find("quake")


def test_the_faults_of_one_kernel_are_bound_to_it() -> None:
    for script in (fault_scripts.BAD_KERNEL, fault_scripts.KERNEL_PANIC, fault_scripts.KERNEL_HANG):
        assert "ConditionKernelVersion=@kernel@" in script


def test_a_fault_without_a_symptom_in_this_world_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is remembered all the same, so that what was put on is taken off."""
    monkeypatch.setenv("MXLAB_CACHE", str(tmp_path))
    lab = Lab("unit")
    lab.state.mkdir(parents=True)

    def shows(target: FaultTarget, script: str, timeout: float = 60) -> str:
        if script == "grep ferm /proc/symptom":
            raise LabError(f"{target.mx.name}: exit code 1")
        return ""

    monkeypatch.setattr(FaultTarget, "on_host", shows)
    goal = FaultTarget(SimpleNamespace(lab=lab), exchanger("mx2001"), "6.1.0")  # type: ignore[arg-type]
    fault = Fault("quake", "", lambda _: None, lambda _: None, shows="grep @firewall@ /proc/symptom")
    with pytest.raises(
        LabError, match=r"quake took no effect on mx2001 \(Debian 13 \(trixie\), ferm, .*\): .*exit code 1"
    ):
        faults.apply(goal, fault)
    assert [entry["fault"] for entry in faults.broken(lab)] == ["quake"]


CARDS = {
    "ifupdown": ("network/interfaces", "allow-hotplug {0}\niface {0} inet static\n"),
    "networkd": ("systemd/network/10-lan.network", "[Match]\nName={0}\n"),
}


def in_etc(etc: Path, script: str) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-euc", script.replace("/etc/", f"{etc}/")]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("manager", CARDS)
def test_a_card_is_named_back_whatever_configures_it(manager: str, tmp_path: Path) -> None:
    name, text = CARDS[manager]
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text.format("ens13") + "# ens130 is another card\n")
    assert in_etc(tmp_path, acts.name_ens5("ens13")).returncode == 0
    assert path.read_text() == text.format("ens5") + "# ens130 is another card\n"


@pytest.mark.parametrize("manager", CARDS)
def test_a_renaming_shows_only_where_another_name_cuts_the_host_off(manager: str, tmp_path: Path) -> None:
    name, text = CARDS[manager]
    path, link = tmp_path / name, tmp_path / "systemd/network/10-mx-cookbooks-ens5.link"
    for parent in (path.parent, link.parent):
        parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format("ens5"))
    assert in_etc(tmp_path, acts.SHOWS_RENAMING).returncode == 0
    link.touch()
    assert "keeps the name" in in_etc(tmp_path, acts.SHOWS_RENAMING).stdout
    link.unlink()
    path.write_text("[Match]\nMACAddress=aa:00:00:12:34:56\n")
    assert "no file names ens5" in (done := in_etc(tmp_path, acts.SHOWS_RENAMING)).stdout
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["nic-renumber", "second-disk"])
def test_a_fault_that_renames_says_where_it_has_no_effect(name: str) -> None:
    assert faults.find(name).shows == acts.SHOWS_RENAMING


@pytest.mark.parametrize(("version", "key"), [("4.96", "2001:db8:51::10"), ("4.98.2", "[2001:db8:51::10]")])
def test_stale_hints_have_the_keys_that_this_exim_looks_for(version: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "exim4").write_text(f"#!/bin/sh\necho 'Exim version {version} #2 built 01-Jan-2026'\n")
    (tmp_path / "exim4").chmod(0o755)
    program = fault_scripts.STALE_HINTS.split("'")[1]
    head, _, loop = program.partition("my $now")
    perl = "my %hints; my $now" + loop.replace("untie %hints", 'print join("|", map { s/\\0//r } sort keys %hints)')
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["perl", "-e", perl], capture_output=True, text=True, check=True, env={"PATH": path})
    assert "DB_File" in head
    assert done.stdout.split("|") == [
        "T:mx.provider.test:198.51.100.10",
        f"T:mx.provider.test:{key}",
        "T:mx4.provider.test:198.51.100.10",
        f"T:mx6.provider.test:{key}",
    ]


def test_every_command_has_a_summary() -> None:
    help_text = cli.parser().format_help()
    commands = ("up", "down", "status", "run", "ssh", "console", "send", "inbox", "ledger", "break", "mend", "faults")
    for command in (*commands, "demo"):
        assert f"\n    {command} " in help_text


def test_an_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--lab", "UPPER", "status"]) == 1
    assert capsys.readouterr().err.startswith("mxlab: lab name 'UPPER'")


def test_a_command_that_fails_shows_the_end_of_what_it_said() -> None:
    with pytest.raises(LabError, match=r"exit code 3 from: sh(.|\n)*last words"):
        run(["sh", "-c", "echo last words; exit 3"])


def test_waiting_ends_at_the_deadline_with_the_evidence() -> None:
    with pytest.raises(LabError, match="the moon: not so after 0 s\nclouds"):
        wait_for("the moon", lambda: False, deadline=0.05, every=0.01, evidence=lambda: "clouds")
