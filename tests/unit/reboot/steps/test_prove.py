"""Proving a boot: who is to blame, what a soak sees, from outside, and what the ledger says of it."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import CommandFailedError, HostUnreachableError, ParseError, SilenceError
from mxlib.base.text import duration
from mxlib.base.verdict import Status, Verdict
from mxlib.config.load import parse
from mxlib.facts.depool import HOLD
from mxlib.model.goal import Goal
from mxlib.model.record import Judgement, Record
from mxlib.model.state import Pool, Slot, State, Step
from mxlib.mta.find import find
from mxlib.protocols.operator import Share
from mxlib.protocols.world import Done
from mxlib.reboot.steps import prove
from mxlib.reboot.steps.queue import QueueSample
from tests.unit.support.alerts import parsed, raw
from tests.unit.support.fakes import FakeClock, Tell
from tests.unit.support.memory_walk import view
from tests.unit.support.records import RECORD
from tests.unit.support.site import TEN_LINES


class Outside:
    """A host asked from outside, once for each fate: ``well``, ``refused``, or ``reloaded`` in the middle."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fates: str) -> None:
        self.fates, self.ports, self.operator, self.target, self.mta = list(fates), (), Tell(), "the host", "its MTA"
        self.let_in: list[float] = []
        self.adapters = SimpleNamespace(verifier=SimpleNamespace(inbound=self.asked))
        self.ports = (61000,)  # together with the check of the ledger
        monkeypatch.setattr(prove, "let_prober_in", lambda host, seconds: host.let(61000, seconds=seconds))
        monkeypatch.setattr(prove, "read_standing", self.standing)

    def standing(self, host: object, mta: object) -> SimpleNamespace:
        assert (host, mta) == (self.target, self.mta)
        return SimpleNamespace(depool=self)

    @property
    def prober_ports(self) -> tuple[int, ...]:
        return self.ports

    def let(self, *found: int, seconds: float = 0.0) -> None:
        self.ports = found
        if found:
            self.let_in.append(seconds)

    def asked(self, host: object) -> tuple[Verdict, ...]:
        assert self.ports
        assert host == self.target
        fate = self.fates.pop(0)
        if fate == "reloaded":
            self.let()
        return (Verdict("inbound-v4", Status.OK if fate == "well" else Status.FAILED, fate),)


@pytest.mark.parametrize(
    ("fates", "passed"),
    [
        (("well",), True),
        (("refused",), False),
        (("reloaded", "well"), True),
        (("reloaded", "refused"), False),
        (("reloaded", "reloaded"), False),
    ],
)
def test_a_reload_during_the_sessions_from_outside_blames_no_kernel(
    monkeypatch: pytest.MonkeyPatch, fates: tuple[str, ...], passed: bool
) -> None:
    host = Outside(monkeypatch, *fates)
    assert prove.from_outside(host)[0].passed is passed
    assert host.fates == []
    assert host.let_in == [120.0] * (len(fates) - 1), "seconds, after which the kernel closes them by itself"
    shut = "the way in was shut meanwhile, as by a reload of the firewall: asking once more"
    assert host.operator.lines == [shut] * (len(fates) - 1)


