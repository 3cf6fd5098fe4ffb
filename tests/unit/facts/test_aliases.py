"""Alias generators: what systemd, the journal and the file say."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.config.aliases import AliasGenerator
from mxlib.facts import aliases
from tests.unit.support.aliases import GENERATOR

UNIT = """\
Id=generate_vrts_aliases.service
LoadState=loaded
ActiveState={active}
SubState=start
Result=success
UnitFileState=static
TimeoutStartUSec=infinity
InactiveExitTimestampMonotonic=60000000
ExecMainExitTimestampMonotonic={exited}
ExecMainCode={code}
ExecMainStatus=0

Id=generate_vrts_aliases.timer
LoadState=loaded
ActiveState=active
SubState=waiting
UnitFileState=enabled
NextElapseUSecMonotonic=1h 3min 4s
NextElapseUSecRealtime=
"""
STARTED = '{"__REALTIME_TIMESTAMP":"%d","MESSAGE_ID":"39f53479d3a045ac8e11786248231fbf","_BOOT_ID":"x"}'
FILE = "stat 1795240000 82\nlast  0a\ndigest %s  -\nentries 2\nmalformed 0\nfirst \n" % ("a" * 64)
NOW = 1795243600


def answer(journal="", file=FILE, active="inactive", exited=0, code=0):
    shown = UNIT.format(active=active, exited=exited, code=code)
    return f"now {NOW} 260.5\n{shown}journal\n{journal}file\n{file}end\n"


def at(seconds):
    return datetime.fromtimestamp(seconds, tz=UTC)


def test_a_generator_that_hangs():
    found = aliases.parse(answer(STARTED % ((NOW - 7200) * 10**6) + "\n", active="activating"), GENERATOR)
    assert (found.active, found.running_s, found.start_timeout) == ("activating", 200.5, "infinity")
    assert found.success_age_s == 7200
    assert found.file_age_s == 3600
    assert found.timer is not None
    assert found.timer.due


def test_the_last_success_is_the_newest_of_journal_and_systemd():
    journal = STARTED % ((NOW - 7200) * 10**6) + "\n" + STARTED % ((NOW - 3600) * 10**6) + "\n"
    assert aliases.parse(answer(journal), GENERATOR).last_success == at(NOW - 3600)
    ended = answer(journal, exited=250_500_000, code=1)
    assert aliases.parse(ended, GENERATOR).last_success == at(NOW) - timedelta(seconds=10)
    killed = answer("", exited=250_500_000, code=2)
    assert aliases.parse(killed, GENERATOR).last_success is None


def test_no_file():
    assert aliases.parse(answer(file=""), GENERATOR).file is None


@pytest.mark.parametrize("text", ["", answer()[:-6], answer().replace("Id=", "id="), answer(file="stat\n"),
                                  answer("no json\n")])  # fmt: skip
def test_what_cannot_be_understood_is_no_fact(text):
    with pytest.raises(ParseError):
        aliases.parse(text, GENERATOR)


def whole_script(path: Path) -> str:
    """The section, run by a shell whose systemctl and journalctl answer as above."""
    generator = AliasGenerator("vrts", GENERATOR.unit, str(path), timer=GENERATOR.timer)
    shown = UNIT.format(active="inactive", exited=0, code=0)
    stubs = f"LC_ALL=C; export LC_ALL\nsystemctl() {{ cat <<'E'\n{shown}E\n}}\njournalctl() {{ :; }}\n"
    done = subprocess.run(
        ["/bin/sh", "-c", stubs + aliases.section(generator).script], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_section_asks_for_the_unit_the_journal_and_the_file(tmp_path):
    (tmp_path / "file").write_text("a@x: b@x\nhalf\n")
    found = aliases.parse(whole_script(tmp_path / "file"), GENERATOR)
    assert found.file is not None
    assert (found.file.entries, found.file.first_malformed) == (1, "half")
    assert (found.active, found.last_success) == ("inactive", None)
    assert aliases.parse(whole_script(tmp_path / "nothing"), GENERATOR).file is None
