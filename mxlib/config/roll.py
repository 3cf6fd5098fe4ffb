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
    """The watch between two hosts: it ends by evidence, within a bound.

    Attributes:
        seconds: at least so long.
        limit: at most so long; without enough evidence by then the roll stops.
        deliveries: recipients that real mail has to be delivered to in that time, test mails left out.
        growth: messages by which the queue may have grown.
        errors: messages that one new class of error may hit; "SMTP timeout after end of data" may hit none.
        every: seconds between two looks.
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
        to: mail addresses.
        sender: from whom.
        smtp: a mail server, ``host`` or ``host:port``; none: the management host's own sendmail.
        success: whether a mail is also sent when a roll is done.
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
        windows: when a host may be begun, see :mod:`mxlib.base.windows`; none: at any time.
        canary: the MX that goes first; none: the first in order.
        max_failed: failures that a roll may go on after, over all its nights.
        max_out: MXs that may be out of service or not well at a time, the one that is rebooted included.
        leftovers: what to do with an MX that an earlier run of a roll left out of service.
        soak: the watch between two hosts.
        slack: by how much the expected time of a host is multiplied, before it has to fit the window.
        notify: who gets a mail.
        metrics: file for the node exporter's textfile collector; none: none is written.
        task_url: where tasks are found, with ``{task}`` in it: for the known-bad entry of a rollback.
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
    task_url: str = "https://phabricator.wikimedia.org/{task}"

    def __post_init__(self) -> None:
        try:
            parse_all(self.windows)
        except WindowError as error:
            raise ValueError("windows", str(error)) from None
        must(self.max_failed >= 0, "max_failed", "0 or more")
        must(self.max_out >= 1, "max_out", "1 or more")
        must(math.isfinite(self.slack) and self.slack >= 1, "slack", "1 or more")
        must(self.task_url.startswith("https://") and "{task}" in self.task_url, "task_url", "https://...{task}")
