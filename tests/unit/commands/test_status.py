"""What ``--status`` says of a host: which kernel it boots next, who was refused, and the next command."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from mxlib.base.errors import PoolError
from mxlib.commands import answers
from mxlib.commands import status as status_command
from mxlib.commands.request import RunRequest
from mxlib.commands.status import HostStatus, lines
from mxlib.config.load import parse
from mxlib.model.goal import Goal
from mxlib.model.outcome import Outcome
from mxlib.model.record import Boot, Kernel
from mxlib.model.state import MtaState, Ports, Puppet
from tests.unit.support import service as samples
from tests.unit.support.records import RECORD
from tests.unit.support.site import changed

KERNELS = {"menu>old": "6.1.0-55", "menu>new": "6.1.0-56"}


IN, AWAY = {"smtp": "yes"}, PoolError("conftool: no answer")


def status(
    record=None, knocks=None, saved="", once="", ports=Ports.CLOSED, mta=MtaState.SERVING, puppet=Puppet.ON, pool=IN
):
    view = SimpleNamespace(
        kernel="k", boot="b", ports=ports, mta=mta, puppet=puppet, saved=saved, next=once
    )
    depool = SimpleNamespace(record=record, knocks=knocks or {})
    found = SimpleNamespace(view=view, depool=depool)
    return list(lines("mx1", found, lambda entry: KERNELS.get(entry, ""), "", pool))


@pytest.mark.parametrize(
    ("saved", "once", "said"),
    [
        ("menu>old", "", "the next boot starts 6.1.0-55 (the saved entry)"),
        (
            "menu>old",
            "menu>new",
            "the next boot starts 6.1.0-56, once (the next entry); later ones 6.1.0-55 (the saved entry)",
        ),
        ("", "", "the next boot starts the first of GRUB's menu, as none is saved"),
        ("gone", "", "the next boot starts an entry whose kernel is not known, gone (the saved entry)"),
    ],
)
def test_it_says_the_kernel_and_whether_it_is_saved_or_for_once(saved, once, said):
    assert said in status(saved=saved, once=once)


@pytest.mark.parametrize(
    ("ports", "mta", "out"),
    [
        (Ports.OPEN, MtaState.SERVING, ""),
        (Ports.CLOSED, MtaState.SERVING, "find out who took it out"),
        (Ports.PARTLY, MtaState.SERVING, "find out who took it out"),
        (Ports.OPEN, MtaState.HELD, "find out who took it out"),
        (Ports.OPEN, MtaState.OTHER, "its MTA does not serve, and nobody has closed its ports"),
    ],
)
def test_a_host_that_is_out_without_a_run_is_said_to_be(ports, mta, out):
    said = f"no run has claimed it{', and it is out of service: ' if out else ''}{out}"
    last = status(ports=ports, mta=mta)[-1]
    assert last.startswith(said) if out else last == said
    assert not any(line.startswith("no run") for line in status(RECORD, ports=ports, mta=mta))


@pytest.mark.parametrize(
    ("pool", "said", "out"),
    [
        (IN, "smtp=yes", False),
        ({}, "none in front", False),
        ({"submission": "inactive", "smtp": "no"}, "smtp=no, submission=inactive", True),
        ({"submission": "inactive", "smtp": "yes"}, "smtp=yes, submission=inactive", False),
        (AWAY, "unknown: conftool: no answer", False),
    ],
)
def test_it_says_whether_the_host_is_pooled(pool, said, out):
    found = status(ports=Ports.OPEN, pool=pool)
    assert f"pool: {said}" in found
    why = ", and it is out of service: somebody has taken it out of the pool: ask who"
    assert found[-1] == f"no run has claimed it{why if out else ''}"
    assert f"pool: {said}" in status(RECORD, pool=pool)


@pytest.mark.parametrize(
    ("puppet", "said"),
    [
        (Puppet.ON, "Puppet on"),
        (Puppet.OFF, "Puppet off"),
        (Puppet.ABSENT, "no Puppet"),
        (Puppet.UNKNOWN, "Puppet unknown"),
    ],
)
def test_a_host_without_puppet_has_none_that_is_off(puppet, said):
    assert status(puppet=puppet)[1] == f"mail ports closed, MTA serving, {said}"


@pytest.mark.parametrize(
    ("knocks", "said"),
    [
        ({}, None),
        ({"192.0.2.9": 1, "2001:db8::7": 12}, "2001:db8::7 (12), 192.0.2.9 (1)"),
        ({f"192.0.2.{n}": 1 for n in range(1, 13)}, " and 2 more"),
    ],
)
def test_it_names_who_was_refused(knocks, said):
    refused = [line for line in status(knocks=knocks) if line.startswith("refused in the last ten minutes: ")]
    assert [line.endswith(said) for line in refused] == ([True] if said else [])


@pytest.mark.parametrize(
    ("changes", "progress", "command"),
    [
        ({"stay": True, "target": Kernel("", ""), "boots": ()}, "not rebooted yet; it is to stay out", "pool-mx mx1"),
        ({"stay": True, "boots": (Boot("b0", "6.1.0-56"),)}, "target 6.1.0-56, fallback 6.1.0-55; a", "--resume"),
        ({"boots": ()}, "target 6.1.0-56, fallback 6.1.0-55; not rebooted yet", "--resume"),
    ],
)
def test_it_says_what_returns_a_host_to_service(changes, progress, command):
    said = status(record=replace(RECORD, **changes))
    assert said[-2].startswith(progress)
    assert said[-1].startswith("next: cookbook sre.mail.")
    assert command in said[-1]


NO_NFT = samples.depool(table=samples.TABLE.format("sh: 1: nft: not found\n", 127))


@pytest.fixture
def look(monkeypatch, caplog, tmp_path):
    """The whole command, on a host that answers."""
    caplog.set_level(logging.INFO)
    site = parse(changed("pool", "none"), "x.yaml")

    def run(silent="", json_file=Path("-"), pool=None, **answer):
        monkeypatch.setattr("mxlib.commands.wiring.Wiring.conftool", lambda *_: pool)
        monkeypatch.setattr(answers, "unanswered", lambda _: silent)
        monkeypatch.setattr(status_command, "read_facts", lambda *_: samples.answer(**answer))
        monkeypatch.setattr("mxlib.commands.wiring.Wiring._slot", lambda *_: MagicMock(describe=lambda: ""))
        request = RunRequest(samples.ONE, Goal(), "a test")
        return HostStatus(MagicMock(dry_run=False), site, request, json_file).execute()

    return run


def test_what_is_asked_is_shown_while_it_takes_its_time(look, monkeypatch):
    shown = []
    monkeypatch.setattr("mxlib.adapters.operator.TerminalOperator.busy", lambda _self, text: shown.append(text))
    look()
    assert shown == [f"{samples.ONE}: the host, etcd and the pool are asked"]


def test_for_a_program_it_says_the_same(look, capsys):
    assert look(depool=samples.depool(RECORD)) is Outcome.DONE
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("host", "answered", "kernel", "ports", "mta", "slot", "exit_code")} == {
        "host": samples.ONE, "answered": True, "kernel": samples.KERNEL, "ports": "open", "mta": "serving",
        "slot": "free", "exit_code": 0,
    }  # fmt: skip
    assert told["boot_entries"] == {"saved": {"entry": "x", "kernel": ""}}
    assert (told["run"]["run"], told["run"]["target"]) == ("run-1", "6.1.0-56")
    assert told["run"]["next"].startswith("cookbook sre.mail.reboot-mx mx1001.lab.test --resume")


def reads(values):
    return MagicMock(read=MagicMock(side_effect=[values]))


@pytest.mark.parametrize(
    ("values", "told", "said"),
    [
        (IN, IN, "pool: smtp=yes"),
        (AWAY, None, "pool: unknown: conftool: no answer"),
        (SystemExit(3), None, "pool: unknown: conftool: SystemExit(3)"),
    ],
)
def test_a_pool_that_cannot_be_read_is_unknown_and_ends_no_look(look, capsys, caplog, values, told, said):
    assert look(pool=reads(values)) is Outcome.DONE
    assert json.loads(capsys.readouterr().out)["pool"] == told
    assert [line.partition(" ")[2] for line in caplog.messages].count(said) == 1
    assert look(pool=reads(values), silent="no session") is Outcome.NO_ANSWER
    assert json.loads(capsys.readouterr().out)["pool"] == told
    assert [line.partition(" ")[2] for line in caplog.messages].count(said) == 2


def test_a_host_without_nft_is_unknown_in_one_line_and_says_where_the_rest_is(look, capsys, caplog):
    assert look(depool=NO_NFT) is Outcome.UNKNOWN
    assert "nft cannot show the table inet mx_depool: sh: 1: nft: not found" in caplog.messages[-1]
    assert f"cookbook sre.mail.status {samples.ONE}" in caplog.messages[-1]
    assert "Traceback" not in caplog.text
    assert json.loads(capsys.readouterr().out)["outcome"] == "UNKNOWN"


def test_a_silent_host_is_reported_to_a_program_too(look, capsys):
    assert look(silent="no session") is Outcome.NO_ANSWER
    told = json.loads(capsys.readouterr().out)
    assert (told["answered"], told["exit_code"]) == (False, Outcome.NO_ANSWER.value)


def test_a_file_that_cannot_be_written_is_no_success_and_hides_no_other_end(look, tmp_path, caplog, monkeypatch):
    place = tmp_path / "x.json"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mxlib.base.files.tempfile.mkstemp", full)
    assert look(json_file=place) is Outcome.REFUSED
    assert "x.json: cannot be written" in caplog.messages[-1]
    assert caplog.text.count("x.json: cannot be written") == 1
    assert look(json_file=place, silent="no session") is Outcome.NO_ANSWER
    assert "x.json: cannot be written" in caplog.messages[-2]
