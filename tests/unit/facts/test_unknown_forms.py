"""What a reader does not understand never makes a verdict better: the same, or UNKNOWN.

Each line of what was read for each fault of the checks' tests is put into a form that no reader knows, and one of such
a form is put in front of it. The fault may be seen all the same, or be unknown; it must not be gone.
"""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from mxlib.base.verdict import Status
from mxlib.facts.source import Facts
from tests.unit.support.failing import FAILING
from tests.unit.support.healthy import CHECKS, FERM, NFTABLES, POLICY, host
from tests.unit.support.unknown_forms import FORMS


def changed(check: str, facts: Facts, form: Callable[[str], list[str]]) -> Iterator[tuple[str, Facts]]:
    """The facts with one line in another form, for each line that the check reads."""
    sections = {section.name for source in CHECKS[check].sources(POLICY) for section in source.sections}
    for name in sorted(sections & facts.outputs.keys()):
        lines = facts.outputs[name].output.splitlines()
        for index, line in enumerate(lines):
            text = "\n".join((*lines[:index], *form(line), *lines[index + 1 :], ""))
            output = dataclasses.replace(facts.outputs[name], output=text)
            yield f"{name}: {line[:80]}", dataclasses.replace(facts, outputs={**facts.outputs, name: output})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", sorted(FAILING))
def test_a_fault_is_not_gone_where_a_line_is_not_understood(case: str, form: str) -> None:
    check, facts, _ = FAILING[case]
    gone = [line for line, odd in changed(check, facts, FORMS[form]) if CHECKS[check].verdict(odd, POLICY).passed]
    assert gone == []


@pytest.mark.parametrize("name", [NFTABLES, FERM])
@pytest.mark.parametrize("check", CHECKS)
def test_a_line_more_is_no_fault(check: str, name: str) -> None:
    """An unknown line is not understood; it is not proof of a fault."""
    found = {
        line: CHECKS[check].verdict(odd, POLICY).status
        for line, odd in changed(check, host(name), FORMS["a line before it"])  # type: ignore[no-untyped-call]
    }
    assert [line for line, status in found.items() if status is Status.FAILED] == []
