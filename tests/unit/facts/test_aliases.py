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
FILE = "stat 1795240000 82 1795230000\nlast  0a\ndigest %s  -\nentries 2\nmalformed 0\nfirst \n" % ("a" * 64)
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


def whole_script(path: Path, damaged: str = "") -> str:
    """The section, run by a shell whose systemctl and journalctl answer as above."""
    generator = AliasGenerator("vrts", GENERATOR.unit, str(path), timer=GENERATOR.timer)
    shown = UNIT.format(active="inactive", exited=0, code=0)
    stubs = f"LC_ALL=C; export LC_ALL\nsystemctl() {{ cat <<'E'\n{shown}E\n}}\n"
    stubs += f"journalctl() {{ printf '%s' '{damaged}' >&2; }}\n"
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
    damaged = whole_script(tmp_path / "file", f"Journal file {tmp_path}/file corrupted, ignoring file.\n")
    with pytest.raises(ParseError, match="corrupted, ignoring file"):
        aliases.parse(damaged, GENERATOR)


WRITER = """\
systemctl() {{
echo >>{folder}/looks
read -r up rest </proc/uptime
now=${{up%.*}}${{up#*.}}0000
if [ "$(wc -l <{folder}/looks)" -ge {looks} ]; then echo 'a@x: b@x' >{folder}/file; fi
sed "s/ActiveState=activating/ActiveState=$(cat {folder}/state)/
s/InactiveExitTimestampMonotonic=.*/InactiveExitTimestampMonotonic=$((now - {age} * 1000000))/
s/ExecMainExitTimestampMonotonic=.*/ExecMainExitTimestampMonotonic={exited}/" {folder}/shown
}}
journalctl() {{ :; }}
sleep() {{ :; }}
"""


def looked(folder: Path, state: str, *, age: int = 0, looks: int = 1, exited: str = "0") -> tuple[int, int]:
    """Entries that the section found in a file which becomes whole at a look, and how often it asked for the unit."""
    (folder / "file").write_text("")
    (folder / "looks").write_text("")
    (folder / "state").write_text(state)
    (folder / "shown").write_text(UNIT.format(active="activating", exited=0, code=1))
    generator = AliasGenerator("vrts", GENERATOR.unit, str(folder / "file"), timer=GENERATOR.timer)
    stubs = WRITER.format(folder=folder, looks=looks, age=age, exited=exited)
    script = stubs + aliases.section(generator).script
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    found = aliases.parse(done.stdout, generator)
    assert found.file is not None
    return found.file.entries, len((folder / "looks").read_text())


def test_a_file_that_was_read_while_it_was_written_is_read_again(tmp_path):
    assert looked(tmp_path, "activating", looks=2) == (1, 6)  # whole by then; the run stays young for the stub
    assert looked(tmp_path, "inactive", exited="$now") == (1, 6)  # it ended after the file was read


def test_a_run_that_is_older_or_ended_before_leaves_the_file_as_it_was_read(tmp_path):
    assert looked(tmp_path, "activating", age=11) == (0, 1)
    assert looked(tmp_path, "inactive", exited="$((now - 5000000))") == (0, 1)
