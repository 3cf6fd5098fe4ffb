import re
from datetime import UTC, datetime, timedelta

from mxlib.base.ids import mark, new_run


def test_the_id_of_a_run_begins_with_when_and_is_no_other_run_s():
    before = datetime.now(UTC).replace(microsecond=0)
    ids = [new_run() for _ in range(50)]
    assert len(set(ids)) == len(ids)
    for one in ids:
        assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", one)
        at = datetime.strptime(one.partition("-")[0], "%Y%m%dT%H%M%S%z")
        assert timedelta(0) <= at - before < timedelta(minutes=1)


def test_a_mark_is_never_the_same():
    marks = {mark() for _ in range(50)}
    assert len(marks) == 50
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in marks)
