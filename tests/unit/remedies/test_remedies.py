"""Remedies: their bounds, what they write to a host, whom they give way to, and which one fits what fails."""

import os
import re
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import ConfigError, StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.commands.remedy import RemedyRequest
from mxlib.config.known_bad import load
from mxlib.config.load import parse
from mxlib.config.remedy import RemedySection
from mxlib.config.sections import Site
from mxlib.facts import firewall, hole
from mxlib.facts.source import Facts
from mxlib.model.on_host import DIRECTORY as STATE
from mxlib.model.on_host import FENCED
from mxlib.model.record import Record
from mxlib.model.state import Ports
from mxlib.mta.backlog import Hint
from mxlib.mta.find import find
from mxlib.probes import ssh as reach
from mxlib.probes.outbound import Outcome
from mxlib.remedies import clear_failed, clear_hints, hole_rules, reload_firewall, restart_unit, set_sysctl
from mxlib.remedies import guard as claimed
from mxlib.remedies.bounds import Order, allowed, is_stale
from mxlib.remedies.hole_rules import network_of
from mxlib.remedies.registry import REMEDIES
from mxlib.remedies.suggest import suggest
from mxlib.verify.request import with_watched
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.facts import NOW
from tests.unit.support.healthy import CHECKS, FERM, NFTABLES, POLICY, host, judge, with_hole, with_unit
from tests.unit.support.records import RECORD
from tests.unit.support.site import TEN_LINES

SITE = replace(parse(TEN_LINES, "test"), verify=POLICY)
PEER = network_of("2001:db8:51::10")
assert PEER


def sh(script: str, tmp_path: Path, **tools: str) -> "subprocess.CompletedProcess[str]":
    """Run a script for a host in a folder, with stand-ins for the tools that would change a machine."""
    script = script.replace(STATE, str(tmp_path / "state")).replace(hole.DIRECTORY, str(tmp_path / "holes"))
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    told = f'echo "${{0##*/}} $*" >>{tmp_path}/told\n'
    for name in ("systemctl", "systemd-run", "nft", "ip6tables-legacy", "ip6tables-legacy-save", "logger"):
        body = tools.get(name.replace("-", "_"), "exit 0")
        (programs / name).write_text(f"#!/bin/sh\n{told}{body}\n")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment, check=False)


def told(tmp_path: Path) -> list[str]:
    path = tmp_path / "told"
    return path.read_text().splitlines() if path.exists() else []


# --- bounds


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Order("restart-unit", "cron.service"), "required_units"),
        (Order("restart-unit", "ferm.service"), "reload-firewall"),
        (Order("restart-unit"), "no unit"),
        (Order("clear-failed", "spamd.service"), "clearable_units"),
        (Order("reload-firewall", "x"), "no argument"),
        (Order("set-sysctl", "net.ipv4.ip_forward=1"), "not among"),
        (Order("set-sysctl", "net.ipv4.tcp_fastopen=1"), "not among"),
        (Order("unset-sysctl", "net.ipv4.ip_forward"), "never set"),
        (Order("clear-hints", "nowhere"), "probes.outbound"),
        (Order("allow", "198.51.100.0/16", 600), "an address"),
        (Order("allow", "2001:db8::/32", 600), "an address"),
        (Order("allow", "$(reboot)", 600), "an address"),
        (Order("allow", "198.51.100.10", 5), "--for"),
        (Order("allow", "198.51.100.10", 86401), "--for"),
        (Order("close-hole", "x; reboot"), "not an address"),
    ],
)
def test_what_is_beyond_the_bounds_is_refused(order: Order, why: str) -> None:
    assert why in REMEDIES[order.remedy].refuse(SITE, order)


@pytest.mark.parametrize(
    "order",
    [
        Order("restart-unit", "spamd.service"),
        Order("clear-failed", "ifup@ens5.service"),
        Order("reload-firewall"),
        Order("set-sysctl", "net.ipv4.tcp_fastopen=0"),
        Order("clear-hints", SITE.probes.outbound[0].name),
        Order("allow", "2001:db8:51::10", 1800),
        Order("allow", "198.51.100.0/24", 1800),
        Order("close-hole"),
    ],
)
def test_what_is_within_the_bounds_is_not(order: Order) -> None:
    assert REMEDIES[order.remedy].refuse(SITE, order) == ""


