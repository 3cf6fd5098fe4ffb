"""The table of the whole service: what is wrong, what is unknown, and why; a fact that is missing hides no other."""

import dataclasses
import json
from pathlib import Path

import pytest

from mxlib.base.errors import CommandTimeoutError, HostUnreachableError, ParseError, PoolError
from mxlib.base.verdict import Status
from mxlib.commands import service_table
from mxlib.facts.source import sections_of
from mxlib.model.outcome import Outcome
from tests.unit.support import healthy
from tests.unit.support.records import RECORD
from tests.unit.support.service import IN, KERNEL, NOW, ONE, OPEN, SITE, TABLE, TWO, answer, depool, last, proof, said

ROOT = Path(__file__).resolve().parents[3]
DAMAGED = "record e30=\nkept-token Mwo=\n"


def rows(answers=None, pools=None, verified=None):
    answers = {ONE: answer()} if answers is None else answers
    pools = dict.fromkeys(answers, IN) if pools is None else pools
    verified = dict.fromkeys(answers, last()) if verified is None else verified
    return service_table.rows(SITE, service_table.Read(answers, pools, verified, NOW))


def cell(column, **read):
    return rows(**read)[0].cells[column]


def test_a_host_that_is_well_has_no_reason_and_every_value():
    (row,) = rows()
    assert (row.status, row.reasons) == (Status.OK, ())
    assert {name: one.shown for name, one in row.cells.items()} == {
        "kernel": KERNEL, "proven": "no", "up since": "2026-11-21 04:06", "pool": "yes", "ports": "open",
        "MTA": "serving", "queue": "0", "in 15 min": "+0 -0", "run": "-", "holes": "none", "verified": "OK 04:47",
    }  # fmt: skip
    assert service_table.outcome((row,), ()) == (Outcome.DONE, "1 host in service, nothing unknown")


def test_one_round_trip_reads_all_of_it():
    names = {section.name for section in sections_of(service_table.sources(SITE))}
    assert names <= answer().outputs.keys()
    for name in names:
        without = answer(**{name: said(name, "", code=124)})
        assert rows({ONE: without})[0].status is Status.UNKNOWN, f"{name} is read for nothing"


@pytest.mark.parametrize(
    ("proofs", "elsewhere", "shown"),
    [
        ([proof()], [], "yes"),
        ([], [proof(TWO)], f"on {TWO}"),
        ([proof(version="6.1.191-1")], [], "no"),
        ([proof(version="")], [], "no"),
        ([proof(release="6.1.0-54-cloud-amd64")], [], "no"),
    ],
)
def test_only_the_very_build_is_proven(proofs, elsewhere, shown):
    answers = {ONE: answer(proofs=proofs), TWO: answer(proofs=elsewhere)}
    assert cell("proven", answers=answers).shown == shown


def test_a_kernel_that_does_not_say_its_build_is_not_known_to_be_proven():
    kernel = healthy.host().outputs["kernel"]
    mute = dataclasses.replace(kernel, output=kernel.output.replace("Debian 6.1.192-1", "own"))
    found = cell("proven", answers={ONE: answer(proofs=[proof(version="")], kernel=mute)})
    assert (found.shown, found.status) == ("unknown", Status.UNKNOWN)


@pytest.mark.parametrize(
    ("column", "read", "shown", "why"),
    [
        ("pool", {"pools": {ONE: {"smtp": "no", "submission": "yes"}}}, "smtp=no, submission=yes", "out of the pool"),
        ("pool", {"pools": {ONE: {"smtp": "inactive"}}}, "inactive", "out of the pool: smtp=inactive"),
        ("ports", {"answers": {ONE: answer(depool=depool(head="file yes\n"))}}, "partly", "mail ports are partly"),
        ("MTA", {"answers": {ONE: answer(listeners=0)}}, "down", "its MTA does not serve (unit active)"),
        ("holes", {"answers": {ONE: healthy.with_hole(healthy.FERM)}}, "1", "open for 2001:db8:51::10 until"),
        ("verified", {"verified": {ONE: last(Status.FAILED, bad=("disk",))}}, "FAILED 04:47", "10 min 0 s ago: disk"),
    ],
)
def test_what_is_wrong_is_failed_and_says_why(column, read, shown, why):
    found = cell(column, **read)
    assert (found.shown, found.status) == (shown, Status.FAILED)
    assert why in found.why
    end, told = service_table.outcome(rows(**read), ())
    assert end is Outcome.FAILED
    assert told.startswith(f"{ONE}: ")


