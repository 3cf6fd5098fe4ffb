"""The section ``roll`` of the site's configuration: how `sre.mail.roll-kernel` goes over the MXs."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mxlib.base.windows import WindowError, parse_all
from mxlib.config.values import ADDRESS_PATTERN, counts, must, positive

_SERVER = re.compile(r"[A-Za-z0-9.-]{1,253}(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True)
class RollSoak:
    """The soak between two hosts: evidence ends it, within bounds of time.

    Attributes:
        seconds: shortest duration.
        limit: longest duration in seconds; without enough evidence by then the roll stops.
        deliveries: recipients to whom real mail must have been delivered; test mails do not count.
        growth: messages by which the queue may grow.
        errors: messages that one new class of error may hit; "SMTP timeout after end of data" may hit none.
        every: seconds between two readings.
    """

    seconds: float = 1800.0
    limit: float = 7200.0
    deliveries: int = 20
    growth: int = 50
    errors: int = 2
    every: float = 30.0

    def __post_init__(self) -> None:
        for key in ("seconds", "limit", "every"):
            positive(getattr(self, key), key)
        must(self.limit >= self.seconds, "limit", "not less than seconds")
        counts(self, "deliveries", "growth", "errors")


@dataclass(frozen=True)
class RollNotify:
    """Who gets a mail when a roll stops.

    Attributes:
        to: mail addresses of the recipients.
        sender: mail address of the sender.
        smtp: a mail server, ``host`` or ``host:port``; None is the management host's own sendmail. The shipped unit
            does not let that work, so ``--unattended`` is refused without a server where there are recipients.
        success: whether a roll that is done sends a mail, too.
    """

    to: tuple[str, ...] = ()
    sender: str = "root@localhost"
    smtp: str | None = None
    success: bool = False

    def __post_init__(self) -> None:
        must(all(map(ADDRESS_PATTERN.fullmatch, self.to)), "to", "mail addresses")
        must(bool(ADDRESS_PATTERN.fullmatch(self.sender)), "sender", "a mail address")
        server = _SERVER.fullmatch(self.smtp or "localhost")
        must(server is not None and 0 < int(server["port"] or 25) < 65536, "smtp", "host or host:port")


@dataclass(frozen=True)
class RollSection:
    """How a kernel is rolled over the MXs.

    Attributes:
        windows: when a host may be begun, see :mod:`mxlib.base.windows`; without any, at any time.
        canary: the MX that goes first; None is the first in order.
        max_failed: failures after which a roll still continues, counted over all its nights.
        max_out: MXs that may be out of service or unwell at a time, including the one that is rebooted.
        leftovers: what to do with an MX that an earlier roll left out of service.
        soak: the soak between two hosts.
        slack: factor on the expected time of a host, which then must fit the window.
        notify: who gets a mail.
        metrics: file for the node exporter's textfile collector; None writes none.
        stale_days: days without a run after which the alert MxRollStale fires: a day more than the longest time from
            one window, or one start of the timer, to the next.
        task_url: URL of a task, with ``{task}`` in it, for the known-bad entry of a rollback.
    """

    windows: tuple[str, ...] = ()
    canary: str | None = None
    max_failed: int = 0
    max_out: int = 1
    leftovers: Literal["resume", "stop"] = "resume"
    soak: RollSoak = field(default_factory=RollSoak)
    slack: float = 1.5
    notify: RollNotify = field(default_factory=RollNotify)
    metrics: Path | None = None
    stale_days: float = 36.0
    task_url: str = "https://phabricator.wikimedia.org/{task}"

    def __post_init__(self) -> None:
        try:
            parse_all(self.windows)
        except WindowError as error:
            raise ValueError("windows", str(error)) from None
        must(self.max_failed >= 0, "max_failed", "0 or more")
        must(self.max_out >= 1, "max_out", "1 or more")
        must(math.isfinite(self.slack) and self.slack >= 1, "slack", "1 or more")
        positive(self.stale_days, "stale_days")
        must(self.task_url.startswith("https://") and "{task}" in self.task_url, "task_url", "https://...{task}")