class Inbound(SimpleNamespace):
    """A run that proves inbound mail: what the ledger's check says, and which records are written with the shut."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, evidence: dict[str, int], lost: int = 0, *, stay: bool = False
    ) -> None:
        site = parse(TEN_LINES, "test")
        progress = SimpleNamespace(lost=lost, goal=Goal(stay=stay))
        super().__init__(progress=progress, accepted=frozenset(), clock=FakeClock(), peers=(), site=site)
        self.acts: list[str] = []
        self.kept: list[Record] = []
        self.noted: list[Record] = []
        self.note = self.noted.append
        self.fails: list[str] = []

        def check(_world: Any, _record: Record, then: str, *, look: bool) -> Done:
            assert look is not stay, "the decision to open the ports goes by it"
            assert then.startswith("# let test sessions in\nnft flush set ")
            self.acts.append("let in")
            return Done("ledger", evidence)

        monkeypatch.setattr(prove.ledger, "check", check)
        monkeypatch.setattr(prove, "from_outside", lambda _world: self.acts.append("asked") or WELL)

    def act(self, script: str, *, record: Record | None) -> None:
        assert "# keep test sessions out again" in script
        self.acts.append("shut")
        if self.fails:
            raise HostUnreachableError(self.fails.pop())
        if record is not None:
            self.kept.append(record)

    def prove(self) -> Done:
        return prove.inbound(self, SimpleNamespace(record=RECORD))  # type: ignore[arg-type]


def test_what_a_hole_leaves_open_is_no_proof_and_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Inbound(monkeypatch, {"holes": 1, "missing": 1})
    assert world.prove().note == "ledger"
    assert world.kept[0].judgements(RECORD.boot).serving is Judgement.INCONCLUSIVE
    assert world.acts == ["let in", "shut"]


@pytest.mark.parametrize("error", [HostUnreachableError("nobody answers"), ZeroDivisionError("nobody answers")])
def test_the_way_in_is_shut_whatever_comes_of_the_sessions_and_what_went_wrong_first_is_said(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world = Inbound(monkeypatch, {"holes": 0, "missing": 0})
    world.fails.append("no session for the shut either")

    def silent(_world: Any) -> Any:
        raise error

    monkeypatch.setattr(prove, "from_outside", silent)
    with pytest.raises(type(error), match="nobody answers"):
        world.prove()
    assert (world.acts, world.kept) == (["let in", "shut"], [])


@pytest.mark.parametrize(
    ("evidence", "lost", "asked"),
    [
        ({"holes": 0, "missing": 0}, 0, True),
        ({"holes": 0, "missing": 3}, 3, False),
        ({"holes": 1, "missing": 0}, 0, True),
        ({"holes": 1, "missing": 1, "accepted": 1}, 0, True),
    ],
)
def test_only_a_boot_that_has_lost_no_mail_is_asked_from_outside(
    monkeypatch: pytest.MonkeyPatch, evidence: dict[str, int], lost: int, asked: bool
) -> None:
    world = Inbound(monkeypatch, evidence, lost, stay=True)
    done = world.prove()
    assert world.acts == ["let in", *["asked"] * asked, "shut"]
    assert done.evidence == {**evidence, **({"verdicts": [WELL[0].values]} if asked else {})}
    (kept,) = world.kept
    assert kept.judgements(RECORD.boot).serving is (Judgement.PASSED if asked else None)
    assert dict(kept.proven) == ({RECORD.boot: "2026-01-01T00:00:00+00:00"} if asked else {})
    assert done.note == ("1 check passed; ledger" if asked else "ledger")


@pytest.mark.parametrize(("held", "noted"), [(Judgement.PASSED, True), (None, False)])
def test_a_way_in_that_is_opened_to_all_next_is_not_shut_before(
    monkeypatch: pytest.MonkeyPatch, held: Judgement | None, noted: bool
) -> None:
    world = Inbound(monkeypatch, {"holes": 0, "missing": 0})
    record = RECORD.with_judgement(RECORD.boot, held=held)
    prove.inbound(world, SimpleNamespace(record=record))  # type: ignore[arg-type]
    assert (len(world.noted), len(world.kept)) == ((1, 0) if noted else (0, 1))
    assert world.acts == ["let in", "asked", *([] if noted else ["shut"])]
    assert (world.noted or world.kept)[0].judgements(RECORD.boot).serving is Judgement.PASSED


MAIL, MTA = "outbound-v4", "mta"


def verdict(check: str, status: Status = Status.FAILED) -> Verdict:
    return Verdict(check, status, "timed out" if status is Status.FAILED else "well")


class Judged:
    """A host that was verified, with peers as controls."""

    def __init__(self, *peers: Any) -> None:
        self.accepted: frozenset[str] = frozenset()
        self.operator, self.controls = Tell(), dict(enumerate(peers))
        self.peers = [SimpleNamespace(name=f"mx100{number}", number=number) for number in self.controls]
        self.adapters = SimpleNamespace(verifier=SimpleNamespace(outbound=self.control))

    def control(self, peer: Any) -> tuple[Verdict, ...]:
        found = self.controls[peer.number]
        if isinstance(found, Exception):
            raise found
        return found

    def judge(self, *found: Verdict, record: Record = RECORD) -> tuple[Judgement, str]:
        return prove.judge(self, record, found)  # type: ignore[arg-type]


WELL, ILL = (verdict(MAIL, Status.OK),), (verdict(MAIL),)


def test_a_boot_passes_where_every_check_does_or_was_accepted() -> None:
    assert Judged().judge(verdict(MTA, Status.OK), *WELL) == (Judgement.PASSED, "2 checks passed")
    assert Judged().judge(verdict("log")) == (Judgement.PASSED, "1 check passed"), "accepted when the run began"
    world = Judged()
    world.accepted = frozenset({MTA})
    assert world.judge(verdict(MTA))[0] is Judgement.PASSED


def test_a_boot_is_blamed_only_for_mail_that_a_peer_can_send_now() -> None:
    judgement, why = Judged(ILL, WELL).judge(verdict(MAIL))
    assert judgement is Judgement.BLAMED
    assert why == "outbound-v4 FAILED: timed out (the same passed before the reboot, and passes on mx1001 now)"


@pytest.mark.parametrize(
    ("peers", "found", "record"),
    [
        ((), ILL, RECORD),
        ((ILL, HostUnreachableError("no session")), ILL, RECORD),
        (((*WELL, verdict(MTA, Status.OK)),), (verdict(MTA),), RECORD),
        ((WELL,), (Verdict(MAIL, Status.UNKNOWN, "no budget"),), RECORD),
        ((WELL,), ILL, replace(RECORD, baseline=False)),
        ((WELL,), (*ILL, verdict("outbound-v6")), RECORD),
        ((WELL,), (Verdict(MAIL, Status.FAILED, "no test mail could be put in: submission ended with 1"),), RECORD),
        ((WELL,), (*ILL, verdict("disk")), RECORD),
    ],
    ids=[
        "no peer",
        "no peer that can",
        "no mail",
        "unknown",
        "not seen to pass before",
        "a peer that can the half",
        "the MTA took none",
        "no room",
    ],
)
def test_without_a_control_nothing_is_blamed(peers: Any, found: tuple[Verdict, ...], record: Record) -> None:
    assert Judged(*peers).judge(*found, record=record)[0] is Judgement.INCONCLUSIVE


@pytest.mark.parametrize(("stop_spares", "then"), [(True, []), (False, ["let the parked queue go"])])
def test_a_plan_shows_how_the_mta_is_started(stop_spares: bool, then: list[str]) -> None:
    mta: Any = SimpleNamespace(start_script="systemctl start it", can=SimpleNamespace(stop_spares=stop_spares))
    shown = prove._how_started(SimpleNamespace(mta=mta), SimpleNamespace())  # type: ignore[arg-type]
    assert shown == [f"rm {HOLD}; systemctl start it", *then]


def test_a_plan_shows_the_test_mails() -> None:
    probe = SimpleNamespace(name="provider", times=2, sizes=(512, 4096), to="user1@provider.test")
    world: Any = SimpleNamespace(site=SimpleNamespace(probes=SimpleNamespace(outbound=[probe])))
    shown = prove._test_mails(world, SimpleNamespace())  # type: ignore[arg-type]
    assert shown == ["test mails with the MTA held: provider: 2 x (512, 4096) bytes to user1@provider.test"]


def test_all_that_speaks_against_a_boot_is_said() -> None:
    judgement, why = Judged().judge(verdict(MTA), *ILL)
    assert judgement is Judgement.INCONCLUSIVE
    assert why.startswith("mta FAILED: timed out; outbound-v4 FAILED: timed out (no other MX can send the same now")


def test_a_peer_that_cannot_be_a_control_is_reported() -> None:
    world = Judged(HostUnreachableError("no\nsession"))
    world.judge(*ILL)
    assert world.operator.lines == ["mx1000 cannot serve as control: no session"]


@pytest.mark.parametrize(
    ("step", "stage"), [(Step.PROVE_OUT, "held"), (Step.PROVE_IN, "serving"), (Step.SOAK, "soak")]
)
def test_a_rehearsal_takes_each_stage_for_passed_in_the_boot_that_runs(step: Step, stage: str) -> None:
    (action,) = (one for one in prove.ACTIONS if one.step is step)
    found = State(RECORD, view(boot="b7"), Pool.OUT, Slot.MINE)
    passed = RECORD.with_judgement("b7", **{stage: Judgement.PASSED})
    assert action.rehearse(SimpleNamespace(), found) == replace(found, record=passed)  # type: ignore[arg-type]


RUNS = SimpleNamespace(mta_unit="active", listeners=2)
FAILED = SimpleNamespace(mta_unit="failed", listeners=0)
DEAF = SimpleNamespace(mta_unit="active", listeners=0)


class Soaked:
    """A host in service that is watched: what is in its queue look by look, and what fires."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *queue: int, firing: Any = ()) -> None:
        self.clock, self.operator, self.target = FakeClock(), Tell(), SimpleNamespace(name="mx2001.lab.test")
        self.site, self.options = parse(TEN_LINES, "test"), SimpleNamespace(soak_s=12.0)
        self.accepted, self.peers, self.left, self.firing = frozenset[str](), (), list(queue), firing
        self.adapters = SimpleNamespace(
            verifier=SimpleNamespace(sources=lambda: (), judged=lambda _facts: (verdict(MTA, Status.OK),)),
            alerts=SimpleNamespace(firing=self.fires),
        )
        self.mta, self.samples, self.looks = find("exim"), 0, 0
        self.progress, self.stands = SimpleNamespace(look=None), [RUNS]
        """Where it stands at the end, look by look; None: that cannot be read."""
        self.acts: list[tuple[str, int, bool]] = []
        self.act_s, self.refuses = 0.0, False
        monkeypatch.setattr(prove.queue, "sample", self.sample)
        monkeypatch.setattr(prove.queue, "sample_with", self.sample_with)
        monkeypatch.setattr(prove, "read_standing", lambda _host, _mta: self.stand())

    def stand(self) -> Any:
        found = self.stands.pop(0) if len(self.stands) > 1 else self.stands[0]
        if found is None:
            raise ParseError("cut short")
        return found

    def sample(self, world: Any) -> QueueSample:
        assert world is self
        self.samples += 1
        count = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return QueueSample(count, self.clock.monotonic())

    def sample_with(self, world: Any, also: Any) -> tuple[QueueSample, Any]:
        assert [one.name for one in also] == ["standing"]
        return self.sample(world), None

    def keep_look(self, _facts: Any) -> None:
        found = self.stands.pop(0) if len(self.stands) > 1 else self.stands[0]
        self.looked(found)

    def looked(self, found: Any) -> None:
        self.looks += 1
        self.progress.look = found and (found, self.clock.monotonic())

    def act(self, script: str, *, timeout: float, look: bool) -> None:
        self.acts.append((script.splitlines()[0], self.samples, look))
        self.clock.sleep(self.act_s)
        if self.refuses:
            raise CommandFailedError("exit code 1: no reload")

    def fires(self) -> Any:
        if isinstance(self.firing, Exception):
            raise self.firing
        return self.firing

    def note(self, record: Record) -> None:
        self.record = record

    def soak(self) -> tuple[Judgement | None, str]:
        world: Any = self
        done = prove.soak(world, SimpleNamespace(record=RECORD))  # type: ignore[arg-type]
        return self.record.judgements(RECORD.boot).soak, done.note


