"""The worlds of the lab: what cannot be is refused by name, and a lab keeps the world it was made in."""

import dataclasses
import itertools
import subprocess
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lab import lifecycle
from lab.build import labroot
from lab.place import EXCHANGERS, REPOSITORY, Lab, cache
from lab.shell import LabError
from lab.stations import management
from lab.world import guest, worlds
from lab.world.guest import GuestWorld
from lab.world.nightly import NIGHTLY, VALUES
from lab.world.worlds import WORLDS


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("MXLAB_CACHE", str(tmp_path))
    made = Lab("unit")
    made.state.mkdir(parents=True)
    return made


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("release", "etch", "release 'etch': expected one of bookworm, trixie"),
        ("firewall", "pf", "firewall 'pf' on trixie: expected one of 'nftables', 'ferm'"),
        ("locale", "fr_FR.UTF-8", "locale 'fr_FR.UTF-8' on trixie: expected one of '', 'de_DE.UTF-8'"),
        ("entry", "path", "entry 'path' on trixie: expected one of 'id', 'title', 'number'"),
        ("timezone", "Berlin", "timezone 'Berlin': expected a time zone's name"),
        ("exim_timezone", "../etc/passwd", "exim_timezone '../etc/passwd': expected a time zone's name"),
        ("prompt", "it's > ", 'prompt "it\'s > ": expected printable ASCII'),
        ("ruleset", "jumps", "ruleset 'jumps' on trixie: expected one of 'plain'"),
        ("network", "netplan", "network 'netplan' on trixie: expected one of 'ifupdown', 'networkd'"),
        ("puppet", "/opt", "puppet '/opt' on trixie: expected one of '/var/lib/puppet', '/var/cache/puppet'"),
        ("retry_host", "mx * F", "retry_host 'mx * F': expected lower-case letters, digits, dots and dashes"),
        ("named_queue", "Slow;", "named_queue 'Slow;': expected lower-case letters, digits, dots and dashes"),
        ("exim_log", "/var/log/a\nuser = root", "exim_log '/var/log/a\\nuser = root': expected printable ASCII"),
    ],
)
def test_what_cannot_be_is_refused(field: str, value: str, expected: str) -> None:
    with pytest.raises(LabError) as refused:
        GuestWorld(**{"release": "trixie", "firewall": "ferm", field: value})  # type: ignore[arg-type]
    assert str(refused.value).startswith(expected)


def test_a_language_is_refused_where_the_image_has_none() -> None:
    with pytest.raises(LabError, match=r"locale 'de_DE\.UTF-8' on bookworm: expected one of ''"):
        GuestWorld("bookworm", "ferm", locale="de_DE.UTF-8")


def test_each_world_has_every_exchanger_and_both_firewalls() -> None:
    for exchangers in WORLDS.values():
        assert exchangers.keys() == {mx.name for mx in EXCHANGERS}
        assert {world.firewall for world in exchangers.values()} == set(guest.FIREWALLS)


def test_the_nights_vary_every_value_of_a_world() -> None:
    assert VALUES.keys() == {field.name for field in dataclasses.fields(GuestWorld)}
    for exchangers in NIGHTLY.values():
        for world in exchangers.values():
            assert [name for name, known in VALUES.items() if getattr(world, name) not in known] == []


def possible(values: dict[str, object]) -> bool:
    """Whether there is an exchanger with these two values."""
    others = [{"firewall": firewall} for firewall in guest.FIREWALLS] if "firewall" not in values else [{}]
    releases = [{"release": release} for release in VALUES["release"]] if "release" not in values else [{}]
    for other, release in itertools.product(others, releases):
        try:
            GuestWorld(**{**other, **release, **values})  # type: ignore[arg-type]
        except LabError:
            continue
        return True
    return False


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])  # never the same day
def test_a_dated_log_has_the_day_of_exims_own_zone(zone: str) -> None:
    dated = GuestWorld("trixie", "ferm", exim_log="/var/log/exim4/%slog-%D", exim_timezone=zone)
    before = datetime.now(ZoneInfo(zone))
    done = subprocess.run(["sh", "-c", f"echo {dated.main_log}"], capture_output=True, text=True, check=True)
    after = datetime.now(ZoneInfo(zone))
    assert done.stdout.strip() in [f"/var/log/exim4/mainlog-{day:%Y%m%d}" for day in (before, after)]


def test_a_log_is_debians_or_has_the_day_of_the_system() -> None:
    plain = GuestWorld("trixie", "ferm")
    assert plain.main_log == "/var/log/exim4/mainlog"
    dated = dataclasses.replace(plain, exim_log="/var/log/exim4/%slog-%D")
    assert dated.main_log == "/var/log/exim4/mainlog-$(date +%Y%m%d)"


