import json
import subprocess
import sys
from pathlib import Path

import pytest

from mxlib.base.errors import ConfigError, ReportError
from mxlib.commands.json_out import belongs_to, check_json, write_json


def test_nothing_is_written_where_nothing_was_asked_for(capsys):
    check_json(None)
    write_json(None, {"a": 1})
    belongs_to(None, "--status")
    assert capsys.readouterr().out == ""


def test_a_dash_is_the_standard_output(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_json(Path("-"))
    write_json(Path("-"), {"a": 1})
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_written_whole(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}


def test_what_could_not_be_written_or_does_not_belong_there_is_refused(tmp_path):
    with pytest.raises(ReportError, match="there is no folder"):
        check_json(tmp_path / "no" / "x.json")
    with pytest.raises(ConfigError, match="--json x: expected together with --status only"):
        belongs_to(Path("x"), "--status")


PROGRAM = """
import sys
from pathlib import Path
from mxlib.base.errors import ReportError
from mxlib.commands.json_out import check_json, write_json
try:
    check_json(Path("-"))
    write_json(Path("-"), {"a": "x" * 200000})
except ReportError as error:
    print(error, file=sys.stderr)
sys.exit(14)
"""


@pytest.mark.parametrize(
    ("redirection", "said"),
    [
        ("| true", ""),
        ("| head -c 1 >/dev/null", ""),
        (">/dev/full", "--json -: the standard output cannot be written: No space left on device\n"),
        (">&-", "--json -: the standard output is closed\n"),
    ],
)
def test_a_standard_output_that_takes_nothing_costs_neither_the_outcome_nor_a_traceback(redirection, said):
    shell = f'set -o pipefail; "$0" -c "$1" {redirection}'
    ended = subprocess.run(
        ["bash", "-c", shell, sys.executable, PROGRAM], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (14, said)
