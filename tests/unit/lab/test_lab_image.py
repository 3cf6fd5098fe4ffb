"""The image builder's pure parts: what identifies a recipe, which kernels, what a host's files say."""

import os
import shutil
import struct
from pathlib import Path

import pytest

from lab.build import image
from lab.build.image import ImageFacts, choose_kernels, digest, guest_packages, partition_table, read_facts
from lab.build.image_host import HostSpec, host_files, render_grubenv, render_hosts, render_interfaces
from lab.shell import LabError

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
        firewall="nftables",
        ssh_host_key=tmp_path / "host",
        authorized_keys="ssh-ed25519 AAAA root@mxlab",
        tls_cert=tmp_path / "mx.crt",
        tls_key=tmp_path / "mx.key",
    )


class TestDigest:
    def test_is_the_same_for_the_same_recipe(self, recipe: Path) -> None:
        assert digest(recipe) == digest(image.RECIPE)

    def test_changes_with_a_file(self, recipe: Path) -> None:
        before = digest(recipe)
        with (recipe / "rootfs/etc/exim4/exim4.conf").open("a") as file:
            file.write("# a comment\n")
        assert digest(recipe) != before

    def test_changes_with_a_files_name(self, recipe: Path) -> None:
        before = digest(recipe)
        (recipe / "packages").rename(recipe / "packages2")
        assert digest(recipe) != before

    def test_changes_when_a_script_becomes_executable(self, recipe: Path) -> None:
        path = recipe / "rootfs/usr/local/sbin/spamd"
        before = digest(recipe)
        path.chmod(0o644)
        assert digest(recipe) != before

    def test_changes_with_a_constant(self, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = digest(recipe)
        monkeypatch.setattr(image, "DISK_BYTES", 4 << 30)
        assert digest(recipe) != before


class TestChooseKernels:
    def test_the_two_newest_by_number_not_by_text(self) -> None:
        names = [f"linux-image-6.1.0-{abi}-cloud-amd64" for abi in (9, 47, 56, 100, 55)]
        assert choose_kernels(names) == ("6.1.0-56-cloud-amd64", "6.1.0-100-cloud-amd64")

    def test_passes_over_what_is_no_cloud_kernel(self) -> None:
        names = [
            "linux-image-6.1.0-57-amd64",
            "linux-image-6.1.0-57-cloud-amd64-dbg",
            "linux-image-6.1.0-57-cloud-amd64-unsigned",
            "linux-image-cloud-amd64",
            "linux-image-6.1.0-55-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
        ]
        assert choose_kernels(names) == ("6.1.0-55-cloud-amd64", "6.1.0-56-cloud-amd64")

    def test_the_same_twice_is_not_two(self) -> None:
        with pytest.raises(LabError, match="different ABI"):
            choose_kernels(["linux-image-6.1.0-56-cloud-amd64"] * 2)


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
        cached = tmp_path / "images" / f"base-{digest()}.raw"
        cached.parent.mkdir()
        cached.touch()
        assert image.build_base(tmp_path, pytest.fail) == cached

    def test_a_failed_build_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_cache: Path, root: Path, _packages: object) -> None:
            root.mkdir()
            raise LabError("no mirror")

        monkeypatch.setattr(image, "_available_kernels", lambda _cache: ("a", "b"))
        monkeypatch.setattr(image, "_make_root", broken)
        with pytest.raises(LabError, match="no mirror"):
            image.build_base(tmp_path, lambda _: None)
        assert [path.name for path in (tmp_path / "images").iterdir()] == ["lock"]

    def test_what_a_killed_build_left_is_removed(self, tmp_path: Path) -> None:
        left = tmp_path / "build-dead"
        left.mkdir()
        with image.building(tmp_path) as work:
            assert work.is_dir()
            assert not left.exists()
        assert not work.exists()


def test_packages_are_the_recipes_and_the_kernels() -> None:
    packages = guest_packages(image.RECIPE, ["6.1.0-55-cloud-amd64"])
    assert {"exim4-daemon-heavy", "ferm", "nftables", "conntrack", "linux-image-6.1.0-55-cloud-amd64"} <= set(packages)
    assert not any(name.startswith("#") for name in packages)


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

    @pytest.mark.parametrize(
        ("field", "value"), [("firewall", "pf"), ("name", "mx1001"), ("name", "mx1001.lab;reboot")]
    )
    def test_what_cannot_be_is_refused(self, spec: HostSpec, field: str, value: str) -> None:
        with pytest.raises(LabError, match="expected"):
            HostSpec(**{**vars(spec), field: value})


def test_images_of_older_recipes_are_pruned_with_their_facts(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "older", "old", "oldest")):
        for path in (tmp_path / f"base-{name}.raw", tmp_path / f"base-{name}.raw.json"):
            path.touch()
            os.utime(path, (1000 - age, 1000 - age))
    image._prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "base-new.raw",
        "base-new.raw.json",
        "base-older.raw",
        "base-older.raw.json",
    ]
