from dataclasses import replace
from datetime import date

import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.known_bad import (
    SHIPPED,
    Applies,
    Candidate,
    KnownBadAction,
    about,
    applies,
    load,
    overdue,
    parse_entries,
)

ENTRY = {
    "id": "x",
    "affects": {"release": ">=5.10.54, <5.18"},
    "when": {"mta": "exim>=4.93"},
    "unless": [{"sysctl": "net.ipv4.tcp_fastopen", "equals": "0"}],
    "symptom": "mail stalls",
    "action": "refuse",
    "reason": "https://example.org/bug",
    "reviewed": date(2026, 11, 21),
}
BAD = Candidate("5.10.0-9-amd64", "5.10.70-1", "exim", "4.94", {"net.ipv4.tcp_fastopen": "1"})


def entry(**changed):
    return parse_entries([ENTRY | changed], "list.yaml")[0]


def candidate(**changed):
    return replace(BAD, **changed)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (BAD, Applies.YES),
        (candidate(version="5.10.46-5"), Applies.NO),
        (candidate(version="6.1.192-1"), Applies.NO),
        (candidate(mta_version="4.92"), Applies.NO),
        (candidate(mta="postfix"), Applies.NO),
        (candidate(sysctls={"net.ipv4.tcp_fastopen": "0"}), Applies.NO),
        (candidate(version=""), Applies.UNKNOWN),
        (candidate(mta_version=""), Applies.UNKNOWN),
    ],
)
def test_version_condition_and_mitigation(kernel, expected):
    assert applies(entry(), kernel) is expected


def test_by_abi_and_by_package():
    assert applies(entry(affects={"abi": "5.10.0-9"}), BAD) is Applies.YES
    assert applies(entry(affects={"abi": "5.10.0-9"}), candidate(abi="5.10.0-90-amd64")) is Applies.NO
    assert applies(entry(affects={"package": "linux-image-5.10.0-9-amd64"}), BAD) is Applies.YES
    assert applies(entry(affects={"package": "linux-image-5.10.0-8-amd64"}), BAD) is Applies.NO


def test_an_accepted_entry_is_left_out():
    assert about([entry()], BAD)[Applies.YES]
    assert not about([entry()], BAD, allowed=["x"])[Applies.YES]


def test_an_old_entry_still_holds_and_is_to_be_looked_at():
    old = entry(reviewed=date(2025, 11, 20))
    (note,) = overdue([old, entry()], date(2026, 11, 21))
    assert "x: last reviewed on 2025-11-20" in note
    assert applies(old, BAD) is Applies.YES


def test_entries_age():
    assert not entry().stale(date(2027, 11, 21))
    assert entry().stale(date(2027, 11, 22))


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"id": ""}, "id"),
        ({"affects": {}}, "affects"),
        ({"affects": {"kernel": "5"}}, "affects"),
        ({"affects": {"release": "5.10"}}, "affects.release"),
        ({"when": {"mta": "postfix>=3"}}, "when.mta"),
        ({"when": {"role": "mx"}}, "when"),
        ({"unless": [{"sysctl": "a.b"}]}, "unless"),
        ({"action": "panic"}, "action"),
        ({"reason": "because"}, "reason"),
        ({"reason": None}, "reason"),
        ({"reviewed": "lately"}, "reviewed"),
        ({"colour": "red"}, "keys"),
    ],
)
def test_a_wrong_entry_is_named(changed, key):
    with pytest.raises(ConfigError, match=rf"list.yaml: entry 1: {key}: expected"):
        entry(**changed)


@pytest.mark.parametrize("raw", [None, {}, "x", ["x"], [ENTRY, ENTRY]])
def test_a_wrong_list_is_refused(raw):
    with pytest.raises(ConfigError, match=r"list\.yaml"):
        parse_entries(raw, "list.yaml")


def test_the_shipped_list():
    (shipped,) = load()
    assert shipped.entry_id == "2021-12-mx-conntrack"
    assert shipped.action is KnownBadAction.TRIAL
    assert applies(shipped, BAD) is Applies.YES
    assert [path.parent.name for path in SHIPPED] == ["exim"]


def test_a_list_of_the_site_replaces_and_adds(tmp_path):
    own = tmp_path / "own.yaml"
    (path,) = SHIPPED
    text = path.read_text()
    own.write_text(
        text.replace("action: trial", "action: warn") + text[text.index("- id:") :].replace("2021-12", "2022-01")
    )
    found = load([own])
    assert [(one.entry_id, one.action) for one in found] == [
        ("2021-12-mx-conntrack", KnownBadAction.WARN),
        ("2022-01-mx-conntrack", KnownBadAction.TRIAL),
    ]
    own.write_text("- [")
    with pytest.raises(ConfigError, match="is not YAML"):
        load([own])
    with pytest.raises(ConfigError, match="cannot be read"):
        load([tmp_path / "none.yaml"])
