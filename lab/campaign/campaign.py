"""The campaign: run after run, each written down before the next begins; and the page of all runs."""

import itertools
import json
import shlex
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from lab import demo, lifecycle
from lab.campaign import judge, mail, play
from lab.campaign.judge import CampaignResult
from lab.campaign.page import BAD, GOOD, NOT_TRIED, Run, verdict_of
from lab.campaign.scenario import Scenario, draw
from lab.faults import catalogue
from lab.lifecycle import Say, Stations
from lab.place import EXCHANGERS, REPOSITORY, Lab
from lab.shell import LabError, wait_for
from lab.world import worlds
from mxlib.base.stop import handling

SITE = "/etc/spicerack/cookbooks/sre.mail.yaml"


def new_folder(lab: Lab, scenario: Scenario) -> Path:
    """Make the folder where everything of a run is kept; one that was played before keeps its own."""
    for turn in itertools.count(1):
        again = f"-{turn}" if turn > 1 else ""
        folder = lab.state / "campaign" / f"{scenario.seed}-{scenario.number}{again}"
        if not folder.exists():
            break
    folder.mkdir(parents=True)
    return folder


def options(only: Sequence[str], step: str, *, deal: bool, rate: float) -> str:
    """Return the options of the command on which a run depends, beside its seed, its number, and its kernel."""
    words = ["--only", ",".join(only)] if only else []
    words += ["--at", step] if step else []
    words += ["--deal"] if deal else []
    return shlex.join([*words, "--mail-rate", f"{rate:g}"])


def again(scenario: Scenario) -> str:
    """Return the command that plays a run once more."""
    words = f"lab/mxlab campaign --seed {scenario.seed} --from {scenario.number} --runs 1 {scenario.options}"
    return f"{words} --kernel {scenario.kernel}" if scenario.kernel else words


def campaign(
    place: Stations, numbers: Iterable[int], seed: int, say: Say, *, only: Sequence[str] = (), step: str = "",
    deal: bool = False, seconds: float = float("inf"), rate: float = mail.RATE, kernel: str = "",
) -> int:  # fmt: skip
    """Play runs until there are no more, or the time is over.

    Arguments:
        numbers: of the runs.
        seed: of the campaign.
        only: names of the disturbances to draw from; none: all.
        step: the step after which they begin; empty: drawn as well.
        deal: disturbances and steps are dealt, one a run, so that all are met; else they are drawn.
        seconds: no run begins later than this.
        rate: mails a second that arrive all the while.
        kernel: release into which the exchanger is rebooted; empty: that which the run draws.

    Returns:
        0 if runs were good and none was bad, 1 if one was bad, 3 if none was bad and none good: nothing was tried.

    Raises:
        LabError: the lab could not play a run, which is written down, or could not be made whole again.
    """
    with fewer_probes(place):
        typed = options(only, step, deal=deal, rate=rate)
        drawn = (draw(seed, number, only, step, deal=deal) for number in numbers)
        scenarios = (replace(one, options=typed, kernel=kernel) for one in drawn)
        return _play_all(place, scenarios, say, seconds, rate)


@contextmanager
def fewer_probes(place: Stations) -> Iterator[None]:
    """Let a verification send each test mail once, not twice, for the length of the block.

    An emulated machine needs seconds for each, and the campaign is about what happens around them.
    """
    for host in place.management:
        # what a campaign that was killed has left is the whole one
        keep = f"test -e {SITE}.whole || cp {SITE} {SITE}.whole"
        host.sh(rf"{keep}; sed 's/\(family: [46]\)}}/\1, times: 1}}/' {SITE}.whole > {SITE}")
    try:
        yield
    finally:
        for host in place.management:
            host.sh(f"mv {SITE}.whole {SITE}", check=False)


@contextmanager
def until_ended() -> Iterator[None]:
    """Let the first signal that asks the process to end leave the block as an error does: nothing is left behind.

    The ones after it are ignored: a terminal that goes sends two.
    """
    heard = [one for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]

    def leave(number: int, _frame: object) -> None:
        for one in heard:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    with handling(heard, leave):
        yield


