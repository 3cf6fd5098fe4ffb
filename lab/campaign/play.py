"""One run of the campaign: mail flows, a cookbook runs, something happens to it, an operator makes it whole again."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lab import demo, journals, lifecycle
from lab.campaign import before as ahead
from lab.campaign import judge, mail, secrecy, services, watch
from lab.campaign.before import BEFORE
from lab.campaign.disturbances import DISTURBANCES
from lab.campaign.judge import CampaignResult, Observation
from lab.campaign.operator import next_words
from lab.campaign.scenario import AHEAD, Scenario, TimedDisturbance
from lab.campaign.scene import NotDoneError, Scene
from lab.lifecycle import Stations
from lab.place import EXCHANGERS, Exchanger, exchanger
from lab.shell import LabError, wait_for
from lab.stations import infra, outside
from lab.stations.box import tied

RUN_S = 1200.0
"""A cookbook that has not ended by itself by then is wrong."""
_ROUNDS = 8
"""So many commands the operator types at most."""
UNDO_S = 420.0
"""A boot into a kernel and one into its fallback, on a busy machine."""
_POLL_S = 0.3
_ANSWER_S = 60.0
_FAILURES = (LabError, OSError, subprocess.SubprocessError)


def play(place: Stations, scenario: Scenario, folder: Path, rate: float = mail.RATE) -> CampaignResult:
    """Play a run and judge it; the lab is whole before, and after a good run.

    Arguments:
        folder: where everything that was printed is kept.
        rate: mails a second that arrive all the while.

    Raises:
        LabError: the lab itself could not do it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mx = exchanger(scenario.mx)
    hosts = place.management if not scenario.host else tuple(reversed(place.management))
    outside.change(place.lab, "provider", None)
    if any(one.name == "etcd-restored" for one in scenario.moments):
        services.copy_etcd(place)
    services.set_clocks(place)
    if scenario.kernel:
        services.boot_before(place, mx, scenario.kernel, same=scenario.same_kernel)
    kernel = demo.running_kernel(place, mx) if scenario.same_kernel else demo.other_kernel(place, mx)
    scenario = replace(scenario, kernel=kernel)
    since, begin = demo.now(), time.monotonic()
    before, found = _first_look(place, mx), judge.leftovers(place)
    if scenario.depth:
        demo.queue_up(place, mx, scenario.depth)
    words = ["sre.mail.reboot-mx", mx.fqdn, "--kernel", kernel, "--soak", "5", "--reason", "campaign"]
    words += ["--level", "cold"] if scenario.level == "cold" else []
    verdict, notes = CampaignResult(scenario, 0), list[str]()
    on = _put_on(place, mx, kernel, verdict, notes)
    words += [word for name in on for word in BEFORE[name].words]
    with mail.flowing(place, rate) as senders, watch.watched(place) as seen, (folder / "run.log").open("w") as log:
        argv = tied(demo.cookbook(hosts[0], *words))
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        scene = Scene(place, mx, kernel, hosts[0], hosts[1], child, said=notes)
        _disturb(scene, scenario, since, verdict)
        verdict.code = _end(child, verdict)
        said = (folder / "run.log").read_text(errors="replace")
        (folder / "others.log").write_text("\n".join(scene.said))
        end = (verdict.code, said, [one for one in verdict.happened if one not in scene.refused], before)
        untrue = judge.settled(place, mx, lambda after: judge.untrue(*end, after, kernel))
        verdict.wrong += [untrue] if untrue else []
        said += _make_whole(scene, verdict, said, folder)
        verdict.wrong += [*judge.unexpected(scene.ended), *_end_late(scene)]
        come_to = (verdict.happened, verdict.code, said, before.kernel)
        untrue = judge.settled(place, mx, lambda found: "; ".join(ahead.wrong_end(*come_to, found.kernel)))
        verdict.wrong += [untrue] if untrue else []
        verdict.happened = ahead.tried(verdict.happened, verdict.code)
        verdict.seconds = round(time.monotonic() - begin, 1)
    verdict.steps = journals.taken(place, mx, since)
    begun = [DISTURBANCES[name] for name in verdict.happened if name in DISTURBANCES]
    verdict.mails, wrong = judge.settle(place, since, {fate for one in begun for fate in one.excuses})
    verdict.wrong += wrong + senders + judge.wire(place, verdict.happened, since, mx)
    verdict.wrong += [] if "node-power-cut" in verdict.happened else seen[0]
    verdict.wrong += [one for one in judge.leftovers(place) if one not in found]
    verdict.wrong += [*ahead.still_down(place, mx, verdict.happened), *_take_off(place, mx, kernel, on)]
    verdict.wrong += secrecy.readable(place, "\n".join((said, *scene.said)))
    verdict.wrong += [*(f"a secret is in the arguments of {one}" for one in sorted(seen[1])), *seen[2]]
    return verdict


def _put_on(place: Stations, mx: Exchanger, kernel: str, verdict: CampaignResult, notes: list[str]) -> list[str]:
    """Put on what is so before the run; return the names of what took effect."""
    for name in (one.name for one in verdict.scenario.moments if one.step == AHEAD):
        try:
            ahead.put_on(place, mx, kernel, name)
            verdict.happened.append(name)
        except LabError as error:
            notes.append(f"{name} did not happen: {error}")
    return list(verdict.happened)


def _take_off(place: Stations, mx: Exchanger, kernel: str, names: Sequence[str]) -> Iterator[str]:
    """Take it off again; the exchanger may be started anew for that, and is whole after it."""
    try:
        for name in names:
            ahead.take_off(place, mx, kernel, name)
        if names:
            wait_for("the service to be whole again", lambda: is_whole(place), deadline=UNDO_S)
    except LabError as error:
        yield f"the lab could not undo {', '.join(names)}: {error}"


