"""The runbook as a program reads it, and the operator that follows it."""

from datetime import UTC, datetime

import pytest

from lab.faults.catalogue import FAULTS
from lab.gameday import operator as operators
from lab.gameday.monitoring import FiredAlert
from lab.gameday.operator import LIMIT, RunbookOperator, findings
from lab.gameday.riddles import RIDDLES
from lab.gameday.runbook import RunbookRow, RunbookSection, RunbookStep, anchor, filled, read, steps, would_type
from lab.place import REPOSITORY, exchanger
from mxlib.base.verdict import Status, Verdict
from mxlib.nic.cause import Outage
from mxlib.verify.report import table
from mxlib.verify.request import HostReport

HOST = "mx1001.lab.test"
SMALL = {
    "mxdown": RunbookSection(
        "MxDown", "\n    cookbook a mx2001.example.org --status\n\nGo on at [x](#down), then [y](#nowhere).\n"
    ),
    "down": RunbookSection(
        "Down",
        "\n| says | type |\n| --- | --- |\n"
        "| `no answer`, exit code 16, and it names repair-nic | `cookbook b mx2001.example.org`: see [z](#hang) |\n"
        "| 15: unread | `cookbook c` |\n",
    ),
    "hang": RunbookSection("Hang", "\nType `cookbook d\nmx2001.example.org`.\n"),
    "mxverifyfailed": RunbookSection("MxVerifyFailed", "\n    cookbook sre.mail.verify-mx mx2001.example.org\n"),
    "a-run-ended-with-n": RunbookSection(
        "A run ended with N",
        "\n| code | of | now | type | not |\n| --- | --- | --- | --- | --- |\n"
        "| 14 | verify-mx, status | x | `cookbook e mx2001.example.org` | y |\n| 2 | all | x | `cookbook f` | |\n",
    ),
}


class Hands:
    """Hands in a world of memory: each command prints what it is given to print, and nothing wrong once all is mended.

    Attributes:
        ends: the command that mends it, or "named " and whose owner does.
    """

    def __init__(self, says, ends=""):
        self.says, self.ends, self.typed, self.named, self.over, self.waits = says, ends, [], [], False, 0

    def type(self, command):
        self.typed.append(command)
        mended, self.over = self.over, self.over or command == self.ends
        return (0, "") if mended else self.says.get(command, (0, ""))

    def name(self, where, said):
        self.named.append((where, said))
        self.over = self.over or self.ends == f"named {where}"

    def wait(self):
        self.waits += 1


def alert(name, severity="page", **notes):
    annotations = {"summary": "s", "runbook": f"https://x/runbook.html#{name.lower()}", **notes}
    return FiredAlert({"alertname": name, "severity": severity, "instance": HOST}, annotations)


def test_every_section_of_the_real_page_is_read_in_its_order():
    page = read()
    assert page["mxdown"].steps == (
        RunbookStep("cookbook sre.mail.reboot-mx mx2001.example.org --status"), RunbookStep(section="an-mx-is-down"),
    )  # fmt: skip
    assert page["mxdepooled"].steps[-1].command == "cookbook sre.mail.pool-mx mx2001.example.org", "over two lines"
    assert len(page["an-mx-is-down"].rows) >= 5
    assert page["a-run-ended-with-n"].for_code(14, "verify-mx").endswith("--suggest`")
    assert page["a-run-ended-with-n"].for_code(0, "reboot-mx").startswith("nothing")
    assert page["a-run-ended-with-n"].for_code(99, "verify-mx") == ""


def test_every_link_within_the_page_leads_somewhere():
    page = read()
    links = {step.section for section in page.values() for step in section.steps if step.section}
    assert links
    assert links <= set(page)


def test_a_heading_becomes_its_anchor():
    assert anchor("A run ended with N") == "a-run-ended-with-n"
    assert anchor("MxDown") == "mxdown"


def test_the_host_is_filled_in_and_comments_are_left_out():
    text = "cookbook sre.mail.reboot-mx mx2001.example.org --kernel 6.1.0-56-amd64 -r 'a b'   # why"
    assert filled(text, HOST, "6.9") == "cookbook sre.mail.reboot-mx mx1001.lab.test --kernel 6.9 -r 'a b'"


