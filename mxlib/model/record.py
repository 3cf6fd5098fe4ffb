"""The record of a run, kept on the target itself, so that any operator on any management host can resume or undo it.

The state is read from the world each time. The record holds only what cannot be read there: who took the host out and
why, the values to restore, what was proven in which boot.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

VERSION = 1
"""Version of the record's form: raised when a field changes its meaning, not when one is added.

A new stage of a verification is a change of meaning: a boot that lacks it is not verified.
"""
_SKEW_S = 60.0
"""Seconds by which the clocks of two management hosts may differ."""

MAX_BOOTS = 3
"""Reboots one run may order: the trial, the return, and one for a boot that came up in another kernel."""


class Level(Enum):
    """How a virtual machine is rebooted, gentlest first; experiments showed which level assigns PCI slots again."""

    GUEST = "guest"
    """From inside. The machine's process lives on: it keeps its slots (unless reboot_behavior=exit)."""
    POWER_CYCLE = "power-cycle"
    """``gnt-instance reboot --type=soft``: a power cut, then the saved command line again; slots are kept."""
    COLD = "cold"
    """``gnt-instance reboot --type=hard``: the machine is rebuilt, and its slots are assigned again."""


class Judgement(Enum):
    """The verdict of a verification on the kernel of a boot."""

    PASSED = "passed"
    BLAMED = "blamed"
    """Failed, while the same passed before the reboot and passes on a peer now."""
    INCONCLUSIVE = "inconclusive"
    """Failed or unknown, and nothing shows that the host is to blame."""


@dataclass(frozen=True)
class Judgements:
    """The verification of one boot, in its three stages; None for a stage that was not judged yet.

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
        before: boot id when it was ordered; the last one known where nobody ordered it.
        wanted: kernel that was to boot; empty where nobody ordered it.
        after: boot id that came up; empty while the boot is awaited.
        kernel: kernel that came up.
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
        release: as ``uname -r`` prints it.
        entry: full id of its entry in grub.cfg.
    """

    release: str
    entry: str


@dataclass(frozen=True)
class Prior:
    """What the run found and has to restore.

    Attributes:
        pool: value of each pool object, by its name; empty where there is no pool; None where it could not be read, so
            that this run leaves it alone.
        saved_entry: GRUB's saved entry.
        puppet_off: whether somebody had disabled Puppet, or there was none; None if that could not be read.
    """

    pool: Mapping[str, str] | None
    saved_entry: str
    puppet_off: bool | None


