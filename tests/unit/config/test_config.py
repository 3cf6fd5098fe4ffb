import copy
from pathlib import Path
from typing import Any

import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.document import read
from mxlib.config.load import load, parse
from mxlib.config.pool import ConftoolTags, MxSection
from mxlib.config.sections import Site
from tests.unit.support.site import TEN_LINES

EXAMPLE = Path(__file__).parents[3] / "docs" / "sre.mail.example.yaml"



def test_the_annotated_example_loads():
    site = load(EXAMPLE)
    assert site.probes.outbound[0].family == 4
    assert site.probes.inbound.source_ports == (61000, 61015)


def test_the_example_shows_every_default_as_it_is():
    example, short = load(EXAMPLE), parse(TEN_LINES, "short")
    for name in ("min_in_service", "mta", "ports", "slot", "drain", "boot", "soak", "downtime", "puppet"):
        assert getattr(example, name) == getattr(short, name), name


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


def test_netbox_may_stand_for_the_url_of_the_cluster():
    section = parse(changed("ganeti", {"user": "u", "password_file": "/p", "netbox": True}), "x.yaml").ganeti
    assert section is not None
    assert (section.rapi, section.netbox, section.master) == (None, True, None)


def changed(key: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(TEN_LINES)
    *path, last = key.split(".")
    at: Any = raw
    for name in path:
        at = at.setdefault(name, {}) if isinstance(at, dict) else at[int(name)]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return raw


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mxs", ..., "x.yaml: mxs: expected a mapping or a list of names, but the key is missing"),
        ("mxs", [], "mxs: expected two MXs or more: while one is out of service, another takes the mail, got []"),
        ("mxs", ["mx1001.lab.test"], "mxs: expected two MXs or more: while one is out of service, another takes"),
        ("mxs", "mx1001.lab.test", "x.yaml: mxs: expected a mapping or a list of names, got 'mx1001.lab.test'"),
        ("mxs", None, "x.yaml: mxs: expected a mapping or a list of names, got nothing"),
        ("mxs", ["mx1001.lab.test", "a;b"], "mxs: expected fully qualified host names, in lower case, got"),
        ("mxs", ["mx1001.lab.test"] * 2, "mxs: expected each value once, got 'mx1001.lab.test' again"),
        ("mxs", ["mx1001.lab.test", "mx2001.lab.test"], "expected a dc for each MX, as conftool's objects are found"),
        ("mxs", {"mx1001.lab.test": {"dc": "a"}, "mx2001.lab.test": {}}, "found by it: mx2001.lab.test, got"),
        ("mxs", {"mx1001.lab.test": None}, "mxs.mx1001.lab.test: expected a mapping, got nothing"),
        ("mxs", {"mx1001.lab.test": {"dc": ["a", "b"]}}, "mxs.mx1001.lab.test.dc: expected a text, got ['a', 'b']"),
        ("mxs", {"mx1001.lab.test": {"dc": "a|b"}}, "mxs.mx1001.lab.test.dc: expected an exact name, no pattern"),
        ("mxs", {"mx1001.lab.test": {"preference": -1}}, "mxs.mx1001.lab.test.preference: expected 0 to 65535, got -1"),
        ("mxs", {"mx1001.lab.test": {"site": "a"}}, "mxs.mx1001.lab.test: expected one of the keys dc, preference"),
        ("mxs", {1001: {}}, "mxs: the name 1001: expected a text, got 1001"),
        ("min_in_service", 0, "min_in_service: expected 1, as there is one other MX, got 0"),
        ("min_in_service", 2, "min_in_service: expected 1, as there is one other MX, got 2"),
        ("min_in_service", True, "min_in_service: expected a whole number, got True"),
        ("pool", "some", "pool: expected none or a mapping, got 'some'"),
        ("pool.conftool.service", "(smtp|submission)", "service: expected an exact name, no pattern"),
        ("pool.conftool.extra", 1, "pool.conftool: expected one of the keys cluster, hosts, service, got 'extra'"),
        ("pool.conftool.dc", "eqiad", "pool.conftool: expected one of the keys cluster, hosts, service, got 'dc'"),
        ("pool.conftool.service", 5, "pool.conftool.service: expected a text or a list, got 5"),
        ("pool.conftool.service", [], "pool.conftool.service: expected at least one service, got []"),
        ("pool.conftool.service", ["a", "a"], "pool.conftool.service: expected each value once, got 'a' again"),
        ("pool.conftool.hosts", {"mx9.lab.test": {"service": "a"}}, "pool.conftool.hosts: expected names of MXs:"),
        ("pool.conftool.hosts", {"mx2001.lab.test": {}}, "hosts.mx2001.lab.test.cluster: expected a tag that differs"),
        ("probes", ..., "x.yaml: probes: expected a mapping, but the key is missing"),
        ("probes.sender", ..., "x.yaml: probes.sender: expected a text, but the key is missing"),
        ("probes.inbound.accepted", ["a@b.test"] * 2, "accepted: expected each value once, got 'a@b.test' again"),
        ("probes.timeuot", 5, "got 'timeuot' (is timeout meant?)"),
        ("probes.outbound.0.sizes", [-5], "probes.outbound[0].sizes: expected 1 to 50000000 bytes each, got [-5]"),
        ("probes.outbound", [], "probes.outbound: expected at least one probe"),
        ("probes.outbound.0.family", 5, "probes.outbound[0].family: expected one of 4, 6, any, got 5"),
        ("probes.outbound.0.family", True, "probes.outbound[0].family: expected one of 4, 6, any, got True"),
        ("probes.outbound.0.to", "nobody", "probes.outbound[0].to: expected a mail address"),
        ("probes.inbound.source_ports", [5, 4], "source_ports: expected first and last port"),
        ("probes.inbound.source_ports", [5], "source_ports: expected a list of 2"),
        ("drain.timeout", "soon", "drain.timeout: expected a number, got 'soon'"),
        ("drain.timeout", float("nan"), "drain.timeout: expected a number above 0, got nan"),
        ("drain.timeout", float("inf"), "drain.timeout: expected a number above 0, got inf"),
        ("drain.max_residual", -1, "drain.max_residual: expected 0 or more, got -1"),
        ("drain", None, "drain: expected a mapping, got nothing"),
        ("ports", [25, 25], "ports: expected each value once, got 25 again"),
        ("ports", [0], "ports: expected ports, 1 to 65535, got [0]"),
        ("roll.canary", "mx9.lab.test", "roll.canary: expected one of the names of MXs: mx1001.lab.test, mx2001"),
        ("roll.slack", float("nan"), "roll.slack: expected 1 or more, got nan"),
        ("roll.notify", {"smtp": "mail:99999"}, "roll.notify.smtp: expected host or host:port, got 'mail:99999'"),
        ("roll.soak", {"seconds": 9000}, "roll.soak.limit: expected not less than seconds, and its default is 7200.0"),
        ("verify.log", {"after_data": -1}, "verify.log.after_data: expected 0 or more, got -1"),
        ("verify.firewall", {"accepted_ports": [70000]}, "verify.firewall.accepted_ports: expected ports, 1 to 65535"),
        ("verify.firewall", {"min_rules": -1}, "verify.firewall.min_rules: expected 0 or more, got -1"),
        ("verify.conntrack_lost", -1, "verify.conntrack_lost: expected 0 or more, got -1"),
        ("verify.ignored_units", ["x"], "verify.ignored_units: expected full names of units, such as ssh.service, got"),
        ("verify.watched_sysctls", ["a b"], "verify.watched_sysctls: expected names of sysctls, got ['a b']"),
        ("remedy.sysctls", {"net.x": ["0", "0"]}, "remedy.sysctls: expected each value once, got '0' again"),
        ("clients.internal", ["192.0.2.1/24"], "clients.internal: expected networks such as"),
        ("ganeti", {"rapi": "http://x", "user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL"),
        ("ganeti", {"rapi": "https://", "user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL"),
        ("ganeti", {"rapi": "https://x", "user": "", "password_file": "/p"}, "ganeti.user: expected a name, got ''"),
        ("ganeti", {"user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL, or netbox: true"),
        ("ganeti", {"user": "u", "password_file": "/p", "netbox": "yes"}, "ganeti.netbox: expected true or false"),
        ("ganeti", {"user": "u", "password_file": "/p", "netbox": True, "rapi": "http://x"}, "ganeti.rapi: expected"),
        ("console", {"password": "x"}, "console: expected one of the keys password_file, transcripts, user, got 'pass"),
    ],
)
def test_an_error_names_file_key_value_and_what_was_expected(key, value, message):
    with pytest.raises(ConfigError) as caught:
        parse(changed(key, value), "x.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x.yaml: ")
    assert caught.value.__suppress_context__, "a traceback of what led to it hides the line"


def test_options_of_ssh_may_repeat():
    ganeti = {"rapi": "https://x:5080", "user": "u", "password_file": "/p", "ssh_options": ["-o", "A=1", "-o", "B=2"]}
    section = parse(changed("ganeti", ganeti), "x.yaml").ganeti
    assert section is not None
    assert section.ssh_options == ("-o", "A=1", "-o", "B=2")


def test_a_long_value_is_cut():
    with pytest.raises(ConfigError) as caught:
        parse(changed("ports", ["x" * 1000]), "x.yaml")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("soak: {seconds: 1}\nboot: {panic: 0}\nsoak: {}\n", "line 3: soak: expected each key once, and line 1 has it"),
        ("drain:\n  timeout: 5\n  runners: 1\n  timeout: 6\n", "line 4: timeout: expected each key once, and line 2"),
        ("mxs:\n  a.test: {dc: eqiad}\n  a.test: {dc: codfw}\n", "line 3: a.test: expected each key once, and line 2"),
        ("list:\n- {a: 1, a: 2}\n", "line 2: a: expected each key once, and line 2 has it already"),
    ],
)
def test_a_key_that_is_written_twice(tmp_path, text, said):
    path = tmp_path / "sre.mail.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert caught.value.__suppress_context__


def test_a_merged_mapping_may_be_overridden(tmp_path):
    path = tmp_path / "merge.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nmine: {<<: *base, b: 3}\n")
    assert read(path)["mine"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("content", "message"), [(b"a: [", "is not YAML"), (b"\xff", "is not YAML"), (b"", "a mapping")]
)
def test_a_file_that_is_not_yaml(tmp_path, content, message):
    path = tmp_path / "sre.mail.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "no.yaml")