def test_a_required_unit_is_never_a_leftover() -> None:
    site = replace(SITE, remedy=RemedySection(clearable_units=("*",)))
    assert is_stale(site, "ifup@ens5.service")
    assert not is_stale(site, "spamd.service")


def test_what_the_site_requires_may_be_set() -> None:
    site = replace(SITE, verify=replace(POLICY, sysctls={"net.core.somaxconn": "4096"}))
    assert allowed(site, "net.core.somaxconn") == ("4096",)


@pytest.mark.parametrize("key", ["hole_max", "unit_timeout"])
def test_a_section_out_of_bounds_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        parse({**TEN_LINES, "remedy": {key: 1}}, "test")


def request(**changes: object) -> RemedyRequest:
    values: dict[str, object] = {"host": "h", "remedy": "allow", "arguments": (), "sources": (), "how_long": ""}
    return RemedyRequest(**{**values, "reason": "x", **changes})  # type: ignore[arg-type]


def test_orders() -> None:
    both = request(sources=("192.0.2.1", "2001:db8::1"), how_long=1800.0)
    assert both.orders() == (Order("allow", "192.0.2.1", 1800), Order("allow", "2001:db8::1", 1800))
    assert request(remedy="reload-firewall").orders() == (Order("reload-firewall"),)
    for wrong in (request(), request(sources=("x",)), request(remedy="reboot"), request(remedy="x", how_long=60.0)):
        with pytest.raises(ConfigError):
            wrong.orders()


# --- the hole


def ruleset(name: str) -> firewall.FirewallFacts:
    return host(name).get(firewall.SOURCE)


def test_it_goes_into_the_ruleset_that_drops() -> None:
    assert hole_rules.places(ruleset(FERM), 6) == (hole_rules.Place("ip6tables-legacy", "ip6 filter", "INPUT"),)
    assert hole_rules.places(ruleset(FERM), 4) == (hole_rules.Place("iptables-legacy", "ip filter", "INPUT"),)
    assert hole_rules.places(ruleset(NFTABLES), 6) == (hole_rules.Place("nft", "inet filter", "input"),)


def test_a_chain_with_a_name_that_is_no_name_is_left_alone() -> None:
    found = ruleset(NFTABLES)
    odd = tuple(replace(chain, name="in; reboot") for chain in found.chains)
    with pytest.raises(StepError):
        hole_rules.places(replace(found, chains=odd), 6)


@pytest.mark.parametrize("name", [FERM, NFTABLES])
def test_what_closes_it_is_armed_before_it_is_opened(name: str, tmp_path: Path) -> None:
    script = hole_rules.open_script(hole_rules.places(ruleset(name), 6), PEER, SITE, 1800, ("op", "it's $stuck"))
    done = sh(f"set -eu\n{script}", tmp_path)
    assert done.returncode == 0, done.stderr
    lines = told(tmp_path)
    timer = next(index for index, line in enumerate(lines) if line.startswith("systemd-run"))
    opened = next(index for index, line in enumerate(lines) if " -I INPUT" in line or "insert rule" in line)
    assert timer < opened
    assert "--on-active=1800" in lines[timer]
    assert re.search(r"datestop|meta time <", lines[opened]), "the rule carries its own end"
    assert "! --syn" in lines[opened] or "!= syn" in lines[opened], "it opens no way in"
    record = (tmp_path / "holes" / "2001-db8-51--10.hole").read_text()
    assert "why=it's $stuck\n" in record


