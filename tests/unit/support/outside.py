"""What a hypervisor and an Alertmanager say of a host."""

import dataclasses

from mxlib.facts.nic import ConfigFile, NicFacts
from mxlib.nic.forecast import forecast
from mxlib.nic.instance import Instance
from mxlib.verify.outside import judge_names
from tests.unit.support.nics import HOST as IFUPDOWN
from tests.unit.support.nics import card

HOST = "mx2001.lab.test"
CARD = card("ens5", "52:54:00:77:00:10")
STANZAS = "auto lo\niface lo inet loopback\nallow-hotplug ens5\niface ens5 inet static\n address 192.0.2.21/24\n"
FILES = (ConfigFile("/etc/network/interfaces", STANZAS),)
PARAMETERS = {"kvm_pci_reservations": 4, "disk_type": "paravirtual", "machine_version": "", "reboot_behavior": "reboot"}
KEPT = Instance(HOST, "node1", "running", (CARD.mac,), 1, PARAMETERS)
RENAMED = dataclasses.replace(KEPT, hvparams=PARAMETERS | {"kvm_pci_reservations": 12})


def named(instance, files=FILES, nics=(CARD,)):
    found = NicFacts(nics, files, (), IFUPDOWN)
    return judge_names(forecast(HOST, instance, found), found)


class Cluster:
    def __init__(self, answer):
        self.answer = answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def instance(self, name):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Alerting:
    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    def firing(self):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
