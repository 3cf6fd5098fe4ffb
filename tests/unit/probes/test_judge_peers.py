"""What the MXs say to each other, judged; and which of them answers otherwise than the rest."""

import pytest

from mxlib.base.verdict import Status
from mxlib.model.answers import Answer, InboundResult, InboundStage
from mxlib.probes.judge_peers import describe_differences, judge_peers, judge_same
from mxlib.probes.peer import PeerSession
from tests.unit.support.facts import NOW

HERE, PEER, OTHER = "mx1001.lab.test", "mx2001.lab.test", "mx3001.lab.test"
USER = "user1@lab.test"


def answered(host, family=4, **codes):
    """A session with an MX: a code by local part; None where it did not answer."""
    answers = tuple(
        Answer(InboundStage.COMPARED, f"{local}@lab.test", code, "text", None if code is None else code == 250)
        for local, code in codes.items()
    )
    return InboundResult(host, "192.0.2.11", family, answers, None, NOW)


def heard(peer=PEER, family=4, **codes):
    return PeerSession(peer, answered(HERE, family, **codes))


# --- by its peers


def test_what_all_peers_heard_as_it_must_be():
    verdict = judge_peers([heard(user1=250), heard(family=6, user1=250)], {}, outside_ok=True)
    assert (verdict.check, verdict.status) == ("inbound-peers", Status.OK)
    assert verdict.why == f"as it must: {PEER} over IPv4, {PEER} over IPv6"
    assert [one.command for one in verdict.evidence] == [f"SMTP session with [192.0.2.11] from {PEER}"] * 2


def test_one_peer_that_is_refused_is_enough():
    verdict = judge_peers([heard(user1=250), heard(OTHER, user1=550)], {}, outside_ok=None)
    assert verdict.status is Status.FAILED
    assert verdict.why == f"from {OTHER} over IPv4: RCPT {USER}: 550 text"


@pytest.mark.parametrize(("outside_ok", "doubted"), [(True, True), (False, False), (None, False)])
def test_only_what_is_right_from_here_puts_the_way_between_them_in_doubt(outside_ok, doubted):
    verdict = judge_peers([heard(user1=550)], {}, outside_ok)
    assert ("the way between the two?" in verdict.why) is doubted


def test_a_peer_that_could_not_ask_is_named_beside_one_that_could():
    verdict = judge_peers([heard(user1=250)], {OTHER: "no session"}, outside_ok=None)
    assert verdict.status is Status.OK
    assert verdict.why.endswith(f"; not asked: {OTHER}: no session")


@pytest.mark.parametrize(
    ("sessions", "silent", "words"),
    [
        ([], {PEER: "no session"}, f"{PEER}: no session"),
        ([heard(user1=None)], {}, f"from {PEER} over IPv4: RCPT {USER}:"),
        ([heard()], {}, "it did not come to its recipients"),
    ],
)
def test_where_no_peer_came_to_an_answer_nothing_is_known(sessions, silent, words):
    verdict = judge_peers(sessions, silent, outside_ok=True)
    assert verdict.status is Status.UNKNOWN
    assert verdict.why.startswith("no peer could ask: ")
    assert words in verdict.why


# --- the same answers


def same(*results, host=HERE, prescribed=None):
    return judge_same(host, results, prescribed or {}, NOW)


def test_all_answer_the_same():
    verdict = same(answered(HERE, user1=250, nobody=550), answered(PEER, user1=250, nobody=551))
    assert (verdict.check, verdict.status) == ("same-answers", Status.OK)
    assert verdict.why == "2 recipients, asked of 2 MXs"
    assert verdict.evidence[0].output == "all the same"


def test_the_minority_is_wrong():
    results = (answered(HERE, new=550), answered(PEER, new=250), answered(OTHER, new=250))
    verdict = same(*results)
    assert verdict.status is Status.FAILED
    assert verdict.why == f"new@lab.test: 5xx on {HERE}, 2xx on {PEER}, 2xx on {OTHER}"
    right = same(*results, host=PEER)
    assert right.status is Status.OK
    assert right.why.endswith("; the other one is wrong")


def test_without_a_majority_each_may_be_wrong():
    results = (answered(HERE, new=550), answered(PEER, new=250))
    assert {same(*results, host=host).status for host in (HERE, PEER)} == {Status.FAILED}


def test_the_word_of_the_site_counts_more_than_a_majority():
    results = (answered(HERE, new=250), answered(PEER, new=550), answered(OTHER, new=550))
    prescribed = {"new@lab.test": 2}
    assert same(*results, prescribed=prescribed).status is Status.OK
    assert same(*results, prescribed=prescribed, host=PEER).status is Status.FAILED


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ((answered(HERE, user1=250),), "no other MX answered for a recipient"),
        ((answered(HERE, user1=250), answered(PEER)), "no other MX answered for a recipient"),
        ((answered(PEER, user1=250), answered(OTHER, user1=250)), f"{HERE} answered for no recipient"),
        ((answered(HERE, user1=None), answered(PEER, user1=250)), f"{HERE} answered for no recipient"),
    ],
)
def test_what_was_not_answered_cannot_be_compared(results, words):
    verdict = same(*results)
    assert verdict.status is Status.UNKNOWN
    assert words in verdict.why


def test_a_difference_is_a_line_a_recipient():
    assert describe_differences({"z@x": {PEER: 5, HERE: 2}, "a@x": {HERE: 4, PEER: 2}}) == [
        f"a@x: 4xx on {HERE}, 2xx on {PEER}",
        f"z@x: 2xx on {HERE}, 5xx on {PEER}",
    ]
