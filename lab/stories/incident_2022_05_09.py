"""2022-05-09: a big provider's mail was rejected with 503 for five days; a kernel was rolled back first, in vain.

The history is that of the site's public incident report. The exchanger runs the very Exim of those days, in which the
fault is real: after a message that was refused, it takes the next BDAT of the session for one it has never offered.
The second act turns it round, as a sending Exim meets the same class of error: a destination that refuses BDAT.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab import demo
from lab.place import Exchanger
from lab.shell import LabError, wait_for
from lab.stations import outside
from lab.stories import old_exim
from lab.stories.story import Moment, Stage, Story
from lab.world import worlds

PROVIDER = "198.51.100.10"
REFUSED_TO, TO = "no-such-person@lab.test", "user%d@lab.test"
MAILS, TAG = 6, "2022-05-09"
CONFIGURATION = "/etc/exim4/exim4.conf"
REFUSAL = "503 BDAT command used when CHUNKING not advertised"
DESTINATION, DESTINATION_HOST, LIST = "lists", "mx.lists.test", "list-friends@lab.test"

HISTORY = (
    Moment("05-04 01:28", "Exim begins to reject some mail of the big provider with 503"),
    Moment("05-08 17:07", "a ticket: several users report that their mail bounces"),
    Moment("05-09 08:25", "investigation begins; the graph of bounces does not show mail that others bounce"),
    Moment("05-09 14:00", "recently upgraded kernels are rolled back: no effect"),
    Moment("05-09 16:03", "the provider is asked whether anything has changed there"),
    Moment("05-09 16:40", "CHUNKING is switched off in Exim: mail is taken again"),
    Moment("afterwards", "about 14,000 mails were rejected in five days; nobody was paged"),
)


def replay(stage: Stage) -> None:
    """Play it."""
    mx = old_exim.exchanger_for(stage.place.lab)
    since = demo.now()
    try:
        with old_exim.in_place(stage.place, mx):
            _rejected(stage, mx)
            _named(stage, mx)
            with _configured(stage, mx, f"sed -i '1i chunking_advertise_hosts =' {CONFIGURATION}"):
                _taken_again(stage, mx)
        _forget(stage, mx)
        _the_other_way_round(stage, mx)
    finally:
        _forget(stage, mx)
    _all_is_well(stage, since)


def _bulk(stage: Stage, mx: Exchanger, *words: str) -> tuple[dict[str, int], list[str]]:
    """Send as the provider does; return the replies that decided, by number, and the commands that it used."""
    fixed = ["--state", "/outside", "--via", mx.fqdn, "--source", PROVIDER, "--tag", TAG]
    command = outside.program(stage.place.world, "bulk", *fixed, "--to", TO, "--count", str(MAILS), *words)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=300)
    if not done.stdout.strip():
        raise LabError(f"the provider's sender ended with {done.returncode}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["replies"], found["by"]


@contextmanager
def _configured(stage: Stage, mx: Exchanger, change: str) -> Iterator[None]:
    """Change Exim's configuration as the advice says, as the site would by Puppet; afterwards it is as before."""
    stage.on(mx, f"cp -a {CONFIGURATION} {CONFIGURATION}.lab")
    try:
        stage.on(mx, f"{change} && exim4 -bV >/dev/null && systemctl reload exim4")
        _serves(stage, mx)
        yield
    finally:
        stage.on(mx, f"mv {CONFIGURATION}.lab {CONFIGURATION} && systemctl reload exim4")
        _serves(stage, mx)


def _serves(stage: Stage, mx: Exchanger) -> None:
    wait_for(f"{mx.name} to greet again", lambda: demo.is_serving(stage.place, mx) is True, deadline=60)


def _forget(stage: Stage, mx: Exchanger) -> None:
    """Take the refusals out of the log, where they would fail every verification of the next quarter of an hour."""
    ours = "BDAT|synchronization error|after (pipelined )?(end of data|sending data block): 503"
    log = worlds.of(stage.place.lab, mx).main_log
    stage.on(mx, f"cd /var/log/exim4; log={log}; grep -vE '{ours}' $log > lab-new; cat lab-new > $log; rm lab-new")