@pytest.mark.parametrize(
    ("found", "status", "shown", "why"),
    [
        ({"left_out": ("puppet", "relay")}, Status.UNKNOWN, "partly OK 04:47", "covers only disk, mta"),
        ({"left_out": ("relay",)}, Status.UNKNOWN, "partly OK 04:47", "covers all but relay"),
        (
            {"left_out": ("relay",), "status": Status.UNKNOWN, "bad": ("mta",)},
            Status.UNKNOWN,
            "partly UNKNOWN 04:47",
            "covers all but relay: mta",
        ),
        (
            {"left_out": ("puppet", "relay"), "status": Status.FAILED, "bad": ("disk",)},
            Status.FAILED,
            "partly FAILED 04:47",
            "covers only disk, mta: disk",
        ),
    ],
)
def test_a_verification_of_some_checks_is_no_success_and_says_which(found, status, shown, why):
    last_one = last(**found)
    one = cell("verified", verified={ONE: last_one})
    assert (one.status, one.shown) == (status, shown)
    assert one.why == f"the last verification, 10 min 0 s ago, {why}"
    assert one.value["left_out"] == list(last_one.left_out)


@pytest.mark.parametrize(
    ("column", "read", "why"),
    [
        ("ports", {"answers": {ONE: answer(depool=depool(table=TABLE.format("sh: 1: nft: not found\n", 127)))}}, "nft"),
        ("kernel", {"answers": {ONE: answer(kernel=said("kernel", "", code=124))}}, "no end within its time limit"),
        ("queue", {"answers": {ONE: answer(**{"queue-count": said("queue-count", "find: denied")})}}, "a number of"),
        ("in 15 min", {"answers": {ONE: answer(**{"maillog-recent": said("maillog-recent", "")})}}, "maillog"),
        ("up since", {"answers": {ONE: answer(boot=said("boot", ""))}}, "boot id"),
        ("run", {"answers": {ONE: answer(depool=said("depool", "record e30=\n" + OPEN))}}, "record cannot be read"),
        ("run", {"answers": {ONE: answer(depool=said("depool", DAMAGED + OPEN))}}, "on the host"),
        ("proven", {"answers": {ONE: answer(proven=said("proven", "cat: denied", code=1))}}, "exit code 1"),
        ("holes", {"answers": {ONE: answer(**{"firewall-nft": said("firewall-nft", "")})}}, "nft"),
        ("pool", {"pools": {ONE: PoolError("conftool: no answer")}}, "conftool: no answer"),
        ("verified", {"verified": ParseError("last.json: No such file")}, "last.json: No such file"),
        ("verified", {"verified": {}}, "did not ask it"),
        ("verified", {"verified": {ONE: last(age=7201)}}, "says nothing of now"),
        ("verified", {"verified": {ONE: last(age=-61)}}, "says nothing of now"),
        ("verified", {"verified": {ONE: last(Status.UNKNOWN, bad=("relay",))}}, "relay"),
    ],
)
def test_what_cannot_be_read_is_unknown_and_says_why(column, read, why):
    (row,) = rows(**read)
    assert row.cells[column].status is Status.UNKNOWN
    assert why in row.cells[column].why
    assert row.status is Status.UNKNOWN
    assert service_table.outcome((row,), ())[0] is Outcome.UNKNOWN


