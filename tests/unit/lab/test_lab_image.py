"""The image builder's pure parts: what identifies a recipe, which kernels, what a host's files say."""

import dataclasses
import os
import re
import shutil
import struct
from pathlib import Path

import pytest

from lab.build import image
from lab.build.image import ImageFacts, choose_kernels, digest, guest_packages, partition_table, read_facts
from lab.build.image_host import (
    HostSpec,
    host_files,
    host_links,
    render_grubenv,
    render_hosts,
    render_interfaces,
    saved_entry,
)
from lab.build.release import RELEASES, Release
from lab.shell import LabError
from lab.world.guest import GuestWorld
from lab.world.worlds import WORLDS
from mxlib.base.verdict import Status
from mxlib.facts.nic import ConfigFile, GuestNic, Networking, NicFacts
from mxlib.mta.exim.retry_rules import parse_rules
from mxlib.nic.manager import Manager, managed
from tests.unit.support import filter_box, healthy

BOOKWORM, TRIXIE = RELEASES["bookworm"], RELEASES["trixie"]
UUID = "5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return Path(shutil.copytree(image.RECIPE, tmp_path / "guest"))


@pytest.fixture
def spec(tmp_path: Path) -> HostSpec:
    for name in ("host", "host.pub", "mx.crt", "mx.key"):
        (tmp_path / name).write_text(f"<{name}>\n")
    return HostSpec(
        name="mx1001.lab.test",
        v4="192.0.2.11",
        v6="2001:db8:77::11",
        world=GuestWorld("bookworm", "nftables"),
        ssh_host_key=tmp_path / "host",
        authorized_keys="ssh-ed25519 AAAA root@mxlab",
        tls_cert=tmp_path / "mx.crt",
        tls_key=tmp_path / "mx.key",
    )


class TestDigest:
    def test_is_the_same_for_the_same_recipe(self, recipe: Path) -> None:
        assert digest(BOOKWORM, recipe) == digest(BOOKWORM, image.RECIPE)

    def test_changes_with_a_file(self, recipe: Path) -> None:
        before = digest(BOOKWORM, recipe)
        with (recipe / "rootfs/etc/exim4/exim4.conf").open("a") as file:
            file.write("# a comment\n")
        assert digest(BOOKWORM, recipe) != before

    def test_changes_with_a_files_name(self, recipe: Path) -> None:
        before = digest(BOOKWORM, recipe)
        (recipe / "packages").rename(recipe / "packages2")
        assert digest(BOOKWORM, recipe) != before

    def test_changes_when_a_script_becomes_executable(self, recipe: Path) -> None:
        path = recipe / "rootfs/usr/local/sbin/spamd"
        before = digest(BOOKWORM, recipe)
        path.chmod(0o644)
        assert digest(BOOKWORM, recipe) != before

    def test_releases_have_an_image_each(self) -> None:
        assert digest(BOOKWORM) != digest(TRIXIE)

    def test_changes_with_a_constant(self, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = digest(BOOKWORM, recipe)
        monkeypatch.setattr(image, "DISK_BYTES", 4 << 30)
        assert digest(BOOKWORM, recipe) != before


class TestChooseKernels:
    def test_the_two_newest_by_number_not_by_text(self) -> None:
        names = [f"6.1.0-{abi}-cloud-amd64" for abi in (9, 47, 56, 100, 55)]
        assert choose_kernels(names) == ("6.1.0-56-cloud-amd64", "6.1.0-100-cloud-amd64")

    def test_without_a_number_of_the_abi(self) -> None:
        names = [f"6.12.{version}-cloud-amd64" for version in ("117+deb13", "9+deb13", "115+deb13.1", "115+deb13")]
        assert choose_kernels(names) == ("6.12.115+deb13.1-cloud-amd64", "6.12.117+deb13-cloud-amd64")

    def test_the_same_twice_is_not_two(self) -> None:
        with pytest.raises(LabError, match="different releases"):
            choose_kernels(["6.1.0-56-cloud-amd64"] * 2)

    @pytest.mark.parametrize(
        ("release", "kernel"),
        [
            (BOOKWORM, "6.1.0-55-cloud-amd64"),
            (TRIXIE, "6.12.107+deb13-cloud-amd64"),
            (TRIXIE, "6.12.115+deb13.1-cloud-amd64"),
        ],
    )
    def test_a_release_knows_its_own_cloud_kernels(self, release: Release, kernel: str) -> None:
        others = (*(kernel + rest for rest in ("-dbg", "-unsigned")), kernel.replace("-cloud", ""), "cloud-amd64")
        assert re.fullmatch(release.kernel, kernel)
        assert not [other for other in others if re.fullmatch(release.kernel, other)]


class TestFacts:
    def test_are_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "base.raw"
        Path(f"{path}.json").write_text('{"kernels": ["a", "b"], "uuid": "u", "built": 1, "seconds": 2.5}')
        assert read_facts(path) == ImageFacts(("a", "b"), "u", 1, 2.5)

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"kernels": ["a"]}', '{"kernels": ["a", "b"]}'])
    def test_half_a_file_is_an_error_that_names_it(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "base.raw.json").write_text(text)
        with pytest.raises(LabError, match=r"base\.raw\.json"):
            read_facts(tmp_path / "base.raw")

    def test_grub_entry_has_its_submenu(self) -> None:
        entry = ImageFacts(("a", "b"), UUID, 1, 2.5).grub_entry("6.1.0-55-cloud-amd64")
        assert entry == f"gnulinux-advanced-{UUID}>gnulinux-6.1.0-55-cloud-amd64-advanced-{UUID}"