@pytest.mark.parametrize(
    ("name", "tool"), [(FERM, {"ip6tables_legacy": "exit 1"}), (NFTABLES, {"nft": '[ "$1" != insert ]'})]
)
def test_a_hole_that_cannot_be_opened_leaves_nothing(name: str, tool: dict[str, str], tmp_path: Path) -> None:
    script = hole_rules.open_script(hole_rules.places(ruleset(name), 6), PEER, SITE, 1800, ("op", "x"))
    assert sh(f"set -eu\n{script}", tmp_path, **tool).returncode != 0
    assert list((tmp_path / "holes").iterdir()) == []
    assert any(line.startswith("systemctl stop mx-hole-2001-db8-51--10-") for line in told(tmp_path))


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        (FERM, {"ip6tables_legacy": "exit 1", "ip6tables_legacy_save": "echo -A x mx-hole-2001-db8-51--10 -j ACCEPT"}),
        (FERM, {"ip6tables_legacy": "exit 1", "ip6tables_legacy_save": "exit 4"}),
        (NFTABLES, {"nft": "echo 'accept comment \"mx-hole-2001-db8-51--10\"'"}),
        (NFTABLES, {"nft": '[ "$1" != list ]'}),
    ],
)
def test_closing_is_not_done_before_the_rules_are_seen_to_be_gone(
    name: str, tool: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "holes").mkdir()
    (tmp_path / "holes" / "2001-db8-51--10.hole").touch()
    text = hole_rules.close_text(hole_rules.places(ruleset(name), 6), PEER, SITE)
    assert sh(f"end=1795238400\n{text}", tmp_path, **tool).returncode != 0
    assert (tmp_path / "holes" / "2001-db8-51--10.hole").exists(), "the check goes on telling it"


def test_a_hole_of_a_longer_address_is_not_taken_for_this_one(tmp_path: Path) -> None:
    text = hole_rules.close_text(hole_rules.places(ruleset(FERM), 6), PEER, SITE)
    save = "echo -A x --comment mx-hole-2001-db8-51--105 -j ACCEPT"
    done = sh(f"end=1795238400\n{text}", tmp_path, ip6tables_legacy="exit 1", ip6tables_legacy_save=save)
    assert done.returncode == 0


# --- whom they give way to


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A run's record and token, as they lie on the host."""
    found = replace(RECORD, run="20261121T000000Z-abcdef", token=7)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "run.json").write_text(found.to_json())
    (tmp_path / "state" / "token").write_text("7\n")
    return found


def acts(tmp_path: Path, **how: Any) -> bool:
    """Whether a guarded script came to act; if not, it must have ended as one that was fenced off."""
    done = sh(claimed.guarded("echo acted", "op's remedy", **how), tmp_path)
    assert done.returncode == (0 if "acted" in done.stdout else FENCED), done.stderr
    return "acted" in done.stdout


def test_on_a_host_that_nobody_has_claimed_it_acts_and_tells_the_host(tmp_path: Path) -> None:
    assert acts(tmp_path)
    assert "logger -t mx-cookbooks -- op's remedy" in told(tmp_path)


def test_another_ones_run_is_left_alone(tmp_path: Path, record: Record) -> None:
    assert not acts(tmp_path)
    assert not acts(tmp_path, run=replace(record, run="20261121T000000Z-000000"))
    assert acts(tmp_path, harmless=True)


def test_ones_own_run_may_be_helped_until_somebody_takes_it_over(tmp_path: Path, record: Record) -> None:
    assert acts(tmp_path, run=record)
    (tmp_path / "state" / "token").write_text("8\n")
    assert not acts(tmp_path, run=record)


def test_a_run_that_is_over_is_nobodys_any_more(tmp_path: Path, record: Record) -> None:
    (tmp_path / "state" / "run.json").unlink()
    assert not acts(tmp_path, run=record)


def test_only_closing_a_hole_is_harmless_to_others() -> None:
    assert [one.name for one in REMEDIES.values() if one.harmless] == ["close-hole"]


def test_a_reboot_helps_itself_only_with_what_cannot_change_a_judgement() -> None:
    """A mitigation or a hole would make a bad kernel pass."""
    automatic = {one.name for one in REMEDIES.values() if one.automatic}
    assert automatic == {"restart-unit", "clear-failed", "reload-firewall"}


# --- scripts


def test_every_script_for_a_host_is_posix_sh() -> None:
    scripts = (
        reload_firewall.script(SITE),
        clear_failed.script("ifup@ens5.service", "op: it's over"),
        set_sysctl.script("net.ipv4.tcp_fastopen", "0", "op: it's over"),
        set_sysctl.script_back("net.ipv4.tcp_fastopen"),
        restart_unit.script("spamd.service", 90),
    )
    for script in scripts:
        done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{script}"


