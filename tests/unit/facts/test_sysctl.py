"""Kernel parameters, read from the files of this machine."""

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import sysctl
from mxlib.facts.source import FactUnknownError, read_facts
from tests.unit.support.facts import ShellHost, fact


def test_parameters_of_this_machine_and_one_that_the_kernel_does_not_have():
    source = sysctl.source(("kernel.ostype", "kernel.no_such_key"))
    found = read_facts(ShellHost(), (source,)).get(source)
    assert found["kernel.ostype"] == "Linux"
    assert "kernel.no_such_key" not in found
    assert set(found) <= {*sysctl.KEYS, "kernel.ostype"}


def test_a_value_of_several_words_and_a_key_that_is_asked_for_twice():
    source = sysctl.source(("net.ipv4.tcp_rmem", sysctl.KEYS[0]))
    assert source.sections[0].script.count("/proc/sys/net/ipv4/tcp_fastopen ") == 1
    text = "/proc/sys/net/ipv4/tcp_rmem:4096\t131072  6291456\n/proc/sys/net/ipv4/tcp_fastopen:1\n"
    assert fact(source, text) == {"net.ipv4.tcp_rmem": "4096 131072 6291456", "net.ipv4.tcp_fastopen": "1"}


@pytest.mark.parametrize("key", ["a;reboot", "nodots", "net.ipv4.$(x)", "../etc/shadow", "net.Ipv4.x", "net..x"])
def test_a_key_is_checked_before_it_is_used(key):
    with pytest.raises(ParseError, match="not a sysctl"):
        sysctl.source((key,))


@pytest.mark.parametrize("answer", ["", "grep: no such file\n"])
def test_no_key_at_all_is_unknown(answer):
    with pytest.raises(FactUnknownError, match="no sysctl could be read"):
        fact(sysctl.source(), answer)
