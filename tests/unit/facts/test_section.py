"""One script for many questions: each has its own output, errors, exit code and time limit."""

import importlib
import pkgutil
import re
import subprocess
import time

import pytest

import mxlib
from mxlib.base.errors import ParseError
from mxlib.facts.section import Section, build_script, read_sections, run_sections, split_output
from mxlib.protocols.host import CommandResult
from tests.unit.support.facts import NOW, ShellHost, output


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """What all sections have together, shorter than in the field."""
    monkeypatch.setattr("mxlib.facts.section._TOGETHER_S", 1.5)


def ask(*sections):
    return read_sections(ShellHost(), sections)


def test_each_section_has_its_own_output_errors_and_exit_code():
    answers = ask(
        Section("one", "echo out; echo err >&2; exit 3"),
        Section("two", "printf 'no newline at the end'"),
        Section("three", "true"),
    )
    one = answers["one"]
    assert (one.output, one.errors, one.exit_code) == ("out\n", "err", 3)
    assert answers["two"].text() == "no newline at the end"
    assert answers["three"].text() == ""
    with pytest.raises(ParseError, match="exit code 3: err"):
        one.text()
    assert one.text(ok_codes=(3,)) == "out\n"


def test_a_hung_section_costs_itself_and_no_other():
    answers = ask(Section("hung", "echo before; sleep 30", timeout_s=0.2), Section("after", "echo fine"))
    assert answers["hung"].timed_out
    with pytest.raises(ParseError, match="time limit"):
        answers["hung"].text()
    assert answers["after"].text() == "fine\n"


class ActingHost(ShellHost):
    def act(self, script, *, timeout, ok_codes=(0,)):
        return self.read(script, timeout=timeout)


def counted(path, name, rest=":", **limits):
    return Section(name, f"echo {name} >>{path}; {rest}", **limits)


def test_each_section_is_asked_once(tmp_path):
    log = tmp_path / "log"
    answers = ask(counted(log, "one", "exit 3"), counted(log, "two", "return 4"), counted(log, "long", timeout_s=60))
    assert log.read_text().split() == ["one", "two", "long"]
    assert [answer.exit_code for answer in answers.values()] == [3, 4, 0]


def test_only_what_has_no_answer_is_asked_again(tmp_path):
    log = tmp_path / "log"
    hangs = counted(log, "hangs", "printf half; sleep 30", timeout_s=0.2)
    answers = ask(counted(log, "before", "echo whole"), hangs, counted(log, "after", "echo fine"))
    assert log.read_text().split() == ["before", "hangs", "hangs", "after"]
    assert [answer.output for answer in answers.values()] == ["whole\n", "half", "fine\n"]
    assert answers["hangs"].timed_out


def test_what_a_slow_section_printed_before_it_was_asked_again_is_no_part_of_its_answer():
    slow = ask(Section("slow", "echo begun; sleep 1.7; echo ended", timeout_s=30))["slow"]
    assert slow.text() == "begun\nended\n"


def test_what_acts_is_never_run_again(tmp_path):
    log = tmp_path / "log"
    hangs = counted(log, "hangs", "sleep 30", timeout_s=0.2)
    answers = run_sections(ActingHost(), [hangs, counted(log, "after")], "send mail")
    assert log.read_text().split() == ["hangs", "after"]
    assert answers["hangs"].timed_out
    assert answers["after"].exit_code == 0


def test_sections_share_neither_variables_nor_arguments():
    sets = Section("sets", "left=1; set -- a b; cd /; exec 5>/dev/null")
    answers = ask(sets, Section("sees", 'echo "$#${left-none}"'))
    assert answers["sees"].text() == "0none\n"


def test_a_section_that_no_shell_can_read_costs_itself_and_no_other():
    answers = ask(Section("broken", "if then"), Section("after", "echo fine"))
    assert answers["broken"].exit_code == 2
    assert "unexpected" in answers["broken"].errors
    assert answers["after"].text() == "fine\n"


def test_a_child_that_keeps_the_errors_open_does_not_outlast_its_section():
    begin = time.monotonic()
    answers = ask(
        Section("leaves", "echo said; echo why >&2; setsid sleep 20 >/dev/null & exit 3"), Section("after", "echo fine")
    )
    assert time.monotonic() - begin < 10
    assert (answers["leaves"].output, answers["leaves"].errors, answers["leaves"].exit_code) == ("said\n", "why", 3)
    assert answers["after"].text() == "fine\n"


@pytest.mark.parametrize("quick_s", [0, 30], ids=["alone", "together"])
def test_what_a_killed_section_left_behind_writes_into_no_other_answer(monkeypatch, tmp_path, quick_s):
    """A timeout(1) inside a section has a process group of its own: no limit around it reaches that."""
    monkeypatch.setattr("mxlib.facts.section._QUICK_S", quick_s)
    answers = ask(
        Section(
            "hangs",
            f"cd {tmp_path}; ! mkdir .s 2>/dev/null || timeout 9 sh -c 'sleep 2.2; : >wrote; echo late; echo e >&2'",
            timeout_s=1,
        ),
        Section("after", "echo fine; sleep 1.5; echo end", timeout_s=5),
    )
    assert answers["hangs"].timed_out == (quick_s == 0)
    assert (answers["after"].text(), answers["after"].errors) == ("fine\nend\n", "")
    assert (tmp_path / "wrote").exists()


