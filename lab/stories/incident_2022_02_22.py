"""2022-02-22: mail to a new support queue bounced for twelve hours, as one of two exchangers did not know its address.

The history is that of the site's public incident report.
"""

import time

from lab.faults import queues
from lab.place import exchanger
from lab.shell import LabError, wait_for
from lab.stations import outside
from lab.stories.story import Moment, Stage, Story

KNOWS, STUCK = exchanger("mx1001"), exchanger("mx2001")
QUEUE = "newqueue"
BOUND_S, NAMED_WITHIN_S = 20, 60

HISTORY = (
    Moment("before", "the alias generator of mx2001 hangs: no start timeout, so it is neither failed nor finished"),
    Moment("hour 0", "a new support queue: mx1001 learns its address, mx2001 does not"),
    Moment("hours 0-12", "mail that reaches mx2001 bounces: 550, then Previous (cached) callout verification failure"),
    Moment("hour 12", "somebody compares the alias files of the two hosts, and sees the unit activating"),
    Moment("then", "the unit is restarted by hand, and the queue's mail arrives"),
    Moment("afterwards", "to do: find out why it hung; alert on a unit that is stuck"),
)


def replay(stage: Stage) -> None:
    """Play it."""
    with queues.as_found(stage.place), stage.broken("stuck-aliases", STUCK):
        began = time.monotonic()
        stage.note(f"{queues.UNIT} of {STUCK.name} runs into a peer that falls silent", then="before")
        _new_queue(stage)
        _bounces(stage)
        _named(stage, began)
        _repaired(stage)
        _arrives(stage)


def _new_queue(stage: Stage) -> None:
    new = queues.open_queue(stage.place.lab, QUEUE)
    queues.generate(stage.place, KNOWS)
    stage.note(f"{new} is made; {KNOWS.name} learns it at its generator's next run", then="hour 0")


def _bounces(stage: Stage) -> None:
    """The senders' view: one exchanger takes what the other refuses, and a refused callout is cached."""
    new, target = queues.address(QUEUE), f"{QUEUE}@tickets.test"
    fates = {mx.name: queues.send(stage.place, mx, new) for mx in (KNOWS, STUCK)}
    stage.must(fates == {KNOWS.name: "accepted", STUCK.name: "refused"}, f"mail to {new}: {fates}", then="hours 0-12")
    outside.change(stage.place.lab, "tickets", {"mode": "reject"})
    try:
        queues.ask_as_client(stage.place, STUCK, target)
    finally:
        outside.change(stage.place.lab, "tickets", None)
    said = queues.ask_as_client(stage.place, STUCK, target)
    stage.must("cached" in said, f"{STUCK.name} keeps refusing {target} from its cache: {said}", then="hours 0-12")


def _named(stage: Stage, began: float) -> None:
    wait_for("the run to take longer than its bound", lambda: time.monotonic() - began > BOUND_S, deadline=60)
    begin = time.monotonic()
    only = [word for name in ("aliases", "aliases-peers", "aliases-answers") for word in ("--only", name)]
    code, said = stage.cookbook("sre.mail.verify-mx", *only)
    seconds = time.monotonic() - begin
    named = all(word in said for word in (STUCK.fqdn, queues.UNIT, "activating for", queues.address(QUEUE)))
    stage.must(
        code == 14 and named,
        f"verify-mx names host, unit, age and address in {seconds:.0f} s",
        then="hour 12",
    )


def _repaired(stage: Stage) -> None:
    begin = time.monotonic()
    code, said = stage.cookbook("sre.mail.refresh-aliases", STUCK.fqdn, "--address", queues.address(QUEUE))
    seconds = time.monotonic() - begin
    stage.must(code == 0, f"refresh-aliases ends the run, runs it again and proves it, in {seconds:.0f} s", then="then")
    stage.must("cached callout refusal" in said, "and forgets the cached refusal", then="then")
    stage.must("somebody should tell them" in said, "and lists whose mail was refused meanwhile", then="then")
    stage.must("why it hangs" in said and "silent for" in said, "why it hung is in its report", then="afterwards")


def _arrives(stage: Stage) -> None:
    new, target = queues.address(QUEUE), f"{QUEUE}@tickets.test"
    for mx in (KNOWS, STUCK):
        stage.must(queues.delivers(stage.place, mx, new, target), f"mail to {new} arrives through {mx.name}")
    said = queues.ask_as_client(stage.place, STUCK, target)
    if not stage.must(said.startswith("250"), f"{STUCK.name} takes mail for {target} again"):
        raise LabError(f"{STUCK.name} answers {said}")


STORY = Story("2022-02-22", "a new queue's mail bounces for half a day behind one stuck unit", HISTORY, replay)
