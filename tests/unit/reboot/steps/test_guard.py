"""The guard: every question at once, each answer a verdict, and what it has read serves the claim."""

from dataclasses import replace
from threading import Barrier
from types import SimpleNamespace

import pytest

from mxlib.base.errors import HostUnreachableError, InterruptedRunError, ParseError, SilenceError, StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.config.load import parse
from mxlib.facts import sockets
from mxlib.facts.section import SectionOutput
from mxlib.facts.source import FactUnknownError
from mxlib.model.goal import Goal
from mxlib.model.record import Kernel, Level, Prior
from mxlib.model.state import MtaState, Pool, Ports, Puppet, Slot, State, View
from mxlib.mta import standing
from mxlib.mta.find import find
from mxlib.reboot.looking import LookingHost
from mxlib.reboot.progress import Progress
from mxlib.reboot.steps import guard, panic
from mxlib.reboot.steps.service import puppet_off_script
from tests.unit.support.alerts import parsed, raw
from tests.unit.support.facts import NOW
from tests.unit.support.fakes import FakeClock
from tests.unit.support.site import TEN_LINES

FINE = Verdict("fine", Status.OK, "well")
OLD, NEW = "6.1.0-55", "6.1.0-56"


class Facts:
    """Facts of which some could not be read."""

    def __init__(self, *unknown):
        self.unknown = unknown

    def get(self, source):
        if source.name in self.unknown:
            raise FactUnknownError(f"{source.name}: section x: no end within its time limit")
        return SimpleNamespace()

    def all_known(self, sources):
        return not any(source.name in self.unknown for source in sources)

    def joined(self, others):
        self.others = others
        return self


class World:
    """A world whose every question can be left without an answer."""

    def __init__(self, monkeypatch, **broken):
        self.site, self.clock, self.asked = parse(TEN_LINES, "test"), FakeClock(), []
        self.progress = Progress(Goal())
        self.broken, self.accepted = broken, frozenset()
        self.options = SimpleNamespace(prevention="none")
        self.target, self.peers = SimpleNamespace(name="mx2001"), ()
        self.adapters = SimpleNamespace()
        self.mta = find("exim")
        self.view = lambda found: SimpleNamespace(ports=Ports.PARTLY)
        self.standing_of, self.listening = [], []
        self.adapters.verifier = SimpleNamespace(
            sources=tuple, judged=self.judged, known_bad=self.known_bad,
            outbound=lambda host: self.of_host("outbound", host, LookingHost),
            inbound=lambda host: self.of_host("inbound", host, type(self.target)),
        )  # fmt: skip
        self.adapters.rescue = SimpleNamespace(ready=lambda *_: self.question("rescue"))
        self.adapters.alerts = SimpleNamespace(firing=lambda: self.question("alerts") and ())
        self.adapters.slot = SimpleNamespace(state=lambda: Slot.FREE, describe=lambda: "")
        self.adapters.pool = SimpleNamespace(read=lambda: self.question("pool") and {"smtp": "yes"})
        monkeypatch.setattr(guard, "read_facts", self.read)
        monkeypatch.setattr(guard.readiness, "standing", lambda found, ports: self.standing_of.append(ports) or [FINE])
        monkeypatch.setattr(guard.readiness, "puppet", lambda found: FINE)
        monkeypatch.setattr(guard.readiness, "busy", lambda found: [FINE])
        monkeypatch.setattr(guard.readiness, "listeners", lambda found, ports: self.listening.append(ports) or FINE)
        monkeypatch.setattr(guard, "others", lambda context: (FINE,))

    def judged(self, facts):
        assert facts is self.progress.facts
        return (FINE,)

    def known_bad(self, facts, release):
        assert (facts, release) == (self.progress.facts, NEW)
        return Verdict("known-bad", Status.OK, "not known to be bad")

    def of_host(self, name, host, kind):
        assert (host.name, type(host)) == (self.target.name, kind)
        self.clock.sleep(20.0)
        return self.question(name)

    def question(self, name):
        if name in self.broken:
            raise self.broken[name]
        return (FINE,)

    def read(self, host, sources):
        assert host is self.target
        self.asked.append([source.name for source in sources])
        self.question("host")
        return Facts()


