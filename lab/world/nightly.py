"""The worlds of the nights: any two values of a :class:`~lab.world.guest.GuestWorld` meet once, in one exchanger.

Each world has both firewalls, one an exchanger. A unit test holds that no pair is missing; where a value is added, more
exchangers may be needed.
"""

from lab.world.guest import CACHE_PUPPET, GuestWorld

GERMAN, CLOCK = "de_DE.UTF-8", r"\h \t \w> "
BERLIN, NEW_YORK, KOLKATA = "Europe/Berlin", "America/New_York", "Asia/Kolkata"
# A file a day; %s is the kind of log.
DATED = "/var/log/exim4/%slog-%D"
PROVIDER, SLOW = "mx.provider.test", "slow"

VALUES: dict[str, tuple[object, ...]] = {
    "release": ("bookworm", "trixie"),
    "firewall": ("nftables", "ferm"),
    "ruleset": ("plain", "jumps"),
    "network": ("ifupdown", "networkd"),
    "locale": ("", GERMAN),
    "timezone": ("Etc/UTC", BERLIN, NEW_YORK),
    "prompt": ("", CLOCK),
    "pam": (False, True),
    "entry": ("id", "title", "number"),
    "puppet": ("/var/lib/puppet", CACHE_PUPPET),
    "exim_timezone": ("", KOLKATA),
    "exim_log": ("", DATED),
    "split_spool": (False, True),
    "retry_host": ("", PROVIDER),
    "named_queue": ("", SLOW),
}
"""What is varied."""

NIGHTLY: dict[str, dict[str, GuestWorld]] = {
    "night1": {
        "mx1001": GuestWorld(
            "trixie", "nftables", network="networkd", locale=GERMAN, timezone=BERLIN, pam=True, entry="number",
            exim_timezone=KOLKATA, exim_log=DATED, split_spool=True, retry_host=PROVIDER,
        ),
        "mx2001": GuestWorld(
            "bookworm", "ferm", timezone=NEW_YORK, prompt=CLOCK, entry="title", puppet=CACHE_PUPPET, named_queue=SLOW,
        ),
    },
    "night2": {
        "mx1001": GuestWorld(
            "trixie", "nftables", ruleset="jumps", network="networkd", puppet=CACHE_PUPPET, split_spool=True,
            retry_host=PROVIDER, named_queue=SLOW,
        ),
        "mx2001": GuestWorld(
            "trixie", "ferm", locale=GERMAN, prompt=CLOCK, pam=True, exim_timezone=KOLKATA, exim_log=DATED,
        ),
    },
    "night3": {
        "mx1001": GuestWorld(
            "bookworm", "nftables", ruleset="jumps", timezone=NEW_YORK, prompt=CLOCK, pam=True, entry="title",
            exim_timezone=KOLKATA, exim_log=DATED, split_spool=True, retry_host=PROVIDER,
        ),
        "mx2001": GuestWorld("bookworm", "ferm", network="networkd", timezone=BERLIN, entry="number", named_queue=SLOW),
    },
    "night4": {
        "mx1001": GuestWorld(
            "trixie", "nftables", ruleset="jumps", locale=GERMAN, timezone=NEW_YORK, entry="number",
            puppet=CACHE_PUPPET, exim_timezone=KOLKATA,
        ),
        "mx2001": GuestWorld(
            "trixie", "ferm", network="networkd", locale=GERMAN, timezone=BERLIN, prompt=CLOCK, pam=True,
            entry="title", puppet=CACHE_PUPPET, exim_log=DATED, split_spool=True, retry_host=PROVIDER,
            named_queue=SLOW,
        ),
    },
    "night5": {
        "mx1001": GuestWorld(
            "bookworm", "nftables", ruleset="jumps", timezone=BERLIN, puppet=CACHE_PUPPET, exim_log=DATED,
            retry_host=PROVIDER,
        ),
        "mx2001": GuestWorld(
            "bookworm", "ferm", pam=True, entry="title", puppet=CACHE_PUPPET, exim_timezone=KOLKATA, split_spool=True,
            named_queue=SLOW,
        ),
    },
    "night6": {
        "mx1001": GuestWorld("trixie", "nftables", prompt=CLOCK, entry="number", split_spool=True, named_queue=SLOW),
        "mx2001": GuestWorld(
            "bookworm", "ferm", network="networkd", timezone=NEW_YORK, prompt=CLOCK, pam=True, exim_timezone=KOLKATA,
            named_queue=SLOW,
        ),
    },
}  # fmt: skip
