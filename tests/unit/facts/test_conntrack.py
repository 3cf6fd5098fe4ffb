import pytest

from mxlib.facts import conntrack
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, fixture

SIZES = "count 50\nmax 8192\n"


@pytest.mark.parametrize(("prefix", "invalid", "failed"), [("", 0, 0), ("fault-", 72, 9)])
def test_counters_of_the_file_and_of_the_tool_are_the_same(prefix, invalid, failed):
    file = fact(conntrack.SOURCE, fixture(f"host/{prefix}nf_conntrack-stat.txt") + SIZES)
    tool = fact(conntrack.SOURCE, fixture(f"host/{prefix}conntrack-S.txt") + SIZES)
    for facts in (file, tool):
        assert (facts.counters["invalid"], facts.counters["insert_failed"]) == (invalid, failed)
        assert facts.loaded
    assert file.fullness == pytest.approx(50 / 8192)


def test_growth():
    before = fact(conntrack.SOURCE, fixture("host/nf_conntrack-stat.txt") + SIZES)
    after = fact(conntrack.SOURCE, fixture("host/fault-nf_conntrack-stat.txt") + SIZES)
    assert after.growth(before) == {"invalid": 72, "insert_failed": 9, "drop": 9, "early_drop": 0}


def test_without_the_module_nothing_is_tracked():
    facts = fact(conntrack.SOURCE, "absent\n")
    assert (facts.loaded, facts.fullness, facts.counters) == (False, None, {})


def test_counters_without_a_size_are_no_sign_that_nothing_is_tracked():
    with pytest.raises(FactUnknownError, match="the size of its table cannot be read"):
        fact(conntrack.SOURCE, fixture("host/nf_conntrack-stat.txt") + "count 50\n")


@pytest.mark.parametrize("answer", ["", SIZES, "entries found\n1\n" + SIZES, "garbage\n",
                                    "absent\n" + SIZES, "cpu=0 invalid=1\ncpu=1 inva\n" + SIZES])  # fmt: skip
def test_counters_that_cannot_be_read_are_unknown(answer):
    with pytest.raises(FactUnknownError):
        fact(conntrack.SOURCE, answer)