def _rejected(stage: Stage, mx: Exchanger) -> None:
    version = stage.on(mx, "exim4 -bV | sed -n '1s/.*version \\([0-9.]*\\).*/\\1/p'").strip()
    stage.note(f"{mx.name} runs Exim {version}, as then", then="05-04 01:28")
    replies, by = _bulk(stage, mx)
    stage.must(replies == {"250": MAILS} and by == ["BDAT"], f"the provider's mail is taken, by BDAT: {replies}")
    replies, _ = _bulk(stage, mx, "--behind", REFUSED_TO)
    stage.must(
        replies == {REFUSAL: MAILS},
        f"but behind one to an unknown address, in the same session, it is not: {replies}",
        then="05-04 01:28",
    )


def failing(said: str) -> list[str]:
    """Return the checks that did not pass, by what verify-mx said."""
    return re.findall(r"^[\d:]*\s*(?:FAILED|UNKNOWN)\s+([a-z][a-z0-9-]*) ", said, re.MULTILINE)


def _named(stage: Stage, mx: Exchanger) -> None:
    code, said = stage.cookbook("sre.mail.verify-mx", mx.fqdn, "--only", "log", "--only", "kernel", "--no-probes")
    named = f"{MAILS} x BDAT (CHUNKING) refused here, from provider.test" in said
    helps = "what helps: `chunking_advertise_hosts =`" in said
    stage.must(code == 14 and named and helps, "verify-mx names class, sender and what helps", then="05-08 17:07")
    exonerated = "neither kernel nor network" in said and failing(said) == ["log"]
    stage.must(exonerated, "it says that no kernel is at fault: that check is OK", then="05-09 14:00")
    code, said = stage.cookbook("sre.mail.remedy-mx", mx.fqdn, "--suggest", "--no-probes")
    setting = "chunking_advertise_hosts =" in said and "mended in 4.96" in said
    stage.must(code == 14 and setting, "remedy-mx says the setting, and which Exim has mended it", then="05-09 16:03")


def _taken_again(stage: Stage, mx: Exchanger) -> None:
    replies, by = _bulk(stage, mx, "--behind", REFUSED_TO)
    stage.must(
        replies == {"250": MAILS} and by == ["DATA"],
        f"with that setting the same mail is taken, by DATA: {replies}",
        then="05-09 16:40",
    )


def _the_other_way_round(stage: Stage, mx: Exchanger) -> None:
    """A destination that offers CHUNKING and refuses BDAT: the exchanger is the one that bounces."""
    submit = f"for n in $(seq {MAILS}); do echo x | exim4 -odi -f probe@world.test {LIST}; done"
    outside.change(stage.place.lab, DESTINATION, {"mode": "chunking"})
    try:
        stage.on(mx, submit, timeout=180)
        code, said = stage.cookbook("sre.mail.verify-mx", mx.fqdn, "--only", "log", "--only", "kernel", "--no-probes")
        named = f"{MAILS} x BDAT (CHUNKING) refused, to lists.test" in said and failing(said) == ["log"]
        stage.must(code == 14 and named, "a destination that refuses BDAT is named, too, and no kernel")
        code, said = stage.cookbook("sre.mail.remedy-mx", mx.fqdn, "--suggest", "--no-probes")
        setting = f"hosts_try_chunking = ! {DESTINATION_HOST} : *"
        stage.must(code == 14 and setting in said, f"remedy-mx says what helps: {setting}")
        change = f"sed -i '/driver = smtp/a hosts_try_chunking = ! {DESTINATION_HOST} : *' {CONFIGURATION}"
        with _configured(stage, mx, change):
            before = _arrived(stage)
            stage.on(mx, submit, timeout=180)
            wait_for("the mail for the lists", lambda: _arrived(stage) == before + MAILS, deadline=60)
            stage.must(True, f"with that setting all {MAILS} arrive, by DATA")
    finally:
        outside.change(stage.place.lab, DESTINATION, None)


def _arrived(stage: Stage) -> int:
    known = outside.inbox(stage.place.lab)
    return sum(one.get("event") == "arrival" and one.get("place") == DESTINATION for one in known)


def _all_is_well(stage: Stage, since: str) -> None:
    balanced = subprocess.run(demo.ledger_command(stage.place, since, 120), check=False).returncode == 0
    refused = f"{MAILS} were refused to the sender's face"
    stage.must(balanced, f"the outside ledger balances: what was taken has arrived; {refused}", then="afterwards")


STORY = Story(
    "2022-05-09", "a provider's mail rejected for five days over BDAT, and a kernel suspected", HISTORY, replay
)
