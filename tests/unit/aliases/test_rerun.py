"""The script that runs a generator again, in a real shell, with a systemctl that plays what generators do."""

import base64
import dataclasses
import gzip
import re
import subprocess

import pytest

from mxlib.aliases import rerun as aliases
from mxlib.aliases.rerun import Ending, parse_run, run_script
from mxlib.base.errors import StepError
from mxlib.config.aliases import AliasGenerator

GOOD = "press@lab.test: press@tickets.test\nsupport@lab.test: support@tickets.test\n"
NEW = GOOD + "newqueue@lab.test: newqueue@tickets.test\n"
SYSTEMCTL = """#!/bin/sh
cd {place}
case "$*" in
*"show -p ActiveState"*) cat active ;;
*"show -p Result"*) cat result ;;
*"show -p ControlGroup"*) ;;
*"start --no-block"*) echo start >>calls; echo activating >active; . ./generator ;;
stop*) echo stop >>calls; echo inactive >active ;;
*) echo "$1" >>calls ;;
esac
"""


@dataclasses.dataclass
class Place:
    """A host made of one folder."""

    folder: object

    def run(
        self, generator, *, before=GOOD, hangs=False, arm=False, donation="", kept="", limit=1, timer=None, under_way=""
    ):
        (self.folder / "active").write_text("activating" if hangs or under_way else "inactive")
        if under_way:
            subprocess.Popen(["/bin/sh", "-c", under_way], cwd=self.folder)
        (self.folder / "result").write_text("success")
        (self.folder / "calls").write_text("")
        (self.folder / "generator").write_text(generator)
        alias_file = self.folder / "file"
        if before is not None:
            alias_file.write_text(before)
        for name, text in {"systemctl": SYSTEMCTL.format(place=self.folder), "journalctl": "#!/bin/sh\n"}.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)
        if kept:
            (self.folder / "var" / "vrts").mkdir(parents=True)
            (self.folder / "var" / "vrts" / "kept").write_text(kept)
        known = AliasGenerator("vrts", "g.service", str(alias_file), floor=2, timer=timer)
        script = run_script(known, limit, hangs=hangs, arm=arm, donation=donation)
        script = script.replace(aliases.KEPT, str(self.folder / "var"))
        path = f"{self.folder}:/usr/bin:/bin:/usr/sbin:/sbin"
        words = ["/bin/sh", "-c", script]
        done = subprocess.run(words, capture_output=True, text=True, env={"PATH": path}, check=False)
        assert done.returncode == 0, done.stderr
        return parse_run(done.stdout)

    @property
    def text(self):
        return (self.folder / "file").read_text()

    @property
    def calls(self):
        return (self.folder / "calls").read_text().split()


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


WRITES = "cat >file <<'E'\n" + NEW + "E\necho inactive >active\n"
ONE = "echo 'a@x: b@x' >file; echo inactive >active\n"
CUTS_AND_HANGS = "printf 'press@lab.test: pr' >file\n"
FAILS = ": >file; echo exit-code >result; echo failed >active\n"


def test_a_run_that_ends_well(place):
    result = place.run(WRITES)
    assert (result.ending, result.entries, result.served) == (Ending.REFRESHED, 3, "new")
    assert place.text == NEW
    assert (place.folder / "var/vrts/kept").read_text() == GOOD
    assert place.calls == ["reset-failed", "start"]


def test_what_hangs_is_ended_first(place):
    result = place.run(WRITES, hangs=True)
    assert result.ending is Ending.REFRESHED
    assert place.calls == ["stop", "reset-failed", "start"]
    assert "ended the run that was under way" in result.said


def test_a_run_that_does_not_hang_is_left_to_its_end_first(place):
    result = place.run(WRITES, under_way="sleep 1.5; echo inactive >active", before="press@lab.te", limit=20)
    assert result.ending is Ending.REFRESHED
    assert place.calls == ["reset-failed", "start"]


def test_after_a_run_that_never_ended_and_one_that_hangs_a_whole_file_serves_too(place):
    result = place.run(CUTS_AND_HANGS, under_way=":")
    assert (result.ending, place.text) == (Ending.HUNG, GOOD)
    assert place.calls == ["reset-failed", "start", "stop"]


