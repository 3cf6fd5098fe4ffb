"""What a run has to remember, kept on the target itself so that any operator on any management host can go on or undo.

Where things stand is read from the world each time. The record holds only what the world cannot tell: who took the
host out and why, the values to restore, what was proven in which boot.
"""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from mxlib.base.errors import ParseError

VERSION = 1
"""Of the record's form: raised when a field gets another meaning. Fields that are only added need no other version."""

MAX_BOOTS = 3
"""Reboots one run may order: the trial, the return, and one more for a boot that went elsewhere."""

_RUN = re.compile(r"[A-Za-z0-9-]{1,64}")
"""A run's id becomes part of a file's name."""


class Level(Enum):
    """How a virtual machine is rebooted, gentlest first. Tried: which of them plans the PCI slots again."""

    GUEST = "guest"
    """From inside. The machine's process goes on: slots are kept (unless reboot_behavior=exit)."""
    POWER_CYCLE = "power-cycle"
    """``gnt-instance reboot --type=soft``: a power cut, then the saved command line again; slots are kept."""
    COLD = "cold"
    """``gnt-instance reboot --type=hard``: built again; slots are planned again."""


class Judgement(Enum):
    """What a verification says of the kernel of a boot."""

    PASSED = "passed"
    BLAMED = "blamed"
    """Failed, while the same passed before the reboot and passes on a peer now."""
    INCONCLUSIVE = "inconclusive"
    """Failed or could not be told, and nothing shows that the host is to blame."""


@dataclass(frozen=True)
class Judgements:
    """The verification of one boot, in its three stages; None is not judged yet.

    Attributes:
        held: with the MTA held: units, network, outbound test mails.
        serving: with the MTA running behind closed ports: ledger, inbound session.
        soak: in service.
    """

    held: Judgement | None = None
    serving: Judgement | None = None
    soak: Judgement | None = None

    @property
    def verified(self) -> bool:
        """Whether the host may serve."""
        return self.held is self.serving is Judgement.PASSED and self.soak in (None, Judgement.PASSED)

    @property
    def worst(self) -> Judgement | None:
        """The first judgement that is not a pass."""
        return next((one for one in (self.held, self.serving, self.soak) if one not in (None, Judgement.PASSED)), None)


@dataclass(frozen=True)
class Boot:
    """One boot since the host was taken out.

    Attributes:
        before: boot id when it was ordered, or the last one known where nobody ordered it.
        wanted: kernel that was to boot; empty where nobody ordered it.
        after: boot id that came; empty while it is awaited.
        kernel: kernel that came.
        level: how it was ordered: from inside, or as a cold start.
    """

    before: str
    wanted: str
    after: str = ""
    kernel: str = ""
    level: Level = Level.GUEST


@dataclass(frozen=True)
class Kernel:
    """A kernel and its entry in the boot menu.

    Attributes:
        release: as ``uname -r`` says it.
        entry: full id of its entry in grub.cfg.
    """

    release: str
    entry: str


@dataclass(frozen=True)
class Prior:
    """What was so before the run, to be restored.

    Attributes:
        pool: value of each pool object, by its name.
        saved_entry: GRUB's saved entry.
        puppet_off: whether somebody had disabled Puppet.
    """

    pool: Mapping[str, str]
    saved_entry: str
    puppet_off: bool


