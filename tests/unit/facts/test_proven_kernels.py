"""The list of proven kernels on a host: written by its script, and read again."""

import json
import shlex
import subprocess

import pytest

from mxlib.facts import proven_kernels
from mxlib.facts.proven_kernels import ProvenKernel
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, output

PROOF = ProvenKernel("6.1.0-56-cloud-amd64", "mx1001.lab.test", "2026-11-21T02:12:00+00:00", "run-1", "6.1.192-2")


def run(folder, script):
    """Run a script of the module with the host's folder below another one."""
    done = script.replace(proven_kernels.DIRECTORY, str(folder))
    return subprocess.run(["/bin/sh", "-c", done], capture_output=True, text=True, check=True).stdout


def add(folder, proof):
    run(folder, proven_kernels.add_script(shlex.quote(proof.to_json())))


def test_what_was_added_is_read_again(tmp_path):
    assert fact(proven_kernels.SOURCE, run(tmp_path, proven_kernels.SECTION.script)) == ()
    other = ProvenKernel("6.1.0-55-cloud-amd64", "mx2001.lab.test", "2026-11-20T02:12:00+00:00", "run-0")
    add(tmp_path, other)
    add(tmp_path, PROOF)
    assert fact(proven_kernels.SOURCE, run(tmp_path, proven_kernels.SECTION.script)) == (other, PROOF)
    assert [path.name for path in tmp_path.iterdir()] == ["proven-kernels"]


def test_only_the_newest_are_kept(tmp_path):
    (tmp_path / "proven-kernels").write_text("".join(f"{number}\n" for number in range(80)))
    add(tmp_path, PROOF)
    lines = (tmp_path / "proven-kernels").read_text().splitlines()
    assert lines == [*(str(number) for number in range(31, 80)), PROOF.to_json()]


RAW = json.loads(PROOF.to_json())


@pytest.mark.parametrize(
    "line",
    ["", "half {", "[]", "7", json.dumps({**RAW, "release": "$(reboot)"}), json.dumps({**RAW, "release": ""}),
     json.dumps({key: value for key, value in RAW.items() if key != "run"})],
)  # fmt: skip
def test_a_line_that_is_none_of_ours_proves_nothing(line):
    assert fact(proven_kernels.SOURCE, f"{line}\n{PROOF.to_json()}\n") == (PROOF,)


def test_a_proof_of_an_older_release_has_no_build():
    old = json.dumps({key: value for key, value in RAW.items() if key != "version"})
    assert [proof.version for proof in fact(proven_kernels.SOURCE, old)] == [""]


def test_a_list_that_cannot_be_read_is_unknown():
    with pytest.raises(FactUnknownError):
        fact(proven_kernels.SOURCE, output(proven_kernels.SECTION, "", code=1, errors="cat: Input/output error"))