def hint(key: str, **about: str) -> Hint:
    return Hint(key, NOW, NOW, NOW, False, "Connection timed out", **about)  # type: ignore[arg-type]


def test_only_the_hints_of_what_was_proven_are_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (
        hint("host", ip="2001:db8:51::10"),
        hint("message at the host", ip="2001:db8:51::10"),
        hint("neighbour", ip="2001:db8:51::105"),
        hint("other host", ip="198.51.100.20"),
        hint("route", domain="provider.test"),
        hint("recipient", address="joe@provider.test", domain="provider.test"),
        hint("other route", domain="other.test"),
    )
    result = SimpleNamespace(outcome=Outcome.DELIVERED, remote="2001:db8:51::10")
    monkeypatch.setattr(clear_hints, "send", lambda *_, **__: SimpleNamespace(results=[result]))
    monkeypatch.setattr(clear_hints, "read_facts", lambda *_: SimpleNamespace(get=lambda _: known))
    asked: list[str] = []
    mta = find(SITE.mta)
    monkeypatch.setattr(type(mta), "forget_script", lambda _, keys: asked.extend(keys) or "true")
    bench = SimpleNamespace(site=SITE, host=None, run="r", act=lambda script, seconds: None)
    said = clear_hints.apply(bench, Order("clear-hints", SITE.probes.outbound[0].name))  # type: ignore[arg-type]
    assert asked == ["host", "message at the host", "route"]
    assert "3 hints cleared" in said


# --- loading the firewall again


class Nftables:
    """A host's nftables and systemd, as far as a reload uses them: what is loaded, and which timers are armed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.timers = folder, folder / "timers"
        self.timers.mkdir()
        self.conf, self.loaded = folder / "nftables.conf", folder / "loaded"
        self.loaded.write_text("good")
        (folder / "bin").mkdir()
        loads = f'[ "$1" != -f ] || grep -v flush "$2" >{self.loaded}'
        self._program("nft", f'[ "$1" != list ] || cat {self.loaded}; {loads}')
        self._program("date", f"echo $(($(ls {folder}/made | wc -l) + 1))")
        self._program("systemd-run", f"shift 3; touch {self.timers}/$1.timer {folder}/made/$1")
        (folder / "made").mkdir()
        self._program(
            "systemctl",
            f"""case "$*" in