def test_a_host_without_nft_shows_all_that_needs_none():
    (row,) = rows({ONE: answer(depool=depool(table=TABLE.format("sh: 1: nft: not found\n", 127)))})
    assert [name for name, one in row.cells.items() if one.shown == "unknown"] == ["ports", "MTA", "run"]


def test_a_run_that_holds_the_host_is_named():
    found = cell("run", answers={ONE: answer(depool=depool(RECORD))})
    assert (found.shown, found.value["who"]) == ("run-1", "op@cumin1001")


def test_without_a_pool_in_front_there_is_nothing_to_know():
    assert cell("pool", pools={}).shown == "-"


def test_a_silent_host_has_one_reason_and_hides_no_other():
    silent = HostUnreachableError(f"{TWO}: no session: Connection refused")
    found = rows({ONE: answer(), TWO: silent})
    assert found[1].reasons == ("UNKNOWN: it does not answer: no session: Connection refused",)
    assert {one.shown for name, one in found[1].cells.items() if name not in ("pool", "verified")} == {"unknown"}
    assert found[0].status is Status.OK
    assert service_table.outcome(found, ())[0] is Outcome.UNKNOWN
    end, why = service_table.outcome(found[1:], ())
    assert end is Outcome.NO_ANSWER
    assert why.startswith(f"next: cookbook sre.mail.reboot-mx {TWO} --status    # if the host runs")
    _end, why = service_table.outcome((found[1], found[1]), ())
    assert why.startswith("next: look at this side first: ")


def test_what_is_known_of_a_silent_host_from_elsewhere_is_said_and_it_stays_unknown():
    (row,) = rows({TWO: HostUnreachableError("no session")}, pools={TWO: {"smtp": "no"}})
    assert row.status is Status.UNKNOWN
    assert row.reasons == ("UNKNOWN: it does not answer: no session", "FAILED: out of the pool: smtp=no")


def test_what_is_so_of_every_host_is_said_once():
    lines = service_table.table(rows({ONE: answer(listeners=0), TWO: answer()}, verified=ParseError("no file")))
    assert lines[3:] == ("every host: UNKNOWN: no file", f"{ONE}: FAILED: its MTA does not serve (unit active)")
    assert service_table.table(rows(verified=ParseError("no file")))[2:] == (f"{ONE}: UNKNOWN: no file",)


def test_on_a_narrow_terminal_the_hosts_stand_side_by_side_and_the_reasons_below():
    found = rows({ONE: answer(), TWO: answer(listeners=0)})
    wide, narrow = service_table.table(found), service_table.table(found, 80)
    assert narrow[1].split() == ["host", ONE, TWO]
    assert narrow[13:] == wide[3:]


def test_a_slot_that_cannot_be_read_is_no_success():
    end, why = service_table.outcome(rows(), ("slot of the service: unknown: etcd: refused",))
    assert (end, why) == (Outcome.UNKNOWN, "slot of the service: unknown: etcd: refused")


EXAMPLE = {
    ONE: answer(proofs=[proof()], **{"queue-count": said("queue-count", "12\n")}),
    TWO: CommandTimeoutError(f"{TWO}: no end within 5 s: no word from ssh"),
}


def test_the_example_of_the_page_is_what_is_printed():
    found = rows(EXAMPLE, verified={ONE: last(), TWO: last(Status.FAILED, bad=("boot", "puppet"))})
    page = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
    for line in service_table.table(found):
        assert f"    {line}\n" in page, line


def test_for_a_program_every_cell_has_value_status_and_reason():
    told = json.loads(json.dumps(service_table.as_dict(rows(EXAMPLE))))
    assert told[0]["queue"] == {"value": 12, "status": "OK", "why": ""}
    assert told[0]["in_15_min"]["value"] == {"arrived": 0, "completed": 0}
    assert (told[1]["answered"], told[1]["kernel"]["value"], told[1]["kernel"]["status"]) == (False, None, "UNKNOWN")
