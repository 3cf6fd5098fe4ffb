"""The running kernel, the installed ones, and what a kernel lacks."""

import pytest

from mxlib.facts import kernel
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, output

OLD, NEW = "6.1.0-47-cloud-amd64", "6.1.0-56-cloud-amd64"

UNAME_V = "#1 SMP PREEMPT_DYNAMIC Debian {} (2026-11-16)"


def kernel_answer(running=NEW, drop="", build="6.1.192-2"):
    packages = "".join(
        f"package install installed linux-image-{release} {version}\n"
        f"package unknown not-installed linux-image-{release}-unsigned \n"
        for release, version in ((OLD, "6.1.170-3"), (NEW, "6.1.192-2"))
    )
    files = "".join(
        f"file /boot/vmlinuz-{r}\nfile /boot/initrd.img-{r}\nfile /lib/modules/{r}/modules.dep\n" for r in (OLD, NEW)
    )
    answer = f"running {running}\nbuild {UNAME_V.format(build)}\n{packages}{files}"
    assert drop in answer
    return answer.replace(drop, "") if drop else answer


def test_kernels():
    facts = fact(kernel.SOURCE, kernel_answer())
    assert facts.running == NEW
    assert [(k.release, k.version, k.whole, k.held) for k in facts.installed] == [
        (OLD, "6.1.170-3", True, False),
        (NEW, "6.1.192-2", True, False),
    ]
    assert facts.running_kernel is facts.find(NEW)
    assert (facts.build, facts.waiting_build) == ("6.1.192-2", "")


def test_a_new_build_of_the_running_release_waits_for_a_boot():
    facts = fact(kernel.SOURCE, kernel_answer(build="6.1.192-1"))
    assert (facts.build, facts.waiting_build) == ("6.1.192-1", "6.1.192-2")


@pytest.mark.parametrize(
    ("said", "build"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-10-01)", "6.12.107-1"),
        ("#1 SMP Debian 3.16.7-ckt20-1+deb8u4 (2016-02-29)", "3.16.7-ckt20-1+deb8u4"),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12.57-1~bpo12+1 (2025-11-17)", "6.12.57-1~bpo12+1"),
        ("#1 SMP PREEMPT_DYNAMIC Fri Nov 27 10:00:00 UTC 2026", ""),
        ("", ""),
    ],
)
def test_the_build_by_what_the_kernel_says(said, build):
    assert kernel.build_of(said) == build


def test_a_kernel_that_does_not_say_its_build_is_no_known_one():
    facts = fact(kernel.SOURCE, kernel_answer().replace("Debian 6.1.192-2 ", ""))
    assert (facts.build, facts.waiting_build) == ("", "")


@pytest.mark.parametrize(
    ("release", "flavour"),
    [
        ("6.1.0-47-cloud-amd64", "cloud-amd64"),
        ("6.1.0-44-rt-amd64", "rt-amd64"),
        ("6.1.0-44-amd64", "amd64"),
        ("5.10.0-0.deb10.30-amd64", "amd64"),
        ("6.12.107+deb13-cloud-amd64", "cloud-amd64"),
        ("6.12.115+deb13.1-cloud-amd64", "cloud-amd64"),
        ("6.12.57+deb12-amd64", "amd64"),
        ("7.0-rc3-amd64", "amd64"),
        ("6.9.7-amd64", "amd64"),
        ("6.18.44", ""),
    ],
)
def test_flavours(release, flavour):
    assert kernel.flavour(release) == flavour


def test_kernels_of_debian_13():
    release = "6.12.107+deb13-cloud-amd64"
    facts = fact(kernel.SOURCE, kernel_answer().replace(OLD, release).replace(f"running {NEW}", f"running {release}"))
    assert (facts.running, facts.running_kernel.whole) == (release, True)


def test_a_line_that_is_nothing_about_kernels_makes_them_unknown():
    with pytest.raises(FactUnknownError, match="not a line about kernels: 'packages of another form'"):
        fact(kernel.SOURCE, kernel_answer() + "packages of another form\n")


@pytest.mark.parametrize(
    ("drop", "part"),
    [
        (f"file /boot/vmlinuz-{OLD}\n", "vmlinuz"),
        (f"file /boot/initrd.img-{OLD}\n", "initrd"),
        (f"file /lib/modules/{OLD}/modules.dep\n", "modules"),
        (f"package install installed linux-image-{OLD} 6.1.170-3\n", "package"),
    ],
)
def test_a_kernel_that_lacks_a_part_is_not_whole(drop, part):
    found = fact(kernel.SOURCE, kernel_answer(drop=drop)).find(OLD)
    assert found.missing == (part,)


def test_a_held_kernel_and_an_unsigned_one_and_a_debug_package():
    more = (
        "package hold installed linux-image-6.12.1-amd64-unsigned 6.12.1-1\n"
        "package install installed linux-image-6.12.1-amd64-dbg 6.12.1-1\n"
    )
    held = fact(kernel.SOURCE, kernel_answer() + more).find("6.12.1-amd64")
    assert (held.held, held.version, held.vmlinuz) == (True, "6.12.1-1", False)


@pytest.mark.parametrize("answer", ["", "running \n", "running $(reboot)\n", kernel_answer() + "running 5\n"])
def test_a_running_kernel_that_cannot_be_read_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        fact(kernel.SOURCE, answer)


def test_a_locked_dpkg_is_not_a_host_without_packages():
    locked = output(kernel.SECTION, kernel_answer(), errors="dpkg-query: error: unable to access the dpkg database")
    with pytest.raises(FactUnknownError, match="unable to access"):
        fact(kernel.SOURCE, locked)