class TestBuildBase:
    def test_a_cached_image_is_used_as_it_is(self, tmp_path: Path) -> None:
        cached = tmp_path / "images" / f"base-bookworm-{digest(BOOKWORM)}.raw"
        cached.parent.mkdir()
        cached.touch()
        assert image.build_base(tmp_path, pytest.fail, BOOKWORM) == cached
        assert image.build_bases(tmp_path, pytest.fail, [BOOKWORM, BOOKWORM]) == {"bookworm": cached}

    def test_a_failed_build_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_cache: Path, root: Path, _release: Release, _packages: object) -> None:
            root.mkdir()
            raise LabError("no mirror")

        monkeypatch.setattr(image, "_available_kernels", lambda _cache, _release: ("a", "b"))
        monkeypatch.setattr(image, "_make_root", broken)
        with pytest.raises(LabError, match="no mirror"):
            image.build_base(tmp_path, lambda _: None, BOOKWORM)
        assert [path.name for path in (tmp_path / "images").iterdir()] == ["lock-bookworm"]

    def test_what_a_killed_build_left_is_removed(self, tmp_path: Path) -> None:
        left, of_another = tmp_path / "build-bookworm-dead", tmp_path / "build-trixie-alive"
        left.mkdir()
        of_another.mkdir()
        with image.building(tmp_path, "bookworm") as work:
            assert work.is_dir()
            assert not left.exists()
            assert of_another.exists(), "images of two releases are built side by side"
        assert not work.exists()


def test_packages_are_the_recipes_and_the_kernels() -> None:
    packages = guest_packages(image.RECIPE, BOOKWORM, ["6.1.0-55-cloud-amd64"])
    assert {"exim4-daemon-heavy", "ferm", "nftables", "conntrack", "linux-image-6.1.0-55-cloud-amd64"} <= set(packages)
    assert not any(name.startswith("#") for name in packages)
    assert set(guest_packages(image.RECIPE, TRIXIE, ())) - set(packages) == set(TRIXIE.packages)


