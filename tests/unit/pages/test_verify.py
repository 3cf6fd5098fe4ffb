from mxlib.model.outcome import Outcome
from mxlib.pages.verify import _rows, page
from tests.unit.support.html import loaded, words
from tests.unit.support.journals import HOSTILE, verified

NEXT = "cookbook sre.mail.remedy-mx mx2001.lab.test --suggest"


def test_the_worst_and_the_next_command_come_first():
    found = words(page(verified(), Outcome.FAILED, NEXT))
    worst = "mx2001.lab.test: outbound-v6 FAILED: THIS HOST is at fault: 2 of 4 lost, Subject:; 2 more not OK"
    assert found.index("something is wrong") < found.index(worst) < found.index(NEXT) < found.index("Hosts and checks")
    assert "3 hosts, begun 2026-11-28 04:00:00 UTC, 12 s in all" in found


def test_every_check_is_a_row_and_every_host_a_column():
    rows = {row.check: row for row in _rows(verified())}
    assert [cell.status for cell in rows["outbound-v6"].cells] == ["FAILED", "", "OK"]
    assert [cell.status for cell in rows["puppet"].cells] == ["UNKNOWN", "UNKNOWN", ""]
    assert (rows["puppet"].well, rows["check-3"].well) == (False, True)
    assert [cell.warns for cell in rows["certificate"].cells] == [True, False, False]


def test_evidence_and_warnings_are_there():
    found = words(page(verified(), Outcome.FAILED, NEXT, ("an entry is overdue",)))
    assert "note an entry is overdue" in found
    assert "warning ends within a month" in found
    assert found.count("exim4 -bpc") == 20 * 3 + 4


def test_markup_from_outside_stays_text():
    found = page(verified(HOSTILE), Outcome.FAILED, NEXT, (HOSTILE,))
    assert loaded(found) == []
    assert found.count("&lt;script&gt;") > 60


def test_where_all_is_well_there_is_nothing_to_do():
    found = words(page(verified()[2:], Outcome.DONE, ""))
    assert "nothing is left to do" in found
    assert "every check passed wherever it was made" in found


def test_none_is_a_page_too():
    assert "no host was verified" in words(page((), Outcome.UNKNOWN, ""))
