import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mxlib.base.errors import ParseError
from mxlib.model.debversion import DebianVersion, satisfies

ORDERED = [
    "0.9~~",
    "0.9~~a",
    "0.9~",
    "0.9",
    "1.0~rc1-1",
    "1.0~rc1-2",
    "1.0-0.1",
    "1.0-1~bpo11+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb12u1",
    "1.0-1.1",
    "1.0-10",
    "1.0a-1",
    "1.0+dfsg-1",
    "1.0.1-1",
    "5.10.46-5",
    "5.10.54-1",
    "5.10.70-1",
    "5.10.209-2",
    "6.1.9-1",
    "6.1.10-1",
    "6.12.100-1~deb12",
    "6.12.100-1",
    "1:0.1-1",
    "2:0-0",
]


def dpkg(left, operator, right):
    return subprocess.run(["dpkg", "--compare-versions", left, operator, right], check=False).returncode == 0


@pytest.mark.parametrize("index", range(len(ORDERED)))
def test_order(index):
    version = DebianVersion(ORDERED[index])
    assert all(DebianVersion(other) < version for other in ORDERED[:index])
    assert all(DebianVersion(other) > version for other in ORDERED[index + 1 :])


@pytest.mark.parametrize(("left", "right"), [("1.0", "1.0-0"), ("01.0", "1.0"), ("0:1.0-1", "1.0-1"), ("1.00", "1.0")])
def test_equal(left, right):
    assert DebianVersion(left) == DebianVersion(right)
    assert hash(DebianVersion(left)) == hash(DebianVersion(right))


@pytest.mark.parametrize("text", ["", "abc", "1.0_1", "1.0-", "1 0", "-1", "x:1.0", "nan"])
def test_what_is_no_version(text):
    with pytest.raises(ParseError):
        DebianVersion(text)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not here")
def test_the_order_is_that_of_dpkg():
    for left, right in itertools.pairwise(ORDERED):
        assert dpkg(left, "lt", right), (left, right)


PART = st.text(alphabet="0123456789abZ.+~", max_size=6)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not here")
@settings(max_examples=3 * settings.default.max_examples // 2)
@given(PART, PART, PART, PART)
def test_any_two_versions_compare_as_dpkg_says(left, right, left_revision, right_revision):
    one = "1" + left + (f"-{left_revision}" if left_revision else "")
    two = "1" + right + (f"-{right_revision}" if right_revision else "")
    assert (DebianVersion(one) < DebianVersion(two)) == dpkg(one, "lt", two)
    assert (DebianVersion(one) == DebianVersion(two)) == dpkg(one, "eq", two)


@pytest.mark.parametrize(
    ("version", "condition", "holds"),
    [
        ("5.10.70", ">=5.10.54", True),
        ("5.10.46", ">=5.10.54", False),
        ("6.1.192", ">=5.10.54, <5.18", False),
        ("5.17.1", ">=5.10.54,<5.18", True),
        ("4.96", "= 4.96", True),
    ],
)
def test_ranges(version, condition, holds):
    assert satisfies(version, condition) is holds


@pytest.mark.parametrize("condition", ["", "5.10", "~>1", ">=", ">=1,,<2"])
def test_what_is_no_range(condition):
    with pytest.raises(ParseError):
        satisfies("1.0", condition)


def test_the_end_of_a_version_goes_on_with_nothing():
    assert DebianVersion("1") < DebianVersion("1.0")
