"""Where a host stands: the section run for real, and its answers, whole and cut."""

import dataclasses
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.section import SectionOutput
from mxlib.model.state import MtaState, Puppet
from mxlib.mta import standing
from mxlib.mta.find import find
from tests.unit.support.facts import ShellHost

ABSENT = "Error: No such file or directory\nlist table inet mx_depool\n                ^^^^^^^^^\ncode 1\n"


def output(text, name="depool", code=0):
    return {name: SectionOutput(name, "", code, text, "", datetime(2026, 1, 1, tzinfo=UTC))}


@pytest.mark.parametrize(
    ("unit", "listeners", "processes", "held", "state"),
    [
        ("active", 2, 1, False, MtaState.SERVING),
        ("active", 2, 1, True, MtaState.OTHER),
        ("active", 0, 1, False, MtaState.OTHER),
        ("inactive", 0, 0, False, MtaState.OTHER),
        ("inactive", 0, 1, True, MtaState.OTHER),
        ("inactive", 0, 0, True, MtaState.HELD),
        ("failed", 0, 0, True, MtaState.HELD),
    ],
)
def test_state_of_the_mta(unit, listeners, processes, held, state):
    assert standing.mta_state(unit, listeners, processes, held=held) is state


STANDING = """boot 5534e602-94c4-4888-bb26-d0eba37b8181
kernel 6.1.0-55-cloud-amd64
listeners 2
processes 1
saved gnulinux-advanced-1>gnulinux-6.1.0-55-cloud-amd64-advanced-1
puppet on
units
Job=
LoadState=loaded
ActiveState=active
UnitFileState=generated

Job=
LoadState=loaded
ActiveState=inactive
UnitFileState=static
end
"""


def stand(text):
    return standing.parse({**output(text, "standing"), **output(f"table\n{ABSENT}")})


def test_a_host_whose_queue_a_run_has_parked_is_not_in_service():
    assert stand(STANDING.replace("puppet on", "parked yes\npuppet on")).view.mta is MtaState.OTHER


def test_where_a_host_stands():
    found = stand(STANDING)
    assert (found.view.kernel, found.view.mta, found.view.next) == ("6.1.0-55-cloud-amd64", MtaState.SERVING, "")
    assert (found.view.puppet, found.stopping, found.masked) == (Puppet.ON, False, False)


def test_a_host_whose_systemd_does_not_answer_is_unknown_with_the_cause():
    text = STANDING[: STANDING.index("units\n")] + "units\nend\n"
    why = "Failed to connect to bus: No such file or directory"
    answer = {"standing": dataclasses.replace(output(text, "standing")["standing"], errors=f"{why}\n")}
    with pytest.raises(ParseError, match=f"where the host stands could not be read completely: {why}"):
        standing.parse({**answer, **output(f"token 0\ntable\n{ABSENT}")})


@pytest.mark.parametrize("cut", [2, 4, 40, 200])
def test_a_cut_answer_is_unknown(cut):
    with pytest.raises((ParseError, KeyError, ValueError)):
        stand(STANDING[:-cut])


@pytest.mark.parametrize(
    ("old", "new", "stopping"),
    [
        ("", "", False),
        ("Job=\nLoadState=loaded\nActiveState=inactive", "Job=812\nLoadState=loaded\nActiveState=inactive", True),
        ("ActiveState=inactive", "ActiveState=activating", True),
        ("Job=\nLoadState=loaded\nActiveState=active", "Job=7\nLoadState=loaded\nActiveState=active", False),
    ],
)
def test_a_shutdown_is_under_way_when_its_target_is_to_start(old, new, stopping):
    assert stand(STANDING.replace(old, new)).stopping is stopping


@pytest.mark.parametrize(
    "lost", ["processes 1\n", "listeners 2\n", "ActiveState=active\n", "\nJob=\nLoadState", "puppet on\n"]
)
def test_what_could_not_be_read_is_not_taken_for_nothing(lost):
    with pytest.raises((ParseError, KeyError, ValueError)):
        stand(STANDING.replace(lost, ""))


