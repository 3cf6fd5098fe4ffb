import pytest

from mxlib.model.outcome import Outcome
from mxlib.pages.run import page
from mxlib.reboot import report
from tests.unit.support.html import loaded, words
from tests.unit.support.journals import HOST, HOSTILE, RUN, WHO, Writer, recorded, whole

NEXT = f"cookbook sre.mail.reboot-mx {HOST} --resume"


def made(events, command=NEXT, why="kernel update"):
    return page(report.build(HOST, RUN, WHO, why, events, command), events)


def test_outcome_and_next_command_come_first():
    found = words(made(recorded()))
    assert found.index("interrupted") < found.index(NEXT) < found.index("Timeline")
    assert "Exit code 30" in found
    assert "nothing is left to do" in words(made(whole(), ""))


@pytest.mark.parametrize(
    "part",
    [
        "out of service 4 min 4 s",
        "messages missing 0",
        "390 messages of 410 completed in 1 min 53 s, 3.5/s on average",
        "provider.test: 386 → 14",
        "messages to account for 31",
        "Failed to start ifup@ens4.service",
        "40 scripts run on 2 hosts, 4 of them could change it",
        "connection refused",
        "relay.customer.test",
        "prove outbound FAILED",
        "of 45 checks not OK at some stage 1",
    ],
)
def test_what_happened_is_on_the_page(part):
    assert part in words(made(whole()))


def test_a_script_is_shown_as_it_was_and_one_without_an_answer_says_so():
    found = made(whole())
    assert "nft -f - &lt;&lt;&#39;END&#39;" in found
    assert found.count("no answer") == 1


def test_commands_are_in_the_order_in_which_they_began():
    write = Writer("2026-01-01T00:00:00+00:00")
    short = write.event("command", 9.0, host=HOST, what="asked in between", code=0, seconds=1.0)
    long = write.event("command", 1.0, host=HOST, what="begun first", code=0, seconds=9.0)
    found = words(made((short, long)))
    first, second = f"00:00:01 {HOST} begun first", f"00:00:08 {HOST} asked in between"
    assert found.index(first) < found.index(second)


def test_markup_from_outside_stays_text():
    found = made(whole(HOSTILE), why=f"T1 {HOSTILE}")
    assert loaded(found) == []
    # in a HELO, a destination, a unit's name, a host's name in an error, a console, a script, the reason
    assert found.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 7
    assert "<script" not in found


@pytest.mark.parametrize("outcome", list(Outcome), ids=lambda one: one.name)
def test_every_end_has_a_page(outcome):
    write = Writer("2026-01-01T00:00:00+00:00")
    found = made((write.event("start"), write.event("end", outcome=outcome.name, why="because")), "")
    assert '<header class="outcome ' in found
    assert outcome.phrase in words(found)


def test_an_empty_journal_has_a_page():
    assert "the run ended without closing its journal" in made(())
