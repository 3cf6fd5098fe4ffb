"""Exim's router that is stopped, dies or has no answer now: what it did not say to its end is unknown."""

from pathlib import Path

import pytest

from mxlib.mta.exim import routes
from tests.unit.support.exim_backlog import ROUTER, Spool

WHOLE = """old@corp.test) echo ext@broken.test; echo "    <-- old@corp.test"
echo "  router = dnslookup, transport = remote_smtp"; echo "  host mx1.broken.test [198.51.100.40] MX=10"
@HERE@
echo "  host mx2.broken.test [198.51.100.41] MX=20";;
two@corp.test) echo "far@slow.test cannot be resolved at this time"; echo "    <-- two@corp.test"
echo one@lists.test; echo "    <-- two@corp.test"; echo "  host mx.lists.test [198.51.100.30] MX=10";;
list@corp.test) echo "|/usr/bin/archive a@b.test"; echo "    <-- list@corp.test"; echo "  transport = address_pipe"
echo '"a b"@far.test'; echo "    <-- odd@corp.test";;
none@corp.test) echo "mail to none@corp.test is discarded";;
*@corp.test|*@near.test) echo "$address"; echo "  router = dnslookup, transport = remote_smtp"
echo "  host mx.corp.test [198.51.100.20] MX=10";;
"""
ENDS = {"slow DNS": "exec sleep 9", "killed": "kill -9 $$", "died": "exit 1"}
TRIES = "".join(f"try {name}.test - - 99\n" for name in ("corp", "broken", "near", "lists", "slow"))


def spool_with(path: Path, here: str) -> Spool:
    spool = Spool(path)
    spool.exim.write_text(ROUTER.replace("user*@", WHOLE.replace("@HERE@", here) + "user*@"))
    Path(f"{spool.exim}.conf").write_text("begin retry\n  mx.provider.test * F,1m,10s\n  * * F,4d,6h\n")
    run = spool.run
    spool.run = lambda script: run(script.replace("timeout 20", "timeout 1"))
    return spool


@pytest.fixture(params=ENDS.values(), ids=ENDS)
def cut(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    """A router that comes to an end in the middle of the hosts of what old@corp.test leads to."""
    return spool_with(tmp_path, request.param)


@pytest.fixture
def whole(tmp_path: Path) -> Spool:
    return spool_with(tmp_path, "")


def test_an_alias_that_was_not_followed_is_not_taken_for_its_own_domain(whole: Spool) -> None:
    whole.put("old@corp.test")
    assert whole.choose(f"{TRIES}spare ext@broken.test\n") == []
    assert len(whole.choose(TRIES)) == 1


def test_what_was_not_routed_to_its_end_is_not_chosen(cut: Spool) -> None:
    first = cut.put("a@x.test", age=999)
    cut.put("a@near.test", age=900)
    cut.put("b@near.test", age=800)
    cut.put("old@corp.test", age=700)
    cut.put("late@corp.test", age=600)
    found = cut.backlog()
    assert {heap.domain: heap.count for heap in found.heaps} == {"x.test": 1, "?": 4}
    assert cut.choose(f"{TRIES}try x.test - - 9\nspare ext@broken.test\n") == [first]
    assert "broken.test" not in found.names, "another host may follow"


def test_what_is_far_from_the_cut_is_known(cut: Spool) -> None:
    for number, domain in enumerate(("lists.test", "near.test", "provider.test", "corp.test")):
        cut.put(f"{'postmaster' if domain != 'corp.test' else 'old'}@{domain}", age=900 - number)
    assert len(cut.choose(f"{TRIES}try provider.test - - 9\n")) == 2
    assert cut.backlog().names == {"lists.test": {"mx.lists.test"}, "near.test": {"mx.corp.test"}}


def test_a_crowd_whose_first_was_not_routed_is_unknown(cut: Spool) -> None:
    cut.put("old@corp.test", age=900)
    for number in range(205):
        cut.put(f"person{number}@corp.test")
    assert cut.choose(TRIES) == []


def test_an_alias_that_leads_to_two_of_which_one_is_unknown_now(whole: Spool) -> None:
    message = whole.put("two@corp.test")
    assert {heap.domain for heap in whole.backlog().heaps} == {"lists.test", "?"}
    assert whole.choose(TRIES) == []
    found = routes.parse(whole.run(routes.SECTION.script))
    assert found == {message: {"corp.test": {"?", "lists.test", "mx.lists.test"}}}


def test_a_pipe_and_an_odd_address_are_not_the_address_before(whole: Spool) -> None:
    for name in ("a@near.test", "list@corp.test", "odd@corp.test", "none@corp.test"):
        whole.put(name)
    found = {heap.domain: heap.count for heap in whole.backlog().heaps}
    assert found == {"near.test": 1, "(local)": 1, "?": 1, "corp.test": 1}


def test_a_cut_answer_is_unknown_for_the_bounce_deadline_too(cut: Spool) -> None:
    message = cut.put("old@corp.test")
    found = routes.parse(cut.run(routes.SECTION.script))
    assert found is not None
    assert "?" in found[message]["corp.test"]