def test_steps_stand_in_the_order_of_the_text():
    text = "See [x](#one): `cookbook\n  a`, `gnt-instance start b`, `not this`, [out](install.md#two).\n\n    ls -l\n"
    assert steps(text) == (
        RunbookStep(section="one"),
        RunbookStep("cookbook a"),
        RunbookStep("gnt-instance start b"),
        RunbookStep("ls -l"),
    )


@pytest.mark.parametrize(
    ("when", "code", "said", "fits"),
    [
        ("`run … holds it`, exit code 30", 30, "run 7 holds it, and", True),
        ("`run … holds it`, exit code 30", 16, "run 7 holds it, and", False),
        ("`run … holds it`, exit code 30", 30, "it holds it", False),
        ("`no answer`, and it names `gnt-instance start`", 16, "no answer; next: gnt-instance start x", True),
        ("`no answer`, exit code 16, and it names repair-nic", 16, "no answer; gnt-instance start x", False),
        ("15: whether a run has it cannot be read", 15, "", True),
        ("15: whether a run has it cannot be read", 0, "", False),
        ("where it stands, exit code 0", 0, "a line `next:`", True),
    ],
)
def test_a_row_fits_what_was_printed(when, code, said, fits):
    assert RunbookRow(when, "x").fits(code, said) is fits


def test_what_the_runbook_would_type_follows_its_links():
    assert would_type(SMALL, "mxdown", HOST) == [
        f"cookbook a {HOST} --status", f"cookbook b {HOST}", f"cookbook d {HOST}", "cookbook c",
    ]  # fmt: skip
    assert would_type(SMALL, "nothing", HOST) == []
    assert would_type(SMALL, "hang", "") == ["cookbook d mx2001.example.org"]


def test_the_operator_reads_on_at_links_and_at_the_row_that_fits():
    first = f"cookbook a {HOST} --status"
    page = {**SMALL, "down": RunbookSection("Down", f"\n    {first}\n    cookbook g\n{SMALL['down'].text}")}
    hands = Hands({first: (16, "no answer; repair-nic helps")})
    RunbookOperator(page, hands).play([alert("MxDown")])
    assert hands.typed == [first, "cookbook g", f"cookbook b {HOST}", f"cookbook d {HOST}"]


def test_sections_that_link_to_each_other_are_read_once():
    ring = {
        "mxdown": RunbookSection("MxDown", "\n[on](#mxdown), [on](#down)\n\n    cookbook a\n"),
        "down": RunbookSection("Down", "[on](#hang)"),
        "hang": RunbookSection("Hang", "[back](#down), [back](#mxdown)"),
    }
    hands = Hands({})
    RunbookOperator({**SMALL, **ring}, hands).play([alert("MxDown")])
    assert hands.typed == ["cookbook a"]


def test_what_is_printed_goes_before_what_stands_below():
    says = {
        f"cookbook a {HOST} --status": (16, "12:00:00 x: no answer; next: cookbook n1"),
        "cookbook n1": (0, "for units: cookbook n2   # why\nfor log: cookbook n3   # why"),
    }
    hands = Hands(says)
    page = {**SMALL, "mxdown": RunbookSection("MxDown", SMALL["mxdown"].text + "\n    cookbook last\n")}
    RunbookOperator(page, hands).play([alert("MxDown")])
    assert hands.typed == [f"cookbook a {HOST} --status", "cookbook n1", "cookbook n2", "cookbook n3", "cookbook last"]


def test_without_advice_the_table_of_exit_codes_is_read():
    command = f"cookbook sre.mail.verify-mx {HOST}"
    hands = Hands({command: (14, "verify-mx: something is wrong")})
    RunbookOperator(SMALL, hands).play([alert("MxVerifyFailed")])
    assert hands.typed == [command, f"cookbook e {HOST}"]


def test_the_most_urgent_alert_comes_first_and_a_section_once_for_each_host():
    hands = Hands({})
    RunbookOperator(SMALL, hands).play(
        [alert("MxVerifyFailed", "warning"), alert("MxDown"), alert("MxVerifyFailed", "warning")]
    )
    assert hands.typed == [f"cookbook a {HOST} --status", f"cookbook sre.mail.verify-mx {HOST}"]