def test_the_build_that_runs_and_the_one_on_the_disk():
    assert (stand(STANDING).view.build, stand(STANDING).view.replaced) == ("", False)
    said = "build #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-10-27)\nimage replaced\nlisteners"
    view = stand(STANDING.replace("listeners", said)).view
    assert (view.build, view.replaced) == ("6.1.192-1", True)


def image_is_replaced(boot):
    """What the script says of a running build 6.1.192-2, with a folder in place of /boot, first in the path."""
    script = standing.section(find("exim")).script
    known = script[script.index("case $(grep") : script.index("set -- what=tcp")].replace("/boot/", f"{boot}/")
    build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"
    argv = ["sh", "-c", f"PATH={boot}:$PATH; kernel=6.1.0-56; build='{build}'\n{known}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout == "image replaced\n"


@pytest.mark.parametrize(
    ("image", "replaced"),
    [
        # the head of Debian's image of 6.1.0-56-cloud-amd64
        ("6.1.0-56 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", False),
        ("6.1.0-56 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-3 (2026-11-20)", True),
        ("nothing that is known", False),
        (None, False),
    ],
)
def test_an_image_of_another_build_is_found_on_the_disk(tmp_path, image, replaced):
    if image is not None:
        (tmp_path / "vmlinuz-6.1.0-56").write_bytes(b"\0MZ\xff\n" + image.encode() + b"\0\xff")
    assert image_is_replaced(tmp_path) is replaced


@pytest.mark.parametrize(
    ("version", "replaced"), [("6.1.192-2", False), ("6.1.192-3", True), ("6.1.192", True), ("", False)]
)
def test_of_an_image_that_does_not_say_its_build_the_package_does(tmp_path, version, replaced):
    dpkg = tmp_path / "dpkg-query"
    dpkg.write_text(f"#!/bin/sh\n[ \"$4\" = linux-image-6.1.0-56 ] && printf %s '{version}'\n")
    dpkg.chmod(0o755)
    assert image_is_replaced(tmp_path) is replaced


def test_a_backslash_of_grubs_environment_is_read_as_grub_does():
    assert stand(STANDING.replace("saved gnulinux", "saved a\\\\b>gnulinux")).view.saved.startswith("a\\b>gnulinux")


def count(*places):
    """What awk makes of the lists."""
    argv = ["awk", standing._COUNT, *map(str, places)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.splitlines()


TCP = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:0019 00000000:0000 0A 00000000:00000000
   1: 00000000:0016 00000000:0000 0A 00000000:00000000
   2: 0100007F:0019 0100007F:D2A4 01 00000000:00000000
   3: 00000000:1900 00000000:0019 0A 00000000:00000000
"""


def test_listeners_and_entries_are_counted_in_one_go(tmp_path):
    (tmp_path / "tcp").write_text(TCP)
    (tmp_path / "env").write_text("# GRUB Environment Block\nsaved_entry=a>b\nnext_entry=\nother=1\n#####")
    places = ("what=tcp", tmp_path / "tcp", tmp_path / "tcp", "what=grub", tmp_path / "env")
    assert count(*places) == ["saved a>b", "next ", "listeners 2"]


def test_a_list_that_is_not_there_counts_nothing(tmp_path):
    (tmp_path / "env").write_text("damaged\nsaved_entry=a>b\n")
    assert count("what=grub", tmp_path / "env") == []


@pytest.mark.parametrize(
    ("load", "file_state", "masked"),
    [("loaded", "generated", False), ("masked", "masked", True), ("loaded", "masked-runtime", True)],
)
def test_an_mta_whose_unit_somebody_has_masked_is_held_once_it_is_at_rest(load, file_state, masked):
    own = f"LoadState={load}\nActiveState=inactive\nUnitFileState={file_state}"
    text = STANDING.replace("LoadState=loaded\nActiveState=active\nUnitFileState=generated", own)
    text = text.replace("listeners 2", "listeners 0").replace("processes 1", "processes 0")
    found = stand(text)
    assert (found.masked, found.view.mta) == (masked, MtaState.HELD if masked else MtaState.OTHER)
    assert (found.mta_unit, found.listeners) == ("inactive", 0)


@pytest.mark.parametrize("said", ["kernel $(reboot)", "kernel ", "boot 5534e602"])
def test_a_kernel_or_a_boot_of_another_form_is_unknown(said):
    word = said.split(" ", 1)[0]
    line = next(line for line in STANDING.splitlines() if line.startswith(f"{word} "))
    with pytest.raises((ParseError, ValueError)):
        stand(STANDING.replace(line, said))


@pytest.mark.parametrize(("puppet", "off"), [("off", True), ("on", False), ("absent", True), ("unknown", None)])
def test_the_next_entry_and_puppet(puppet, off):
    view = stand(STANDING.replace("puppet on", f"next a>b\npuppet {puppet}")).view
    assert (view.next, view.puppet, view.puppet.off) == ("a>b", Puppet(puppet), off)


@pytest.mark.parametrize(
    ("there", "said"),
    [("", "absent"), ("var/lib/puppet/state", "unknown"), ("opt/puppetlabs/bin/puppet", "unknown")],
)
def test_a_puppet_without_the_sites_script_is_unknown_and_none_is_absent(tmp_path, there, said):
    (tmp_path / there).mkdir(parents=True, exist_ok=True)
    script = standing.section(find("exim")).script
    for place in ("/usr/local/share", "/var/lib/puppet", "/var/cache/puppet", "/opt/puppetlabs"):
        script = script.replace(place, f"{tmp_path}{place}")
    lines = ShellHost().read(script, timeout=30).output.splitlines()
    assert [line for line in lines if line.startswith("puppet ")] == [f"puppet {said}"]


def test_the_section_of_this_machine_has_its_boot_and_its_kernel():
    said = ShellHost().read(standing.section(find("exim")).script, timeout=30).output.splitlines()
    assert f"boot {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}" in said
    assert f"kernel {os.uname().release}" in said
    assert any(line.startswith("listeners ") for line in said)
    assert said[-1] == "end"


HEAD = "  sl  local_address rem_address   st\n"
LISTENS = "   0: 00000000:0019 00000000:0000 0A\n"
SUBMISSION = "   0: 00000000:024B 00000000:0000 0A\n"
SESSION = "   0: 0100007F:0019 0100007F:D431 01\n"


@pytest.mark.parametrize(
    ("active", "tcp", "tcp6", "stopped"),
    [
        (True, HEAD + SUBMISSION + SESSION, HEAD, True),
        (True, HEAD, None, True),
        (True, HEAD + LISTENS, HEAD, False),
        (True, HEAD + LISTENS, None, False),
        (True, HEAD, HEAD + LISTENS, False),
        (True, None, None, False),
        (False, HEAD, HEAD, False),
    ],
)
def test_an_mta_is_stopped_before_its_start_only_where_its_unit_is_active_and_nothing_listens(
    tmp_path, active, tcp, tcp6, stopped
):
    systemctl = tmp_path / "systemctl"
    answer = f'[ "$2" != is-active ] || exit {0 if active else 3}'
    systemctl.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n{answer}\n')
    systemctl.chmod(0o755)
    for name, text in (("tcp", tcp), ("tcp6", tcp6)):
        if text is not None:
            (tmp_path / name).write_text(text)
    mta = find("exim")
    script = f"{standing.stop_if_deaf_script(mta)}{mta.start_script}".replace("/proc/net/", f"{tmp_path}/")
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-euc", script], env={"PATH": path}, check=True, timeout=10)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "-q is-active exim4.service",
        *["stop exim4.service"] * stopped,
        "start exim4.service",
    ]
