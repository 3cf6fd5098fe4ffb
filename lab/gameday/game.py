"""A game in the lab: it is broken and raises alerts, is looked at while it is played, is judged, and is made whole."""

import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import demo, lifecycle
from lab.campaign import judge as campaign_judge
from lab.campaign import mail, play
from lab.faults import catalogue
from lab.faults.fault import FaultTarget
from lab.faults.queues import UNIT
from lab.gameday import judge, monitoring, player, record, runbook
from lab.gameday.draw import HERRING_REASON, Breakage, Drawn, unheard
from lab.gameday.judge import Mails, Score
from lab.gameday.record import GameRecord
from lab.gameday.riddles import is_contained, is_out
from lab.lifecycle import Say, Stations, ssh
from lab.place import EXCHANGERS, Exchanger, exchanger
from lab.shell import LabError, wait_for
from lab.stations import outside
from lab.world import jsonl

VERIFY_S = 900.0
"""Longer than a verification of hosts of which one does not answer."""
_LOOK_S = 5.0
_ANSWERS_S = 60.0
_METRICS = "/var/log/spicerack/gameday.prom"
_SENDER = "gameday-sender"
_RATE, _FLOWING_RATE = 0.3, 1.0
# one line in any case: none is no answer
_HERRING = "bash -c '. /usr/local/share/bash/puppet-common.sh; puppet_disabled_message 2>/dev/null || echo enabled'"
_FORGET_FAILURES = f"systemctl reset-failed; timeout 30 systemctl start {UNIT}"
_FORGET_HINTS = "rm -f /var/spool/exim4/db/retry* /var/spool/exim4/db/wait-* /var/spool/exim4/db/callout"


def begin(place: Stations, drawn: Drawn, say: Say) -> GameRecord:
    """Break the lab and start the clock once monitoring has raised its alerts.

    Raises:
        LabError: a game is under way, the lab is not whole, a fault could not be put on, or no alert fires for it.
    """
    lab = place.lab
    if record.is_under_way(lab):
        raise LabError(f"lab {lab.name}: a game is under way: `lab/mxlab gameday done` or `abandon` ends it")
    if catalogue.broken(lab) or not play.is_whole(place):
        raise LabError(f"lab {lab.name} is not whole: `lab/mxlab mend all`, then both exchangers must serve")
    for mx in EXCHANGERS:
        # what a day has left must not look like part of the game
        ssh(place, mx, f"run-puppet-agent --quiet >/dev/null 2>&1; {_FORGET_HINTS}; {_FORGET_FAILURES}", timeout=120)
    game = GameRecord(drawn, {one.fault: _kernel(place, one) for one in drawn.breakages}, demo.now())
    record.begin(lab, game)
    try:
        _start_mail(place, _FLOWING_RATE if drawn.herring else _RATE)
        say("something breaks ...")
        for one in drawn.breakages:
            _break(place, game, one)
        if drawn.herring:
            _put_herring(place, exchanger(drawn.herring))
        say("monitoring waits, and verifies ...")
        game.alerts = _raise_alerts(place, game, say)
    except BaseException:
        say("the game could not begin: mending")
        restore(place, game)
        record.end(lab)
        raise
    game.began = time.time()
    record.save(lab, game)
    player.prepare(place, game)
    return game


def _kernel(place: Stations, one: Breakage) -> str:
    mx = exchanger(one.mx)
    return ssh(place, mx, "uname -r").stdout.strip() if one.riddle.running else demo.other_kernel(place, mx)


def target(place: Stations, game: GameRecord, one: Breakage) -> FaultTarget:
    """Return what a fault of a game is put on."""
    return catalogue.target(place, exchanger(one.mx), game.kernels[one.fault])


def _break(place: Stations, game: GameRecord, one: Breakage) -> None:
    goal = target(place, game, one)
    catalogue.apply(goal, catalogue.find(one.fault))
    if one.riddle.provoke is not None:
        one.riddle.provoke(goal)


def _put_herring(place: Stations, mx: Exchanger) -> None:
    done = ssh(place, mx, f"disable-puppet {shlex.quote(HERRING_REASON)}")
    if done.returncode:
        raise LabError(f"{mx.name}: Puppet could not be disabled: {done.stdout.strip()[-300:]}")


