"""A log that is rotated while it is read: before each single command of the reading, for real."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.mta.exim import backlog, backlog_script, clients, ledger, maillog, queue_flow, rejects
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.log import parse_mark, read_mark
from tests.unit.support.exim_backlog import Spool
from tests.unit.support.exim_log import ID, ask
from tests.unit.support.facts import fact, output

pytestmark = pytest.mark.once

_OLDER = "[ ! -e @LOG@.1 ] || mv @LOG@.1 @LOG@.2; "
_RENAME = f"{_OLDER}mv @LOG@ @LOG@.1; : >@LOG@"
HOWS = {
    "rename": _RENAME,
    "compress": f"{_RENAME}; gzip @LOG@.1",
    "dateext": "mv @LOG@ @LOG@-20261121; : >@LOG@",
    "no log for a moment": _RENAME.replace(": >@LOG@", "{ command sleep 0.2; : >>@LOG@; } >/dev/null 2>&1 &"),
    "copytruncate": f"{_OLDER}cp @LOG@ @LOG@.1; : >@LOG@",
}
# The others lose nothing: a file that is held is renamed without harm.
MAY_LOSE = ("copytruncate", "compress")
TURN = "printf x >>@COUNT@; [ \"$(command wc -c <@COUNT@)\" != @MOMENT@ ] || {\n@HOW@\n} 2>/dev/null"
WRAPPED = "".join(f'{one}() {{ turn; command {one} "$@"; }}\n' for one in ("ls", "stat", "cat", "tail", "head"))
every_way = pytest.mark.parametrize("how", HOWS)
some_ways = pytest.mark.parametrize("how", ["rename", *MAY_LOSE])


class Host:
    """A log with yesterday's lines and forty messages that failed just now, and one that is rotated meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fresh()

    def fresh(self) -> None:
        for file in self.folder.glob("*"):
            file.unlink()
        self.log = self.folder / "mainlog"
        yesterday = datetime.now() - timedelta(days=1)
        text = "** u@hang.test R=r T=remote_smtp defer (-18): SMTP timeout after end of data"
        old = f"{yesterday:%Y-%m-%d %H:%M:%S} {ID} {text}\n"
        self.log.with_name("mainlog.1").write_text(old.replace(text, "Completed"))
        self.log.write_text(old)
        self.mark = str(parse_mark(ask(self.here(maillog.MARK.script)).stdout))
        self.add(text, "<= a@b.test H=h [192.0.2.1]", "Completed", times=40)

    def add(self, *texts: str, times: int = 1) -> None:
        with self.log.open("a") as file:
            file.write("".join(f"{datetime.now():%Y-%m-%d %H:%M:%S} {ID} {text}\n" for text in texts) * times)

    def here(self, script: str) -> str:
        return script.replace(exim.MAINLOG, str(self.log))

    def moments(self, how: str) -> Iterator[str]:
        """What makes a script rotate the log before its first command, then before its second, to its last."""
        count = self.folder / "count"
        for moment in range(1, 60):
            self.fresh()
            parts = {"@HOW@": HOWS[how], "@LOG@": str(self.log), "@COUNT@": str(count), "@MOMENT@": str(moment)}
            turn = TURN
            for name, part in parts.items():
                turn = turn.replace(name, part)
            yield f"turn() {{ {turn}; }}\n{WRAPPED}"
            if count.stat().st_size < moment:
                return
        raise AssertionError("it does not end")

    def read(self, section: Section, prelude: str = "") -> str:
        done = ask(prelude + self.here(section.script))
        return output(section, done.stdout, code=done.returncode, errors=done.stderr).text()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "log").mkdir()
    return Host(tmp_path / "log")


@contextmanager
def unless_something_may_be_lost(how: str) -> Iterator[None]:
    """Allow an error where something may be lost."""
    try:
        yield
    except ParseError:
        assert how in MAY_LOSE


@every_way
def test_the_last_minutes_are_read_whole_or_said_to_be_cut(host: Host, how: str) -> None:
    for moment in host.moments(how):
        found = fact(maillog.RECENT_SOURCE, host.read(maillog.RECENT_SECTION, moment))
        assert (found.wrong, found.cut) == (40, False) or (found.cut and how in MAY_LOSE)


@every_way
def test_growth_is_whole_or_read_again(host: Host, how: str) -> None:
    for moment in host.moments(how):
        asked = maillog.growth_section(read_mark(host.mark))
        with unless_something_may_be_lost(how):
            found = maillog.parse_growth(host.read(asked, moment))
            assert found.lost or len(found.events) == 120


@some_ways
def test_growth_from_a_rotated_file_is_whole_or_read_again(host: Host, how: str) -> None:
    for moment in host.moments(how):
        host.log.rename(host.log.with_name("mainlog.1"))
        host.add("Completed")
        with suppress(ParseError):
            found = maillog.parse_growth(host.read(maillog.growth_section(read_mark(host.mark)), moment))
            assert found.lost or len(found.events) == 120


@some_ways
def test_what_left_the_queue_is_counted_once_or_lost(host: Host, how: str) -> None:
    for moment in host.moments(how):
        found = queue_flow.parse(host.read(queue_flow.source(host.mark).sections[0], moment))
        host.add("Completed")
        then = queue_flow.parse(host.read(queue_flow.source(found.mark).sections[0]))
        assert found.lost or (found.completed, then.failed, then.completed) == (40, 0, 1)


@some_ways
def test_the_ledger_sees_every_line_a_hole_or_an_error(host: Host, how: str) -> None:
    for moment in host.moments(how):
        functions = ledger.functions(host.mark).replace("@RAW@", str(host.folder / "raw"))
        done = ask(f"{moment}{host.here(functions)}set -eu\nevents\n")
        seen = done.stdout.splitlines()
        assert done.returncode or "hole" in seen or len(seen) == 80


@some_ways
def test_clients_are_counted_whole_or_unknown(host: Host, how: str) -> None:
    for moment in host.moments(how):
        asked = clients.arrivals_section(datetime.now(UTC) - timedelta(minutes=5))
        with unless_something_may_be_lost(how):
            assert clients.parse_arrivals(host.read(asked, moment)) == {"192.0.2.1": 40}


@some_ways
def test_the_backlog_knows_every_failure_or_nothing(host: Host, tmp_path: Path, how: str) -> None:
    (tmp_path / "spool").mkdir()
    spool = Spool(tmp_path / "spool")
    asked = backlog_script.section(())
    script = asked.script.replace(exim.SPOOL, str(spool.path)).replace(exim.BINARY, str(spool.exim))
    private = Section(asked.name, script.replace("/run/", f"{spool.path}/"))
    for moment in host.moments(how):
        with unless_something_may_be_lost(how):
            found = backlog.parse(output(asked, host.read(private, moment)))
            assert found.now - found.lately["hang.test"].failed < timedelta(hours=1)


@some_ways
def test_refusals_are_read_whole_or_unknown(host: Host, how: str) -> None:
    asked = rejects.section(["a@x.test"], datetime.now(UTC) - timedelta(minutes=5))
    for moment in host.moments(how):
        host.add("H=h [192.0.2.1] F=<b@y.test> rejected RCPT <a@x.test>: no", times=3)
        host.log.write_text(host.log.read_text().replace(f" {ID} H=", " H="))
        private = Section(asked.name, asked.script.replace(rejects.REJECTLOG, str(host.log)))
        with suppress(ParseError):
            assert len(rejects.parse(host.read(private, moment))) == 3
