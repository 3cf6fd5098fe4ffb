import copy
from pathlib import Path
from typing import Any

import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.load import load, parse
from mxlib.config.sections import ConftoolSelector, PoolSection
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
    assert site.pool == PoolSection(ConftoolSelector("lab", "mail", "smtp"))
    assert site.probes.outbound[0].sizes == (2048, 262144)


def test_pool_none_is_legal():
    assert parse({**TEN_LINES, "pool": "none"}, "x.yaml").pool == "none"


def test_several_services():
    site = parse(changed("pool.conftool.service", ["smtp", "submission"]), "x.yaml")
    assert isinstance(site.pool, PoolSection)
    assert site.pool.conftool.services == ("smtp", "submission")


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
        ("mxs", ..., "x.yaml: mxs: expected a value: the key is missing, got None"),
        ("mxs", [], "x.yaml: mxs: expected fully qualified host names, got []"),
        ("mxs", "mx1001.lab.test", "x.yaml: mxs: expected a list, got 'mx1001.lab.test'"),
        ("mxs", ["mx1001.lab.test", "a;b"], "fully qualified host names"),
        ("mxs", ["mx1001.lab.test"] * 2, "each MX once"),
        ("min_in_service", 2, "min_in_service: expected 0 to 1, got 2"),
        ("min_in_service", True, "min_in_service: expected a whole number, got True"),
        ("pool", "some", "pool: expected a mapping, got 'some'"),
        ("pool.conftool.service", "(smtp|submission)", "service: expected an exact name, no pattern"),
        ("pool.conftool.extra", 1, "pool.conftool: expected one of the keys cluster, dc, service, got 'extra'"),
        ("probes.outbound", [], "probes.outbound: expected at least one probe"),
        ("probes.outbound.0.family", 5, "probes.outbound[0].family: expected one of 4, 6, any, got 5"),
        ("probes.outbound.0.family", True, "probes.outbound[0].family: expected one of 4, 6, any, got True"),
        ("probes.outbound.0.to", "nobody", "probes.outbound[0].to: expected a mail address"),
        ("probes.inbound.source_ports", [5, 4], "source_ports: expected first and last port"),
        ("probes.inbound.source_ports", [5], "source_ports: expected a list of 2"),
        ("drain.timeout", "soon", "drain.timeout: expected a number, got 'soon'"),
        ("drain.timeout", float("nan"), "drain.timeout: expected a number above 0, got nan"),
        ("clients.internal", ["192.0.2.1/24"], "clients.internal: expected networks such as"),
        ("ganeti", {"rapi": "http://x", "user": "u", "password_file": "/p"}, "ganeti.rapi: expected an https:// URL"),
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
