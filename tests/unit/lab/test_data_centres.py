"""The lab has two data centres, with an exchanger in each: what holds for one alone is found out here."""

import re
from pathlib import Path

import yaml

from lab.place import EXCHANGERS, MANAGEMENT
from mxlib.config.load import parse

DATA = Path(__file__).resolve().parents[3] / "lab" / "data" / "management"
TEXT = (DATA / "spicerack" / "cookbooks" / "sre.mail.yaml").read_text()
SITE = parse(yaml.safe_load(re.sub("@[A-Z_]+@", "station.lab.test", TEXT)), "sre.mail.yaml")


def test_each_exchanger_is_in_another_one_and_so_is_each_management_host():
    assert [one.dc for one in EXCHANGERS] == [one.dc for one in MANAGEMENT] == ["eqiad", "codfw"]


def test_the_site_says_where_they_are():
    said = {name: (mx.dc, mx.preference) for name, mx in SITE.mxs.items()}
    assert said == {one.fqdn: (one.dc, one.preference) for one in EXCHANGERS}


def test_conftool_knows_exactly_the_objects_that_the_cookbooks_ask_for():
    nodes = [yaml.safe_load(path.read_text()) for path in sorted((DATA / "conftool" / "data" / "node").glob("*.yaml"))]
    known = {
        (dc, cluster, service, name)
        for document in nodes
        for dc, clusters in document.items()
        for cluster, names in clusters.items()
        for name, services in names.items()
        for service in services
    }
    tags = {name: SITE.conftool_tags(name) for name in SITE.mxs}
    asked = {(one.dc, one.cluster, what, name) for name, one in tags.items() if one for what in one.services}
    assert known == asked


def test_the_aliases_name_one_exchanger_each():
    aliases = yaml.safe_load((DATA / "cumin" / "aliases.yaml").read_text())
    assert {name: aliases[f"mx-{dc}"] for dc, name in (("eqiad", "mx1001"), ("codfw", "mx2001"))} == {
        "mx1001": "D{mx1001.lab.test}", "mx2001": "D{mx2001.lab.test}",
    }  # fmt: skip
