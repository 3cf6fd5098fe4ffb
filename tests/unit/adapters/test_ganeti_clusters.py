"""Which cluster a host is in: Netbox asked through Spicerack, or the site's configuration."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from wmflib.config import load_yaml_config
from wmflib.exceptions import WmflibError

from mxlib.adapters.ganeti_clusters import ClusterAddress, NetboxClusters, clusters_of
from mxlib.config.sections import GanetiSection
from mxlib.nic.instance import GanetiError, NotAnInstanceError
from tests.unit.support.netbox import IRON, MASTER, VM, FakeSpicerack, dead, failing, named


@pytest.fixture
def world() -> FakeSpicerack:
    return FakeSpicerack()


def test_a_virtual_machine_is_found_by_its_group_of_clusters(world: FakeSpicerack) -> None:
    found = NetboxClusters(world, None).of(VM)
    assert found == ClusterAddress(f"https://{MASTER}:5080", MASTER, f"Netbox has {VM} in the cluster 'ganeti02'")
    assert (set(world.machines.asked), world.groups.asked) == ({"mx2001"}, ["ganeti02"])


def test_a_physical_machine_is_no_instance_and_its_cluster_is_not_looked_for(world: FakeSpicerack) -> None:
    with pytest.raises(NotAnInstanceError, match=f"{IRON} is a physical machine in Netbox"):
        NetboxClusters(world, None).of(IRON)
    assert world.groups.asked == []


def no_group(world: FakeSpicerack) -> None:
    world.vm.cluster.group = None


def no_cluster(world: FakeSpicerack) -> None:
    world.vm.cluster = None


def unknown_group(world: FakeSpicerack) -> None:
    world.group.name = "ganeti99"


def no_name(world: FakeSpicerack) -> None:
    world.vm.primary_ip4 = None


def namesake(world: FakeSpicerack) -> None:
    world.vm.primary_ip4.dns_name = "mx2001.elsewhere.test"


def physical_namesake(world: FakeSpicerack) -> None:
    world.devices.rows["mx2001"] = named("mx2001.elsewhere.test", rack="c1")


def other_role(world: FakeSpicerack) -> None:
    world.vm.role.slug = "switch"


def absent(world: FakeSpicerack) -> None:
    world.machines.rows.clear()


def no_configuration(world: FakeSpicerack) -> None:
    world.fails = failing(WmflibError("FileNotFoundError(2, 'No such file or directory')"))


def half_a_configuration(world: FakeSpicerack) -> None:
    world.fails = failing(KeyError("api_token_ro"))


def odd(world: FakeSpicerack) -> None:
    world.fails = failing(RuntimeError("of a kind nobody foresaw"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (absent, ("no 'mx2001'", "expected a device or a virtual machine")),
        (namesake, ("'mx2001.elsewhere.test'", f"expected '{VM}'")),
        (physical_namesake, ("'mx2001.elsewhere.test'", f"expected '{VM}'")),
        (no_name, ("does not have any primary IP with a DNS name",)),
        (other_role, ("invalid role switch",)),
        (no_group, ("row-b", "expected a cluster in a cluster group")),
        (no_cluster, ("'None'", "expected a cluster in a cluster group")),
        (unknown_group, ("'ganeti99'", "expected a Ganeti cluster that Spicerack can find")),
        (no_configuration, ("No such file", "expected netbox/config.yaml and ganeti/config.yaml")),
        (half_a_configuration, ("api_token_ro", "expected netbox/config.yaml and ganeti/config.yaml")),
        (dead, ("cannot be read from Netbox", "Connection refused")),
        (odd, ("cannot be read from Netbox", "nobody foresaw")),
    ],
)
def test_what_is_not_known_is_named_and_never_taken_for_a_physical_machine(
    world: FakeSpicerack, change: Callable[[FakeSpicerack], None], said: tuple[str, ...]
) -> None:
    change(world)
    with pytest.raises(GanetiError) as caught:
        NetboxClusters(world, None).of(VM)
    assert not isinstance(caught.value, NotAnInstanceError)
    assert [part for part in (VM, *said) if part not in str(caught.value)] == []


def test_a_configuration_of_netbox_that_is_no_yaml_shows_no_token(world: FakeSpicerack, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("api_token_ro: !hunter2\n")
    world.fails = lambda: load_yaml_config(tmp_path / "config.yaml")
    with pytest.raises(GanetiError, match=r"WmflibError: .*/config.yaml: it is not YAML from line 1") as caught:
        NetboxClusters(world, None).of(VM)
    assert "hunter2" not in str(caught.value)


def test_a_netbox_that_hangs_is_given_up_in_time(world: FakeSpicerack) -> None:
    end = threading.Event()
    world.fails = lambda: (end.wait(20), None)[1]
    begin = time.monotonic()
    with pytest.raises(GanetiError, match=f"{VM}: Netbox did not name .* within 0.2 s"):
        NetboxClusters(world, None, deadline_s=0.2).of(VM)
    took = time.monotonic() - begin
    end.set()
    assert took < 10


def test_an_answer_holds_for_the_run_and_a_failure_for_a_minute(world: FakeSpicerack) -> None:
    now = [0.0]
    clusters = NetboxClusters(world, None, monotonic=lambda: now[0])
    dead(world)
    for now[0], lookups in ((0.0, 1), (59.0, 1), (61.0, 2)):
        with pytest.raises(GanetiError, match="refused"):
            clusters.of(VM)
        assert world.lookups == lookups
    world.fails = lambda: None
    now[0] = 200.0
    assert clusters.of(VM).master == MASTER
    with pytest.raises(NotAnInstanceError):
        clusters.of(IRON)
    dead(world)
    now[0] = 100_000.0
    assert clusters.of(VM).master == MASTER
    with pytest.raises(NotAnInstanceError):
        clusters.of(IRON)


def test_the_sites_configuration_wins(world: FakeSpicerack) -> None:
    said = GanetiSection("ops", Path("/p"), rapi="https://ganeti.lab.test:5080", netbox=True)
    for host in (VM, IRON):
        assert clusters_of(world, said).of(host) == ClusterAddress("https://ganeti.lab.test:5080", "ganeti.lab.test")
    master = GanetiSection("ops", Path("/p"), rapi=said.rapi, master="node1.lab.test")
    assert clusters_of(world, master).of(VM).master == "node1.lab.test"
    assert world.lookups == 0
    both = clusters_of(world, GanetiSection("ops", Path("/p"), netbox=True, master="node1.lab.test")).of(VM)
    assert (both.rapi, both.master) == (f"https://{MASTER}:5080", "node1.lab.test")