def test_the_operator_ends_an_alert_when_a_verification_finds_its_host_well():
    hands = Hands({})
    RunbookOperator(read(), hands).play([alert("MxVerifyFailed"), alert("MxQueueStuck"), alert("MxVerifyUnknown")])
    assert hands.typed == [VERIFY]
    hands = Hands({})
    RunbookOperator(read(), hands).play([alert("MxVerifyUnknown"), alert("MxVerifyFailed")])
    assert hands.typed == [f"{VERIFY} --verbose"]
    hands = Hands({})
    RunbookOperator(read(), hands).play([alert("MxQueueLong"), alert("MxQueueStuck")])
    assert hands.typed == [f"{VERIFY} --only queue --only log", VERIFY], "a part of it is none"


def test_a_fault_that_only_the_judge_sees_mended_does_not_end_the_operator():
    wrong = printed("units", "spamd.service is failed (signal)")
    hands = Hands({VERIFY: wrong, SUGGEST: (14, f"for units: cookbook sre.mail.remedy-mx {HOST} restart-units   # x")})
    hands.over = True
    hands.type = lambda command: hands.typed.append(command) or hands.says.get(command, (0, ""))
    RunbookOperator(read(), hands).play([alert("MxVerifyFailed")])
    assert hands.typed[:2] == [VERIFY, SUGGEST]
    assert hands.typed[-1] == VERIFY, "what was done is looked at"


def test_what_was_told_is_looked_at_before_anything_else_and_effects_look_back():
    remote = printed("outbound-provider", f"{REMOTE}mx2001.lab.test too: 0 of 4 delivered", f"x; next: {SUGGEST}")
    hands = Hands({VERIFY: remote}, ends="named provider")
    past = printed("log", "9 errors in 15 minutes")
    well = hands.type
    hands.type = lambda command: (hands.typed.append(command) or past) if hands.over else well(command)
    RunbookOperator(read(), hands).play([alert("MxVerifyFailed"), alert("MxQueueStuck")])
    assert hands.typed == [VERIFY, VERIFY]
    assert not any(where == "mx1001" for where, _ in hands.named)


@pytest.mark.parametrize("silent", [2, 99])
def test_a_host_that_boots_is_waited_for_and_not_for_ever(silent):
    hands = Hands({**DOWN, REPAIR: (14, f"{HOST}: does NOT answer: {Outage.SILENT.value}")})
    answers = hands.type

    def booting(command):
        no_answer = command == VERIFY and hands.typed.count(f"gnt-instance reboot --type=soft {HOST}") and (
            hands.typed.count(VERIFY) < silent
        )
        code, said = answers(command)
        return (16, f"{HOST}: no answer") if no_answer else (code, said)

    hands.type = booting
    hands.says[VERIFY] = (16, f"{HOST}: no answer")
    if silent == 2:
        hands.ends = f"gnt-instance reboot --type=soft {HOST}"
    RunbookOperator(read(), hands).play([alert("MxDown")])
    assert 0 < hands.waits <= operators._PATIENCE
    assert len(hands.typed) < LIMIT


def test_a_task_waits_for_the_day_and_the_operator_does_not_type_for_ever():
    hands = Hands({})
    RunbookOperator(SMALL, hands).play([alert("MxDown", "task")])
    assert hands.typed == []
    endless = Hands({f"cookbook n{at}": (0, f"next: cookbook n{at + 1}") for at in range(99)})
    endless.says[f"cookbook a {HOST} --status"] = (0, "next: cookbook n0")
    RunbookOperator(SMALL, endless).play([alert("MxDown")])
    assert len(endless.typed) == LIMIT


@pytest.mark.parametrize("alerted", ["MxVerifyFailed", "MxQueueStuck"])
@pytest.mark.parametrize(("blamed", "out"), [("REMOTE END or the way to it", False), ("THIS HOST is at fault", True)])
def test_only_a_host_that_is_at_fault_itself_is_taken_out(alerted, blamed, out):
    verify = f"cookbook sre.mail.verify-mx {HOST}"
    hands = Hands({verify: (14, f"12:00:01   FAILED   outbound-provider      {blamed}: 0 of 4 delivered\n")})
    RunbookOperator(read(), hands).play([alert(alerted)])
    assert hands.typed[0] == verify
    assert any("depool-mx" in one for one in hands.typed) is out
    assert f"cookbook sre.mail.remedy-mx {HOST} --suggest" in hands.typed


