from typing import Any

import pytest

from mxlib.config.load import parse
from mxlib.config.pool import ConftoolTags, MxSection
from mxlib.config.sections import Site
from tests.unit.support.site import changed, refusal


def tags_of(raw: dict[str, Any]) -> list[ConftoolTags | None]:
    site: Site = parse(raw, "x.yaml")
    return [site.conftool_tags(name) for name in site.mxs]


def test_several_services():
    both = ("smtp", "submission")
    assert tags_of(changed("pool.conftool.service", list(both))) == [
        ConftoolTags("eqiad", "mail", both),
        ConftoolTags("codfw", "mail", both),
    ]


def test_tags_that_differ_for_one_mx():
    own = {"mx2001.lab.test": {"cluster": "mail2", "service": ["smtp", "submission"]}}
    assert tags_of(changed("pool.conftool.hosts", own)) == [
        ConftoolTags("eqiad", "mail", ("smtp",)),
        ConftoolTags("codfw", "mail2", ("smtp", "submission")),
    ]
    assert tags_of(changed("pool.conftool.hosts", {"mx2001.lab.test": {"service": "in"}}))[1] == ConftoolTags(
        "codfw", "mail", ("in",)
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mxs", {"mx1001.lab.test": {"dc": "a|b"}}, "mxs.mx1001.lab.test.dc: expected an exact name, no pattern"),
        ("mxs", {"mx1001.lab.test": {"preference": -1}}, "mxs.mx1001.lab.test.preference: expected 0 to 65535, got -1"),
        ("pool.conftool.service", "(smtp|submission)", "service: expected an exact name, no pattern"),
        ("pool.conftool.extra", 1, "pool.conftool: expected one of the keys cluster, hosts, service, got 'extra'"),
        ("pool.conftool.dc", "eqiad", "pool.conftool: expected one of the keys cluster, hosts, service, got 'dc'"),
        ("pool.conftool.service", 5, "pool.conftool.service: expected a text or a list, got 5"),
        ("pool.conftool.service", [], "pool.conftool.service: expected at least one service, got []"),
        ("pool.conftool.service", ["a", "a"], "pool.conftool.service: expected each value once, got 'a' again"),
        ("pool.conftool.hosts", {"mx9.lab.test": {"service": "a"}}, "pool.conftool.hosts: expected names of MXs:"),
        ("pool.conftool.hosts", {"mx2001.lab.test": {}}, "hosts.mx2001.lab.test.cluster: expected a tag that differs"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    assert message in refusal(key, value)


@pytest.mark.parametrize(
    ("make", "key"), [(lambda: MxSection(dc="a b"), "dc"), (lambda: MxSection(preference=-1), "preference")]
)
def test_an_mx_that_is_made_with_a_wrong_value_names_its_key(make, key: str) -> None:
    with pytest.raises(ValueError, match=key):
        make()
