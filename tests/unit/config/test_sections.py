from pathlib import Path

import pytest

from mxlib.config.load import load, parse
from mxlib.config.pool import ConftoolTags, MxSection
from mxlib.config.sections import SlotSection
from tests.unit.support.site import TEN_LINES, changed, refusal

EXAMPLE = Path(__file__).parents[3] / "docs" / "sre.mail.example.yaml"


def test_ten_lines_are_enough():
    site = parse(TEN_LINES, "x.yaml")
    assert site.conftool_tags("mx2001.lab.test") == ConftoolTags("codfw", "mail", ("smtp",))
    assert site.probes.outbound[0].sizes == (2048, 262144)


def test_the_example_has_an_mx_in_each_of_two_data_centres():
    site = load(EXAMPLE)
    assert [site.conftool_tags(name) for name in site.mxs] == [
        ConftoolTags("eqiad", "mail", ("smtp",)),
        ConftoolTags("codfw", "mail", ("smtp",)),
    ]
    assert [(mx.data_centre, mx.preference) for mx in site.mxs.values()] == [("eqiad", 10), ("codfw", 50)]


def test_a_list_of_names_where_nothing_is_said_of_them():
    site = parse({**TEN_LINES, "mxs": ["mx1001.lab.test", "mx2001.lab.test"], "pool": "none"}, "x.yaml")
    assert site.mxs == dict.fromkeys(["mx1001.lab.test", "mx2001.lab.test"], MxSection())
    assert {mx.data_centre for mx in site.mxs.values()} == {"default"}


def test_pool_none_is_legal():
    site = parse({**TEN_LINES, "pool": "none"}, "x.yaml")
    assert (site.pool, site.conftool_tags("mx1001.lab.test")) == ("none", None)


def test_netbox_may_stand_for_the_url_of_the_cluster():
    section = parse(changed("ganeti", {"user": "u", "password_file": "/p", "netbox": True}), "x.yaml").ganeti
    assert section is not None
    assert (section.rapi, section.netbox, section.master) == (None, True, None)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mxs", [], "mxs: expected two MXs or more: while one is out of service, another takes the mail, got []"),
        ("mxs", ["mx1001.lab.test"], "mxs: expected two MXs or more: while one is out of service, another takes"),
        ("mxs", ["mx1001.lab.test", "a;b"], "mxs: expected fully qualified host names, in lower case, got"),
        ("mxs", ["mx1.a.test", "mx1.b.test", "mx2.b.test"], "as silences go by them: mx1.a.test, mx1.b.test"),
        ("mxs", ["mx1001.lab.test", "mx2001.lab.test"], "expected a dc for each MX, as conftool's objects are found"),
        ("mxs", {"mx1001.lab.test": {"dc": "a"}, "mx2001.lab.test": {}}, "found by it: mx2001.lab.test, got"),
        ("min_in_service", 0, "min_in_service: expected 1, as there is one other MX, got 0"),
        ("min_in_service", 2, "min_in_service: expected 1, as there is one other MX, got 2"),
        ("drain.timeout", float("nan"), "drain.timeout: expected a number above 0, got nan"),
        ("drain.timeout", float("inf"), "drain.timeout: expected a number above 0, got inf"),
        ("drain.max_residual", -1, "drain.max_residual: expected 0 or more, got -1"),
        ("ports", [0], "ports: expected ports, 1 to 65535, got [0]"),
        ("ports", [25, 22], "ports: expected ports for mail: with 22 closed"),
        ("ports", [465, 587], "ports: expected all of verify.listeners and probes.inbound.port, as any other"),
        ("probes.inbound.port", 2525, "ports: expected all of verify.listeners and probes.inbound.port, as any other"),
        ("roll.canary", "mx9.lab.test", "roll.canary: expected one of the names of MXs: mx1001.lab.test, mx2001"),
        ("clients.internal", ["192.0.2.1/24"], "clients.internal: expected networks such as"),
        ("ganeti", {"rapi": "http://x", "user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL"),
        ("ganeti", {"rapi": "https://", "user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL"),
        ("ganeti", {"rapi": "https://x", "user": "", "password_file": "/p"}, "ganeti.user: expected a name, got ''"),
        ("ganeti", {"user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL, or netbox: true"),
        ("ganeti", {"user": "u", "password_file": "/p", "netbox": True, "rapi": "http://x"}, "ganeti.rapi: expected"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    assert message in refusal(key, value)


@pytest.mark.parametrize("key", ["/a", "/mx-cookbooks/mail_2.x"])
def test_the_slot_is_a_directory_of_etcd(key):
    assert SlotSection(key).key == key


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("slot.key", "mail", "slot.key: expected an absolute etcd key, got 'mail'"),
        ("slot.key", "/a/", "slot.key: expected an absolute etcd key, got '/a/'"),
        ("slot.lease", 9, "slot.lease: expected 10 to 600 seconds, got 9"),
        ("drain.runners", 51, "drain.runners: expected 1 to 50, got 51"),
        ("drain.still_timeout", 0, "drain.still_timeout: expected a number above 0, got 0"),
        ("boot.panic", 601, "boot.panic: expected 0 to 600 seconds, got 601"),
        ("boot.proof_holds", 0, "boot.proof_holds: expected a number above 0, got 0"),
        ("soak.seconds", -1, "soak.seconds: expected 0 or more, got -1"),
        ("clients.monitoring", ["nagios"], "clients.monitoring: expected networks such as 192.0.2.0/24"),
        ("console", {"user": ""}, "console.user: expected a name, got ''"),
        ("mta", "sendmail", "mta: expected one of exim, got 'sendmail'"),
    ],
)
def test_each_key_is_checked(key, value, message):
    assert message in refusal(key, value)