@dataclass(frozen=True)
class Record:
    """The memory of a run.

    Attributes:
        run: its id.
        who: operator and management host.
        why: reason and task.
        since: when the host was claimed, ISO 8601, UTC.
        token: fencing token: the highest one that has written wins.
        target: the kernel to boot; empty release where only the service is taken out.
        fallback: the kernel to return to.
        boot_before: boot id when the host was claimed.
        prior: what to restore.
        log_mark: where the mail log ended when the host was claimed, in the MTA's own form.
        stay: whether the host is to stay out of service in the end.
        baseline: whether this run verified the host before it took it out.
        accepted: names of findings that the operator has accepted.
        drained: boot id in which the queue was drained.
        repaired: boot id in which known failures were repaired, or begun to be.
        ledger: boot id in which the ledger was closed.
        boots: boots since, oldest first.
        judged: what was judged, by boot id.
        proven: when a boot was last proven to be well, ISO 8601, UTC, by boot id; the guard proves that of the claim.
        configured: digests of the configuration that a boot was proven with, by boot id; see
            :mod:`mxlib.mta.configuration`. Absent in a record from before this was kept: such a proof does not hold.
        undoing: why the run turned back; empty while it goes forward.
        silences: ids of the silences set.
        level: how the kernel is tried: by a reboot from inside, or by a cold start.
        prevention: what is done before a cold start that would rename the network interface: none, stanzas or link.
        unsettled: whether the host may hold what prepares it for another name; noted before it is prepared.
        prepared: boot id in which that was done and proven.
        pinned: names that this run has pinned by their MAC, to be let go of where the cold start never came.
        host: the host it is of, fully qualified: a disk may be cloned. Empty in a record from before this was kept.
        unknown: fields of these cookbooks in another release; kept as they are.
    """

    run: str
    who: str
    why: str
    since: str
    token: int
    target: Kernel
    fallback: Kernel
    boot_before: str
    prior: Prior
    log_mark: str
    stay: bool = False
    baseline: bool = False
    accepted: tuple[str, ...] = ()
    drained: str = ""
    repaired: str = ""
    ledger: str = ""
    boots: tuple[Boot, ...] = ()
    judged: Mapping[str, Judgements] = dataclasses.field(default_factory=dict)
    proven: Mapping[str, str] = dataclasses.field(default_factory=dict)
    configured: Mapping[str, str] = dataclasses.field(default_factory=dict)
    undoing: str = ""
    silences: tuple[str, ...] = ()
    level: Level = Level.GUEST
    prevention: str = "none"
    unsettled: bool = False
    prepared: str = ""
    pinned: tuple[str, ...] = ()
    host: str = ""
    unknown: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def cold_due(self) -> bool:
        """Whether the machine is still to be built again."""
        return self.level is Level.COLD and not any(one.level is Level.COLD and one.after for one in self.boots)

    @property
    def awaited(self) -> Boot | None:
        """The reboot that was ordered and has not been seen to end."""
        return self.boots[-1] if self.boots and not self.boots[-1].after else None

    @property
    def boot(self) -> str:
        """The boot id the record knows of."""
        return self.boots[-1].after or self.boots[-1].before if self.boots else self.boot_before

    @property
    def ordered(self) -> int:
        """How many reboots the run has ordered."""
        return sum(bool(boot.wanted) for boot in self.boots)

    @property
    def spent(self) -> bool:
        """Whether the run may order no reboot any more; one that is awaited may be ordered again."""
        return self.ordered - (self.awaited is not None) >= MAX_BOOTS

    @property
    def trial_failed(self) -> bool:
        """Whether the target did not come up when ordered, or came up and is to blame."""
        return any(boot.after and boot.wanted == self.target.release and self._failed(boot) for boot in self.boots)

    def _failed(self, boot: Boot) -> bool:
        return boot.kernel != self.target.release or self.judgements(boot.after).worst is Judgement.BLAMED

    def judgements(self, boot: str) -> Judgements:
        """What was judged in a boot.

        Arguments:
            boot: its id.
        """
        return self.judged.get(boot, Judgements())

    def with_judgement(self, boot: str, **stages: Judgement) -> "Record":
        """The record with a stage judged.

        Arguments:
            boot: boot id.
            stages: the judgement by the stage's name.
        """
        judged = dataclasses.replace(self.judgements(boot), **stages)
        return dataclasses.replace(self, judged={**self.judged, boot: judged})

    def to_judge_again(self, boot: str) -> "Record":
        """Return the record without the judgements that may turn out otherwise when somebody resumes the run.

        What was inconclusive; and what the boot of now was blamed for, where no other kernel is left to return to: what
        was wrong may be mended. A target that was to blame stays to blame.

        Arguments:
            boot: boot id of the host now.
        """
        again = {name for name, one in self.judged.items() if one.worst is Judgement.INCONCLUSIVE}
        on_trial = self.target != self.fallback and self.kernel_of(boot) == self.target.release and not self.spent
        if self.judgements(boot).worst is not None and not on_trial:
            again.add(boot)
        return dataclasses.replace(self, judged={name: one for name, one in self.judged.items() if name not in again})

    def kernel_of(self, boot: str) -> str:
        """Return the kernel of a boot since the claim; empty where the record does not know it."""
        return next((one.kernel for one in self.boots if one.after == boot), "")

    def trusted(self, boot: str) -> bool:
        """Whether the host, in this boot, may be given to clients.

        Arguments:
            boot: boot id.
        """
        return (self.baseline and boot == self.boot_before) or self.judgements(boot).verified

    def proof_age(self, boot: str, now: datetime) -> float:
        """Return how many seconds ago a boot was proven to be well; infinite where that is not known."""
        try:
            return (now - datetime.fromisoformat(self.proven[boot])).total_seconds()
        except (KeyError, ValueError, TypeError):
            return math.inf

    def without_proof(self, boot: str) -> "Record":
        """Return the record with a boot to be verified again."""
        judged = {name: one for name, one in self.judged.items() if name != boot}
        proven = {name: one for name, one in self.proven.items() if name != boot}
        configured = {name: one for name, one in self.configured.items() if name != boot}
        repaired = "" if self.repaired == boot else self.repaired
        baseline = self.baseline and boot != self.boot_before
        return dataclasses.replace(
            self, judged=judged, proven=proven, configured=configured, repaired=repaired, baseline=baseline
        )

    def to_json(self) -> str:
        """Return the record as one line of JSON."""
        fields = dataclasses.asdict(self)
        values = {**fields.pop("unknown"), **fields, "version": VERSION}
        return json.dumps(values, default=lambda value: value.value, sort_keys=True)


