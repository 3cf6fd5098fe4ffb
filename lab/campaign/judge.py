"""What a run of the campaign is judged by: mails and wire from outside, the exit code against what is so, leftovers."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lab import demo, journals
from lab.campaign import mail
from lab.campaign.operator import next_words
from lab.campaign.scenario import Scenario
from lab.lifecycle import Stations, ssh
from lab.place import EXCHANGERS, Exchanger
from lab.shell import LabError
from lab.stations import infra, outside
from lab.world import jsonl
from lab.world import wire as on_wire
from mxlib.model.outcome import Outcome

# What may stay on an exchanger: what has been proven, how long it took, the newest token, the lock's file, the record
# of the last run that ended, what the last repair of aliases found, and the files before a repair of the network.
_LEFT = r"""cd /var/lib/mx-cookbooks 2>/dev/null &&
ls | grep -vxE 'token|lock|proven-kernels|held-kernel|reboot-seconds|run.json.old|aliases|nic' || :
nft list tables 2>/dev/null | grep -w mx_depool || :
systemctl list-units --no-legend --plain 'mx-*' | cut -d' ' -f1 || :
find /etc/systemd/system /run/systemd/system \( -name 'mx-*' -o -name '9?-mx-*' \) 2>/dev/null || :
ls -d /run/mx-cookbooks/holes/* /etc/default/grub.d/zz-mx-cookbooks-trial.cfg* 2>/dev/null || :
ls -d /run/mx-drain-* 2>/dev/null || :
ls -d /etc/systemd/network/*mx-cookbooks* /etc/systemd/network/.mx-cookbooks.* /etc/network/.mx-cookbooks.* \
2>/dev/null || :
grep -rls 'mx-cookbooks twin' /etc/network /etc/systemd/network || :
grep -s '^next_entry=.' /boot/grub/grubenv || :
kept=$(cat /var/lib/mx-cookbooks/held-kernel 2>/dev/null || :)
dpkg-query -W -f '${db:Status-Want}:${Package}\n' | grep '^hold:' | grep -vxF "hold:$kept" || :
for f in /opt/puppetlabs/puppet/cache/state /var/lib/puppet/state /var/cache/puppet/state; do
ls $f/agent_disabled.lock 2>/dev/null || :; done
echo end"""
_CLAIMED = "test -e /var/lib/mx-cookbooks/run.json && echo yes || echo no"
_LOOK = f"uname -r; cat /proc/sys/kernel/random/boot_id; {_CLAIMED}"
_ACTORS = {
    *("another-start", "another-resume", "another-abort", "power-cut", "node-power-cut", "mta-crash", "disk-full"),
}
"""Those that change what is so by themselves: an exit code is not held against what was read after them."""
_SLOW_S = 60.0
"""A busy guest that does not serve or answer, as an exit code says it does, is looked at again for so long."""
_ENDERS = {"kill", "term", "interrupt", "hangup", "management-power-cut"}
"""Those by which a cookbook may be ended without an exit code of its own."""
_INTERRUPTED = 30
_CODES = (0, 10, 11, 12, 15, 16, 20, 21, 22, _INTERRUPTED)
"""How reboot-mx may end, by docs/exit-codes.md; an unexpected error is none of it."""
_COMMANDS = {1, *(one.value for one in Outcome)}
"""How any cookbook may end that the output has asked for, or another operator types; 1: Spicerack's own lock failed."""
_UNSURE = ("does not answer", "is not known", "cannot be read", "mail ports ", "(ports ", "the slot of the service")
"""How else the last line of a run that was interrupted may say how things stand: by what it could read."""
_AT_ONCE = 97
"""Spicerack's own, where a cookbook was interrupted at once."""


@dataclass(frozen=True)
class Observation:
    """What is so on an exchanger, looked at from elsewhere; None: it does not say.

    Attributes:
        serving: whether it greets a client from the public over IPv4 and IPv6; None: over one of them only.
        kernel: the running release.
        boot: boot id.
        claimed: whether a run has it.
    """

    serving: bool | None
    kernel: str | None = None
    boot: str | None = None
    claimed: bool | None = None


def look(place: Stations, mx: Exchanger) -> Observation:
    """Look at an exchanger."""
    serving = demo.is_serving(place, mx)
    try:
        words = ssh(place, mx, _LOOK, timeout=30).stdout.split()
    except LabError:
        words = []
    if len(words) != 3:
        return Observation(serving)
    return Observation(serving, words[0], words[1], words[2] == "yes")


def settled(place: Stations, mx: Exchanger, contradicts: Callable[[Observation], str]) -> str:
    """Return how what is found contradicts a cookbook's end; a host that may only be slow is looked at again.

    Arguments:
        contradicts: says it of one look; empty: it does not.
    """
    end = time.monotonic() + _SLOW_S
    while True:
        found = look(place, mx)
        wrong = contradicts(found)
        if not wrong or (found.serving and found.claimed is not None) or time.monotonic() > end:
            return wrong
        time.sleep(1)


def untrue(
    code: int, said: str, happened: Collection[str], before: Observation, after: Observation, kernel: str
) -> str:
    """Return how the end of a cookbook contradicts what was found; empty: it does not.

    Arguments:
        code: its exit code; negative: the signal that killed it.
        said: what it printed.
        happened: names of the disturbances that began; of other operators those who were not refused.
        before: what was so when it began.
        after: what was so when it ended.
        kernel: the release it was to boot.
    """
    if code not in _CODES and not (_ENDERS.intersection(happened) and (code < 0 or code == _AT_ONCE)):
        return f"exit code {code} is none that it may end with"
    if _ACTORS.intersection(happened):
        return ""
    wrong = {
        0: not after.serving or after.claimed is not False or after.kernel != kernel or after.boot == before.boot,
        **dict.fromkeys((10, 16), _changed(before, after)),
        **dict.fromkeys((11, 12), not _as_found(before, after)),
        # nothing was begun, or all was done, and something around it could not be read
        15: _changed(before, after) and not (after.serving and after.claimed is False),
        **dict.fromkeys((20, 21, 22), after.serving is not False or after.claimed is False),
    }
    if wrong.get(code, False):
        return f"exit code {code} is not true of {after}, before {before}"
    return _untrue_words(said, before, after) if code == _INTERRUPTED else ""


def unexpected(ended: Iterable[tuple[str, int]]) -> list[str]:
    """Return the commands, typed by whoever, that ended as none may.

    Arguments:
        ended: commands and their exit codes.
    """
    return [f"{words}: exit code {code} is none that it may end with" for words, code in ended if code not in _COMMANDS]


def _as_found(before: Observation, after: Observation) -> bool:
    return after.serving is True and after.claimed is False and after.kernel == before.kernel


def _changed(before: Observation, after: Observation) -> bool:
    """Whether anything that is known is not as before: whether a host serves is, also where it does not answer."""
    return after != before if after.claimed is not None else after.serving != before.serving


def _untrue_words(said: str, before: Observation, after: Observation) -> str:
    """Return what is wrong with the last line of a run that was interrupted: what is left standing, how to resume."""
    last = next((line for line in reversed(said.splitlines()) if ": interrupted" in line), "")
    if not last:
        return f"exit code {_INTERRUPTED}, and no line says what is left standing"
    wrong = {
        "nothing was changed": _changed(before, after),
        "undone, back in service as found": not _as_found(before, after),
        "in service, but not finished": not after.serving or after.claimed is False,
        "the host is out of service, safe": after.serving is not False,
        "mail ports open, MTA serving": not after.serving,
        "no run holds the host": bool(after.claimed),
    }
    if any(words in last and untrue for words, untrue in wrong.items()):
        return f"{last!r} is not true of {after}, before {before}"
    if after.claimed is False and not any(words in last for words in (*wrong, *_UNSURE)):
        return f"{last!r} does not say how the host stands"
    if after.claimed and not next_words(last):
        return f"{last!r} does not say how to resume"
    return ""


@dataclass
class CampaignResult:
    """How a run went.

    Attributes:
        scenario: what it was made of.
        code: exit code of the cookbook; negative: killed by that signal; None: the lab failed, and nothing is known.
        typed: what the operator typed after it.
        seconds: from its beginning until the service was whole.
        mails: the outside ledger's account.
        wrong: everything that must not be; empty: the run was good.
        steps: the steps that were done, in order.
        happened: names of the disturbances that began.
    """

    scenario: Scenario
    code: int | None
    typed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    mails: Mapping[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**vars(self), "scenario": self.scenario.as_json()}


def mails(account: str, excused: Collection[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return the counts of the outside ledger, and what is wrong with them.

    Arguments:
        account: as the ledger printed it.
        excused: what a disturbance does to mail by itself.
    """
    try:
        ledger = json.loads(account)
    except ValueError:
        return {}, [f"the outside ledger says no account: {account[:200]!r}"]
    counts = {name: len(value) if isinstance(value, list) else value for name, value in ledger.items()}
    bad = ("missing", "in_spool", "bounced", "duplicates", "altered", "unknown", "arrived_unsent", "refused", "unsent")
    held = [name for name in bad if counts[name] and name not in excused]
    wrong = [f"{counts[name]} mails {name.replace('_', ' ')}: {ledger[name][:5]}" for name in held]
    return counts, wrong if counts["sent"] else ["no mail was taken, so none could be lost", *wrong]


def wire(place: Stations, happened: Collection[str], since: str, mx: Exchanger) -> list[str]:
    """Return what the public got to hear while the ports had to be closed, and what nobody has seen of the wire."""
    # the observer goes with the node, and comes back with it
    wrong = unobserved(place, since, cut="node-power-cut" in happened)
    if "logs-full" in happened:
        return wrong  # the journals that say when the ports were closed are gone
    accepted = journals.accepted_unverified(place, since, mx)
    wrong += [f"closed ports accepted {len(accepted)} connections of the public: {accepted[:2]}"] if accepted else []
    return wrong


def unobserved(place: Stations, since: str, *, cut: bool = False) -> list[str]:
    """Return why the record of the wire proves nothing about the time since then; empty: it does.

    Arguments:
        cut: whether the observer's power was cut meanwhile, so that it need not have watched all the time.
    """
    begin, end, late = jsonl.normalise(since), jsonl.now(), time.monotonic() + _SLOW_S
    while True:
        lines = list(jsonl.read(place.lab.outside / on_wire.FILE_NAME))
        wrong = [] if place.node.serving(outside.OBSERVER) else ["the observer on the wire does not run"]
        wrong += on_wire.doubts(lines, begin, end, cut=cut)
        if not wrong or time.monotonic() > late:
            break
        time.sleep(1)  # it notes every few seconds until when it has seen everything
    seen = any("outcome" in one and one["time"] >= begin for one in lines)
    return wrong if seen else [*wrong, "the observer has seen no connection"]


def leftovers(place: Stations) -> list[str]:
    """Return what runs have left behind although the service is whole, a line each; also who does not say it."""
    asked = [partial(_left_on, place, mx) for mx in EXCHANGERS]
    asked += [partial(_silences, place), partial(_slot, place)]
    return [one for ask in asked for one in _told(ask)]


def _told(ask: Callable[[], list[str]]) -> list[str]:
    """Return what is answered within a minute, or that nothing is."""
    end = time.monotonic() + _SLOW_S
    while True:
        try:
            return ask()
        except (LabError, ValueError) as error:
            if time.monotonic() > end:
                return [f"what is left is not known: {error}"]
        time.sleep(1)


def _left_on(place: Stations, mx: Exchanger) -> list[str]:
    said = ssh(place, mx, _LEFT).stdout.split()
    if said[-1:] != ["end"]:
        raise LabError(f"{mx.name} says {' '.join(said)[-300:]!r}")
    return [f"left on {mx.name}: {one}" for one in said[:-1]]


def _silences(place: Stations) -> list[str]:
    # From the services' station: its root directory has curl, a management host's machine need not.
    url = f"{infra.ALERTMANAGER}/api/v2/silences"
    listing = place.infra.run(["curl", "-sf", "--max-time", "5", "--noproxy", "*", url]).stdout
    active = [one for one in json.loads(listing) if one["status"]["state"] != "expired"]
    return [f"a silence is left: {one['id']}, {one['comment']}" for one in active]


def _slot(place: Stations) -> list[str]:
    holder = infra.etcd_get(place.infra, "/mx-cookbooks/mail/holder")
    return [f"the slot of the service is held: {holder}"] if holder else []


def settle(place: Stations, since: str, excused: Collection[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Let what waits be delivered, and return the account of all mails; ``excused`` as for :func:`mails`."""
    mail.deliver_all(place)
    try:
        return mails(mail.account(place, since), excused)
    except LabError as error:
        return {}, [f"the outside ledger says no account: {error}"]
