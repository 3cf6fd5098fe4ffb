"""Who sends mail, by the main log."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import clients as facts
from mxlib.mta.exim import names as exim


def arrivals(tmp_path, *lines):
    log = tmp_path / "mainlog"
    log.write_text("".join(f"{line}\n" for line in lines))
    since = datetime.now(UTC) - timedelta(minutes=5)
    script = facts.arrivals_section(since).script.replace(exim.MAINLOG, str(log))
    return facts.parse_arrivals(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout)


def test_arrivals_by_client(tmp_path):
    now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    tail = "<= a@b.test H=client1001.lab.test (x) [192.0.2.51] P=esmtps S=1 for c@d.test"
    found = arrivals(
        tmp_path,
        f"2020-01-01 00:00:00 1xUeoW-00005z-0A {tail}",
        f"{now} 1xUeoW-00005z-0A {tail}",
        f"{now} 1xUeoW-00005z-0B {tail}",
        f"{now} 1xUeoW-00005z-0C <= a@b.test H=(helo) [2001:db8::7] P=esmtp S=1",
        f"{now} 1xUeoW-00005z-0D <= root@lab.test U=root P=local S=1",
        f"{now} 1xUeoW-00005z-0E => c@d.test H=mx.d.test [198.51.100.1]",
    )
    assert found == {"192.0.2.51": 2, "2001:db8::7": 1}


@pytest.mark.parametrize("text", ["", "192.0.2.51 3\n", "x y\nend\n", "192.0.2.51 many\nend\n"])
def test_what_cannot_be_read_is_an_error(text):
    with pytest.raises(ParseError):
        facts.parse_arrivals(text)
