"""The worlds of the lab: what cannot be is refused by name, and a lab keeps the world it was made in."""

from pathlib import Path

import pytest

from lab.place import EXCHANGERS, Lab
from lab.shell import LabError
from lab.world import worlds
from lab.world.worlds import WORLDS, GuestWorld


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
        assert {world.firewall for world in exchangers.values()} == set(worlds.FIREWALLS)


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
