"""An instance as Ganeti's remote API describes it."""

import pytest

from mxlib.nic.instance import GanetiError, instance_name, parse_instance, parse_version
from tests.unit.support.guests import instance
from tests.unit.support.nics import MAC


@pytest.mark.parametrize(
    ("answer", "version"),
    [("3.0.1", (3, 0, 1)), ("3.1.0~rc2-1", (3, 1, 0)), ("2.16.2", (2, 16, 2)), ("unknown", None), (None, None)],
)
def test_the_version_of_a_cluster(answer: str | None, version: tuple[int, int, int] | None) -> None:
    assert parse_version({"software_version": answer}) == version
    assert parse_version({}) is None


def test_the_answer_of_the_remote_api() -> None:
    answer = {
        "name": "mx2001.lab.test",
        "pnode": "ganeti01.lab.test",
        "status": "running",
        "nic.macs": ["AA:00:00:77:00:21"],
        "disk.sizes": [3072],
        "hvparams": {"kvm_pci_reservations": 12, "kernel_path": "/boot/vmlinuz", "boot_order": "network"},
    }
    parsed = parse_instance(answer)
    assert (parsed.macs, parsed.disks) == ((MAC,), 1)
    assert len(parsed.obstacles) == 2
    assert instance().obstacles == ()
    for key in answer:
        with pytest.raises(GanetiError):
            parse_instance({k: v for k, v in answer.items() if k != key})
    with pytest.raises(GanetiError, match="MACs"):
        parse_instance(answer | {"nic.macs": ["$(reboot)"]})


@pytest.mark.parametrize("name", ["mx 1", "-oProxyCommand=x", "mx;reboot", "", "MX", "../x"])
def test_names_are_matched_before_they_are_used(name: str) -> None:
    with pytest.raises(GanetiError):
        instance_name(name)
