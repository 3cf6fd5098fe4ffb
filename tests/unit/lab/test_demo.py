"""The demo's mail: two destinations, of which one is slow while the cookbook runs, and both are well afterwards."""

import gzip
import subprocess
from types import SimpleNamespace

import pytest

from lab import demo
from lab.shell import LabError
from lab.world.behaviour import parse_behaviour
from mxlib.config.sections import DrainSection

MX = SimpleNamespace(name="mx2001", fqdn="mx2001.lab.test")
PLACE = SimpleNamespace(lab="lab", world="world")
WELL = [("provider", None), ("lists", None)]


@pytest.fixture
def changes(monkeypatch):
    """What the servers of the outside world were told, in order."""
    told = []
    monkeypatch.setattr(demo.outside, "change", lambda _, server, value: told.append((server, value)))
    monkeypatch.setattr(demo.outside, "program", lambda *words: ["env", *map(str, words)])
    monkeypatch.setattr(demo, "wait_for", lambda *_, **__: None)
    return told


def test_both_destinations_put_their_mail_off_and_are_well_again(monkeypatch, changes):
    sent = []
    monkeypatch.setattr(subprocess, "run", lambda words, **_: sent.append((words, list(changes))))
    demo.queue_up(PLACE, MX, demo.QUEUED, demo.WAITING)
    ((words, before),) = sent
    assert [words[at + 1] for at, word in enumerate(words) if word == "--to"] == list(demo.WAITING)
    assert words[words.index("--count") + 1] == str(demo.QUEUED)
    assert before == [("provider", {"mode": "tempfail"}), ("lists", {"mode": "tempfail"})]
    assert changes[2:] == WELL


def test_they_are_well_again_also_where_the_mail_could_not_be_sent(monkeypatch, changes):
    def fails(*_, **__):
        raise subprocess.CalledProcessError(1, "send")

    monkeypatch.setattr(subprocess, "run", fails)
    with pytest.raises(LabError, match="the outside sender returned 1"):
        demo.queue_up(PLACE, MX, 5, demo.WAITING)
    assert changes[2:] == WELL


def test_a_drain_has_to_go_on_whatever_one_destination_takes():
    assert demo.QUEUED / len(demo.WAITING) > DrainSection().max_residual
    assert demo.SLOW in demo.WAITING.values()


def test_a_server_is_slow_within_and_well_afterwards(changes):
    def fails():
        with demo.slow(PLACE, "lists", 600):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    (_, value), *after = changes
    assert (parse_behaviour("lists", value).mode, parse_behaviour("lists", value).delay_ms) == ("slow", 600)
    assert after == [("lists", None)]


@pytest.mark.parametrize(("greeting", "serving"), [((), False), (("v4",), None), (("v6",), None), (("v4", "v6"), True)])
def test_who_greets_over_one_family_only_neither_serves_nor_is_out(greeting, serving):
    def answers(words, *, check):
        assert words[-2:] == ["v4", "v6"]
        return SimpleNamespace(stdout="".join("greeted\n" for one in words if one in greeting))

    mx = SimpleNamespace(v4="v4", v6="v6")
    assert demo.is_serving(SimpleNamespace(world=SimpleNamespace(run=answers)), mx) is serving


def test_what_an_exchanger_has_logged_as_delivered_is_read_from_all_its_logs(monkeypatch, tmp_path):
    line = '2026-11-21 02:08:30 1xUaVg-00006e-2b {} u1@ok.test R=r T=t H=h [10.77.0.3] C="250 2.0.0 OK id={}" QT=1s\n'
    (tmp_path / "mainlog").write_text(line.format("=>", "0123456789ab") + line.format("->", "0123456789ab"))
    with gzip.open(tmp_path / "mainlog.2.gz", "wt") as old:
        old.write(line.format("=>", "fedcba987654") + "x == u2@ok.test T=t defer (110): id=aaaaaaaaaaaa\n")
    here = demo.LOGGED.replace("/var/log/exim4", str(tmp_path))

    def ssh(_place, _mx, script):
        text = "0-1-2\n" if "input" in script else subprocess.check_output(["sh", "-c", here], text=True)
        return SimpleNamespace(stdout=text)

    monkeypatch.setattr(demo, "ssh", ssh)
    monkeypatch.setattr(demo.outside, "program", lambda _world, *words: list(words))
    place = SimpleNamespace(lab=SimpleNamespace(outside=tmp_path), world=None)
    words = demo.ledger_command(place, None, 5)
    assert words[words.index("--confirmed") + 1] == "/outside/confirmed.txt"
    assert {*(tmp_path / "confirmed.txt").read_text().split()} == {"0123456789ab", "fedcba987654"}