def names(verdicts, status):
    return [one.check for one in verdicts if one.status is status]


def test_all_is_well_and_the_host_was_asked_once(monkeypatch):
    world = World(monkeypatch)
    found = guard.guard(world)
    assert names(found, Status.OK) == [one.check for one in found]
    assert len(world.asked) == 1
    assert world.standing_of == [Ports.PARTLY], "as the site names them"
    assert (world.listening, sockets.LISTENERS.name in world.asked[0]) == ([world.site.ports], True)
    assert guard.facts_for_claim(world) is world.progress.facts
    assert 20.0 <= world.progress.probed_s <= 40.0, "the test mails and the sessions, side by side"


def test_of_a_reboot_the_target_is_judged_and_the_machine_from_outside(monkeypatch):
    world, asked = World(monkeypatch), []
    world.progress = Progress(Goal(NEW, level=Level.COLD))
    world.options.prevention = "link"

    def fine(name):
        well = [Verdict(name, Status.OK, "well")]
        return lambda *given, **named: asked.append((name, *given, *named.items())) or well

    stands = SimpleNamespace(view=SimpleNamespace(replaced=True))
    parts = {"kernel": SimpleNamespace(running=OLD), "grub": "the menu", "standing": stands}
    monkeypatch.setattr(Facts, "get", lambda _facts, source: parts.get(source.name, SimpleNamespace()))
    monkeypatch.setattr(guard.readiness, "kernels", fine("kernels"))
    monkeypatch.setattr(guard.readiness, "boot_menu", fine("grub"))
    world.adapters.rescue.ready = fine("rescue")
    found = guard.guard(world)
    assert asked == [
        ("kernels", parts["kernel"], "the menu", NEW, ("cold", True), ("replaced", True)),
        ("grub", "the menu"),
        ("rescue", world.target, Level.COLD, "link"),
    ]
    assert {"kernels", "known-bad", "grub", "rescue"} <= {one.check for one in found}


def of_machine(monkeypatch, **broken):
    """The world of a guard before a reboot: its machine is asked about from outside, too."""
    world = World(monkeypatch, **broken)
    world.progress = Progress(Goal(NEW))
    stands = SimpleNamespace(view=SimpleNamespace(replaced=False))
    parts = {"kernel": SimpleNamespace(running=OLD), "standing": stands}
    monkeypatch.setattr(Facts, "get", lambda _facts, source: parts.get(source.name, SimpleNamespace()))
    for name in ("kernels", "boot_menu"):
        monkeypatch.setattr(guard.readiness, name, lambda *_given, **_named: [FINE])
    return world


def test_the_console_is_proven_beside_the_host_and_after_who_is_at_work_there(monkeypatch):
    world, order, together = of_machine(monkeypatch), [], Barrier(2, timeout=5)

    def read(_host, sources):
        wanted = [source.name for source in sources]
        order.append(wanted)
        if wanted != ["busy"]:
            together.wait()  # neither waits for the end of the other one
        return Facts()

    def ready(*_given):
        order.append("console")
        together.wait()
        return (FINE,)

    monkeypatch.setattr(guard, "read_facts", read)
    world.adapters.rescue.ready = ready
    found = guard.guard(world)
    assert names(found, Status.OK) == [one.check for one in found]
    assert order[0] == ["busy"], "the proof of the console logs in"
    (rest,) = (one for one in order[1:] if one != "console")
    assert "standing" in rest
    assert "busy" not in rest, "by then somebody is logged in: we are"
    assert world.progress.facts.others is not None, "the claim needs both readings"


def test_a_host_that_does_not_say_who_is_at_work_is_one_verdict_and_hides_not_its_machine(monkeypatch):
    world = of_machine(monkeypatch, host=HostUnreachableError("no session"))
    world.adapters.rescue.ready = lambda *_given: (Verdict("console", Status.OK, "serves"),)
    found = guard.guard(world)
    assert names(found, Status.UNKNOWN) == ["host"]
    assert "console" in names(found, Status.OK)
    assert world.asked == [["busy"]], "it is not waited for twice"


