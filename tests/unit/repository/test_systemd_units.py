"""The shipped units say what the cookbook offers, and promise no more rights than they need."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mxlib.model.outcome import Outcome

FOLDER = Path(__file__).resolve().parents[3] / "systemd"
UNITS = sorted(FOLDER.iterdir())
SERVICES = sorted(FOLDER.glob("*.service"))


def unit(name):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read(FOLDER / name)
    return parsed


def test_the_options_are_those_of_the_cookbook():
    command = unit("mx-verify.service")["Service"]["ExecStart"]
    source = (FOLDER.parent / "cookbooks/sre/mail/verify-mx.py").read_text(encoding="utf-8")
    assert "cookbook sre.mail.verify-mx " in command
    assert all(f'"{option}"' in source for option in re.findall(r"--[a-z-]+", command))


def test_a_verdict_is_no_failure_of_the_unit():
    codes = unit("mx-verify.service")["Service"]["SuccessExitStatus"].split()
    assert set(codes) == {str(Outcome.FAILED.value), str(Outcome.UNKNOWN.value)}


def test_it_ends_by_itself_and_has_no_rights_to_spare():
    service = unit("mx-verify.service")["Service"]
    assert service["TimeoutStartSec"]
    assert service["CapabilityBoundingSet"] == ""
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "yes")


def test_the_folder_of_the_textfile_collector_has_one_name():
    root = FOLDER.parent
    pages = [*FOLDER.iterdir(), *root.glob("docs/*.*"), root / "README.md", *root.glob("cookbooks/sre/mail/*.py")]
    named = {path.name: re.findall(r"/var/lib/prometheus/[\w.-]+", path.read_text(encoding="utf-8")) for path in pages}
    assert {folder for found in named.values() for folder in found} == {"/var/lib/prometheus/node-exporter"}
    assert [path.name for path in SERVICES if not named[path.name]] == []


def test_each_start_leaves_the_log_folder_as_every_other_unit_does():
    services = [unit(path.name)["Service"] for path in SERVICES]
    said = {(service["LogsDirectory"], service.get("LogsDirectoryMode")) for service in services}
    assert said == {("spicerack", "0750")}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_them(tmp_path):
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace("/srv/mx-cookbooks.venv/bin/cookbook", "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", "verify", *(f"./{path.name}" for path in UNITS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert [line for line in told.stderr.splitlines() if "mx-" in line] == []