@pytest.mark.parametrize(
    ("said", "cut"),
    [
        ("done: answers over SSH after 59 s: its network interface has another name", False),
        ("something is wrong: does NOT answer over SSH after 2 min 24 s: its console is silent", True),
        ("something is wrong: does NOT answer over SSH after 2 min 24 s: its kernel panicked", True),
        ("something is wrong: does NOT answer over SSH after 2 min 24 s: it was still booting", True),
        ("something is wrong: does NOT answer over SSH after 2 min 24 s: the console's login was refused", False),
    ],
)
def test_a_machine_is_power_cycled_only_if_it_does_not_boot(said, cut):
    status, repair = f"cookbook sre.mail.reboot-mx {HOST} --status", f"cookbook sre.mail.repair-nic {HOST} --repair"
    hands = Hands({**DOWN, repair: (14, f"12:00:01 {HOST}: {said}\n")})
    RunbookOperator(read(), hands).play([alert("MxDown")])
    assert hands.typed[:2] == [status, repair]
    assert (f"gnt-instance reboot --type=soft {HOST}" in hands.typed) is cut


def test_an_alert_that_says_itself_what_is_wrong_names_it():
    hands = Hands({})
    page = {**SMALL, "mxaliasgeneratorstuck": SMALL["hang"]}
    RunbookOperator(page, hands).play([alert("MxAliasGeneratorStuck", summary="it hangs")])
    assert hands.named == [("mx1001", "it hangs")]


def test_what_a_refusal_to_take_a_host_out_names_is_accepted_once():
    first = f"cookbook sre.mail.depool-mx {HOST}"
    page = {**SMALL, "mxdown": RunbookSection("MxDown", f"\n    {first}\n    cookbook last\n")}
    refused = "12:00:01 guard: 9 checks, 2 in the way\n12:00:01   FAILED  alerts: 1 alert\n12:00:01   UNKNOWN disk: x\n"
    again = f"{first} --accept alerts --accept disk"
    hands = Hands({first: (10, refused), again: (10, refused)})
    RunbookOperator(page, hands).play([alert("MxDown")])
    assert hands.typed == [first, again, "cookbook last"]


def report(host, *verdicts):
    return HostReport(host, tuple(Verdict(*one) for one in verdicts), datetime(2026, 1, 1, tzinfo=UTC), 21.4)


def test_an_output_blames_a_host_a_service_or_a_remote_end_each_by_its_first_check():
    ok, failed, unknown = Status.OK, Status.FAILED, Status.UNKNOWN
    remote = "REMOTE END or the way to it, it fails on mx2001.lab.test too: 1 of 4 delivered"
    reports = [
        report(
            "mx2001.lab.test", ("disk", failed, "no room for new mail"), ("outbound-lists", failed, "THIS HOST"),
            ("alerts", unknown, "Alertmanager cannot be asked: x"), ("mta", ok, "serves"),
        ),
        report(
            "mx1001.lab.test", ("alerts", failed, "8 alerts fire"), ("outbound-provider", failed, remote),
            ("outbound-provider-v6", failed, remote),
            ("outbound-tickets", unknown, "etcd at x does not answer"),
            ("nic", unknown, "the cluster could not be asked: no answer"),
        ),
    ]  # fmt: skip
    said = "".join(f"12:00:01 {line}\n" for line in table(reports).splitlines())
    assert list(findings("cookbook sre.mail.verify-mx", said, HOST)) == [
        ("mx2001", "disk: no room for new mail"),
        ("alertmanager", "alerts: Alertmanager cannot be asked: x"),
        ("provider", f"outbound-provider, outbound-provider-v6: {remote}"),
        ("etcd", "outbound-tickets: etcd at x does not answer"),
        ("ganeti", "nic: the cluster could not be asked: no answer"),
    ]


def test_what_log_and_queue_show_names_only_a_host_that_has_nothing_else():
    def said(*checks):
        return table([report(HOST, *((check, Status.FAILED, f"{check} is bad") for check in checks))])

    stalls = said("queue", "log", "units")
    assert list(findings("cookbook x", stalls, HOST)) == [("mx1001", "units: units is bad")]
    assert list(findings("cookbook x", said("log"), HOST)) == [("mx1001", "log: log is bad")]