@pytest.mark.parametrize(
    ("alert", "status"), [({"instance": "mx2001.lab.test"}, Status.FAILED), ({"instance": "db1001"}, Status.OK)]
)
def test_an_alert_about_an_mx_of_the_site_is_in_the_way(monkeypatch, alert, status):
    world = World(monkeypatch)
    world.adapters.alerts.firing = lambda: parsed(raw(**alert))
    (found,) = guard.firing(world)
    assert found.status is status


# --- what a person may accept


class Asked:
    """An operator with one answer, who is asked about findings."""

    def __init__(self, answer):
        self.answer, self.questions = answer, []
        self.progress = SimpleNamespace(accepted=frozenset({"log"}))

    def ask(self, question, answers, safe):
        self.questions.append((question, answers, safe))
        return self.answer


def bad(*names):
    return [Verdict(name, Status.FAILED, "so it is") for name in names]


@pytest.mark.parametrize("name", [*sorted(guard.NEVER), "kernel-6.1.0-56", "entry-6.1.0-56", "grub-default"])
def test_what_would_do_harm_can_be_accepted_by_nobody(name):
    world = Asked("accept")
    assert guard.ask(world, bad("disk", name)) is False
    assert (world.questions, world.progress.accepted) == ([], {"log"})


@pytest.mark.parametrize(
    ("answer", "begins", "accepted"), [("no", False, {"log"}), ("accept", True, {"log", "disk", "alerts"})]
)
def test_what_is_in_the_way_is_asked_about_once_and_what_is_accepted_holds(answer, begins, accepted):
    world = Asked(answer)
    assert guard.ask(world, bad("disk", "alerts", "disk")) is begins
    answers = {
        "no": "do not begin; nothing is changed",
        "accept": "begin all the same, as with --accept disk --accept alerts",
    }
    assert world.questions == [("2 findings in the way: disk, alerts.", answers, "no")]
    assert world.progress.accepted == accepted


@pytest.mark.parametrize("name", ["outbound", "inbound", "pool"])
def test_a_question_without_an_answer_is_unknown_and_hides_no_other(monkeypatch, name):
    found = guard.guard(World(monkeypatch, **{name: HostUnreachableError("no session")}))
    assert names(found, Status.UNKNOWN) == [name]
    assert len(found) > 6


def test_an_alertmanager_that_cannot_be_asked_blocks_the_run(monkeypatch):
    world = World(monkeypatch, alerts=SilenceError("Alertmanager cannot be asked"))
    found = guard.guard(world)
    assert [one.check for one in guard.blocking(world, found)] == ["alerts"]
    world.accepted = frozenset({"alerts"})
    assert guard.blocking(world, found) == []


def test_without_a_mark_of_the_mail_log_there_is_no_claim_to_come(monkeypatch):
    """As where Exim's spool or its log is not where it is read."""
    world = World(monkeypatch)
    monkeypatch.setattr(guard, "read_facts", lambda *_: Facts("maillog-mark"))
    found = guard.blocking(world, guard.guard(world))
    assert [(one.check, one.why) for one in found] == [
        ("standing", "maillog-mark: section x: no end within its time limit")
    ]


def test_a_host_that_does_not_answer_is_one_verdict(monkeypatch):
    found = guard.guard(World(monkeypatch, host=HostUnreachableError("no session")))
    assert names(found, Status.UNKNOWN) == ["host"]


def test_a_signal_is_no_finding(monkeypatch):
    with pytest.raises(InterruptedRunError):
        guard.guard(World(monkeypatch, outbound=InterruptedRunError("SIGTERM")))


def test_what_the_guard_could_not_read_is_read_again_for_the_claim(monkeypatch):
    world = World(monkeypatch)
    world.progress.facts = Facts("grub")
    assert guard.facts_for_claim(world) is not world.progress.facts


def test_what_was_accepted_says_so_and_does_not_block(monkeypatch):
    world = World(monkeypatch, inbound=HostUnreachableError("no session"))
    world.accepted = frozenset({"inbound"})
    found = guard.guard(world)
    assert [one.why for one in found if not one.passed] == ["no session (accepted by --accept inbound)"]
    assert guard.blocking(world, found) == []