@pytest.mark.parametrize("hangs", [True, False])
def test_the_script_has_longer_than_all_that_it_waits_for(hangs):
    known = AliasGenerator("vrts", "g.service", "/etc/file")
    script = run_script(known, known.bound, hangs=hangs, arm=True)
    called = [line for line in script.splitlines() if not line.endswith("() {")]
    runs = sum(line.startswith("until_limit") for line in called)
    ends = sum(len(re.findall(r"\bend_run\b", line)) for line in called)
    assert (runs, ends) == ((1, 2) if hangs else (2, 1))
    limits = [int(seconds) for seconds in re.findall(r"\btimeout (?:-k 1 )?(\d+) ", script)]
    assert limits == [30, 20], "of the end of a run, of the look into one that hangs"
    ((times, pause),) = re.findall(r"\[ \$n -lt (\d+) \]; do sleep ([0-9.]+);", script)
    waits = runs * known.bound + ends * (limits[0] + int(times) * float(pause)) + limits[1]
    assert waits + 60 <= aliases.longest_s(known.bound, hangs=hangs)


def test_a_new_file_below_the_floor_is_not_served(place):
    result = place.run(ONE)
    assert (result.ending, result.entries, result.served) == (Ending.REJECTED, 2, "kept")
    assert place.text == GOOD


def test_a_run_that_hangs_again_is_ended_and_the_old_file_serves(place):
    result = place.run(CUTS_AND_HANGS)
    assert (result.ending, result.entries, result.served) == (Ending.HUNG, 2, "kept")
    assert place.text == GOOD
    assert place.calls == ["reset-failed", "start", "stop"]
    assert result.hang.endswith("looked\n")


def test_a_run_that_fails_leaves_the_old_file(place):
    result = place.run(FAILS)
    assert (result.ending, result.entries) == (Ending.FAILED, 2)
    assert place.text == GOOD


def test_a_file_that_was_cut_short_is_replaced_by_a_donated_one_before_the_run(place):
    donation = base64.b64encode(gzip.compress(NEW.encode())).decode()
    result = place.run(CUTS_AND_HANGS, before="press@lab.te", hangs=True, donation=donation)
    assert (result.ending, result.entries, result.served) == (Ending.HUNG, 3, "donated")
    assert place.text == NEW


def test_a_donated_file_is_newer_than_the_copy_of_an_earlier_run(place):
    donation = base64.b64encode(gzip.compress(NEW.encode())).decode()
    assert place.run(CUTS_AND_HANGS, before="press@lab.te", donation=donation, kept=GOOD).served == "donated"
    assert place.text == NEW


def test_a_donated_file_that_knows_far_less_than_the_copy_of_an_earlier_run_does_not_serve(place):
    donation = base64.b64encode(gzip.compress(GOOD.encode())).decode()
    kept = NEW + "another@lab.test: another@tickets.test\n"
    assert place.run(CUTS_AND_HANGS, before=None, donation=donation, kept=kept).served == "kept"
    assert place.text == kept


def test_without_a_donation_an_earlier_copy_serves(place):
    result = place.run(CUTS_AND_HANGS, before="press@lab.te", kept=GOOD)
    assert (result.ending, result.served) == (Ending.HUNG, "kept")
    assert place.text == GOOD


def test_with_nothing_to_put_back_that_is_said(place):
    result = place.run(CUTS_AND_HANGS, before=None)
    assert (result.ending, result.entries, result.served) == (Ending.HUNG, None, "none")
    assert "there is no whole file to put back" in result.said


def test_the_owner_and_mode_of_the_file_stay(place):
    (place.folder / "file").write_text(GOOD)
    (place.folder / "file").chmod(0o640)
    place.run(ONE)
    assert (place.folder / "file").stat().st_mode & 0o777 == 0o640


def test_a_timer_is_armed(place):
    result = place.run(WRITES, arm=True, timer="g.timer")
    assert "armed the timer" in result.said


def test_a_second_run_at_the_same_time_is_refused(place):
    import fcntl

    (place.folder / "var" / "vrts").mkdir(parents=True)
    with (place.folder / "var" / "vrts" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AssertionError):
            place.run(WRITES)


def test_a_script_that_did_not_end_is_an_error():
    with pytest.raises(StepError):
        parse_run("said kept a copy\n")
