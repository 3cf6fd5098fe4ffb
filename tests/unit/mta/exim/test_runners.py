"""Our queue runners, run for real in a shell."""

import subprocess

from mxlib.mta.exim import names as exim
from mxlib.mta.exim import runners


def listed(ids, queue="-"):
    """What chooses them."""
    return f"printf -- '{queue} %s\\n' {' '.join(ids)}"


IDS = [f"1xUeoW-{number:06d}-0A" for number in range(12)]


def here(script, directory, choose_exit=0):
    """Our runners in this directory: systemd-run runs its command, exim4 writes down what it is handed."""
    binary = directory / "exim4"
    binary.write_text(f'#!/bin/sh\necho "$@" >>{directory}/tried\n')
    binary.chmod(0o755)
    fake = directory / "systemd-run"
    fake.write_text('#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n')
    fake.chmod(0o755)
    script = script.replace("/run/", f"{directory}/").replace(exim.BINARY, str(binary))
    done = subprocess.run(
        ["sh", "-euc", script], capture_output=True, text=True, check=False, env={"PATH": f"{directory}:/usr/bin:/bin"}
    )
    tried = directory / "tried"
    return done, [line.split() for line in tried.read_text().splitlines()] if tried.exists() else []


def test_each_chosen_message_is_tried_once(tmp_path):
    done, tried = here(runners.start_script(listed(IDS), 3, 60), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {batch[0] for batch in tried} == {"-Mc"}
    assert sorted(one for batch in tried for one in batch[1:]) == IDS
    assert [len(batch) for batch in tried] == [1 + 4] * 3, "each of the three runners has its share"


def test_a_process_gets_twenty_messages_at_most_and_the_oldest_come_first(tmp_path):
    ids = [f"1xUeoW-{number:06d}-0A" for number in range(50)]
    _, tried = here(runners.start_script(listed(ids), 1, 60), tmp_path)
    assert tried == [["-Mc", *ids[:20]], ["-Mc", *ids[20:40]], ["-Mc", *ids[40:]]]


def test_two_messages_and_four_runners(tmp_path):
    _, tried = here(runners.start_script(listed(IDS[:2]), 4, 60), tmp_path)
    assert sorted(tried) == [["-Mc", IDS[0]], ["-Mc", IDS[1]]]


def test_a_message_of_a_named_queue_is_tried_there(tmp_path):
    """Exim 4.96 says "Spool file ...-D not found" to -Mc alone, and the message stays."""
    choose = f"{listed(IDS[:3])}; {listed(IDS[3:5], 'slow')}; {listed(IDS[5:6], 'other')}"
    _, tried = here(runners.start_script(choose, 1, 60), tmp_path)
    assert sorted(tried) == sorted(
        [["-Mc", *IDS[:3]], ["-MCG", "slow", "-Mc", *IDS[3:5]], ["-MCG", "other", "-Mc", IDS[5]]]
    )


def test_nothing_is_begun_after_the_time(tmp_path):
    _, tried = here(runners.start_script(listed(IDS), 3, -1), tmp_path)
    assert tried == []


def test_nothing_is_begun_once_they_are_stopped(tmp_path):
    choose = f"rm -f {tmp_path}/mx-drain.go; {listed(IDS)}"
    _, tried = here(runners.start_script(choose, 3, 60), tmp_path)
    assert tried == []


def test_a_choice_that_fails_tries_nothing(tmp_path):
    done, tried = here(runners.start_script(f"{listed(IDS[:1])}; exit 3", 3, 60), tmp_path)
    assert (done.returncode, tried) == (3, [])


def test_nothing_chosen_starts_nothing(tmp_path):
    assert here(runners.start_script("true", 3, 60), tmp_path)[1] == []