@pytest.mark.parametrize("seconds", [4.0, 12.0])
def test_what_systemd_is_asked_in_a_soak_makes_it_no_longer(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    world = Soaked(monkeypatch, 3)
    world.options.soak_s, world.act_s = seconds, 3.0
    assert world.soak()[0] is Judgement.PASSED
    assert world.clock.seconds == seconds


def test_a_systemd_that_does_not_forget_is_reported_and_takes_no_host_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Soaked(monkeypatch, 3)
    world.refuses = True
    assert world.soak()[0] is Judgement.PASSED
    assert world.operator.lines == ["soak: systemd still remembers what kept the ports closed: exit code 1: no reload"]


@pytest.mark.parametrize(("seconds", "samples"), [(0.0, 2), (4.0, 2), (12.0, 4), (60.0, 4), (3600.0, 4)])
def test_a_soak_lasts_as_long_as_asked_and_notes_that_it_passed(
    monkeypatch: pytest.MonkeyPatch, seconds: float, samples: int
) -> None:
    world = Soaked(monkeypatch, 3)
    world.options.soak_s = seconds
    assert world.soak() == (Judgement.PASSED, "4 checks passed")
    assert (world.clock.seconds, world.samples, world.looks) == (seconds, samples, 1)
    assert world.acts == [("# let systemd forget what kept the ports closed", 1, False)]
    every_s = max(5.0, seconds / 3)
    seen = [every_s * n for n in range(1, samples - 1)]
    lines = [(f"soak: 3 messages in the queue, {duration(seconds - at)} to go", Share(at, seconds)) for at in seen]
    assert world.operator.shown == lines


@pytest.mark.parametrize(
    ("queue", "passes"),
    [((0, 50), True), ((0, 51), False), ((200, 400), True), ((200, 401), False), ((0, 90, 5), True)],
)
def test_a_queue_that_doubles_does_not_drain(
    monkeypatch: pytest.MonkeyPatch, queue: tuple[int, ...], passes: bool
) -> None:
    world = Soaked(monkeypatch, *queue)
    judgement, why = world.soak()
    assert judgement is (Judgement.PASSED if passes else Judgement.INCONCLUSIVE)
    assert passes or f"{queue[0]} messages at the beginning, {queue[-1]} at the end" in why
    assert passes or why.startswith("queue-trend FAILED: ")
    assert passes or world.record.proven == {}, "what does not pass is no proof"


@pytest.mark.parametrize(
    ("alert", "passes"),
    [
        ({"since": "2026-01-01T00:00:05Z"}, False),
        ({"since": "2026-01-01T00:00:05Z", "silenced": ["s1"]}, False),
        ({"since": "2026-01-01T00:00:05Z", "silenced": ["another's"]}, True),
        ({"since": "2025-12-31T23:59:59Z"}, True),
        ({"since": "2026-01-01T00:00:05Z", "instance": "mx1001"}, True),
        ({"since": "2026-01-01T00:00:05Z", "source": "verify-mx"}, True),
    ],
)
def test_an_alert_about_the_host_that_begins_in_service_ends_the_soak(
    monkeypatch: pytest.MonkeyPatch, alert: dict[str, Any], passes: bool
) -> None:
    judgement, why = Soaked(monkeypatch, 3, firing=parsed(raw(**alert))).soak()
    assert judgement is (Judgement.PASSED if passes else Judgement.INCONCLUSIVE)
    assert ("1 alert has begun to fire" in why) is not passes


def test_an_alertmanager_that_cannot_be_asked_takes_no_host_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Soaked(monkeypatch, 3, firing=SilenceError("Alertmanager cannot be asked"))
    assert world.soak()[0] is Judgement.PASSED
    assert world.operator.lines == ["soak: what fires is not known: Alertmanager cannot be asked"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (FAILED, "mta-serves FAILED: exim4.service is failed, 0 sockets on port 25"),
        (DEAF, "mta-serves FAILED: exim4.service is active, 0 sockets on port 25"),
        (None, "mta-serves UNKNOWN: whether exim4.service runs and listens cannot be read"),
    ],
    ids=["failed", "of an init script: its unit stays active", "not read"],
)
def test_a_soak_with_a_dead_mta_is_not_passed_and_says_so(
    monkeypatch: pytest.MonkeyPatch, found: Any, said: str
) -> None:
    world = Soaked(monkeypatch, 3)
    world.stands = [found]
    assert world.soak() == (Judgement.INCONCLUSIVE, said)
    assert world.record.proven == {}