def test_the_file_that_names_the_card_is_of_what_configures_it() -> None:
    plain = GuestWorld("trixie", "ferm")
    assert plain.network_file == "/etc/network/interfaces"
    assert dataclasses.replace(plain, network="networkd").network_file == "/etc/systemd/network/10-lan.network"


def test_any_two_values_meet_in_one_exchanger_of_the_nights() -> None:
    exchangers = [world for pair in NIGHTLY.values() for world in pair.values()]
    missing = [
        (one, other)
        for (name, known), (second, others) in itertools.combinations(VALUES.items(), 2)
        for one, other in itertools.product(known, others)
        if possible({name: one, second: other})
        and not any((getattr(world, name), getattr(world, second)) == (one, other) for world in exchangers)
    ]
    assert missing == []


def test_what_cannot_meet_is_little() -> None:
    """German on Debian 12, whose image has no translations, and jumps in ferm's rules."""
    impossible = [
        (one, other)
        for (name, known), (second, others) in itertools.combinations(VALUES.items(), 2)
        for one, other in itertools.product(known, others)
        if not possible({name: one, second: other})
    ]
    assert impossible == [("bookworm", "de_DE.UTF-8"), ("ferm", "jumps")]


def test_a_lab_keeps_the_world_it_was_made_in(lab: Lab) -> None:
    assert worlds.name_of(lab) == worlds.DEFAULT
    worlds.settle(lab, "one")
    worlds.settle(lab, "")
    worlds.settle(lab, "one")
    assert worlds.of(lab, EXCHANGERS[1]).release == "bookworm"
    with pytest.raises(LabError, match="was made in world 'one', not 'two': `lab/mxlab down --purge` first"):
        worlds.settle(lab, "two")
    assert worlds.name_of(lab) == "one"


def test_a_lab_is_made_in_the_default_world_which_has_both_releases(lab: Lab) -> None:
    worlds.settle(lab, "")
    assert worlds.name_of(lab) == "two"
    first, second = (worlds.of(lab, mx) for mx in EXCHANGERS)
    assert (first.release, second.release) == ("bookworm", "trixie")
    assert (second.firewall, second.entry) == ("ferm", "id")


def test_an_unknown_world_is_refused_and_nothing_is_noted(lab: Lab) -> None:
    with pytest.raises(LabError, match="unknown world 'three': expected one of one, two"):
        worlds.settle(lab, "three")
    assert list(lab.state.iterdir()) == []


def test_the_list_says_what_differs() -> None:
    said = worlds.listing().splitlines()
    assert said[:2] == ["one", "  mx1001   Debian 12 (bookworm), nftables"]
    assert "two (default)" in said
    assert (
        "  mx2001   Debian 13 (trixie), ferm, locale de_DE.UTF-8, timezone Europe/Berlin, prompt \\h \\t \\w> , pam"
        in said
    )


def test_the_node_of_one_world_is_a_debian_13_and_all_others_are_as_the_stations(lab: Lab) -> None:
    assert worlds.node_release(lab) == "bookworm"
    worlds.settle(lab, "ganeti31")
    assert worlds.node_release(lab) == "trixie"
    assert "  ganeti01 Debian 13 (trixie)" in worlds.listing().splitlines()
    place = lifecycle.stations(lab)
    assert place.node.labroot == labroot.path(cache(), "trixie")
    assert place.infra.labroot == place.world.labroot == labroot.path(cache(), "bookworm") != place.node.labroot


def environments(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[list[object]]:
    """Return the words of the commands that make the environments of a lab's management hosts."""
    made: list[list[object]] = []
    (lab.state / "bin").mkdir(exist_ok=True)
    (lab.state / "bin" / "cookbook").touch()

    def run(words: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        made.append(words)
        return subprocess.CompletedProcess([], 0, f"{lab.state}\n", "")

    monkeypatch.setattr(management, "run", run)
    assert {management.virtual_environment(host) for host in lifecycle.stations(lab).management} == {lab.state}
    return made


def test_the_management_hosts_of_one_world_have_each_a_python_of_its_own(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = REPOSITORY / "tests" / "run"
    assert environments(lab, monkeypatch) == [[tool, "--venv"], [tool, "--venv"]]
    worlds.settle(lab, "pythons")
    assert environments(lab, monkeypatch) == [
        [tool, "--python", "3.11", "--venv"],
        [tool, "--python", "3.13", "--venv"],
    ]
    assert "  cumin2001 Python 3.13" in worlds.listing().splitlines()


def test_a_python_that_the_machine_has_not_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(worlds.PYTHONS, "two", {"cumin2001": "3.99"})
    with pytest.raises(LabError, match=r"no usable Python 3\.99 here"):
        management.virtual_environment(lifecycle.stations(lab).management[1])
