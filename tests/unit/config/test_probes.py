import pytest

from mxlib.config.load import parse
from mxlib.config.probes import OutboundProbe
from tests.unit.support.site import TEN_LINES, refusal


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("probes.outbound.0.sizes", [-5], "probes.outbound[0].sizes: expected 1 to 50000000 bytes each, got [-5]"),
        ("probes.outbound", [], "probes.outbound: expected at least one probe"),
        ("probes.outbound.0.to", "nobody", "probes.outbound[0].to: expected a mail address"),
        ("probes.inbound.source_ports", [5, 4], "source_ports: expected first and last port"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    assert message in refusal(key, value)


def test_each_destination_has_its_own_name():
    twice = [{"name": "provider", "to": f"{user}@provider.test"} for user in ("user1", "user2")]
    assert "probes.outbound: expected different names" in refusal("probes.outbound", twice)


def test_a_destination_gets_a_small_and_a_large_mail_twice_each():
    assert parse(TEN_LINES, "x.yaml").probes.outbound == (OutboundProbe("provider", "user1@provider.test"),)
    assert (OutboundProbe("a", "b@c.test").sizes, OutboundProbe("a", "b@c.test").times) == ((2048, 262144), 2)