def test_a_repair_is_named_by_its_last_line_about_the_host():
    said = f"12:00:01 looks\n12:00:02 repair-nic: {HOST}: its kernel panicked\n12:00:02 END (FAIL) {HOST}\n"
    found = list(findings(f"cookbook sre.mail.repair-nic {HOST} --repair", said, HOST))
    assert found == [("mx1001", f"repair-nic: {HOST}: its kernel panicked")]
    assert operators._last(["a", "b"], HOST) == "b"


VERIFY, REPAIR = f"cookbook sre.mail.verify-mx {HOST}", f"cookbook sre.mail.repair-nic {HOST} --repair"
THIS, REMOTE = "THIS HOST is at fault, it passes on mx2001.lab.test: ", "the REMOTE END or the way to it, it fails on "
BY_VERIFY = {
    "second-disk": ("nic", "a cold reboot renames ens5 to ens6: it would not come back; cookbook x"),
    "bad-kernel": (
        "outbound-provider-v4",
        f"{THIS}1 of 4 delivered to user1@v4.provider.test; 262144 bytes, 1st: failed over IPv4, timeout after end",
    ),
    "stuck-aliases": ("aliases", "generate_vrts_aliases.service hangs: activating for 29 s, bound 20 s"),
    "cut-aliases": ("aliases", "/etc/exim4/aliases/vrts_aliases: 1 entries, floor 3"),
    "stale-hints": (
        "outbound-provider", f"{THIS}0 of 4 delivered to user1@provider.test; 2048 bytes, 1st: not tried, and bounced"
    ),
    "dead-spamd": ("units", "spamd.service is failed (signal)"),
    "no-ferm": ("units", "nftables.service is inactive (success)"),
    "disk-full": ("disk", "/var/spool/exim4, /var/log/exim4: 0 % free, 93 % of the inodes"),
    "provider-4xx": ("outbound-provider", f"{REMOTE}mx2001.lab.test too: 0 of 4 delivered to user1@provider.test"),
    "provider-down": ("outbound-provider", f"{REMOTE}mx2001.lab.test too: 0 of 4 delivered to user1@provider.test"),
    "provider-stall": ("outbound-provider-v4", f"{REMOTE}mx2001.lab.test too: 1 of 4 delivered; timeout after end"),
    "etcd-down": (
        "outbound-lists",
        "no test mail sent: their budget cannot be read (--over-budget sends): etcd at x:2379 does not answer: x",
    ),
    "alertmanager-down": ("alerts", "Alertmanager cannot be asked: Unable to request"),
    "rapi-down": ("nic", "the cluster could not be asked: RAPI of ganeti01.lab.test:5080: no answer"),
}  # fmt: skip
UNREAD = {"etcd-down", "alertmanager-down", "rapi-down"}
AS_PRINTED = (
    "renames ", "timeout after end of data", "hangs: activating for ", " entries, floor ", "not tried, and bounced",
    "THIS HOST is at fault, it passes on ", "the REMOTE END or the way to it, it fails on ", " % free",
    "their budget cannot be read (--over-budget sends)", " does not answer: ", "Alertmanager cannot be asked: ",
    "the cluster could not be asked: ",
)  # fmt: skip
BY_CONSOLE = {
    "nic-renumber": (REPAIR, Outage.RENAMED, "done: answers over SSH after 59 s"),
    "kernel-panic": (REPAIR, Outage.SILENT, "something is wrong: does NOT answer over SSH after 2 min 24 s"),
    "kernel-hang": (REPAIR, Outage.BOOTING, "something is wrong: does NOT answer over SSH after 2 min 24 s"),
    "console-password": (REPAIR.replace("repair ", "console "), Outage.LOGIN, "something is wrong"),
    "console-busy": (REPAIR.replace("repair ", "console "), Outage.BUSY, "something is wrong"),
}


def names_of(fault, command, said):
    """Return which faults of its place the first name that the script gives names."""
    riddle = RIDDLES[fault]
    where = "mx1001" if riddle.where == "host" else riddle.where
    words = next(words for place, words in findings(command, said, HOST) if place == where)
    return {name for name, one in RIDDLES.items() if one.is_named(where, words, exchanger("mx1001"))}


def test_every_fault_is_named_by_what_the_cookbooks_print_for_it():
    assert {*BY_VERIFY, *BY_CONSOLE} == set(FAULTS)