@dataclass(frozen=True)
class Record:
    """What a run remembers.

    Attributes:
        run: its id.
        who: operator and management host.
        why: reason and task.
        since: when the host was claimed, ISO 8601, UTC.
        token: fencing token; the highest that has written wins.
        target: the kernel to boot; its release is empty where the host is only depooled.
        fallback: the kernel to return to.
        boot_before: boot id when the host was claimed.
        prior: what to restore.
        log_mark: where the mail log ended when the host was claimed, in the MTA's own form.
        stay: whether the host is to stay out of service at the end.
        baseline: whether this run verified the host before taking it out.
        accepted: names of findings that the operator has accepted.
        drained: boot id in which the queue was drained.
        repaired: boot id in which the repair of known failures was begun.
        ledger: boot id in which the ledger was closed.
        boots: boots since the claim, oldest first.
        judged: the judgements, by boot id.
        proven: when a boot was last verified, ISO 8601, UTC, by boot id; the guard verifies the boot of the claim.
        configured: digests of the configuration with which a boot was verified, by boot id; see
            :mod:`mxlib.mta.configuration`. A verification without one, in an older record, does not hold.
        undoing: why the run turned back; empty while it goes forward.
        silences: ids of the silences it has set.
        level: how the kernel is tried: by a reboot from inside, or by a cold start.
        prevention: how the host is prepared for a cold start that would rename its network interface: none, stanzas or
            link.
        unsettled: whether the host may still be prepared for another name; noted before it is prepared.
        prepared: boot id in which it was prepared, and the preparation proven.
        pinned: names that this run has pinned by their MAC; released if the cold start never came.
        host: the host's fully qualified name, as a disk may be cloned; empty in a record older than this field.
        unknown: fields of another release of these cookbooks, also those of boots and other parts; kept as they are.
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
        """Whether the cold start is still to come."""
        return self.level is Level.COLD and not any(one.level is Level.COLD and one.after for one in self.boots)

    @property
    def restart_due(self) -> bool:
        """Whether the host still has to boot into the release that it was claimed with, perhaps of another build."""
        return self.target.release != "" and self.target == self.fallback and not any(one.after for one in self.boots)

    @property
    def awaited(self) -> Boot | None:
        """The reboot that was ordered and has not come up yet."""
        return self.boots[-1] if self.boots and not self.boots[-1].after else None

    @property
    def boot(self) -> str:
        """The last boot id that the record knows."""
        return self.boots[-1].after or self.boots[-1].before if self.boots else self.boot_before

    @property
    def ordered(self) -> int:
        """How many reboots the run has ordered."""
        return sum(bool(boot.wanted) for boot in self.boots)

    @property
    def spent(self) -> bool:
        """Whether the run may order no further reboot; one that is awaited may be ordered again."""
        return self.ordered - (self.awaited is not None) >= MAX_BOOTS

    @property
    def trial_failed(self) -> bool:
        """Whether the target did not come up when ordered, or came up and is to blame."""
        return any(boot.after and boot.wanted == self.target.release and self._failed(boot) for boot in self.boots)

    def _failed(self, boot: Boot) -> bool:
        return boot.kernel != self.target.release or self.judgements(boot.after).worst is Judgement.BLAMED

    def judgements(self, boot: str) -> Judgements:
        """Return what was judged in a boot."""
        return self.judged.get(boot, Judgements())

    def with_judgement(self, boot: str, **stages: Judgement) -> "Record":
        """Return the record with a stage judged.

        Arguments:
            stages: the judgement by the stage's name.
        """
        judged = dataclasses.replace(self.judgements(boot), **stages)
        return dataclasses.replace(self, judged={**self.judged, boot: judged})

    def to_judge_again(self, boot: str) -> "Record":
        """Return the record without the judgements that may differ when somebody resumes the run.

        Those are the inconclusive ones, and the present boot's blame where no other kernel is left to return to: the
        cause may have been repaired. A target that was blamed stays blamed.

        Arguments:
            boot: boot id of the host now.
        """
        again = {name for name, one in self.judged.items() if one.worst is Judgement.INCONCLUSIVE}
        on_trial = self.target != self.fallback and self.kernel_of(boot) == self.target.release and not self.spent
        if self.judgements(boot).worst is not None and not on_trial:
            again.add(boot)
        return dataclasses.replace(self, judged={name: one for name, one in self.judged.items() if name not in again})

    def kernel_of(self, boot: str) -> str:
        """Return the kernel of a boot since the claim; empty where it is unknown."""
        return next((one.kernel for one in self.boots if one.after == boot), "")

    def trusted(self, boot: str) -> bool:
        """Whether the host may serve in this boot."""
        return (self.baseline and boot == self.boot_before) or self.judgements(boot).verified

    def proof_age(self, boot: str, now: datetime) -> float:
        """Return how many seconds ago a boot was verified; infinite where that is unknown, or in the future."""
        try:
            age = (now - datetime.fromisoformat(self.proven[boot])).total_seconds()
        except (KeyError, ValueError, TypeError):
            return math.inf
        return age if age >= -_SKEW_S else math.inf

    def without_proof(self, boot: str) -> "Record":
        """Return the record without what was verified in a boot."""
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
        values = _with_unknown(fields, fields.pop("unknown"))
        return json.dumps({**values, "version": VERSION}, default=lambda value: value.value, sort_keys=True)


def _with_unknown(known: Any, unknown: Any) -> Any:
    """Return a part with the fields of another release in their places; boots are only added at the end."""
    if isinstance(known, dict) and isinstance(unknown, dict):
        return {**unknown, **{name: _with_unknown(one, unknown.get(name)) for name, one in known.items()}}
    if isinstance(known, tuple) and isinstance(unknown, dict):
        return [_with_unknown(one, unknown.get(place)) for place, one in enumerate(known)]
    return known