@pytest.mark.parametrize(
    ("passed", "status", "why"),
    [
        (1, Status.OK, "1 other MX in service and well, 1 needed; but mx1003: disk: full"),
        (0, Status.FAILED, "0 other MXs in service and well, 1 needed; mx1003: disk: full"),
    ],
)
def test_enough_others_are_one_verdict_that_names_who_is_not_well(monkeypatch, passed, status, why):
    world = World(monkeypatch)
    bad = Verdict("peer-mx1003", Status.FAILED, "mx1003: disk: full")
    monkeypatch.setattr(guard, "others", lambda _world: (*[FINE] * passed, bad))
    (found,) = [one for one in guard.guard(world) if one.check == "others"]
    assert (found.status, found.said) == (status, why)


@pytest.mark.parametrize("text", ["", "lock /var/lib/dpkg/lock\n", "nft yes\nend of it\n"])
def test_an_answer_that_is_cut_short_is_no_quiet_host(text):
    cut = SectionOutput(guard.BUSY.name, guard.BUSY.script, 0, text, "", NOW)
    with pytest.raises(ParseError, match="who is at work on the host cannot be read"):
        guard.parse_busy({guard.BUSY.name: cut})


VIEW = View("b0", OLD, Ports.OPEN, MtaState.SERVING, "m>before", "", Puppet.OFF)


class Claiming(World):
    """A host that the guard has let through, with what a claim has to know of it."""

    def __init__(self, monkeypatch, goal, *entries, prevention="link", later=None):
        super().__init__(monkeypatch)
        self.progress = Progress(goal, standing=later)
        self.options = SimpleNamespace(who="op@cumin1001", why="because", prevention=prevention)
        self.run, self.accepted, self.sent = "run-1", frozenset({"log", "disk"}), []
        self.adapters.slot = SimpleNamespace(token=9)
        self.adapters.pool = SimpleNamespace(read=lambda: {"smtp": "yes"})
        ids = {release: SimpleNamespace(full_id=f"m>{release}") for release in entries}
        menu = SimpleNamespace(entry_for=ids.get)
        known = {standing.source(self.mta).name: SimpleNamespace(view=VIEW), "grub": menu, self.mta.mark.name: "12:34"}
        self.facts = SimpleNamespace(get=lambda source: known[source.name], all_known=lambda _sources: True)
        monkeypatch.setattr(guard, "read_facts", lambda _host, _sources: self.facts)

    def act(self, script, *, record, timeout):
        self.sent.append((script, record, timeout))

    def claim(self, puppet=False):
        done = guard.claim(self, None)
        ((script, record, timeout),) = self.sent
        arms = panic.arm_script(20) if record.target != record.fallback and self.site.boot.panic else ""
        assert timeout == 120 + (60 if puppet else 0) + (300 if arms else 0), "seconds"
        assert done.note == f"run run-1 has claimed mx2001{'; Puppet is disabled' if puppet else ''}"
        ledger = guard.ledger.close_script(self.mta, "12:34")
        assert script == f"{ledger}{puppet_off_script(record) if puppet else ''}{arms}"
        assert done.evidence == {"record": record.to_json()}
        return record


def test_a_claim_holds_what_a_run_needs_to_undo_it_and_is_sent_with_the_ledger(monkeypatch):
    record = Claiming(monkeypatch, Goal(NEW), OLD, NEW).claim()
    assert (record.target, record.fallback) == (Kernel(NEW, f"m>{NEW}"), Kernel(OLD, f"m>{OLD}"))
    assert (record.host, record.run, record.who, record.why) == ("mx2001", "run-1", "op@cumin1001", "because")
    assert (record.token, record.boot_before, record.log_mark) == (9, "b0", "12:34")
    assert record.prior == Prior({"smtp": "yes"}, "m>before", True)
    assert (record.accepted, record.baseline, record.stay) == (("disk", "log"), True, False)
    assert (record.level, record.prevention) == (Level.GUEST, "none")
    assert record.proven == {"b0": record.since} == {"b0": "2026-01-01T00:00:00+00:00"}


