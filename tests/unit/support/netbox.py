"""A make-believe Netbox with one virtual machine and one of iron, behind Spicerack's own classes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import requests
from spicerack.ganeti import Ganeti
from spicerack.netbox import Netbox

VM, IRON = "mx2001.lab.test", "mx1001.lab.test"
MASTER = "ganeti02.svc.lab.test"


class Table:
    """One kind of Netbox's objects, by the one field it is asked by."""

    def __init__(self, field: str, **rows: Any) -> None:
        self.field, self.rows = field, rows
        self.asked: list[str] = []

    def get(self, **by: str) -> Any:
        assert list(by) == [self.field]
        self.asked.append(by[self.field])
        return self.rows.get(by[self.field])


def named(fqdn: str, **more: Any) -> SimpleNamespace:
    """A server as Netbox has it, by its short name."""
    return SimpleNamespace(
        name=fqdn.partition(".")[0],
        role=SimpleNamespace(slug="server"),
        primary_ip4=SimpleNamespace(dns_name=fqdn),
        primary_ip6=None,
        **more,
    )


class FakeSpicerack:
    """Its accessors, read only, over one virtual machine and one of iron."""

    dry_run = False

    def __init__(self) -> None:
        # In Netbox the Ganeti group is the cluster, and the Ganeti cluster the group of clusters.
        self.group = SimpleNamespace(name="ganeti02")
        self.vm = named(VM, cluster=SimpleNamespace(name="row-b", group=self.group))
        address = {"address": "192.0.2.9/32"}
        owner = SimpleNamespace(custom_fields={"ip_address": address, "routed": False})
        self.devices = Table("name", mx1001=named(IRON, rack="b1"))
        self.machines = Table("name", mx2001=self.vm)
        self.groups = Table("name", ganeti02=owner)
        addresses = Table("address", **{"192.0.2.9/32": SimpleNamespace(dns_name=MASTER)})
        self._netbox = Netbox("https://netbox.lab.test", "token", dry_run=False)
        self._netbox._api = SimpleNamespace(
            dcim=SimpleNamespace(devices=self.devices),
            virtualization=SimpleNamespace(virtual_machines=self.machines, cluster_groups=self.groups),
            ipam=SimpleNamespace(ip_addresses=addresses),
        )
        self.fails: Callable[[], None] = lambda: None
        self.lookups = 0

    def netbox(self) -> Netbox:
        self.fails()
        return self._netbox

    def netbox_server(self, hostname: str) -> Any:
        self.lookups += 1
        return self.netbox().get_server(hostname)

    def ganeti(self) -> Ganeti:
        return Ganeti("rapi", "pw-of-spicerack", 5, None, self.netbox())


def failing(error: Exception) -> Callable[[], None]:
    return mock.Mock(side_effect=error)


def dead(world: FakeSpicerack) -> None:
    world.fails = failing(requests.ConnectionError("Connection refused"))
