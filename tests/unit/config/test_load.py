from pathlib import Path

import pytest

from mxlib.base.errors import ConfigError
from mxlib.config.load import load, parse
from tests.unit.support.site import TEN_LINES, changed, refusal

EXAMPLE = Path(__file__).parents[3] / "docs" / "sre.mail.example.yaml"


def test_the_annotated_example_loads():
    site = load(EXAMPLE)
    assert site.probes.outbound[0].family == 4
    assert site.probes.inbound.source_ports == (61000, 61015)


def test_the_example_shows_every_default_as_it_is():
    example, short = load(EXAMPLE), parse(TEN_LINES, "short")
    for name in ("min_in_service", "mta", "ports", "slot", "drain", "boot", "soak", "downtime", "puppet"):
        assert getattr(example, name) == getattr(short, name), name


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mxs", ..., "x.yaml: mxs: expected a mapping or a list of names, but the key is missing"),
        ("mxs", "mx1001.lab.test", "x.yaml: mxs: expected a mapping or a list of names, got 'mx1001.lab.test'"),
        ("mxs", None, "x.yaml: mxs: expected a mapping or a list of names, got nothing"),
        ("mxs", ["mx1001.lab.test"] * 2, "mxs: expected each value once, got 'mx1001.lab.test' again"),
        ("mxs", {"mx1001.lab.test": None}, "mxs.mx1001.lab.test: expected a mapping, got nothing"),
        ("mxs", {"mx1001.lab.test": {"dc": ["a", "b"]}}, "mxs.mx1001.lab.test.dc: expected a text, got ['a', 'b']"),
        ("mxs", {"mx1001.lab.test": {"site": "a"}}, "mxs.mx1001.lab.test: expected one of the keys dc, preference"),
        ("mxs", {1001: {}}, "mxs: the name 1001: expected a text, got 1001"),
        ("min_in_service", True, "min_in_service: expected a whole number, got True"),
        ("pool", "some", "pool: expected none or a mapping, got 'some'"),
        ("probes", ..., "x.yaml: probes: expected a mapping, but the key is missing"),
        ("probes.sender", ..., "x.yaml: probes.sender: expected a text, but the key is missing"),
        ("probes.inbound.accepted", ["a@b.test"] * 2, "accepted: expected each value once, got 'a@b.test' again"),
        ("probes.timeuot", 5, "got 'timeuot' (is timeout meant?)"),
        ("probes.outbound.0.family", 5, "probes.outbound[0].family: expected one of 4, 6, any, got 5"),
        ("probes.outbound.0.family", True, "probes.outbound[0].family: expected one of 4, 6, any, got True"),
        ("probes.inbound.source_ports", [5], "source_ports: expected a list of 2"),
        ("drain.timeout", "soon", "drain.timeout: expected a number, got 'soon'"),
        ("drain", None, "drain: expected a mapping, got nothing"),
        ("ports", [25, 25], "ports: expected each value once, got 25 again"),
        ("remedy.sysctls", {"net.x": ["0", "0"]}, "remedy.sysctls: expected each value once, got '0' again"),
        ("ganeti", {"user": "u", "password_file": "/p", "netbox": "yes"}, "ganeti.netbox: expected true or false"),
        ("console", {"password": "x"}, "console: expected one of the keys password_file, transcripts, user, got 'pass"),
    ],
)
def test_an_error_names_file_key_value_and_what_was_expected(key, value, message):
    assert message in refusal(key, value)


def test_options_of_ssh_may_repeat():
    ganeti = {"rapi": "https://x:5080", "user": "u", "password_file": "/p", "ssh_options": ["-o", "A=1", "-o", "B=2"]}
    section = parse(changed("ganeti", ganeti), "x.yaml").ganeti
    assert section is not None
    assert section.ssh_options == ("-o", "A=1", "-o", "B=2")


def test_a_long_value_is_cut():
    assert len(refusal("ports", ["x" * 1000])) < 300


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
