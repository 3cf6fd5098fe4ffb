from mxlib.model.answers import Answer, InboundResult, InboundStage, differences
from tests.unit.support.facts import NOW


def session(host, *codes, subject="user1@lab.test"):
    answers = tuple(
        Answer(InboundStage.ACCEPTED, subject, code, "", None if code is None else code == 250) for code in codes
    )
    return InboundResult(host, "192.0.2.21", 4, answers, None, NOW)


def test_wrong_is_not_unknown():
    found = session("a", 250, 550, None)
    assert [one.code for one in found.wrong] == [550]
    assert [one.code for one in found.unknown] == [None]


def test_hosts_that_answer_with_another_class_differ():
    one, other = session("mx1001.lab.test", 250), session("mx2001.lab.test", 550)
    assert differences([one, one]) == {}
    assert differences([one, other]) == {"user1@lab.test": {"mx1001.lab.test": 2, "mx2001.lab.test": 5}}
    assert differences([one, session("mx2001.lab.test", 251)]) == {}


def test_no_answer_and_answers_about_no_recipient_are_not_compared():
    assert differences([session("a", 250), session("b", None)]) == {}
    assert differences([session("a", 220, subject=""), session("b", 554, subject="")]) == {}