def _play_all(place: Stations, scenarios: Iterable[Scenario], say: Say, seconds: float, rate: float) -> int:
    begin, verdicts = time.monotonic(), Counter[str]()
    if not play.is_whole(place):
        _mend(place)
    _nothing_left(place)
    for scenario in scenarios:
        if time.monotonic() - begin > seconds:
            break
        if catalogue.broken(place.lab):  # a run that was ended from outside leaves on what it began with
            _mend(place)
        folder = new_folder(place.lab, scenario)
        level = f"{scenario.level}, its own kernel" if scenario.same_kernel else scenario.level
        say(f"{scenario.number}: {scenario.mx}, {level}, {', '.join(one.name for one in scenario.moments)}")
        try:
            verdict = play.play(place, scenario, folder, rate)
        except Exception as error:
            _write(place, CampaignResult(scenario, None, wrong=[f"the lab could not play it: {error}"]), folder)
            _keep(place, folder)
            say(f"not played: {folder}; once more: {again(scenario)}")
            raise
        _write(place, verdict, folder)
        ended = verdict_of(verdict.as_json())
        verdicts[ended] += 1
        told = [ended, *verdict.wrong]
        if ended == NOT_TRIED:
            told.append("nothing happened")
        say(f"{scenario.number}: exit code {verdict.code}, whole after {verdict.seconds:.0f} s: {'; '.join(told)}")
        if ended != GOOD:
            say(f"{folder}; once more: {again(verdict.scenario)}")
        if verdict.wrong:
            _keep(place, folder)
            _mend(place)
            _nothing_left(place)
    counts = ", ".join(f"{verdicts[one]} {one}" for one in (GOOD, BAD, NOT_TRIED))
    say(f"{verdicts.total()} played: {counts}; `lab/mxlab campaign-report` makes the page of all")
    return 1 if verdicts[BAD] else 0 if verdicts[GOOD] else 3


def _write(place: Stations, verdict: CampaignResult, folder: Path) -> None:
    """Write a result down, with what it was made with: another commit may draw another run from the same seed."""
    made = {"commit": _commit(), "world": worlds.name_of(place.lab)}
    (folder / "result.json").write_text(json.dumps(verdict.as_json() | made, indent=1) + "\n")


def _commit() -> str | None:
    """Return the commit of this checkout, `-dirty` where files differ; `None` where Git does not say: no checkout."""
    # Git does not answer root about somebody else's checkout, unless told to. The code of this one runs already.
    words = ["git", "-c", f"safe.directory={REPOSITORY}", "-C", str(REPOSITORY)]
    words += ["describe", "--always", "--dirty", "--abbrev=12"]
    with suppress(OSError):  # no git
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip() or None
    return None


_ASKED = """exim4 -bp; systemctl list-units --failed --no-legend; nft list ruleset; uptime; uname -a
journalctl -q --no-pager -n 3000; tail -n 3000 @log@"""


def _keep(place: Stations, folder: Path) -> None:
    """Keep what the stations wrote and what the exchangers say: the next run goes on with them."""
    for mx in EXCHANGERS:
        try:
            script = _ASKED.replace("@log@", str(worlds.of(place.lab, mx).main_log))
            said = lifecycle.ssh(place, mx, script, timeout=120).stdout
        except LabError as error:
            said = f"{error}\n"
        (folder / f"{mx.name}.log").write_text(said)
    for box in place.management:
        source = box.folder / "log.upper" / "spicerack"
        if source.exists():
            shutil.copytree(source, folder / box.name, dirs_exist_ok=True)
    for path in ("sent.jsonl", "inbox.jsonl", "wire.jsonl", "spool.txt"):
        if (place.lab.outside / path).exists():
            shutil.copy(place.lab.outside / path, folder / path)
    shutil.copytree(place.lab.logs, folder / "logs", dirs_exist_ok=True)


def _mend(place: Stations) -> None:
    """Take the faults off and abort what is left claimed, so that a run does not begin on the ruins of another.

    Raises:
        LabError: the service is not whole again.
    """
    list(catalogue.undo_all(place))
    lifecycle.up(place.lab, lambda _text: None)
    for mx in EXCHANGERS:
        if judge.look(place, mx).claimed:
            words = ("sre.mail.reboot-mx", mx.fqdn, "--abort", "--reason", "left by a bad run of the campaign")
            subprocess.run(demo.cookbook(place.operator, *words), stdin=subprocess.DEVNULL, check=False, timeout=1200)
    wait_for("the service to be whole again", lambda: play.is_whole(place), deadline=120)


def _nothing_left(place: Stations) -> None:
    """Begin no run where another has left something: it would pass for that run's, or excuse it.

    Raises:
        LabError: something is left.
    """
    if left := judge.leftovers(place):
        raise LabError(f"no run of the campaign begins here before this is gone: {'; '.join(left)}")


def results(lab: Lab) -> list[Run]:
    """Return the results of all runs that are kept, in order."""
    paths = sorted((lab.state / "campaign").glob("*/result.json"))
    runs = [json.loads(path.read_text()) for path in paths]
    return sorted(runs, key=lambda run: (run["scenario"]["seed"], run["scenario"]["number"]))