def _raise_alerts(place: Stations, game: GameRecord, say: Say) -> list[monitoring.FiredAlert]:
    tickets = [one.riddle.asks(exchanger(one.mx)) for one in game.drawn.breakages]
    log = record.folder(place.lab) / "verification.log"
    alerts = monitoring.fired(verified(place, log), time.time())
    if alerts and not monitoring.post(place.infra, alerts):
        say("Alertmanager does not take them: these stand on Prometheus' own page, and nobody is paged")
    found = [*alerts, *filter(None, tickets)]
    silent = unheard(game.drawn, found)
    if silent:
        many = f"{len(silent)} of {len(game.drawn.breakages)} faults"
        raise LabError(f"no alert fires for {many}: {log} says what was seen instead")
    return found


def verified(place: Stations, log: Path) -> str:
    """Return the metrics of a verification of both exchangers, as the timer makes them."""
    place.operator.sh(f"rm -f {_METRICS}")
    words = demo.cookbook(place.operator, "sre.mail.verify-mx", "--metrics", _METRICS)
    with log.open("w") as said:
        subprocess.run(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, timeout=VERIFY_S)
    return place.operator.sh(f"cat {_METRICS}")


def look(place: Stations, game: GameRecord) -> None:
    """Note what is named, mended or out of service by now; what has been named and is not the operators' is mended.

    Once the clock has stopped nothing is noted: what is mended from then on is not the player's work.
    """
    if record.has_stopped(place.lab):
        return
    said = record.names(record.typed(place.lab))
    for one in game.drawn.breakages:
        if one.fault in game.mended:
            continue
        goal = target(place, game, one)
        if one.riddle.well:
            if one.riddle.is_well(goal):
                game.mended[one.fault] = time.time()
            elif one.fault not in game.contained and is_contained(goal):
                game.contained[one.fault] = time.time()
        elif any(judge.is_named(one, where, words) for _, where, words in said):
            catalogue.undo(goal, catalogue.find(one.fault))
            game.mended[one.fault] = time.time()
    _look_for_harm(place, game)
    if not record.has_stopped(place.lab):
        record.save(place.lab, game)


def _look_for_harm(place: Stations, game: GameRecord) -> None:
    """Note exchangers that the player has out of service although the fault is elsewhere."""
    at_fault = {one.where for one in game.drawn.breakages}
    for mx in EXCHANGERS:
        if mx.name not in at_fault and mx.name not in game.needless and is_out(place, mx):
            game.needless.append(mx.name)


