"""The campaign: run after run, each written down before the next begins; and the page of all runs."""

import itertools
import json
import shlex
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import demo, lifecycle
from lab.campaign import judge, mail, play
from lab.campaign.judge import CampaignResult
from lab.campaign.scenario import AHEAD, NAMES, STEPS, Scenario, draw
from lab.faults import catalogue
from lab.lifecycle import Say, Stations
from lab.place import EXCHANGERS, Lab
from lab.shell import LabError, wait_for
from mxlib.base.stop import handling

SITE = "/etc/spicerack/cookbooks/sre.mail.yaml"
Run = Mapping[str, Any]
_PHASES = ("any time", AHEAD, *STEPS)


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
    """Return the options of the command on which a run depends, beside its seed and number."""
    words = ["--only", ",".join(only)] if only else []
    words += ["--at", step] if step else []
    words += ["--deal"] if deal else []
    return shlex.join([*words, *(["--mail-rate", f"{rate:g}"] if rate != mail.RATE else [])])


def campaign(
    place: Stations, numbers: Iterable[int], seed: int, say: Say, *, only: Sequence[str] = (), step: str = "",
    deal: bool = False, seconds: float = float("inf"), rate: float = mail.RATE,
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

    Returns:
        0 if every run was good, else 1.

    Raises:
        LabError: the lab could not play a run, which is written down, or could not be made whole again.
    """
    with fewer_probes(place):
        typed = options(only, step, deal=deal, rate=rate)
        scenarios = (replace(draw(seed, number, only, step, deal=deal), options=typed) for number in numbers)
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
    begin, played, bad = time.monotonic(), 0, 0
    # a run that was ended from outside leaves on what it began with
    if catalogue.broken(place.lab) or not play.is_whole(place):
        _mend(place)
    _nothing_left(place)
    for scenario in scenarios:
        if time.monotonic() - begin > seconds:
            break
        folder = new_folder(place.lab, scenario)
        say(f"{scenario.number}: {scenario.mx}, {scenario.level}, {', '.join(one.name for one in scenario.moments)}")
        try:
            verdict = play.play(place, scenario, folder, say, rate)
        except Exception as error:
            _write(CampaignResult(scenario, None, wrong=[f"the lab could not play it: {error}"]), folder)
            _keep(place, folder)
            raise
        played += 1
        _write(verdict, folder)
        if verdict.wrong:
            bad += 1
            _keep(place, folder)
            _mend(place)
            _nothing_left(place)
    say(f"{played} played, {bad} bad; `lab/mxlab campaign-report` makes the page of all")
    return 1 if bad else 0


def _write(verdict: CampaignResult, folder: Path) -> None:
    (folder / "result.json").write_text(json.dumps(verdict.as_json(), indent=1) + "\n")


def _keep(place: Stations, folder: Path) -> None:
    """Keep what the stations wrote: the next run goes on with them."""
    for box in place.management:
        source = box.folder / "log.upper" / "spicerack"
        if source.exists():
            shutil.copytree(source, folder / box.name, dirs_exist_ok=True)
    for path in ("sent.jsonl", "inbox.jsonl", "wire.jsonl"):
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


def page(runs: Sequence[Run]) -> str:
    """Return the page of all runs, as Markdown: what was tried when, and how it went.

    Arguments:
        runs: as :func:`results` returns them.
    """
    good = sum(not run["wrong"] for run in runs)
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update({key: value for key, value in run["mails"].items() if isinstance(value, int)})
    seconds = sorted(run["seconds"] for run in runs) or [0.0]
    lines = [
        f"{len(runs)} runs, {good} good; {counts['sent']} mails to {counts['recipients']} recipients, "
        f"{counts['missing']} missing, {counts['altered']} altered, {counts['bounced']} bounced, "
        f"{counts['duplicates']} doubled, {counts['duplicates_explained']} doubled where a reply was lost.",
        "",
        f"Until the service was whole: {seconds[len(seconds) // 2]:.0f} s in the middle, {seconds[-1]:.0f} s at most.",
        "",
        *_grid(runs),
        "",
        f"Not tried: {', '.join(_not_tried(runs)) or 'none'}.",
        "",
        "| seed | run | exchanger | level | what happened | exit code | typed | whole after | wrong |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(run) for run in runs),
    ]
    return "\n".join(lines) + "\n"


def _grid(runs: Sequence[Run]) -> Iterable[str]:
    """Each disturbance that happened, by the step after which it began: how many runs, and how many went wrong."""
    tried: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for moment in _happened(run):
            key = (moment["name"], moment["step"] or _PHASES[0])
            tried[key] += 1
            wrong[key] += bool(run["wrong"])
    phases = [phase for phase in _PHASES if any(key[1] == phase for key in tried)]
    yield f"| | {' | '.join(phases)} |"
    yield f"| --- |{' --- |' * len(phases)}"
    for name in NAMES:
        cells = [_cell(tried[name, phase], wrong[name, phase]) for phase in phases]
        if any(cells):
            yield f"| {name} | {' | '.join(cells)} |"


def _not_tried(runs: Sequence[Run]) -> list[str]:
    """Return the disturbances that no run has had."""
    tried = {moment["name"] for run in runs for moment in _happened(run)}
    return [name for name in NAMES if name not in tried]


def _happened(run: Run) -> list[Mapping[str, Any]]:
    """Return the moments whose disturbance really began: a run may end before the others, or a host not answer them."""
    return [one for one in run["scenario"]["moments"] if one["name"] in run["happened"]]


def _cell(tried: int, wrong: int) -> str:
    return f"{tried}, {wrong} WRONG" if wrong else str(tried or "")


def _when(moment: Mapping[str, Any]) -> str:
    if not moment["step"]:
        return f"at {moment['after']:.0f} s"
    return AHEAD if moment["step"] == AHEAD else f"after {moment['step']}"


def _row(run: Run) -> str:
    scenario = run["scenario"]
    happened = "; ".join(
        f"{one['name']} {_when(one)}"
        for one in _happened(run)
    )
    run_of = f"{scenario['number']} {scenario.get('options', '')}".rstrip()  # results of old have no options
    cells = [scenario["seed"], run_of, scenario["mx"], scenario["level"], happened or "nothing"]
    cells += [run["code"], len(run["typed"]), f"{run['seconds']:.0f} s"]
    cells += ["; ".join(run["wrong"]).replace("|", "/") or "-"]
    return f"| {' | '.join(map(str, cells))} |"
