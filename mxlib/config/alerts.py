"""The sections ``alerts`` and ``downtime`` of the site's configuration: which alerts block a run, and silences."""

import re
from dataclasses import dataclass
from typing import Literal

from mxlib.config.values import must

_LABELS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=[^,=]+(,[A-Za-z_][A-Za-z0-9_]*=[^,=]+)*")


@dataclass(frozen=True)
class AlertsSection:
    """Alerts that block a run.

    Attributes:
        source: where alerts are read; "none" where there is no Alertmanager.
        instance: the instance of Spicerack's ``alertmanager/config.yaml``; empty is its default.
        service: labels of alerts about the whole service, such as ``service=mail``; of several, separated by commas,
            all must match.
        ignored: names of alerts that do not matter.
    """

    source: Literal["alertmanager", "none"] = "alertmanager"
    instance: str = ""
    service: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        must(all(map(_LABELS.fullmatch, self.service)), "service", "labels such as service=mail or team=mail,env=prod")
        must(all(self.ignored), "ignored", "names of alerts")


@dataclass(frozen=True)
class DowntimeSection:
    """Silences: short, and prolonged while the run lives, so that a host left out of service alerts soon.

    Attributes:
        minutes: how long a silence lasts unless it is prolonged; 0 sets none.
        through: where silences are set.
    """

    minutes: int = 10
    through: Literal["alertmanager", "icinga", "both"] = "alertmanager"

    def __post_init__(self) -> None:
        must(self.minutes == 0 or 5 <= self.minutes <= 240, "minutes", "0, or 5 to 240")