@pytest.mark.parametrize("fault", BY_VERIFY)
def test_what_verify_mx_prints_names_its_fault(fault):
    check, why = BY_VERIFY[fault]
    status = Status.UNKNOWN if fault in UNREAD else Status.FAILED
    said = "".join(f"12:00:01 {line}\n" for line in table([report(HOST, (check, status, why))]).splitlines())
    found = names_of(fault, VERIFY, said)
    # two of one kind are never in one game, a card's other name is two faults, and hints show at the same check
    alike = {"second-disk": {"nic-renumber"}, "stale-hints": {"bad-kernel"}, "stuck-aliases": {"cut-aliases"}}
    kind = RIDDLES[fault].kind
    others = {name for name in found - {fault} if not kind or RIDDLES[name].kind != kind}
    assert fault in found
    assert others <= alike.get(fault, set())


@pytest.mark.parametrize("fault", BY_CONSOLE)
def test_what_repair_nic_prints_names_its_fault(fault):
    command, cause, state = BY_CONSOLE[fault]
    line = f"12:00:02 {HOST}: {state}: {cause.value}; next: It hangs, its kernel panicked, or a login prompt\n"
    alike = {"nic-renumber": {"second-disk"}}
    assert names_of(fault, command, line) == {fault, *alike.get(fault, ())}


def test_these_texts_are_those_of_the_cookbooks():
    code = "".join(path.read_text() for path in (REPOSITORY / "mxlib").rglob("*.py"))
    assert [text for text in AS_PRINTED if text not in code and text.rstrip() not in code] == []


@pytest.mark.parametrize(
    ("name", "summary", "fault"),
    [
        ("MxAliasGeneratorStuck", "alias generator {{ $labels.generator }} has been hanging for 1m", "stuck-aliases"),
        ("MxAliasFileTooSmall", "the alias file of {{ $labels.generator }} has 1 entries", "cut-aliases"),
        ("MxAliasGeneratorCanHang", "alias generator {{ $labels.generator }} has no start timeout", ""),
    ],
)
def test_an_alert_about_aliases_names_its_fault_and_the_standing_one_none(name, summary, fault):
    rules = (REPOSITORY / "alerts" / "mx.yaml").read_text()
    assert summary.partition(" 1")[0] in rules
    hands = Hands({})
    RunbookOperator({**SMALL, name.lower(): SMALL["hang"]}, hands).play([alert(name, summary=summary)])
    ((where, words),) = hands.named
    found = {one for one, riddle in RIDDLES.items() if riddle.is_named(where, words, exchanger("mx1001"))}
    assert (fault in found) if fault else not found


def printed(check, why, *following):
    return (14, "".join(f"{line}\n" for line in (table([report(HOST, (check, Status.FAILED, why))]), *following)))


STATUS, SUGGEST = f"cookbook sre.mail.reboot-mx {HOST} --status", f"cookbook sre.mail.remedy-mx {HOST} --suggest"
ALIASES, DEPOOL = f"cookbook sre.mail.refresh-aliases {HOST}", f"cookbook sre.mail.depool-mx {HOST} -r 'at fault'"
DOWN = {
    STATUS: (16, f"{HOST}: no answer: x; next: {REPAIR}"),
    VERIFY: (16, f"verify-mx: no answer: {HOST}; next: {STATUS}"),
}


def remedied(fault, *orders):
    """What is printed for a fault that a remedy ends, or none."""
    check, why = BY_VERIFY[fault]
    asked = [f"for {check}: cookbook sre.mail.remedy-mx {HOST} {order}   # x" for order in orders]
    return {VERIFY: printed(check, why, f"x; next: {SUGGEST}"), SUGGEST: (14, "\n".join(asked))}


def unread(fault):
    check, why = BY_VERIFY[fault]
    return {f"{VERIFY} --verbose": (15, table([report(HOST, (check, Status.UNKNOWN, why))]))}


def down(why):
    return DOWN | {REPAIR: (14, f"{HOST}: does NOT answer: {why.value}; next: Wait, and run this again")}


def remote(fault):
    return {VERIFY: printed(*BY_VERIFY[fault], f"x; next: {SUGGEST}")}


