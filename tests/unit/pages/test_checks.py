from mxlib.pages.checks import table


def verdict(stage, check, status="OK", why="well"):
    return {"stage": stage, "check": check, "status": status, "why": why}


FOUND = [
    verdict("guard", "disk"),
    verdict("guard", "outbound-v4", why="before"),
    verdict("prove outbound", "outbound-v4", "UNKNOWN", "no answer"),
    verdict("prove outbound", "outbound-v4", "FAILED", "refused"),
    verdict("soak", "disk"),
]


def test_one_row_a_check_and_one_column_a_stage():
    found = table(FOUND)
    assert found.stages == ("before", "new boot, MTA held", "in service again")
    assert [(row.check, [cell.status for cell in row.cells]) for row in found.rows] == [
        ("outbound-v4", ["OK", "FAILED", ""]), ("disk", ["OK", "", "OK"]),
    ]  # fmt: skip


def test_what_was_not_ok_is_told():
    found = table(FOUND)
    (bad,), (good,) = found.bad, found.good
    assert (bad.decisive.why, bad.decisive.tone, good.decisive.why) == ("refused", "bad", "well")
    assert found.mails == (bad,)


def test_a_status_that_nobody_knows_is_no_ok():
    (row,) = table([verdict("guard", "disk", "FINE")]).rows
    assert (row.well, row.decisive.tone) == (False, "doubt")
