"""Proving a boot: from outside, and what the ledger says of it."""

from types import SimpleNamespace

import pytest

from mxlib.base.verdict import Status, Verdict
from mxlib.model.record import Judgement
from mxlib.protocols.world import Done
from mxlib.reboot.steps import prove
from tests.unit.support.fakes import Tell
from tests.unit.support.records import RECORD


class Door:
    """A host asked from outside, once for each fate: ``well``, ``refused``, or ``reloaded`` in the middle."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *fates: str) -> None:
        self.fates, self.ports, self.operator, self.target, self.mta = list(fates), (), Tell(), None, None
        self.adapters = SimpleNamespace(verifier=SimpleNamespace(inbound=self.asked))
        monkeypatch.setattr(prove, "let_prober_in", lambda door, _seconds: door.let(61000))
        monkeypatch.setattr(prove, "shut_prober_out", lambda door: door.let())
        depool = SimpleNamespace(depool=self)
        monkeypatch.setattr(prove, "read_standing", lambda _host, _mta: depool)

    @property
    def prober_ports(self) -> tuple[int, ...]:
        return self.ports

    def let(self, *found: int) -> None:
        self.ports = found

    def asked(self, _host: object) -> tuple[Verdict, ...]:
        assert self.ports
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
    door = Door(monkeypatch, *fates)
    assert prove.from_outside(door)[0].passed is passed
    assert door.ports == ()
    assert door.fates == []
    assert ("asking once more" in "".join(door.operator.lines)) is (len(fates) > 1)


def test_what_a_hole_leaves_open_is_no_proof_and_no_loss(monkeypatch):
    said = Done("ledger", {"holes": 1, "missing": 1})
    monkeypatch.setattr(prove.ledger, "check", lambda _world, _record: said)
    kept = []
    context = SimpleNamespace(progress=SimpleNamespace(lost=0), remember=kept.append)
    assert prove.inbound(context, SimpleNamespace(record=RECORD)) is said
    assert kept[0].judgements(RECORD.boot).serving is Judgement.INCONCLUSIVE
