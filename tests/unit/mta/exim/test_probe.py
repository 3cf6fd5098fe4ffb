"""The script that sends test mails, run for real in a shell, with an Exim that only writes its log and its spool."""

import dataclasses
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.config.probes import OutboundProbe
from mxlib.mta.exim import names as exim
from mxlib.mta.exim.probe import build, parse
from mxlib.mta.mail import Followed, ProbeMail
from mxlib.probes.outbound import plan_mails
from tests.unit.support.facts import fixture
from tests.unit.support.sent_mails import V4, V6, run_of

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
queue=
[ "$1" != -MCG ] || {{ queue=$2/; shift 2; }}
case $1 in
-bP) ;;
-M) [ "$queue" = "$(cat queue)" ] || exit 0; echo "$2" >>forced; sed "s/ID/$2/" delivered >>mainlog ;;
-Mrm) echo "$2" >>removed; rm "spool/${{queue}}input/$2-H"; echo "Message $2 has been removed" ;;
*)
cat >message
tag=$(sed -n 's/^X-MX-Probe: //p' message)
[ ! -e error ] || cat error >&2
id=$(head -n 1 ids); sed -i 1d ids
: >"spool/$(cat queue)input/$id-H"
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
    for name, text in {"mainlog": "", "meanwhile": "", "queue": "", "code": "0", "ids": f"{OURS}\n{AGAIN}\n"}.items():
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


def test_a_test_mail_that_the_site_puts_into_a_named_queue_is_tried_and_removed_there(here: Path) -> None:
    (here / "spool/slow/input").mkdir(parents=True)
    (here / "queue").write_text("slow/")
    sent(here, force=True, mails=plan_mails((dataclasses.replace(PROBE, times=1),))[:1])
    assert (lines(here, "forced"), lines(here, "removed")) == ([OURS], [OURS])
    assert not list((here / "spool/slow/input").iterdir())


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


@pytest.mark.parametrize("size", [1, 74, 75, 76, 262144])
def test_a_test_mail_is_as_long_as_its_probe_says(here: Path, size: int) -> None:
    """Also where its text would end with a line's end, which a shell's variable loses."""
    mails = plan_mails([dataclasses.replace(PROBE, sizes=(size,), times=1)])
    sent(here, force=True, mails=mails)
    head, _, text = (here / "message").read_text().partition("\n\n")
    assert f"X-MX-Probe: {mails[0].tag}\n" in head
    assert len(text) == size
    line = "This is a test mail of the mail exchangers. It can be ignored and deleted.\n"
    assert text == (line * (size // len(line) + 1))[:size]


def test_what_exim_says_at_a_submission_is_one_line_of_it(here: Path) -> None:
    (here / "error").write_text("no such\nuser " + "x" * 400)
    (here / "code").write_text("1")
    (followed,) = sent(here, force=True, mails=plan_mails([dataclasses.replace(PROBE, times=1)]))
    assert (followed.code, followed.error) == (1, "no such user " + "x" * 287)


def test_each_round_is_followed_to_its_end(here: Path) -> None:
    mails = [ProbeMail(tag, PROBE, 100, number) for number, tag in enumerate(TAGS, start=1)]
    seen = sent(here, force=True, mails=mails)
    assert [one.message_id for one in seen] == [OURS, AGAIN]
    assert [[event.delivered for event in one.events] for one in seen] == [[False, True, False]] * 2


# --- the script, and accounts that were recorded


def test_every_mail_is_submitted_in_rounds_that_are_waited_for() -> None:
    script = build(plan_mails((V4, V6)), "probe@world.test", "r1", 30).script
    assert script.count("\nmail ") == 4
    assert script.count("\nsettle\n") == 2
    assert script.index("number 2") > script.index("settle\n", script.index("number 1"))


@pytest.mark.parametrize(("sender", "tag"), [("a@b; reboot", "r1"), ("probe@world.test", "$(reboot)"), ("", "r1")])
def test_what_is_not_fit_for_a_command_is_refused(sender: str, tag: str) -> None:
    with pytest.raises(ParseError):
        build(plan_mails((V4,)), sender, tag, 30)


@pytest.mark.parametrize("text", ["", "submitted x 0\n", "id a b\nopen 0\n"])
def test_an_account_that_is_cut_short_is_no_account(text: str) -> None:
    with pytest.raises(ParseError):
        run_of(text)


def test_after_a_failure_no_further_mail_is_sent_to_that_destination() -> None:
    mails = plan_mails((V4, V6))
    first, second = [mail.tag for mail in mails if mail.probe == V6]
    script = build(mails, "probe@world.test", "r1", 30).script
    calls = [line for line in script.splitlines() if line.startswith("mail ")]
    (again,) = [line for line in calls if line.startswith(f"mail {second} ")]
    assert again.endswith(f" '{first}'")
    assert all(line.endswith(" ''") for line in calls if line != again)


def test_a_recording_has_each_mail_in_the_order_it_was_asked_for() -> None:
    run = run_of(fixture("probe/delivered.txt"))
    assert [result.mail.probe for result in run.results] == [V4, V4, V6, V6]
    assert len({result.message_id for result in run.results}) == 4


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("", ""),
        ("left 1xUaVg-00006Y-1v Message 1xUaVg-00006Y-1v has been removed \n", ""),
        ("left 1xUaVg-00006Y-1v Message 1xUaVg-00006Y-1v is locked \n", "Message 1xUaVg-00006Y-1v is locked"),
        ("left 1xUaVg-00006Y-1v \n", "Exim did not say why"),
        ("left 1xUaVg-00006Y-1v it cannot be removed \n", "it cannot be removed"),
    ],
)
def test_a_test_mail_that_could_not_be_removed_is_left(said: str, left: str) -> None:
    text = f"submitted {TAGS[0]} 0 \nid {TAGS[0]} 1xUaVg-00006Y-1v\n{said}open 0\n"
    (seen,) = parse(text, [ProbeMail(TAGS[0], PROBE, 100, 1)])
    assert seen.left == left