def _first_look(place: Stations, mx: Exchanger) -> Observation:
    """Return what is so before a run: what comes after is held against it, so the exchanger has to say it.

    Raises:
        LabError: it does not answer.
    """
    end = time.monotonic() + _ANSWER_S
    while (found := judge.look(place, mx)).claimed is None:
        if time.monotonic() > end:
            raise LabError(f"{mx.name} did not answer within {_ANSWER_S:.0f} s before the run")
        time.sleep(1)
    return found


def _disturb(scene: Scene, scenario: Scenario, since: str, verdict: CampaignResult) -> None:
    """Let the disturbances happen, each in its time, and end all of them when the cookbook has ended or is late.

    Who leaves it by an error leaves no cookbook behind.
    """
    moments = [one for one in scenario.moments if one.step != AHEAD]
    threads = [watch.thread(verdict.wrong, one.name, _happen, scene, one, since, verdict) for one in moments]
    for one in threads:
        one.start()
    end = time.monotonic() + RUN_S
    try:
        while scene.child.poll() is None and time.monotonic() < end:
            time.sleep(_POLL_S)
        _calm(scene, threads)
    except BaseException:
        scene.child.kill()
        for other in scene.others:
            other.kill()
        _calm(scene, threads)
        raise


def _calm(scene: Scene, threads: Sequence[threading.Thread]) -> None:
    scene.stopped.set()
    for one in threads:
        one.join()


def _happen(scene: Scene, moment: TimedDisturbance, since: str, verdict: CampaignResult) -> None:
    disturbance = DISTURBANCES[moment.name]
    if not _reached(scene, moment, since) or scene.stopped.wait(moment.after):
        return
    if scene.child.poll() is not None:
        scene.said.append(f"{moment.name} did not happen: the cookbook does not run any more")
        return
    try:
        disturbance.begin(scene)
        verdict.happened.append(moment.name)
        scene.stopped.wait(moment.lasts)
    except NotDoneError as error:
        scene.said.append(f"{moment.name} did not happen: {error}")
    except _FAILURES as error:
        verdict.wrong.append(f"the lab could not do {moment.name}: {error}")
    finally:
        try:
            _undo(scene, moment.name)
        except NotDoneError as error:
            scene.said.append(f"{moment.name} need not be ended: {error}")
        except _FAILURES as error:
            scene.said.append(f"{moment.name} could not be ended yet: {error}")
            scene.unended.append(moment.name)


def _undo(scene: Scene, name: str) -> None:
    """End a disturbance; an exchanger that is just booting has to be asked again."""
    end = time.monotonic() + UNDO_S
    while True:
        try:
            DISTURBANCES[name].end(scene)
            break
        except NotDoneError:
            raise
        except _FAILURES:
            if time.monotonic() > end:
                raise
        time.sleep(_POLL_S)


def _end_late(scene: Scene) -> Iterator[str]:
    """End what could not be ended before, as a machine was off: the next run would play with it."""
    for name in scene.unended:
        try:
            DISTURBANCES[name].end(scene)
        except _FAILURES as error:
            yield f"the lab could not undo {name}: {error}"


def _reached(scene: Scene, moment: TimedDisturbance, since: str) -> bool:
    """Wait for the step after which it happens; False: the cookbook has ended before."""
    while not moment.due(journals.taken(scene.place, scene.mx, since)):
        if scene.stopped.wait(_POLL_S):
            return False
    return True


def _end(child: "subprocess.Popen[bytes]", verdict: CampaignResult) -> int:
    try:
        code = child.wait(timeout=60)
    except subprocess.TimeoutExpired:
        verdict.wrong.append(f"the cookbook did not end within {RUN_S:.0f} s")
        lifecycle.send_signal(child, signal.SIGKILL)
        code = child.wait(timeout=20)
    return code if code < 128 else 128 - code


def is_whole(place: Stations) -> bool:
    """Whether both exchangers serve, are pooled, and are claimed by no run."""
    seen = [judge.look(place, mx) for mx in EXCHANGERS]
    if not all(one.serving and one.claimed is False for one in seen):
        return False
    keys = [f"/conftool/v1/pools/{mx.dc}/mail/smtp/{mx.fqdn}" for mx in EXCHANGERS]
    try:
        return all('"pooled": "yes"' in (infra.etcd_get(place.infra, key) or "") for key in keys)
    except LabError:
        return False


def _make_whole(scene: Scene, verdict: CampaignResult, said: str, folder: Path) -> str:
    """Type what the output says until the service is whole.

    Returns:
        What all that printed.
    """
    everything = ""
    host = scene.other if (verdict.code or 0) < 0 else scene.host
    for turn in range(_ROUNDS):
        if is_whole(scene.place):
            return everything
        words = next_words(said)
        if not words:
            # killed, or it ended without advice: the runbook begins with a look
            ask = ("sre.mail.reboot-mx", scene.mx.fqdn, "--status") if turn % 2 == 0 else ("sre.mail.verify-mx",)
            words = ["cookbook", *ask]
        verdict.typed.append(" ".join(words))
        try:
            code, said = demo.type_in(scene.place, host, words, RUN_S)
        except LabError as error:
            verdict.wrong.append(f"{verdict.typed[-1]}: {error}")
            said = ""
            continue
        everything += said
        if words[0] == "cookbook":
            scene.ended.append((verdict.typed[-1], code))
        (folder / f"typed-{turn + 1}.log").write_text(f"{' '.join(words)}\n{said}\nexit code {code}\n")
    try:
        wait_for("the service to be whole", lambda: is_whole(scene.place), deadline=20)
    except LabError:
        verdict.wrong.append(f"after {_ROUNDS} commands the service is not whole")
    return everything
