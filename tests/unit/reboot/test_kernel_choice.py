"""Which kernel "newest" and "proven" stand for."""

from types import SimpleNamespace

import pytest

from mxlib.base.errors import HostUnreachableError, StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.facts import grub, kernel
from mxlib.facts import proven_kernels as proven
from mxlib.facts.kernel import InstalledKernel, KernelFacts
from mxlib.facts.proven_kernels import ProvenKernel
from mxlib.reboot import kernel_choice as choice


def installed(release, version, *, whole=True):
    return InstalledKernel(release, True, version, whole, True, True)


class World:
    """A target with some kernels, and what was proven where."""

    def __init__(self, monkeypatch, kernels, proofs, *, entries=None, bad=(), silent=()):
        self.bad, self.silent = bad, silent
        known = [one.release for one in kernels] if entries is None else entries
        menu = SimpleNamespace(entry_for=lambda release: release if release in known else None)
        self.answers = {
            "mx2001": {kernel.SOURCE: KernelFacts(kernels[0].release, tuple(kernels)), grub.SOURCE: menu,
                       proven.SOURCE: proofs.get("mx2001", ())},
            "mx1001": {proven.SOURCE: proofs.get("mx1001", ())},
        }  # fmt: skip
        monkeypatch.setattr(choice, "read_facts", self.read)
        self.lines = []
        self.target, self.peers = SimpleNamespace(name="mx2001"), [SimpleNamespace(name="mx1001")]
        self.operator = SimpleNamespace(line=self.lines.append)
        verifier = SimpleNamespace(sources=tuple, known_bad=self.known_bad)
        self.adapters = SimpleNamespace(verifier=verifier)

    def read(self, host, _sources):
        if host.name in self.silent:
            raise HostUnreachableError("no session")
        return SimpleNamespace(get=self.answers[host.name].__getitem__)

    def known_bad(self, _facts, release):
        return Verdict("known-bad", Status.FAILED if release in self.bad else Status.OK, f"{release} is bad")


KERNELS = [installed("6.1.0-55", "6.1.160-1"), installed("6.1.0-56", "6.1.170-3"), installed("6.1.0-9", "6.1.27-1")]


def proof(release, host="mx1001", version=None):
    known = {one.release: one.version for one in KERNELS}
    return ProvenKernel(
        release, host, "2026-11-21T00:55:00+00:00", "run-1", known.get(release, "") if version is None else version
    )


def test_the_newest_is_by_version_not_by_name(monkeypatch):
    assert choice.choose(World(monkeypatch, KERNELS, {}), "newest")[0] == "6.1.0-56"


def test_a_kernel_proven_on_another_mx_will_do(monkeypatch):
    world = World(monkeypatch, KERNELS, {"mx1001": (proof("6.1.0-55"),), "mx2001": (proof("6.1.0-9", "mx2001"),)})
    release, why = choice.choose(world, "proven")
    assert (release, "on mx1001 at 2026-11-21T00:55:00+00:00, run run-1" in why) == ("6.1.0-55", True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bad": ("6.1.0-56",)}, "6.1.0-55"),
        ({"entries": ["6.1.0-55"]}, "6.1.0-55"),
        ({"silent": ("mx1001",)}, "6.1.0-55"),
    ],
)
def test_what_is_bad_or_cannot_boot_or_cannot_be_known_is_passed_over(monkeypatch, options, expected):
    proofs = {"mx1001": (proof("6.1.0-56"),), "mx2001": (proof("6.1.0-55", "mx2001"),)}
    assert choice.choose(World(monkeypatch, KERNELS, proofs, **options), "proven")[0] == expected


def test_a_kernel_that_is_not_whole_is_not_taken(monkeypatch):
    kernels = [installed("6.1.0-55", "6.1.160-1"), installed("6.1.0-56", "6.1.170-3", whole=False)]
    world = World(monkeypatch, kernels, {"mx1001": (proof("6.1.0-56"),)})
    with pytest.raises(StepError, match=r"none of the kernels that were proven \(6.1.0-56 6.1.170-3\)"):
        choice.choose(world, "proven")


@pytest.mark.parametrize("version", ["6.1.170-2", ""])
def test_another_build_of_a_proven_kernel_is_not_proven(monkeypatch, version):
    proofs = {"mx1001": (proof("6.1.0-56", version=version), proof("6.1.0-55"))}
    assert choice.choose(World(monkeypatch, KERNELS, proofs), "proven")[0] == "6.1.0-55"


CLOUD = [
    installed("6.1.0-43-cloud-amd64", "6.1.162-1"),
    installed("6.1.0-44-amd64", "6.1.164-1"),
    installed("6.1.0-44-cloud-amd64", "6.1.164-1"),
    installed("6.1.0-45-rt-amd64", "6.1.165-1"),
]


def test_the_newest_is_of_the_flavour_that_runs(monkeypatch):
    release, why = choice.choose(World(monkeypatch, CLOUD, {}), "newest")
    assert release == "6.1.0-44-cloud-amd64"
    assert why.endswith("; of another flavour and newer: 6.1.0-45-rt-amd64")


def test_proven_is_of_the_flavour_that_runs(monkeypatch):
    proofs = {"mx1001": (proof("6.1.0-45-rt-amd64", version="6.1.165-1"),)}
    with pytest.raises(StepError, match="none of the kernels that were proven"):
        choice.choose(World(monkeypatch, CLOUD, proofs), "proven")


def test_another_flavour_is_taken_by_its_full_name_only(monkeypatch):
    kernels = [installed("6.1.0-43-cloud-amd64", "6.1.162-1", whole=False), installed("6.1.0-44-amd64", "6.1.164-1")]
    with pytest.raises(StepError, match=r"flavour cloud-amd64 that is whole; name one .*: 6.1.0-44-amd64"):
        choice.choose(World(monkeypatch, kernels, {}), "newest")


def test_where_nothing_was_proven_that_is_said(monkeypatch):
    with pytest.raises(StepError, match="no kernel was proven on any MX"):
        choice.choose(World(monkeypatch, KERNELS, {}), "proven")
