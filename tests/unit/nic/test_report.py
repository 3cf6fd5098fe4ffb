"""The story of a repair as an operator reads it: the outcome first, the one next thing last."""

from mxlib.base.text import printable
from mxlib.nic.cause import Diagnosis, Outage
from mxlib.nic.rename import Mention
from mxlib.nic.repair import GuestRepair
from mxlib.nic.report import RepairReport

HOST = "mx2001.lab.test"
FIREWALL = Diagnosis(Outage.FIREWALL, "rule\n  policy drop;", "look at the firewall")


def test_a_repair_that_worked_has_no_next_thing() -> None:
    renamed = Diagnosis(Outage.RENAMED, "ens5 is ens13")
    report = RepairReport(HOST, ok=True, diagnosis=renamed, answers={6: True, 4: True}, seconds=75.0)
    assert report.sentence == report.headline == f"{HOST} answers over SSH after 1 min 15 s: {Outage.RENAMED.value}"
    assert report.lines() == [report.headline, "  IPv4: answers", "  IPv6: answers"]
    assert report.next == ""


def test_nothing_to_repair_is_said_without_a_time() -> None:
    report = RepairReport(HOST, ok=True, diagnosis=Diagnosis(Outage.NONE, ""), seconds=3.0)
    assert report.headline == f"{HOST} answers over SSH: nothing to repair"


def test_one_that_did_not_work_ends_with_what_to_do() -> None:
    screen = "login:\x1b[0m"
    report = RepairReport(HOST, diagnosis=FIREWALL, story=["asked the cluster"], answers={4: False}, screen=screen)
    lines = report.lines()
    assert "does NOT answer over SSH" in lines[0]
    assert lines[1:3] == ["  asked the cluster", "  IPv4: NO answer"]
    assert (lines[-1], "\x1b" in "".join(lines)) == ("next: look at the firewall", False)
    assert lines[-3] == "  last seen on the console:"
    assert lines[-2].startswith("  > login:")
    assert report.details() == [printable(line) for line in lines[2:-1]]
    assert (f"{HOST} {report.state}", report.next) == (lines[0], "look at the firewall")
    assert report.sentence.endswith("(rule policy drop;). look at the firewall")


def test_without_advice_the_console_is_the_next_thing() -> None:
    assert RepairReport(HOST).lines()[-1].endswith(f"gnt-instance console {HOST}")


def test_the_change_and_other_places_are_shown() -> None:
    places = (Mention("/etc/ferm/ferm.conf", 7, "interface ens5;"),)
    inside = GuestRepair(FIREWALL, diff="-auto ens5\n+auto ens13", places=places)
    lines = RepairReport(HOST, ok=True, diagnosis=FIREWALL, inside=inside, transcript="/var/log/x").lines()
    assert lines[1:] == [
        "  | -auto ens5",
        "  | +auto ens13",
        "  still has the old name, check it: /etc/ferm/ferm.conf:7: interface ens5;",
        "  transcript: /var/log/x",
    ]
