"""Clients of an MX that is out of service."""

from mxlib.drain.client_judge import Traffic, clients

INTERNAL = ("192.0.2.0/24", "2001:db8:77::/64")
MXS = frozenset({"192.0.2.11"})
NAMES = {"192.0.2.51": "client1001.lab.test", "2001:db8:77::51": "client1001.lab.test"}


def seen(refused=None, live=None, arrivals=None, elsewhere=None):
    return Traffic(refused or {}, live or {}, arrivals or {}, elsewhere or {}, NAMES)


def watch(**what):
    return clients(seen(**what), INTERNAL, MXS)
