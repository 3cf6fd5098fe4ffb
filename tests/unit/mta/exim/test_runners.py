"""Our queue runners, run for real in a shell."""

import fcntl
import subprocess
import time
from pathlib import Path

import pytest

from mxlib.mta.exim import names as exim
from mxlib.mta.exim import runners
from tests import pid1


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
    stopped = runners.STOP.replace("/run/", f"{tmp_path}/")
    _, tried = here(runners.start_script(f"{stopped} >/dev/null 2>&1; {listed(IDS)}", 3, 60), tmp_path)
    assert tried == []


def test_a_choice_that_fails_tries_nothing(tmp_path):
    done, tried = here(runners.start_script(f"{listed(IDS[:1])}; exit 3", 3, 60), tmp_path)
    assert (done.returncode, tried) == (3, [])


def test_nothing_chosen_starts_nothing(tmp_path):
    assert here(runners.start_script("true", 3, 60), tmp_path)[1] == []


SYSTEMD_RUN = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do case $1 in --unit=*) unit=${1#*=} ;; esac; shift; done
exec 9>"@HERE@/$unit.lock"
flock -n 9 || { echo "Failed to start transient service unit: Unit $unit was already loaded" >&2; exit 1; }
"$@" >/dev/null 2>&1 &
echo $! >"@HERE@/$unit.pid"
"""
"""A unit stays loaded while any process of it lives: all of them hold its lock."""
SYSTEMCTL = """\
#!/bin/sh
for one in @HERE@/$2.pid; do [ ! -e "$one" ] || kill "$(cat "$one")"; done
"""
"""KillMode=process: a stop ends the first process and no other."""
HANGS = """\
#!/bin/sh
echo "$2" >>@HERE@/tried
while [ -e @HERE@/hangs ]; do sleep 0.05; done
"""


def eventually(reached):
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_over(lock):
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_second_start_while_a_delivery_hangs_begins_anew_and_revives_nothing(tmp_path):
    for name, text in (("systemd-run", SYSTEMD_RUN), ("systemctl", SYSTEMCTL), ("exim4", HANGS)):
        (tmp_path / name).write_text(text.replace("@HERE@", str(tmp_path)))
        (tmp_path / name).chmod(0o755)
    (tmp_path / "hangs").touch()

    def act(script):
        moved = script.replace("/run/", f"{tmp_path}/").replace(exim.BINARY, f"{tmp_path}/exim4")
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        done = subprocess.run(["sh", "-euc", moved], capture_output=True, text=True, check=False, env=path)
        return done.returncode, done.stderr

    def tried():
        return (tmp_path / "tried").read_text().split() if (tmp_path / "tried").exists() else []

    def start(word):
        chosen = listed([f"{word}-{number}" for number in range(60)])
        return f"{runners.STOP}\n{runners.start_script(chosen, 1, 60)}"

    try:
        assert act(start("old")) == (0, "")
        eventually(tried)
        assert act(runners.STOP) == (0, "")
        assert act(start("new")) == (0, "")
        eventually(lambda: len(tried()) == 2)
    finally:
        (tmp_path / "hangs").unlink()
    eventually(lambda: all(is_over(lock) for lock in tmp_path.glob("*.lock")))
    assert tried() == ["old-0", "new-0", "new-20", "new-40"]
    assert act(runners.STOP)[0] == 0
    assert not [path for path in tmp_path.glob("mx-drain*") if path.suffix not in (".lock", ".pid")]


REAL = """\
cat >/run/exim <<'END'
echo "$2" >>/run/tried
while [ -e /run/hangs ]; do sleep 0.1; done
END
touch /run/hangs /run/tried
until_tried() { n=0; until [ "$(wc -l </run/tried)" -ge "$1" ] || [ $((n += 1)) -gt 100 ]; do sleep 0.1; done; }
( @OLD@ ) || echo "first start: $?"
until_tried 1
( @STOP@ ) || echo "stop: $?"
( @NEW@ ) || echo "second start: $?"
until_tried 2
rm /run/hangs
until_tried 4
n=0; while ls -d /sys/fs/cgroup/system.slice/mx-drain* >/dev/null 2>&1 && [ $((n += 1)) -lt 100 ]; do sleep 0.1; done
cat /run/tried
"""


@pytest.mark.skipif(bool(pid1.lacking()), reason=pid1.lacking() or "-")
def test_a_real_systemd_starts_again_while_a_delivery_of_the_stopped_ones_hangs():
    script = REAL.replace("@STOP@", runners.STOP)
    for mark, word in (("@OLD@", "old"), ("@NEW@", "new")):
        chosen = listed([f"{word}-{number}" for number in range(60)])
        start = f"{runners.STOP}\n{runners.start_script(chosen, 1, 60)}"
        script = script.replace(mark, start.replace(exim.BINARY, "sh /run/exim"))
    ended = pid1.run(Path("/"), script, units={}, layer=True)
    assert ended.output.split() == ["old-0", "new-0", "new-20", "new-40"]