def from_json(text: str) -> Record:
    """Read a record.

    Arguments:
        text: what :meth:`Record.to_json` wrote.

    Raises:
        mxlib.base.errors.ParseError: it is not a record.
    """
    try:
        return _decode(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError(f"the run's record cannot be read: {error!r}") from None


def _decode(raw: dict[str, Any]) -> Record:
    values = dict(raw)
    if (version := int(values.pop("version", VERSION))) > VERSION:
        raise ParseError(f"the run's record has version {version}, these cookbooks know {VERSION}: use the newer ones")
    if not _RUN.fullmatch(raw["run"]):
        raise ValueError(f"run: expected letters, digits and dashes, got {raw['run']!r}")
    values["target"], values["fallback"] = Kernel(**raw["target"]), Kernel(**raw["fallback"])
    values["prior"] = Prior(**raw["prior"])
    # an older run has written a pair of numbers
    mark = raw["log_mark"]
    values["log_mark"] = ":".join(str(int(one)) for one in mark) if isinstance(mark, list) else str(mark)
    values["boots"] = tuple(_boot(boot) for boot in raw["boots"])
    values["judged"] = {boot: _judgements(stages) for boot, stages in raw["judged"].items()}
    values["accepted"] = tuple(raw.get("accepted", ()))
    values["silences"] = tuple(raw["silences"])
    values["level"] = Level(raw.get("level", Level.GUEST.value))
    values["pinned"] = tuple(raw.get("pinned", ()))
    known = {one.name for one in dataclasses.fields(Record)} - {"unknown"}
    unknown = {name: value for name, value in values.items() if name not in known}
    return Record(**{name: value for name, value in values.items() if name in known}, unknown=unknown)


def _boot(raw: dict[str, Any]) -> Boot:
    return Boot(**{**raw, "level": Level(raw.get("level", Level.GUEST.value))})


def _judgements(raw: dict[str, str | None]) -> Judgements:
    return Judgements(**{stage: Judgement(value) if value else None for stage, value in raw.items()})
