"""A kernel parameter set for now and for later boots, and what was before; on a folder that plays the host."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mxlib.base.errors import StepError
from mxlib.base.verdict import Status, Verdict
from mxlib.facts import sysctl
from mxlib.remedies import set_sysctl
from mxlib.remedies.bounds import Order
from tests.unit.support.facts import facts_of
from tests.unit.support.remedy_host import SITE, sh

KEY = "net.ipv4.tcp_fastopen"
PROC = "/proc/sys/net/ipv4/tcp_fastopen"


class Kernel:
    """A host with one parameter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.value = folder / "proc/sys/net/ipv4/tcp_fastopen"
        self.value.parent.mkdir(parents=True)
        self.value.write_text("1\n")
        self.kept = folder / f"etc/sysctl.d/90-mx-remedy-{KEY}.conf"
        self.kept.parent.mkdir(parents=True)

    def run(self, script: str) -> Any:
        here = script.replace("/proc/sys", f"{self.folder}/proc/sys").replace("/etc/sysctl.d", str(self.kept.parent))
        return sh(f"set -eu\n{here}", self.folder)

    def set(self, value: str = "0") -> Any:
        return self.run(set_sysctl.script(KEY, value, "op@cumin1001: it's over"))

    def back(self) -> Any:
        return self.run(set_sysctl.script_back(KEY))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_it_is_set_now_and_for_later_boots(kernel: Kernel) -> None:
    done = kernel.set()
    assert (done.returncode, done.stdout) == (0, "before: 1\n")
    assert kernel.value.read_text() == "0\n"
    assert kernel.kept.read_text() == f"# mx-cookbooks: op@cumin1001: it's over\n# before: 1\n-{KEY} = 0\n"
    assert [one.name for one in kernel.kept.parent.iterdir()] == [kernel.kept.name]


def test_what_was_before_the_first_time_comes_back(kernel: Kernel) -> None:
    kernel.set("0")
    assert kernel.set("2").stdout == "before: 1\n"
    assert kernel.back().returncode == 0
    assert kernel.value.read_text() == "1\n"
    assert not kernel.kept.exists()


def test_a_value_that_the_kernel_does_not_take_is_no_success(kernel: Kernel) -> None:
    kernel.value.unlink()
    kernel.value.symlink_to("/dev/null")
    assert kernel.set().returncode != 0


def test_values_that_the_kernel_prints_with_tabs_are_the_same(kernel: Kernel) -> None:
    script = set_sysctl.script(KEY, "1 2", "op").replace(f"printf '%s\\n' '1 2' >{set_sysctl._path(KEY)}", ":")
    kernel.value.write_text("1\t2\n")
    assert kernel.run(script).returncode == 0


def test_what_this_remedy_has_not_set_is_left_alone(kernel: Kernel) -> None:
    done = kernel.back()
    assert (done.returncode, done.stdout) == (1, "this remedy has not set it\n")
    kernel.kept.write_text(f"{KEY} = 1\n")
    done = kernel.back()
    assert (done.returncode, done.stdout) == (1, "this remedy has not set it\n")
    assert (kernel.value.read_text(), kernel.kept.exists()) == ("1\n", True)


def bench(found: str = "", output: str = "") -> Any:
    return SimpleNamespace(
        site=SITE,
        host=None,
        who="op@cumin1001",
        why="stalls",
        act=lambda script, timeout: SimpleNamespace(output=output),
        found=found,
    )


def test_both_ways_are_said_in_one_line() -> None:
    said = set_sysctl.apply(bench(output="before: 1\n"), Order("set-sysctl", f"{KEY}=0"))
    assert said == f"{KEY} is 0, also after a reboot ({set_sysctl.file_of(KEY)}); before: 1"
    assert set_sysctl.apply_back(bench(output="again 1\n"), Order("unset-sysctl", KEY)) == f"{KEY} is again 1"


@pytest.mark.parametrize(("found", "status"), [("0", Status.OK), ("1", Status.FAILED)])
def test_the_value_is_judged_as_the_kernel_has_it(
    monkeypatch: pytest.MonkeyPatch, found: str, status: Status
) -> None:
    (section,) = sysctl.source((KEY,)).sections
    monkeypatch.setattr(set_sysctl, "read_facts", lambda *_: facts_of({section: f"{PROC}:{found}\n"}))
    names: list[tuple[str, ...]] = []
    others = (Verdict("kernel", Status.OK, "well"),)
    monkeypatch.setattr(set_sysctl, "by_checks", lambda *given: names.append(given) or (lambda *_: others))
    own, *rest = set_sysctl.judge(bench(), Order("set-sysctl", f"{KEY}=0"))
    assert (own.check, own.status, own.why) == (KEY, status, f"{KEY} is {found}")
    assert (tuple(rest), names) == (others, [("sysctl", "kernel")])


def test_a_parameter_that_the_kernel_does_not_have_was_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    (section,) = sysctl.source((KEY,)).sections
    monkeypatch.setattr(set_sysctl, "read_facts", lambda *_: facts_of({section: "/proc/sys/net/core/somaxconn:4096\n"}))
    with pytest.raises(StepError, match="does not have it"):
        set_sysctl.judge(bench(), Order("set-sysctl", f"{KEY}=0"))


@pytest.mark.parametrize(
    ("argument", "refused"),
    [(f"{KEY}=0", False), (f"{KEY}=1", True), (KEY, True), ("", True), ("kernel.panic=0", True)],
)
def test_only_values_that_the_site_allows(argument: str, refused: bool) -> None:
    assert bool(set_sysctl.refuse(SITE, Order("set-sysctl", argument))) is refused


@pytest.mark.parametrize(("argument", "refused"), [(KEY, False), ("kernel.panic", True), ("", True)])
def test_only_what_could_have_been_set_is_taken_back(argument: str, refused: bool) -> None:
    assert bool(set_sysctl.refuse_back(SITE, Order("unset-sysctl", argument))) is refused
