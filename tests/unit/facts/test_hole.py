"""Temporary holes: their records, and rules that belong to none."""

import base64
from datetime import UTC, datetime

import pytest

from mxlib.facts import hole
from mxlib.facts.hole import Hole
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, output
from tests.unit.support.healthy import FERM, HOLE, NFTABLES, host, with_hole

ID = "2001-db8-51--10"


def holes(text, rule=""):
    """The fact of a host whose list of holes is this, with one more rule in its packet filter."""
    healthy = host(FERM).outputs
    tables = healthy["firewall-tables"].output.replace("-A INPUT -m state", f"{rule}-A INPUT -m state", 1)
    return fact(hole.SOURCE, text, healthy["firewall-nft"].output, tables)


def line(record, timer="active", name=ID):
    return f"hole {name} {timer} {base64.b64encode(record).decode()}\n"


def test_a_host_without_holes():
    found = host(NFTABLES).get(hole.SOURCE)
    assert (found.holes, found.strays) == ((), ())


@pytest.mark.parametrize(
    ("timer", "rule", "armed", "ruled"),
    [("active", True, True, True), ("inactive", True, False, True), ("active", False, True, False)],
)
def test_a_hole_with_its_timer_and_its_rules(timer, rule, armed, ruled):
    found = with_hole(FERM, timer).get(hole.SOURCE) if rule else with_hole(FERM, timer, "").get(hole.SOURCE)
    expected = Hole(ID, "2001:db8:51::10", datetime.fromtimestamp(1795238400, tz=UTC), "op@cumin1001", "mail stalls",
                    armed, ruled)  # fmt: skip
    assert (found.holes, found.strays) == ((expected,), ())
    assert found.now == datetime.fromtimestamp(1795236000, tz=UTC)


def test_rules_of_which_there_is_no_record_are_strays():
    found = with_hole(FERM, "").get(hole.SOURCE)
    assert (found.holes, found.strays) == ((), (ID,))


def test_the_words_of_a_record_are_one_line_each():
    record = HOLE.replace("mail stalls", "mail \x1b[31mstalls").encode()
    (found,) = holes(f"now 1795236000\n{line(record)}end\n").holes
    assert "\x1b" not in found.why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now 1795236000\n",
        "end\n",
        "now soon\nend\n",
        "now 1795236000\nhole x\nend\n",
        f"now 1795236000\n{line(HOLE.encode(), name='X')}end\n",
        f"now 1795236000\n{line(HOLE.replace('until=', 'until=soon').encode())}end\n",
        f"now 1795236000\n{line(b'from=192.0.2.1')}end\n",
        "now 1795236000\n" + line(HOLE.encode()).rstrip("\n") + "!\nend\n",
    ],
)
def test_a_list_that_is_not_whole_is_unknown(text):
    with pytest.raises(FactUnknownError):
        holes(text)


def test_what_is_no_ruleset_is_not_one_without_holes():
    healthy = host(FERM).outputs
    with pytest.raises(FactUnknownError, match="cut short"):
        fact(hole.SOURCE, "now 1795236000\nend\n", healthy["firewall-nft"].output, "tool iptables-nft-save\n")
    failed = output(hole.firewall.NFT, "", code=1, errors="Operation not permitted")
    with pytest.raises(FactUnknownError, match="Operation not permitted"):
        fact(hole.SOURCE, "now 1795236000\nend\n", failed, "tool end\n")