CUT = f"gnt-instance reboot --type=soft {HOST}"
REMEDY, CONSOLE = f"cookbook sre.mail.remedy-mx {HOST}", f"cookbook sre.mail.repair-nic {HOST} --console"
ACCEPTED = f"{DEPOOL} --accept alerts --accept "
PLAYED = {
    "kernel-hang": ("MxDown", down(Outage.BOOTING), CUT),
    "kernel-panic": ("MxDown", down(Outage.SILENT), CUT),
    "nic-renumber": ("MxDown", DOWN | {REPAIR: (0, f"{HOST}: answers over SSH: {Outage.RENAMED.value}")}, REPAIR),
    "second-disk": (
        "MxVerifyNotice",
        {f"{VERIFY} --no-probes": printed(*BY_VERIFY["second-disk"]), VERIFY: printed(*BY_VERIFY["second-disk"])},
        f"cookbook sre.mail.repair-nic {HOST} --pin",
    ),
    "no-ferm": ("MxVerifyFailed", remedied("no-ferm", "reload-firewall"), f"{REMEDY} reload-firewall"),
    "dead-spamd": ("MxVerifyFailed", remedied("dead-spamd", "restart-units"), f"{REMEDY} restart-units"),
    "stale-hints": (
        "MxVerifyFailed", remedied("stale-hints", "clear-hints provider", "clear-hints provider-v6"),
        f"{REMEDY} clear-hints provider-v6",
    ),
    "bad-kernel": (
        "MxVerifyFailed",
        remedied("bad-kernel", "allow --from 198.51.100.10 --for 30m")
        | {DEPOOL: (10, "  FAILED  alerts: 3 alerts fire: x\n  FAILED  outbound-provider-v4: x\n")},
        f"{ACCEPTED}outbound-provider-v4",
    ),
    "disk-full": (
        "MxVerifyFailed",
        remedied("disk-full")
        | {DEPOOL: (10, "  FAILED  alerts: 3 alerts fire: x\n  FAILED  disk: x\n")}
        | {VERIFY: printed("disk", f"{BY_VERIFY['disk-full'][1]}; THIS HOST is at fault")},
        f"{ACCEPTED}disk",
    ),
    "stuck-aliases": ("MxAliasGeneratorStuck", {}, ALIASES),
    "cut-aliases": ("MxAliasFileTooSmall", {}, ALIASES),
    "provider-4xx": ("MxVerifyFailed", remote("provider-4xx"), "named provider"),
    "provider-down": ("MxQueueStuck", remote("provider-down"), "named provider"),
    "provider-stall": ("MxVerifyFailed", remote("provider-stall"), "named provider"),
    "etcd-down": ("MxVerifyUnknown", unread("etcd-down"), "named etcd"),
    "rapi-down": ("MxVerifyUnknown", unread("rapi-down"), "named ganeti"),
    "alertmanager-down": ("MxVerifyUnknown", unread("alertmanager-down"), "named alertmanager"),
    "console-password": (
        "Ticket", {CONSOLE: (14, f"{HOST}: something is wrong: {Outage.LOGIN.value}")}, "named mx1001"
    ),
    "console-busy": ("Ticket", {CONSOLE: (14, f"{HOST}: something is wrong: {Outage.BUSY.value}")}, "named mx1001"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_page_leads_from_the_alert_to_the_name_and_to_what_mends_and_ends_there(fault):
    alerted, says, mends = PLAYED[fault]
    fired = RIDDLES[fault].asks(exchanger("mx1001")) if alerted == "Ticket" else alert(
        alerted, summary={
            "stuck-aliases": "alias generator vrts has been hanging for 1m",
            "cut-aliases": f"{HOST}: the alias file of vrts has 1 entries",
        }.get(fault, "s"),
    )  # fmt: skip
    hands = Hands(says, ends=mends)
    RunbookOperator(read(), hands).play([fired])
    assert hands.over
    assert any(RIDDLES[fault].is_named(where, words, exchanger("mx1001")) for where, words in hands.named)
    last = CONSOLE if alerted == "Ticket" else mends if "depool-mx" in mends else VERIFY
    assert hands.typed[-1] == last, "what the page has it look at is well, or the host is out of service"
    if not mends.startswith("named"):
        assert set(hands.typed[hands.typed.index(mends) :]) <= {mends, VERIFY}, "and nothing is typed after it"