@pytest.mark.parametrize("found", [FAILED, DEAF, None])
def test_an_mta_that_is_restarted_at_that_moment_has_not_died(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    world = Soaked(monkeypatch, 3)
    world.stands = [found, RUNS]
    assert world.soak()[0] is Judgement.PASSED
    assert world.progress.look[0] is RUNS, "which serves the next decision"


class Condition(SimpleNamespace):
    """A run that asks how its host is: what each reading of it finds, in turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: Status, known: bool = False) -> None:
        clock = FakeClock()
        clock.sleep(100.0)
        condition = (found[0], 96.0) if known else None
        super().__init__(clock=clock, accepted=frozenset(), target="the host", mta="its MTA")
        self.progress, self.reads = SimpleNamespace(condition=condition), list(found[known:])
        judged = SimpleNamespace(judged=lambda one: (Verdict("clock", one, "the clock"),))
        self.adapters = SimpleNamespace(verifier=judged)
        monkeypatch.setattr(prove, "condition_sources", lambda _world: ())
        monkeypatch.setattr(prove, "read_facts", lambda _host, _sources: self.reads.pop(0))
        monkeypatch.setattr(prove.proof, "digests_of", lambda one, *_: (f"digests of {one.value}", ()))

    def asked(self, record: Record = RECORD) -> tuple[Any, str, Status]:
        facts, digests, (verdict,) = prove._condition(self, record)  # type: ignore[arg-type]
        return facts, digests, verdict.status


@pytest.mark.parametrize("known", [True, False], ids=["as the repair read it", "read now"])
@pytest.mark.parametrize("then", Status)
def test_what_is_unknown_is_read_once_more(monkeypatch: pytest.MonkeyPatch, known: bool, then: Status) -> None:
    """As after a busy host, or a process that was stopped in the middle of its reading."""
    world = Condition(monkeypatch, Status.UNKNOWN, then, known=known)
    assert world.asked() == (then, f"digests of {then.value}", then)
    assert (world.reads, world.progress.condition) == ([], None)


@pytest.mark.parametrize("first", [Status.OK, Status.FAILED])
def test_what_is_known_is_not_read_again(monkeypatch: pytest.MonkeyPatch, first: Status) -> None:
    assert Condition(monkeypatch, first).asked()[2] is first


def test_what_is_unknown_and_accepted_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted = replace(RECORD, accepted=("clock",))
    assert Condition(monkeypatch, Status.UNKNOWN).asked(accepted)[2] is Status.UNKNOWN