@contextmanager
def watched(place: Stations, game: GameRecord) -> Iterator[None]:
    """Look at the game every few seconds for the length of the block."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_LOOK_S):
            try:
                look(place, game)
            except (LabError, subprocess.SubprocessError):
                continue  # a host that boots; the next look sees it

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def done(place: Stations, say: Say) -> Score:
    """End a game: mend what is left, and judge.

    Raises:
        LabError: no game is under way, or the lab could not be made whole.
    """
    game = record.load(place.lab)
    if not game.stopped:
        _stop_clock(place, game)
    say("the clock has stopped; what is left is mended, and the mail settles ...")
    restore(place, game)
    mail.deliver_all(place)
    typed = [one for one in record.typed(place.lab) if one.at <= game.stopped]
    score = judge.judge(game, typed, runbook.read(), _mails(place, game))
    record.end(place.lab)
    return score


def _stop_clock(place: Stations, game: GameRecord) -> None:
    """Look once more: what was seen mended or out of service, and is not any more, does not count."""
    look(place, game)
    for one in game.drawn.breakages:
        if one.riddle.well and one.fault in {*game.mended, *game.contained}:
            _must_still_be_so(target(place, game, one), one, game)
    if game.drawn.herring:
        game.herring_touched = _herring_touched(place, exchanger(game.drawn.herring))
    game.stopped = round(time.time(), 1)  # as exact as what was typed
    record.save(place.lab, game)


def _herring_touched(place: Stations, mx: Exchanger) -> str:
    """Return what became of the herring: empty: it is as it was. A host that boots gets its time to say it."""
    said = ""

    def answers() -> bool:
        nonlocal said
        said = ssh(place, mx, _HERRING, timeout=30).stdout.strip()
        return bool(said)

    try:
        wait_for(f"{mx.name} to say whether Puppet is disabled", answers, deadline=_ANSWERS_S, every=_LOOK_S)
    except LabError as error:
        return f"{mx.name}: UNKNOWN whether Puppet is still disabled: {error}"
    return "" if said == HERRING_REASON else f"{mx.name}: Puppet, disabled for {HERRING_REASON!r}, is not: {said}"


def _must_still_be_so(goal: FaultTarget, one: Breakage, game: GameRecord) -> None:
    with suppress(LabError):
        # a host that boots, or is busy, gets its time to show it
        wait_for(
            f"{one.where} to be as it was seen", lambda: one.riddle.is_well(goal) or is_contained(goal),
            deadline=_ANSWERS_S, every=_LOOK_S,
        )  # fmt: skip
    if not one.riddle.is_well(goal):
        game.mended.pop(one.fault, None)
        if is_contained(goal):
            game.contained.setdefault(one.fault, time.time())
        else:
            game.contained.pop(one.fault, None)


def _mails(place: Stations, game: GameRecord) -> Mails:
    counts, _ = campaign_judge.mails(mail.account(place, game.since))
    if not counts:
        raise LabError("the outside ledger gives no account of the mails")
    lines = jsonl.read(place.lab.outside / "sent.jsonl")
    sent = [one for one in lines if one["time"] >= game.since and one["accepted"]]
    return judge.mails(counts, sent, jsonl.read(place.lab.outside / "inbox.jsonl"))


def restore(place: Stations, game: GameRecord) -> None:
    """Make the lab whole: alerts end, faults go, what the player has closed or opened is as it was.

    Raises:
        LabError: it is not whole after that.
    """
    _stop_mail(place)
    tickets = [one for one in game.alerts if one.name == "Ticket"]
    # before the disk goes, and with it the second name; the cookbook knows what configures the network
    unsettled = [
        one.mx for one in game.drawn.breakages
        if one.fault == "second-disk" and _cookbook(place, "sre.mail.repair-nic", exchanger(one.mx).fqdn, "--settle")
    ]  # fmt: skip
    list(catalogue.undo_all(place))
    monitoring.post(place.infra, [one for one in game.alerts if one not in tickets], over=True)
    for mx in EXCHANGERS:
        lifecycle.revive(place, mx)
        ssh(place, mx, f"enable-puppet {shlex.quote(HERRING_REASON)} 2>/dev/null; {_FORGET_HINTS}", timeout=60)
        if ssh(place, mx, "ls /etc/systemd/system/*.d/90-mx-start-timeout.conf 2>/dev/null").stdout.strip():
            _cookbook(place, "sre.mail.refresh-aliases", mx.fqdn, "--unpin-timeout")
        if ssh(place, mx, "ls /run/mx-cookbooks/holes/* 2>/dev/null").stdout.strip():
            _cookbook(place, "sre.mail.remedy-mx", mx.fqdn, "close-hole")
        if campaign_judge.look(place, mx).claimed:
            _cookbook(place, "sre.mail.reboot-mx", mx.fqdn, "--abort", "--reason", "the game has ended")
    wait_for("the service to be whole again", lambda: play.is_whole(place), deadline=120, every=2)
    if unsettled:
        who = ", ".join(unsettled)
        raise LabError(f"{who}: UNKNOWN whether its files have a second name of its card left: see {_said(place)}")


def _said(place: Stations) -> Path:
    return record.folder(place.lab) / "restored.log"


def _cookbook(place: Stations, *words: str) -> int:
    with _said(place).open("a") as said:
        return subprocess.run(
            demo.cookbook(place.operator, *words), stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False,
            timeout=play.RUN_S,
        ).returncode  # fmt: skip


def abandon(place: Stations) -> str:
    """End a game without a verdict.

    Returns:
        What it was.
    """
    game = record.load(place.lab)
    restore(place, game)
    record.end(place.lab)
    return "\n".join(f"{one.where}: {catalogue.find(one.fault).summary}" for one in game.drawn.breakages)


def _start_mail(place: Stations, rate: float) -> None:
    words = ["/usr/bin/python3", "-m", "lab.world.sender", "send", "--state", "/outside", "--rate", str(rate)]
    words += ["--drain", "90", *demo.sources(), *(word for to in demo.RECIPIENTS for word in ("--to", to))]
    place.world.serve(_SENDER, words, outside.PYTHON)


def _stop_mail(place: Stations) -> None:
    """Let the senders finish what they have queued, then end them."""
    if place.world.serving(_SENDER):
        place.world.sh(f"kill -TERM $(cat /run/lab/{_SENDER}.pid)", check=False)
        with suppress(LabError):
            wait_for("the senders to finish", lambda: not place.world.serving(_SENDER), deadline=100, every=1)
    place.world.stop_serving(_SENDER)
