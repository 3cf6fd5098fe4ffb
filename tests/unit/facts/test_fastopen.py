import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import fastopen

NETSTAT = "TcpExt: SyncookiesSent {names}\nTcpExt: 0 {values}\nIpExt: InNoRoutes\nIpExt: 0\n"


def netstat(**counters):
    return NETSTAT.format(names=" ".join(counters), values=" ".join(map(str, counters.values())))


def test_growth_of_fast_open():
    before = fastopen.parse_text(netstat(TCPFastOpenActive=1, TCPFastOpenActiveFail=0, TCPFastOpenBlackhole=2))
    after = fastopen.parse_text(netstat(TCPFastOpenActive=4, TCPFastOpenActiveFail=1, TCPFastOpenBlackhole=3))
    assert fastopen.growth(before, after) == {
        "TCPFastOpenActive": 3,
        "TCPFastOpenActiveFail": 1,
        "TCPFastOpenBlackhole": 1,
    }


@pytest.mark.parametrize("text", ["", "TcpExt: a b\nTcpExt: 1\n", "TcpExt: a\nTcpExt: 1\n"])
def test_counters_that_are_not_there(text):
    with pytest.raises(ParseError):
        fastopen.parse_text(text)
