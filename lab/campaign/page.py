"""The page of all runs of the campaign that are kept: what was tried when, and how it went."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from lab.campaign.scenario import AHEAD, NAMES, STEPS

Run = Mapping[str, Any]
GOOD, BAD, NOT_TRIED = "good", "bad", "not tried"
_PHASES = ("any time", AHEAD, *STEPS)


def verdict_of(run: Run) -> str:
    """Return how a run went, as it is kept: one to which nothing happened has tried nothing."""
    if run["wrong"]:
        return BAD
    return GOOD if run["happened"] else NOT_TRIED


def _whole_after(run: Run) -> float | None:
    """Return the seconds until the service was whole; None: it never was, or the run was not played."""
    never = run["code"] is None or any("the service is not whole" in one for one in run["wrong"])
    return None if never else float(run["seconds"])


def page(runs: Sequence[Run]) -> str:
    """Return the page of all runs, as Markdown: what was tried when, and how it went.

    Arguments:
        runs: as :func:`results` returns them.
    """
    verdicts = Counter(map(verdict_of, runs))
    counts: Counter[str] = Counter()
    for run in runs:
        counts.update({key: value for key, value in run["mails"].items() if isinstance(value, int)})
    seconds = [took for run in runs if (took := _whole_after(run)) is not None]
    lines = [
        f"{len(runs)} runs, {verdicts[GOOD]} good, {verdicts[BAD]} bad, {verdicts[NOT_TRIED]} in which nothing "
        f"happened; {counts['sent']} mails to {counts['recipients']} recipients, "
        f"{counts['missing']} missing, {counts['altered']} altered, {counts['bounced']} bounced, "
        f"{counts['duplicates']} doubled, {counts['duplicates_explained']} doubled where a reply was lost.",
        "",
        f"Until the service was whole, in {len(seconds)} runs: {median(seconds or [0]):.0f} s in the middle, "
        f"{max(seconds, default=0):.0f} s at most.",
        "",
        "How many runs, and seconds until the service was whole, in the middle:",
        "",
        *_grid(runs),
        "",
        f"Not tried: {', '.join(_not_tried(runs)) or 'none'}.",
        "",
        "| seed | run | exchanger | level | what happened | exit code | typed | mails | whole after | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_row(run) for run in runs),
    ]
    return "\n".join(lines) + "\n"


def _grid(runs: Sequence[Run]) -> Iterable[str]:
    """Each disturbance that happened, by the step after which it began: how many runs, and how many went wrong."""
    tried: defaultdict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        for moment in _happened(run):
            tried[moment["name"], moment["step"] or _PHASES[0]].append(run)
    phases = [phase for phase in _PHASES if any(key[1] == phase for key in tried)]
    yield f"| | {' | '.join(phases)} |"
    yield f"| --- |{' --- |' * len(phases)}"
    for name in NAMES:
        cells = [_cell(tried.get((name, phase), ())) for phase in phases]
        if any(cells):
            yield f"| {name} | {' | '.join(cells)} |"


def _not_tried(runs: Sequence[Run]) -> list[str]:
    """Return the disturbances that no run has had."""
    tried = {moment["name"] for run in runs for moment in _happened(run)}
    return [name for name in NAMES if name not in tried]


def _happened(run: Run) -> list[Mapping[str, Any]]:
    """Return the moments whose disturbance really began: a run may end before the others, or a host not answer them."""
    return [one for one in run["scenario"]["moments"] if one["name"] in run["happened"]]


def _cell(runs: Sequence[Run]) -> str:
    wrong = sum(bool(run["wrong"]) for run in runs)
    seconds = [took for run in runs if (took := _whole_after(run)) is not None]
    words = [str(len(runs))] if runs else []
    words += [f"{wrong} WRONG"] if wrong else []
    return ", ".join([*words, *([f"{median(seconds):.0f} s"] if seconds else [])])


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
    took = _whole_after(run)
    cells += [run["code"], len(run["typed"]), run["mails"].get("sent", "")]
    cells += ["never" if took is None else f"{took:.0f} s"]
    cells += ["; ".join(run["wrong"]).replace("|", "/") or verdict_of(run)]
    return f"| {' | '.join(map(str, cells))} |"
