"""Space and inodes, as df of this machine prints them, and answers that are not whole."""

import os

import pytest

from mxlib.facts import disk
from mxlib.facts.source import FactUnknownError, read_facts
from tests.unit.support.facts import ShellHost, fact

SOURCE = disk.source(("/", "/var/log"))


def test_df_of_this_machine_is_understood(tmp_path):
    source = disk.source((str(tmp_path),))
    (use,) = read_facts(ShellHost(), (source,)).get(source)
    said = os.statvfs(tmp_path)
    assert use.path == str(tmp_path)
    assert os.path.ismount(use.target)
    assert use.free_percent == pytest.approx(100 * said.f_bavail / said.f_blocks, abs=5)


def test_space_and_inodes_in_percent():
    found = fact(SOURCE, "/ / 200 50 1000 10\n/var/log /var 100 100 0 0\n")
    assert [(use.target, use.free_percent, use.free_inodes_percent) for use in found] == [
        ("/", 25.0, 1.0),
        ("/var", 100.0, None),
    ]


def test_a_file_system_that_does_not_count_inodes():
    assert fact(disk.source(("/",)), "/ / 200 50 - -\n")[0].free_inodes_percent is None


@pytest.mark.parametrize(
    "answer",
    ["", "/ / 200 50 1000 10\n", "/var/log /var 1 1 1 1\n/ / 1 1 1 1\n", "/ / 0 0 0 0\n/var/log / 1 1 1 1\n",
     "/ / 200 50 1000 10\n/var/log\n"],
)  # fmt: skip
def test_an_answer_that_leaves_a_path_out_or_has_no_size_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        fact(SOURCE, answer)