def test_partition_table_is_one_bootable_partition_to_the_end() -> None:
    table = partition_table()
    status, kind, first, count = struct.unpack_from("<B3xB3xII", table, 446)
    assert len(table) == 512
    assert table[510:] == b"\x55\xaa"
    assert (status, kind, first) == (0x80, 0x83, image.PARTITION_OFFSET // 512)
    assert (first + count) * 512 == image.DISK_BYTES


class TestHostFiles:
    def test_interface_is_static_and_hotplugged_in_both_families(self, spec: HostSpec) -> None:
        text = render_interfaces(spec)
        assert "allow-hotplug ens5\n" in text
        assert "iface ens5 inet static\n\taddress 192.0.2.11/24\n\tgateway 192.0.2.1\n" in text
        assert "iface ens5 inet6 static\n\taddress 2001:db8:77::11/64\n\tgateway 2001:db8:77::1\n" in text

    def test_hosts_puts_the_full_name_first(self, spec: HostSpec) -> None:
        assert "192.0.2.11 mx1001.lab.test mx1001\n" in render_hosts(spec)

    def test_grub_block_has_the_size_grub_writes_in_place(self) -> None:
        block = render_grubenv("gnulinux-advanced-u>gnulinux-k-advanced-u")
        assert len(block) == 1024
        assert block.startswith(b"# GRUB Environment Block\nsaved_entry=gnulinux-advanced-u>gnulinux-k-advanced-u\n#")

    def test_every_file_of_the_host(self, spec: HostSpec) -> None:
        files = host_files(spec, "entry", now=1795232593.4)
        assert files["etc/hostname"] == b"mx1001\n"
        assert files["etc/exim4/host.conf"] == b"primary_hostname = mx1001.lab.test\n"
        assert files["etc/ssh/ssh_host_ed25519_key"] == b"<host>\n"
        assert files["etc/ssh/ssh_host_ed25519_key.pub"] == b"<host.pub>\n"
        assert files["etc/exim4/exim.key"] == b"<mx.key>\n"
        assert files["root/.ssh/authorized_keys"] == b"ssh-ed25519 AAAA root@mxlab\n"
        assert b"last_run: 1795232593\n" in files["var/lib/puppet/state/last_run_summary.yaml"]
        assert b"nameserver 192.0.2.5\n" in files["etc/resolv.conf"]

    def test_machine_ids_differ(self, spec: HostSpec) -> None:
        other = HostSpec(**{**vars(spec), "name": "mx2001.lab.test"})
        ids = {host_files(each, "entry", now=0)["etc/machine-id"] for each in (spec, other)}
        assert len(ids) == 2
        assert all(len(each) == 33 for each in ids)

    @pytest.mark.parametrize(("field", "value"), [("name", "mx1001"), ("name", "mx1001.lab;reboot")])
    def test_what_cannot_be_is_refused(self, spec: HostSpec, field: str, value: str) -> None:
        with pytest.raises(LabError, match="expected"):
            HostSpec(**{**vars(spec), field: value})


class TestWorld:
    def test_is_laid_over_the_image(self, spec: HostSpec) -> None:
        files = host_files(HostSpec(**{**vars(spec), "world": WORLDS["two"]["mx2001"]}), "entry", now=0)
        assert files["etc/locale.conf"] == files["etc/default/locale"] == b"LANG=de_DE.UTF-8\n"
        assert files["etc/timezone"] == b"Europe/Berlin\n"
        assert files["etc/ssh/sshd_config.d/host.conf"] == b"UsePAM yes\n"
        assert files["root/.bashrc"] == b"PS1='\\h \\t \\w> '\n"
        assert host_links(WORLDS["two"]["mx2001"])["etc/localtime"] == "/usr/share/zoneinfo/Europe/Berlin"

    def test_the_plainest_one_has_no_language_and_no_prompt(self, spec: HostSpec) -> None:
        files = host_files(spec, "entry", now=0)
        assert not {"etc/locale.conf", "etc/default/locale", "root/.bashrc"} & files.keys()
        assert files["etc/ssh/sshd_config.d/host.conf"] == b"UsePAM no\n"

    def test_exim_has_its_own_zone_log_and_spool(self, spec: HostSpec) -> None:
        world = GuestWorld("bookworm", "ferm", exim_timezone="Asia/Kolkata", exim_log="/var/log/x-%D", split_spool=True)
        assert host_files(HostSpec(**{**vars(spec), "world": world}), "entry", now=0)["etc/exim4/host.conf"] == (
            b"primary_hostname = mx1001.lab.test\ntimezone = Asia/Kolkata\nlog_file_path = /var/log/x-%D\n"
            b"split_spool_directory\n"
        )

    def test_the_saved_entry_in_each_style_is_the_same_kernel(self) -> None:
        facts = ImageFacts(("old", "new"), "u", 1, 2.5)
        assert saved_entry(facts, "old", "id") == facts.grub_entry("old")
        assert saved_entry(facts, "old", "title").endswith(">Debian GNU/Linux, with Linux old")
        assert [saved_entry(facts, kernel, "number") for kernel in facts.kernels] == ["1>2", "1>0"]


def test_all_but_the_newest_images_are_pruned_with_their_facts(tmp_path: Path) -> None:
    kept = image.KEPT_IMAGES
    for age in range(kept + 2):
        for path in (tmp_path / f"base-{age}.raw", tmp_path / f"base-{age}.raw.json"):
            path.touch()
            os.utime(path, (1000 - age, 1000 - age))
    image._prune(tmp_path)
    names = {f"base-{age}.raw{suffix}" for age in range(kept) for suffix in ("", ".json")}
    assert {path.name for path in tmp_path.iterdir()} == names


def in_world(spec: HostSpec, **values: object) -> HostSpec:
    return dataclasses.replace(spec, world=dataclasses.replace(spec.world, **values))  # type: ignore[arg-type]


class TestWorldsOfTheNights:
    def test_networkd_has_the_card_and_the_leftover_file_does_not(self, spec: HostSpec) -> None:
        there = in_world(spec, network="networkd")
        files, links = host_files(there, "entry", now=0), host_links(there.world)
        assert b"ens5" not in files["etc/network/interfaces"]
        assert b"iface lo inet loopback\n" in files["etc/network/interfaces"]
        said = files["etc/systemd/network/10-lan.network"].decode()
        assert said.startswith("[Match]\nName=ens5\n")
        assert {"Address=192.0.2.11/24", "Address=2001:db8:77::11/64", "Gateway=192.0.2.1"} <= set(said.splitlines())
        assert links["etc/systemd/system/multi-user.target.wants/systemd-networkd.service"].endswith("networkd.service")
        assert "etc/systemd/network/10-lan.network" not in host_files(spec, "entry", now=0)
        assert not [link for link in host_links(spec.world) if "networkd" in link]

    def test_the_product_sees_which_of_them_has_the_card(self, spec: HostSpec) -> None:
        for name, expected in (("ifupdown", Manager.IFUPDOWN), ("networkd", Manager.NETWORKD)):
            files = host_files(in_world(spec, network=name), "entry", now=0)
            state = ("enabled", "active") if name == "networkd" else ("disabled", "inactive")
            own = [ConfigFile("/" + path, text.decode()) for path, text in files.items() if "systemd/network" in path]
            networking = Networking({"systemd-networkd": state}, frozenset({"ifup", "networkctl"}), "kvm", tuple(own))
            interfaces = ConfigFile("/etc/network/interfaces", files["etc/network/interfaces"].decode())
            nic = GuestNic("ens5", "aa:00:00:77:00:11", 5, None, "ens5", "ens5")
            found = managed(NicFacts((nic,), (interfaces,), (), networking))
            assert (found.by, found.wanted) == (expected, ("ens5",))

    def test_a_rule_for_a_host_comes_before_the_others(self, spec: HostSpec) -> None:
        config = host_files(in_world(spec, retry_host="mx.provider.test"), "entry", now=0)["etc/exim4/exim4.conf"]
        rules = parse_rules("begin retry" + config.decode().partition("begin retry")[2])
        assert [(rule.pattern, rule.cutoff) for rule in rules] == [
            ("mx.provider.test", 2 * 86400.0),
            ("*", 8 * 3600.0),
            ("*", 4 * 86400.0),
        ]
        assert "etc/exim4/exim4.conf" not in host_files(spec, "entry", now=0)

    def test_mail_to_lists_waits_in_a_queue_of_its_own(self, spec: HostSpec) -> None:
        config = host_files(in_world(spec, named_queue="slow"), "entry", now=0)["etc/exim4/exim4.conf"].decode()
        assert "acl_check_rcpt:\n  warn local_parts = ^list-\n       queue = slow\n" in config
        # by the address that a client names, as the router that sends it to lists.test: once each
        assert config.count(" local_parts = ^list-\n") == 2

    def test_puppets_state_is_where_debian_has_it_since_11(self, spec: HostSpec) -> None:
        files = host_files(in_world(spec, puppet="/var/cache/puppet"), "entry", now=5.0)
        library = files["usr/local/share/bash/puppet-common.sh"].decode()
        assert "PUPPET_STATE=/var/cache/puppet/state\n" in library
        assert "PUPPET_SUMMARY=/var/cache/puppet/public/last_run_summary.yaml\n" in library
        assert "/var/lib/puppet" not in library
        assert b"last_run: 5\n" in files["var/cache/puppet/public/last_run_summary.yaml"]
        assert "var/lib/puppet/state/last_run_summary.yaml" not in files

    def test_rules_by_jumps_are_another_file_and_the_same_unit(self, spec: HostSpec) -> None:
        there = in_world(spec, ruleset="jumps")
        assert b"vmap @services" in host_files(there, "entry", now=0)["etc/nftables.conf"]
        assert host_links(there.world) == host_links(spec.world)

    def test_both_rulesets_let_the_same_through_and_the_check_passes_both(self) -> None:
        if why := filter_box.why_not():
            pytest.skip(why)
        files = {"plain": "guest/rootfs/etc/nftables.conf", "jumps": "worlds/nftables-jumps.conf"}
        measured = filter_box.measure({name: (image.RECIPE.parent / path).read_text() for name, path in files.items()})
        assert measured["plain"]["reached"] == measured["jumps"]["reached"]
        assert any(measured["jumps"]["reached"])
        assert not all(measured["jumps"]["reached"])
        for one in measured.values():
            loaded = healthy.host(firewall_nft=one["nft"])  # type: ignore[no-untyped-call]
            assert healthy.judge("firewall", loaded).status is Status.OK  # type: ignore[no-untyped-call]
