import subprocess

import pytest

from mxlib.facts import client_names as facts


def test_names(tmp_path):
    section = facts.names_section(["127.0.0.1"], ["localhost"])
    text = subprocess.run(["sh", "-c", section.script], capture_output=True, text=True, check=True).stdout
    names, hosts = facts.parse_names(text)
    assert names["127.0.0.1"] == "localhost"
    assert hosts & {"127.0.0.1", "::1"}


def test_only_addresses_go_into_a_command():
    with pytest.raises(ValueError, match="does not appear"):
        facts.names_section(["$(reboot)"], [])