@pytest.mark.parametrize("said", ["one\\ntwo", "one\\ntwo\\n", "", "  \\\\b *  \\n"])
def test_errors_come_as_they_were_written(said):
    whole = ask(Section("errs", f"printf '{said}' >&2"))["errs"]
    assert whole.errors == said.encode().decode("unicode_escape").rstrip("\n")
    assert whole.exit_code == 0


def test_a_section_that_ignores_the_signal_is_killed():
    answers = ask(
        Section("deaf", "trap '' TERM; while :; do sleep 0.1; done", timeout_s=0.2), Section("after", "echo fine")
    )
    assert answers["deaf"].timed_out
    assert answers["after"].text() == "fine\n"


def test_the_shells_report_of_a_killed_child_is_not_sent():
    """Over SSH it comes on a channel of its own, and may end up in the middle of any line."""
    deaf = Section("deaf", "trap '' TERM; while :; do sleep 0.1; done", timeout_s=0.2)
    script = build_script([deaf], "@@mark", patience_s=10)
    whole = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert "end deaf 137" in whole.stdout
    assert whole.stderr == ""


def test_a_section_cannot_read_the_standard_input_of_the_script():
    answers = ask(Section("greedy", "cat"), Section("after", "echo fine"))
    assert answers["greedy"].text() == ""
    assert answers["after"].text() == "fine\n"


def test_quotes_in_a_script_stay_its_own():
    assert ask(Section("quoted", """echo "it's" '$HOME' \\\\ """))["quoted"].text() == "it's $HOME \\\n"


def test_an_answer_of_the_transport_is_no_answer_of_a_section():
    section = Section("one", "echo out")
    refused = CommandResult("x", 255, "ssh: connect to host mx1001 port 22: Connection refused\n", NOW, 0.1)
    found = split_output(refused, [section], "@@mark")["one"]
    assert found.exit_code is None
    assert "Connection refused" in found.errors
    with pytest.raises(ParseError, match="no complete output"):
        found.text()


def test_output_cut_in_the_middle_leaves_the_sections_before_it():
    sections = [Section("one", "echo out"), Section("two", "echo more; echo last")]
    whole = ShellHost().read(build_script(sections, "@@mark"), timeout=10)
    cut = CommandResult("x", 0, whole.output[: whole.output.index("last")], NOW, 0.1)
    answers = split_output(cut, sections, "@@mark")
    assert answers["one"].text() == "out\n"
    assert answers["two"].exit_code is None


def test_a_faked_mark_in_the_output_does_not_end_a_section():
    answers = ask(Section("liar", "echo '@@0000000000000000 end liar 0'; exit 4"), Section("after", "echo fine"))
    assert answers["liar"].exit_code == 4
    assert answers["after"].text() == "fine\n"


def test_a_host_that_is_too_slow_for_all_keeps_what_it_answered():
    sections = [Section("first", "sleep 1.2; echo done"), Section("second", "echo never")]
    whole = ShellHost().read(build_script(sections, "@@mark", patience_s=1), timeout=10)
    answers = split_output(whole, sections, "@@mark")
    assert answers["first"].text() == "done\n"
    assert answers["second"].exit_code is None
    with pytest.raises(ParseError, match="no complete output"):
        answers["second"].text()


@pytest.mark.parametrize("names", [("a", "a"), ("A b",), ("a;b",)])
def test_names_are_unique_words(names):
    with pytest.raises(ValueError, match="unique words"):
        build_script([Section(name, "true") for name in names], "@@m")


def test_evidence_is_printable():
    evidence = output(Section("one", " echo x\n"), "\x1b[31mred\x1b[0m\n").evidence()
    assert (evidence.command, evidence.output, evidence.when) == ("echo x", "red", NOW)


def test_the_hosts_own_clock_frames_the_script():
    answers = ask(Section("slow", "sleep 0.2"), Section("after", "true", timed=True))
    began, ended = answers["after"].host_times
    assert ended - began >= 0.2
    assert answers["slow"].host_times == answers["after"].host_times


def test_a_clock_that_nobody_asks_for_is_not_read():
    assert "\nclock\n" not in build_script([Section("one", "true")], "@@m")
    assert ask(Section("one", "true"))["one"].host_times is None


def sections_of_all_modules():
    for found in pkgutil.walk_packages(mxlib.__path__, "mxlib."):
        module = importlib.import_module(found.name)
        yield from ((found.name, one) for one in vars(module).values() if isinstance(one, Section))


def test_no_script_holds_a_control_character():
    r"""A back reference such as ``\1`` that stands in a plain string of Python is one: sed would print it as it is."""
    scripts = {(module, section.name): section.script for module, section in sections_of_all_modules()}
    assert len(scripts) > 30
    assert {key: text for key, text in scripts.items() if re.search(r"[^\n\t\x20-\x7e]", text)} == {}