def test_a_claim_is_proven_from_when_the_guard_read_and_not_from_when_somebody_accepted(monkeypatch):
    world = Claiming(monkeypatch, Goal(NEW), OLD, NEW)
    world.progress.facts, world.facts.when = world.facts, NOW
    monkeypatch.setattr(guard.proof, "digests_of", lambda *_: ("", ""))
    assert world.claim().proven == {"b0": NOW.isoformat(timespec="seconds")}


@pytest.mark.parametrize(("site", "puppet"), [*((True, one) for one in Puppet), (False, Puppet.ON)])
def test_a_claim_disables_puppet_where_the_site_has_it_and_it_is_not_disabled(monkeypatch, site, puppet):
    world = Claiming(monkeypatch, Goal(NEW), OLD, NEW, later=SimpleNamespace(view=replace(VIEW, puppet=puppet)))
    world.site = replace(world.site, puppet=site)
    disables = site and puppet is Puppet.ON  # one that cannot be read has perhaps no commands for it
    record = world.claim(puppet=disables)
    assert record.prior.puppet_off is puppet.off
    (action,) = guard.ACTIONS
    found = State(None, replace(VIEW, puppet=puppet), Pool.IN, Slot.MINE)
    assert ("disable-puppet REASON" in action.preview(world, found)) is disables
    assert action.rehearse(world, found).host.puppet is (Puppet.OFF if disables else puppet)


@pytest.mark.parametrize(
    ("panics", "goal", "armed"), [(20, Goal(NEW), True), (0, Goal(NEW), False), (20, Goal(stay=True), False)]
)
def test_a_kernel_on_trial_is_armed_against_a_panic_before_clients_have_to_wait_for_it(
    monkeypatch, panics, goal, armed
):
    world = Claiming(monkeypatch, goal, OLD, NEW)
    world.site = replace(world.site, boot=replace(world.site.boot, panic=panics))
    world.claim()
    assert ("update-grub" in world.sent[0][0]) is armed
    (action,) = guard.ACTIONS
    shown = action.preview(world, State(None, VIEW, Pool.IN, Slot.MINE))
    assert ("panic=20 in /etc/default/grub.d; update-grub" in shown) is armed


def test_a_cold_start_is_prevented_from_renaming_as_asked(monkeypatch):
    record = Claiming(monkeypatch, Goal(NEW, level=Level.COLD, stay=True), OLD, NEW).claim()
    assert (record.level, record.prevention, record.stay) == (Level.COLD, "link", True)


def test_a_depool_alone_has_no_kernels_and_asks_no_menu(monkeypatch):
    record = Claiming(monkeypatch, Goal(stay=True)).claim()
    assert (record.target, record.fallback) == (Kernel("", ""), Kernel("", ""))


def test_a_claim_goes_by_the_newest_look(monkeypatch):
    later = SimpleNamespace(view=replace(VIEW, boot="b7", kernel=NEW))
    record = Claiming(monkeypatch, Goal(NEW), NEW, later=later).claim()
    assert (record.boot_before, record.fallback.release) == ("b7", NEW)


def test_a_rehearsal_claims_with_the_token_of_the_dry_run_and_sends_nothing(monkeypatch):
    world = Claiming(monkeypatch, Goal(NEW), OLD, NEW)
    (action,) = guard.ACTIONS
    found = State(None, VIEW, Pool.IN, Slot.MINE, token=12)
    record = guard.first_record(world, world.facts)
    assert action.rehearse(world, found) == replace(found, record=replace(record, token=12))
    assert action.rehearse(world, replace(found, pool=Pool.OUT)).pool is Pool.WAS_OUT
    assert world.sent == []


@pytest.mark.parametrize("entries", [(OLD,), (NEW,)])
def test_an_entry_that_is_gone_since_the_guard_ends_the_claim(monkeypatch, entries):
    world = Claiming(monkeypatch, Goal(NEW), *entries)
    with pytest.raises(StepError, match=r"has no entry in grub\.cfg any more"):
        guard.claim(world, None)
    assert world.sent == []
