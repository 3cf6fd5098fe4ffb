from mxlib.base.errors import ParseError
from mxlib.base.verdict import Status
from mxlib.checks.check import Check, Finding, Outside, Scope, failed, ok, unknown, worst
from mxlib.config.verify import VerifyPolicy
from mxlib.facts.section import Section
from mxlib.facts.source import Source
from tests.unit.support.facts import facts_of

POLICY = VerifyPolicy()
SECTION = Section("answer", "echo 5")


def parse(outputs):
    if not outputs[SECTION.name].output.strip().isdigit():
        raise ParseError("no number")
    return int(outputs[SECTION.name].output)


SOURCE = Source("answer", (SECTION,), parse)


def test_the_worst_decides_and_what_is_as_bad_is_said_with_it():
    found = worst([ok("fine", "x"), failed("one", "a"), unknown("unread"), failed("two", "b")])
    assert (found.status, found.why, found.lines) == (Status.FAILED, "one; two", ("a", "b"))
    assert worst([ok("fine"), unknown("unread")]).status is Status.UNKNOWN


def test_no_warning_is_lost_to_what_is_worse():
    found = worst([Finding(Status.OK, "fine", (), ("soon full",)), failed("one")])
    assert (found.why, found.warnings) == ("one", ("soon full",))


def made(judge):
    return Check("five", "it is five", Scope.SERVICE, lambda _: (SOURCE,), judge)


def five(facts, policy):
    del policy
    return ok("five", "5") if facts.get(SOURCE) == 5 else failed("not five")


def test_a_fact_that_could_not_be_read_is_unknown_and_shows_what_came():
    verdict = made(five).verdict(facts_of({SECTION: "many"}), POLICY)
    assert (verdict.check, verdict.status, verdict.why) == ("five", Status.UNKNOWN, "answer: no number")
    assert verdict.evidence[0].output == "many"
    assert made(five).verdict(facts_of({}), POLICY).status is Status.UNKNOWN


def test_the_lines_that_decided_are_the_evidence_and_else_what_was_read():
    known = facts_of({SECTION: "5\n"})
    bare, pointed = (lambda *_: failed("x")), (lambda *_: failed("x", "that line"))
    for judge, shown in ((five, "5"), (bare, "5"), (pointed, "that line")):
        assert [one.output for one in made(judge).verdict(known, POLICY).evidence] == [shown]


def test_a_check_from_outside_shows_what_it_says_of_which_host():
    def renamed(host, facts):
        return failed(f"{host}: renamed {facts.get(SOURCE)}", "x")

    outside = Outside("nic", "names", (SOURCE,), renamed)
    verdict = outside.verdict("mx1001.lab.test", facts_of({SECTION: "5"}))
    assert (verdict.status, verdict.why) == (Status.FAILED, "mx1001.lab.test: renamed 5")
    assert (verdict.evidence[0].command, verdict.evidence[0].output) == ("names: mx1001.lab.test", f"{verdict.why}\nx")
    assert outside.verdict("mx1001.lab.test", facts_of({SECTION: ""})).status is Status.UNKNOWN
