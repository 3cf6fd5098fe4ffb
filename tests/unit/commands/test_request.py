"""What an operator types is checked against the site before any host is asked."""

import re
from types import SimpleNamespace

import pytest
import yaml
from ClusterShell.NodeSet import NodeSet, NodeSetException
from spicerack.remote import RemoteError

from mxlib.base.errors import ConfigError
from mxlib.commands.request import CONFIG_NAME, check_host, find_hosts, load_site
from tests.unit.support.site import SITE, TEN_LINES

ONE, TWO = SITE.mxs


def finding(spicerack, answer):
    """Has its cumin find these hosts, or raise."""

    def query(text):
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(hosts=answer)

    spicerack.remote.side_effect = None
    spicerack.remote.return_value.query = query
    return spicerack


def test_the_site_is_read_from_spicerack_s_directory(spicerack, tmp_path):
    spicerack.config_dir = tmp_path
    path = tmp_path / CONFIG_NAME
    with pytest.raises(ConfigError, match=str(path)):
        load_site(spicerack)
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(TEN_LINES))
    assert tuple(load_site(spicerack).mxs) == ("mx1001.lab.test", "mx2001.lab.test")


def test_a_host_is_one_of_the_sites():
    assert check_host(SITE, ONE) == ONE
    with pytest.raises(ConfigError, match=r"'mx1001' is not one of the MXs in sre.mail.yaml: mx1001\..*, mx2001\."):
        check_host(SITE, "mx1001")


def test_no_query_is_every_mx_of_the_site_and_asks_nobody(spicerack):
    assert find_hosts(spicerack, SITE, "") == (ONE, TWO)


def test_the_hosts_of_a_query_come_in_order(spicerack):
    assert find_hosts(finding(spicerack, [TWO, ONE]), SITE, "A:mx") == (ONE, TWO)


def test_a_host_that_is_no_mx_is_named(spicerack):
    with pytest.raises(ConfigError, match=r"not an MX of the site: web1.example.org; there are mx1001"):
        find_hosts(finding(spicerack, [ONE, "web1.example.org"]), SITE, "*")


@pytest.mark.parametrize("query", ["mx[", "mx[2-1]", "mx[a]", "mx[1-2"])
def test_a_list_of_hosts_that_is_none_is_refused(spicerack, query):
    """ClusterShell's errors come through cumin and Spicerack as they are."""
    with pytest.raises(NodeSetException) as caught:
        NodeSet(query)
    with pytest.raises(ConfigError, match=rf"^'{re.escape(query)}' finds no host: [bm]"):
        find_hosts(finding(spicerack, caught.value), SITE, query)


def test_a_query_that_finds_nothing_is_refused_with_cumins_own_words(spicerack):
    error = RemoteError("Failed to execute")
    error.__cause__ = ValueError("Unable to parse\nthe query")
    with pytest.raises(ConfigError, match="'A:nosuch' finds no host: Unable to parse the query"):
        find_hosts(finding(spicerack, error), SITE, "A:nosuch")