reload*) nft -f {self.conf} ;;
list-units*) cd {self.timers}; ls | sed 's/$/ loaded active waiting x/' ;;
stop*) rm -f {self.timers}/$2 ;;
-q*is-active*undo*) exit 3 ;;
esac""",
        )

    def _program(self, name: str, body: str) -> None:
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n:\n")
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, script: str) -> None:
        for place, here in ((reload_firewall._DIRECTORY, "run"), ("/etc/nftables.conf", "nftables.conf")):
            script = script.replace(place, str(self.folder / here))
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        subprocess.run(["sh", "-eu", "-c", script], env={**os.environ, "PATH": path}, check=True)

    def reload(self, rules: str) -> None:
        self.conf.write_text(rules + "\n")
        self.run(reload_firewall.script(replace(SITE, verify=replace(POLICY, required_units=("nftables.service",)))))

    def time_passes(self) -> None:
        """The timers that are still armed fire."""
        for timer in self.timers.iterdir():
            timer.unlink()
            self.run(f"sh {reload_firewall._DIRECTORY}/undo")


def test_a_reload_that_was_not_proven_does_not_come_back_over_a_later_one_that_was(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("broken")
    host.reload("mended")
    assert [one.name for one in host.timers.iterdir()] == ["mx-firewall-undo-2.timer"]
    host.run(reload_firewall._CONFIRM)
    host.time_passes()
    assert host.loaded.read_text().split() == ["mended"]


def test_of_two_reloads_that_were_not_proven_what_was_before_both_comes_back(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("broken")
    host.reload("broken, too")
    assert host.loaded.read_text().split() == ["broken,", "too"]
    host.time_passes()
    assert host.loaded.read_text().split() == ["good"]


def test_a_proven_reload_is_what_the_next_one_is_taken_back_to(tmp_path: Path) -> None:
    host = Nftables(tmp_path)
    host.reload("better")
    host.run(reload_firewall._CONFIRM)
    host.reload("broken")
    host.time_passes()
    assert host.loaded.read_text().split() == ["better"]


class Wall:
    """A host whose firewall is loaded anew; sessions share a connection that always passes, new ones may not."""

    name = "mx1001.example.org"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *greetings: bool, said: str = "::1 4321 10.0.0.2 2222") -> None:
        self.greetings, self.asked, self.said, self.acts = list(greetings), [], said, []
        monkeypatch.setattr(reload_firewall, "read_facts", lambda *_: SimpleNamespace(get=lambda _: self))
        self.ports = Ports.OPEN

    def ports_of(self, wanted: tuple[int, ...]) -> Ports:
        assert wanted == SITE.ports
        return self.ports

    def read(self, _script: str, *, timeout: float) -> Any:
        del timeout
        return SimpleNamespace(output=f"{self.said}\n")

    def act(self, script: str, _timeout: float) -> Any:
        self.acts.append(script)
        return SimpleNamespace(output="reload of nftables")

    def greets(self, address: str, port: int) -> bool:
        self.asked.append((address, port))
        return self.greetings.pop(0)

    def reload(self) -> str:
        bench: Any = SimpleNamespace(site=SITE, host=self, act=self.act, greets=self.greets)
        return reload_firewall.apply(bench, Order("reload-firewall"))


def test_a_reload_is_proven_by_new_connections_to_where_ssh_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch, True, True)
    assert "the mail ports are open, as before" in wall.reload()
    assert wall.asked == [("10.0.0.2", 2222)] * 2
    assert "\nsystemctl stop" in wall.acts[1], "the undoing has gone"


def test_a_reload_that_lets_nobody_new_in_is_left_to_the_undoing(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch, True, False)
    with pytest.raises(StepError, match=r"no new connection to 10\.0\.0\.2 port 2222 after it: .* within 120 s"):
        wall.reload()
    assert len(wall.acts) == 1


@pytest.mark.parametrize(
    ("greetings", "said", "why"),
    [
        ([False], "10.0.0.1 4321 10.0.0.2 22", "greets no new connection"),
        ([], "", "does not say where"),
        ([], "10.0.0.1 4321 10.0.0.2 ssh", "does not say where"),
    ],
)
def test_what_could_not_be_proven_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, greetings: list[bool], said: str, why: str
) -> None:
    wall = Wall(monkeypatch, *greetings, said=said)
    with pytest.raises(StepError, match=f"nothing was done: .*{why}"):
        wall.reload()
    assert wall.acts == []


@pytest.mark.parametrize(("greeting", "greeted"), [(b"SSH-2.0-x\r\n", True), (b"220 mx\r\n", False), (b"", False)])
def test_only_an_ssh_server_greets_as_one(greeting: bytes, greeted: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        assert reach.greets("127.0.0.1", port) is greeted
        thread.join()
    assert not reach.greets("127.0.0.1", port)


# --- which one fits


def fitting(facts: Facts, *more: Verdict, site: Site = SITE) -> list[str]:
    """What is suggested for a host: for what its checks say, and for more."""
    entries = load()
    policy = with_watched(site.verify, entries)
    verdicts = [check.verdict(facts, policy) for check in CHECKS.values()]
    return [one.order.said for one in suggest([*verdicts, *more], facts, site, policy, entries)]


@pytest.mark.parametrize(
    ("ports", "status"), [(Ports.OPEN, Status.OK), (Ports.CLOSED, Status.OK), (Ports.PARTLY, Status.FAILED)]
)
def test_ports_that_are_neither_open_nor_closed_after_a_reload_are_no_success(
    monkeypatch: pytest.MonkeyPatch, ports: Ports, status: Status
) -> None:
    found = SimpleNamespace(get=lambda _source: SimpleNamespace(ports_of=lambda _wanted: ports))
    monkeypatch.setattr(reload_firewall, "read_facts", lambda *_: found)
    monkeypatch.setattr(reload_firewall, "by_checks", lambda *_names: lambda _bench, _order: ())
    (verdict,) = reload_firewall.judge(SimpleNamespace(host=None, site=SITE), Order("reload-firewall"))  # type: ignore[arg-type]
    assert (verdict.check, verdict.status) == ("ports-stand", status)


def failed_unit(name: str, host_name: str = NFTABLES) -> Facts:
    return host(host_name, unit_states=with_unit(name, ActiveState="failed", Result="exit-code"))


STALE = (
    "\n\nId=ifup@ens5.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=static\n"
    "Result=exit-code\nInactiveExitTimestampMonotonic=1000000\n"
)


def test_nothing_fits_a_healthy_host() -> None:
    assert fitting(host()) == []


def test_what_fits_what() -> None:
    assert fitting(failed_unit("spamd.service")) == ["restart-unit spamd.service"]
    assert fitting(failed_unit("nftables.service")) == ["reload-firewall"]
    assert fitting(host(unit_states=lambda text: text.rstrip() + STALE)) == ["clear-failed ifup@ens5.service"]
    assert fitting(with_hole(FERM)) == ["close-hole"]


def test_a_generator_of_aliases_that_failed_at_boot_is_started_once_more() -> None:
    site = replace(SITE, aliases=(GENERATOR,))
    failed = STALE.replace("ifup@ens5.service", GENERATOR.unit)
    facts = host(unit_states=lambda text: text.rstrip() + failed)
    verdicts = [judge("units", facts)]
    assert [one.order.said for one in suggest(verdicts, facts, site, POLICY)] == [f"restart-unit {GENERATOR.unit}"]
    assert suggest(verdicts, facts, SITE, POLICY) == ()
    order = Order("restart-unit", GENERATOR.unit)
    assert REMEDIES["restart-unit"].refuse(site, order) == ""
    assert "aliases name" in REMEDIES["restart-unit"].refuse(SITE, order)


def test_a_masked_or_missing_unit_has_no_remedy() -> None:
    masked = with_unit("spamd.service", ActiveState="inactive", LoadState="masked")
    assert fitting(host(unit_states=masked)) == []


def test_a_failed_unit_that_nobody_named_has_no_remedy() -> None:
    odd = STALE.replace("ifup@ens5", "backup")
    assert fitting(host(unit_states=lambda text: text.rstrip() + odd)) == []


def test_mitigations_within_the_bounds() -> None:
    key = "net.ipv4.tcp_fastopen_blackhole_timeout_sec"
    site = replace(SITE, verify=replace(POLICY, sysctls={key: "3600"}))
    assert fitting(host(), site=site) == [f"set-sysctl {key}=3600"]
    old = host(kernel=lambda text: text.replace("6.1.192-1", "5.10.70-1"))
    assert f"set-sysctl {key}=3600" in fitting(old)
    assert fitting(old, site=replace(SITE, remedy=RemedySection(sysctls={}))) == []


UNTRIED = Verdict("outbound-provider", Status.UNKNOWN, "0 of 2 test mails delivered; 2048 bytes, number 1: not tried")
STALLED = Verdict(
    "outbound-provider",
    Status.FAILED,
    "0 of 2; failed over IPv6, timeout after end of data: == u@p.test H=mx [2001:db8:51::10]: SMTP timeout after end",
)


def test_mail_that_does_not_get_out() -> None:
    assert fitting(host(), UNTRIED) == ["clear-hints provider"]
    assert fitting(host(), STALLED) == ["allow --from 2001:db8:51::10 --for 30m"]
    refused = replace(STALLED, why="connection refused [198.51.100.10]")
    assert fitting(host(), refused) == []
    assert fitting(host(), replace(UNTRIED, status=Status.FAILED)) == []


def test_what_cannot_be_read_gets_no_remedy() -> None:
    facts = host()
    outputs = {key: replace(output, exit_code=None, output="") for key, output in facts.outputs.items()}
    assert fitting(replace(facts, outputs=outputs)) == []


def test_what_is_suggested_is_within_the_bounds() -> None:
    facts = failed_unit("spamd.service")
    for one in suggest([judge("units", facts), UNTRIED, STALLED], facts, SITE, POLICY, ()):
        assert REMEDIES[one.order.remedy].refuse(SITE, one.order) == ""
