"""The script that sends test mails, run for real in a shell, with an Exim that only writes its log and its spool."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from mxlib.config.probes import OutboundProbe
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.probe import build, parse
from mxlib.mta.mail import Followed, ProbeMail

SENDER = "probe@world.test"
PROBE = OutboundProbe("provider", "user@provider.test", 4, sizes=(100,), times=2)
TAGS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
HOST = subprocess.run(["hostname", "-f"], capture_output=True, text=True, check=True).stdout.strip()
OURS, AGAIN = "1xUcBA-0000DK-28", "1xUcBA-0000DK-99"
OTHERS, BACK, QUOTING, BOUNCE = (f"1xUcB{letter}-0000DK-28" for letter in "BCDE")

# Handed in, a message gets the next id of the file "ids" and a line in the log, and what "meanwhile" says happens.
EXIM = """\
#!/bin/sh
cd {here}
case $1 in
-bP) ;;
-M) echo "$2" >>forced; sed "s/ID/$2/" delivered >>mainlog ;;
-Mrm) echo "$2" >>removed; rm "spool/input/$2-H"; echo "Message $2 has been removed" ;;
*)
tag=$(sed -n 's/^X-MX-Probe: //p')
id=$(head -n 1 ids); sed -i 1d ids
: >"spool/input/$id-H"
echo "2026-11-21 03:54:20 $id <= {sender} U=root P=local S=9 id=mx-probe.$tag@$(hostname -f) for u@p.test" >>mainlog
cat meanwhile >>mainlog
: >meanwhile
exit $(cat code)
;;
esac
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A host with Exim's log and spool, and three messages of others in it."""
    (tmp_path / "exim4").write_text(EXIM.format(here=tmp_path, sender=SENDER))
    (tmp_path / "exim4").chmod(0o755)
    (tmp_path / "spool/input").mkdir(parents=True)
    for name in (OTHERS, BACK, QUOTING, BOUNCE):
        (tmp_path / f"spool/input/{name}-H").touch()
    for name, text in {"mainlog": "", "meanwhile": "", "code": "0", "ids": f"{OURS}\n{AGAIN}\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "delivered").write_text(
        '2026-11-21 03:54:21 ID => u@p.test R=r T=remote_smtp H=h.test [192.0.2.1] C="250 OK"\n'
        "2026-11-21 03:54:21 ID Completed\n"
    )
    return tmp_path


def sent(here: Path, *, force: bool, mails: Sequence[ProbeMail]) -> tuple[Followed, ...]:
    script = build(mails, SENDER, "r1", 1, force=force).script
    for path, new in ((exim.BINARY, "exim4"), (exim.SPOOL, "spool"), (exim.MAINLOG, "mainlog")):
        script = script.replace(path, str(here / new))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return parse(done.stdout, mails)


def lines(here: Path, name: str) -> list[str]:
    return (here / name).read_text().splitlines() if (here / name).exists() else []


def test_only_what_was_handed_in_now_is_forced_and_removed(here: Path) -> None:
    """Meanwhile others' test mails come in, one of ours comes back, and somebody names a message of ours."""
    arrives = "2026-11-21 03:54:20 {} <= {} H=peer.test [192.0.2.9] P=esmtp S=9{} for u@lab.test\n"
    (here / "meanwhile").write_text(
        arrives.format(OTHERS, SENDER, f" id=mx-probe.{TAGS[0][:-1]}9@{HOST}")
        + arrives.format(QUOTING, "a@b.test", f" R={OURS}")
        + arrives.format(BACK, SENDER, f" id=mx-probe.{TAGS[0]}@{HOST}")
        + arrives.format(BACK, SENDER, f" id=mx-probe.{TAGS[0]}@peer.test")
    )
    (seen,) = sent(here, force=True, mails=[ProbeMail(TAGS[0], PROBE, 100, 1)])
    assert (lines(here, "forced"), lines(here, "removed")) == ([OURS], [OURS])
    assert (seen.message_id, seen.left) == (OURS, "")
    assert {event.message_id for event in seen.events} == {OURS}


def test_the_bounce_of_a_test_mail_is_removed_with_it(here: Path) -> None:
    (here / "meanwhile").write_text(
        f"2026-11-21 03:54:21 {BOUNCE} <= <> R={OURS} U=Debian-exim P=local S=9 for {SENDER}\n"
        f"2026-11-21 03:54:21 {OURS} Completed\n"
    )
    sent(here, force=False, mails=[ProbeMail(TAGS[0], PROBE, 100, 1)])
    assert lines(here, "removed") == [OURS, BOUNCE]


def test_a_mail_whose_submission_failed_after_it_was_taken_is_removed(here: Path) -> None:
    (here / "code").write_text("1")
    (seen,) = sent(here, force=False, mails=[ProbeMail(TAGS[0], PROBE, 100, 1)])
    assert seen.code == 1
    assert lines(here, "removed") == [OURS]


def test_each_round_is_followed_to_its_end(here: Path) -> None:
    mails = [ProbeMail(tag, PROBE, 100, number) for number, tag in enumerate(TAGS, start=1)]
    seen = sent(here, force=True, mails=mails)
    assert [one.message_id for one in seen] == [OURS, AGAIN]
    assert [[event.delivered for event in one.events] for one in seen] == [[False, True, False]] * 2
