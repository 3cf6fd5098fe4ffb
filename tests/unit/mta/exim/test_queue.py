from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.source import FactUnknownError, Source
from mxlib.mta.exim import callout, hints, maillog, queue
from mxlib.mta.exim import names as exim
from tests.unit.support.exim_log import ask as run
from tests.unit.support.exim_log import exim_says
from tests.unit.support.exim_spool import DEFERRED, DONE, FROZEN_BOUNCE, PARTLY, YOUNG, header
from tests.unit.support.facts import ShellHost, fact, output


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "input" / "m").mkdir(parents=True)
    messages = {
        f"m/{DEFERRED}": header(DEFERRED, ["h2@hang.test"]),
        PARTLY: header(PARTLY, ["u1@ok.test", "h3@Hang.test", "x@mix.test 1 0,1,2"], tree=DONE),
        FROZEN_BOUNCE: header(FROZEN_BOUNCE, ["sender@perm.test"], sender="", options="-frozen 1763690988\n"),
        YOUNG: header(YOUNG, ["a@young.test", "b@young.test"]),
    }
    for name, text in messages.items():
        (tmp_path / "input" / f"{name}-H").write_text(text)
        (tmp_path / "input" / f"{name}-D").write_text(f"{name}-D\nbody\n")
    return tmp_path


def ask(section, spool):
    return output(section, ShellHost().read(section.script.replace(exim.SPOOL, str(spool)), timeout=10).output)


def read(spool, count="4\n"):
    return fact(queue.SOURCE, count, ask(queue.AGES, spool), ask(queue.HEADERS, spool))


def test_the_queue(spool):
    facts = read(spool)
    assert (facts.count, facts.old, facts.frozen, facts.complete) == (4, 3, 1, True)
    assert facts.oldest == datetime(2026, 11, 21, 2, 7, 30, tzinfo=UTC)
    assert facts.per_destination == {"hang.test": 2, "mix.test": 1, "young.test": 1}
    assert [message.message_id for message in facts.messages] == [DEFERRED, PARTLY, FROZEN_BOUNCE, YOUNG]
    assert [message.bounce for message in facts.messages] == [False, False, True, False]
    assert not read(spool, count="5000\n").complete


def test_a_split_spool_and_ids_of_both_lengths_are_counted(spool):
    assert fact(queue.LENGTH_SOURCE, ask(queue.COUNT, spool)) == 4


def test_a_queue_that_a_link_has_put_on_another_disk_is_counted(spool):
    (spool / "input").rename(spool / "elsewhere")
    (spool / "input").symlink_to("elsewhere")
    assert fact(queue.LENGTH_SOURCE, ask(queue.COUNT, spool)) == 4


def test_named_queues_are_counted(spool):
    (spool / "slow" / "input").mkdir(parents=True)
    (spool / "slow" / "input" / "1xUaVm-00006q-0v-H").write_text(header("1xUaVm-00006q-0v", ["a@slow.test"]))
    assert fact(queue.LENGTH_SOURCE, ask(queue.COUNT, spool)) == 5
    assert read(spool, count="5\n").per_destination["slow.test"] == 1


def test_an_empty_queue(tmp_path):
    (tmp_path / "input").mkdir()
    facts = read(tmp_path, count="0\n")
    assert (facts.count, facts.old, facts.oldest, facts.messages) == (0, 0, None, ())
    assert fact(queue.LENGTH_SOURCE, ask(queue.COUNT, tmp_path)) == 0


@pytest.mark.parametrize("section", [queue.COUNT, queue.AGES, queue.HEADERS])
def test_a_spool_that_cannot_be_read_is_not_an_empty_one(section, tmp_path):
    answer = ShellHost().read(section.script.replace(exim.SPOOL, str(tmp_path / "none")), timeout=10)
    assert answer.exit_code != 0


@pytest.mark.parametrize(
    ("source", "section"),
    [
        (queue.LENGTH_SOURCE, queue.COUNT),
        (Source("headers", (queue.HEADERS,), lambda said: said["queue-headers"].text()), queue.HEADERS),
        (hints.SOURCE, hints.SECTION),
        (callout.SOURCE, callout.SECTION),
        (maillog.MARK_SOURCE, maillog.MARK),
        (maillog.RECENT_SOURCE, maillog.RECENT_SECTION),
    ],
)
def test_an_exim_whose_spool_is_elsewhere_is_unknown_and_not_without_mail(spool, tmp_path, source, section):
    """Debian's spool is still there, and empty."""
    (spool / "db").mkdir()
    (spool / "mainlog").touch()
    path = f"{spool}/%slog"

    def read_here(said):
        through = exim_says(spool, log_file_path=path, timezone="UTC", spool_directory=said)
        done = run(through(section.script).replace(exim.SPOOL, str(spool)))
        answer = output(section, done.stdout, code=done.returncode, errors=done.stderr)
        return {section.name: answer}, done.stderr

    assert read_here(f"{spool}/")[1] == ""
    (tmp_path / "moved").symlink_to(spool)
    assert read_here(str(tmp_path / "moved"))[1] == "", "two names of one folder"
    answers, said = read_here("/srv/x")
    assert said == f"Exim's spool is /srv/x, expected {spool}\n"
    with pytest.raises(ParseError, match="exit code 3: Exim's spool is /srv/x"):
        source.parse(answers)


def test_a_message_that_goes_while_it_is_looked_at_is_left_out(spool):
    script = queue.HEADERS.script.replace(exim.SPOOL, str(spool))
    script = script.replace("%p\\n') || exit\n", f"%p\\n') || exit\nrm {spool}/input/{PARTLY}-H\n")
    answer = ShellHost().read(script, timeout=10).output
    assert [message.message_id for message in queue.parse_messages(answer)] == [DEFERRED, FROZEN_BOUNCE, YOUNG]


@pytest.mark.parametrize("count", ["", "\n", "nan\n", "-1\n", "exim: permission denied\n", "4\n5\n"])
def test_a_count_that_cannot_be_read_is_unknown(spool, count):
    with pytest.raises(FactUnknownError):
        read(spool, count=count)


def test_lists_that_are_cut_short_are_unknown():
    with pytest.raises(ParseError):
        queue.parse_messages(f"{DEFERRED} -- a@b a.test\n")
    with pytest.raises(ParseError):
        queue.parse_messages("../../etc/passwd -- a@b a.test\nnow 1\nend\n")


ONE = header(PARTLY, ["a@x.test"])


@pytest.mark.parametrize("text", ["", ONE[:30], ONE.replace("\n1\n", "\n2\n")])
def test_a_header_file_that_is_cut_short_goes_to_a_domain_that_is_unknown(spool, text):
    (spool / "input" / f"{PARTLY}-H").write_text(text)
    (found,) = [one for one in read(spool).messages if one.message_id == PARTLY]
    assert "?" in found.domains
