"""The closed ports, what keeps them closed, and the run's record, as a host has them."""

import base64
import subprocess
from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import depool
from mxlib.facts.section import SectionOutput
from mxlib.model.record_reader import from_json
from mxlib.model.state import Ports
from tests.unit.support.records import RECORD

# nft 1.0.6 on Debian 12, after the table was loaded and somebody had knocked
TABLE = """table inet mx_depool {
	set prober {
		type inet_service
		flags timeout
		elements = { 61000 timeout 30s expires 29s928ms, 61001 timeout 30s expires 29s928ms }
	}

	set knocking4 {
		type ipv4_addr
		size 4096
		flags dynamic,timeout
		timeout 10m
		elements = { 192.0.2.51 counter packets 4 bytes 240 timeout 10m expires 9m58s104ms,
			198.51.100.100 expires 9m59s, 198.51.100.101 expires 9m59s }
	}

	set knocking6 {
		type ipv6_addr
		size 4096
		flags dynamic,timeout
		timeout 10m
		elements = { 2001:db8:77::51 expires 9m58s104ms }
	}

	chain input {
		type filter hook input priority filter - 10; policy accept;
		iif "lo" accept
		tcp sport @prober accept
		tcp dport { 25, 465, 587 } tcp flags syn / fin,syn,rst,ack update @knocking4 { ip saddr counter }
		tcp dport { 25, 465, 587 } tcp flags syn / fin,syn,rst,ack update @knocking6 { ip6 saddr counter }
		tcp dport { 25, 465, 587 } tcp flags syn / fin,syn,rst,ack counter packets 7 bytes 420 reject with tcp reset
	}
}
code 0
"""
ABSENT = "Error: No such file or directory\nlist table inet mx_depool\n                ^^^^^^^^^\ncode 1\n"

TAKEN = f"kept-token {base64.b64encode(b'7' + bytes([10])).decode()}\n"


def output(text, name="depool", code=0):
    return {name: SectionOutput(name, "", code, text, "", datetime(2026, 1, 1, tzinfo=UTC))}


def read(table=ABSENT, head=""):
    return depool.parse(output(f"{head}table\n{table}"))


def test_a_host_in_service():
    found = read()
    assert (found.ports, found.record, found.token, found.held) == (Ports.OPEN, None, 0, False)


def test_closed_for_good():
    found = read(TABLE, TAKEN + "file yes\nunit enabled\nheld yes\n")
    assert (found.ports, found.closed_ports, found.refused, found.held) == (Ports.CLOSED, (25, 465, 587), 7, True)
    assert found.prober_ports == (61000, 61001)
    assert found.knocks == {"192.0.2.51": 4, "198.51.100.100": 1, "198.51.100.101": 1, "2001:db8:77::51": 1}


@pytest.mark.parametrize(
    ("table", "head"),
    [
        (TABLE, TAKEN),
        (TABLE, TAKEN + "file yes\n"),
        (TABLE, TAKEN + "file yes\nunit disabled\n"),
        (ABSENT, TAKEN + "file yes\nunit enabled\n"),
        (ABSENT, TAKEN + "unit enabled\n"),
        ("table inet mx_depool {\n}\ncode 0\n", TAKEN + "file yes\nunit enabled\n"),
    ],
)
def test_anything_between_is_partly(table, head):
    assert read(table, head).ports is Ports.PARTLY


@pytest.mark.parametrize(
    "table", ["Error: Operation not permitted\ncode 1\n", "sh: nft: not found\ncode 127\n", "", TABLE[:-7]]
)
def test_an_nft_that_fails_leaves_the_ports_unknown(table):
    with pytest.raises(ParseError):
        read(table)


def test_a_record_comes_back_as_it_was():
    encoded = base64.b64encode(RECORD.to_json().encode()).decode()
    assert read(head=f"record {encoded}\n{TAKEN}").record == RECORD


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", RECORD.to_json()[:-5], '{"run": 1}'])
def test_a_damaged_record_is_unknown_and_not_absent(text):
    with pytest.raises(ParseError):
        from_json(text)
    with pytest.raises(ParseError):
        read(head=f"record {base64.b64encode(text.encode()).decode()}\n{TAKEN}")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([], []),
        (["system/mx-depool.service"], ["unit disabled"]),
        (["system/mx-depool.service", "system/multi-user.target.wants/mx-depool.service"], ["unit disabled"]),
        (
            [
                "system/mx-depool.service",
                "system/multi-user.target.wants/mx-depool.service",
                "system/exim4.service.requires/mx-depool.service",
            ],
            ["unit enabled"],
        ),
        (["system/multi-user.target.wants/mx-depool.service"], []),
        (["state/depool.nft"], ["file yes"]),
    ],
)
def test_what_keeps_the_ports_closed_is_read_from_the_disk(tmp_path, there, said):
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert depool_head(tmp_path) == said


def test_a_masked_unit_keeps_nothing_closed(tmp_path):
    for name in ("multi-user.target.wants", "exim4.service.requires"):
        (tmp_path / "system" / name).mkdir(parents=True)
        (tmp_path / "system" / name / "mx-depool.service").write_text("x")
    (tmp_path / "system" / "mx-depool.service").symlink_to("/dev/null")
    assert depool_head(tmp_path) == ["unit disabled"]


@pytest.mark.parametrize("data", [b"7\n", b"7", b"", b"7\n\0", b"\xff"])
def test_the_token_is_read_byte_for_byte(tmp_path, data):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "token").write_bytes(data)
    assert depool_head(tmp_path) == [f"kept-token {base64.b64encode(data).decode()}"]


@pytest.mark.parametrize(("written", "newest"), [(b"0", RECORD.token), (b"9999", 9999)])
def test_the_newest_token_is_that_of_the_file_or_of_the_record(written, newest):
    """A person may have set the file to 0: who goes on without the slot is newer than the record all the same."""
    kept = base64.b64encode(RECORD.to_json().encode()).decode()
    found = read(head=f"record {kept}\nkept-token {base64.b64encode(written + bytes([10])).decode()}\n")
    assert found.token == newest


def test_a_damaged_token_leaves_nothing_known():
    with pytest.raises(ParseError, match="is damaged"):
        read(head=f"kept-token {base64.b64encode(b'').decode()}\n")


def depool_head(place):
    """What the section says before the table, with the host's files below a directory."""
    script = depool.SECTION.script.replace("/etc/systemd/system", str(place / "system"))
    script = script.replace(depool.DIRECTORY, str(place / "state"))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.partition("table\n")[0].splitlines()


RULES = "\t\tiif \"lo\" accept\n\t\ttcp sport @prober accept\n"
REJECTS = "tcp flags syn / fin,syn,rst,ack counter packets 0 bytes 0 reject with tcp reset\n"
EVERY = "\t\ttcp dport { 25, 465, 587 } " + REJECTS


def listed(rules, head="", chain="input"):
    """What nft 1.0.6 prints for a table with one chain."""
    hook = "\t\ttype filter hook input priority filter - 10; policy accept;\n"
    return f"table inet mx_depool {{\n{head}\tchain {chain} {{\n{hook}{rules}\t}}\n}}\ncode 0\n"


@pytest.mark.parametrize(
    ("rules", "head", "closed"),
    [
        (RULES + EVERY, "", (25, 465, 587)),
        (RULES + "\t\ttcp dport 25 " + REJECTS, "", (25,)),
        ("\t\ttcp dport 25 " + REJECTS + "\t\ttcp dport 465 " + REJECTS, "", (25, 465)),
        ("\t\tip saddr 192.0.2.1 " + EVERY.strip() + "\n", "", ()),
        (EVERY.replace("counter", "ct state established counter"), "", ()),
        ("\t\taccept\n" + EVERY, "", ()),
        ("\t\tip saddr 10.0.0.0/8 accept\n" + EVERY, "", ()),
        ("\t\tiif \"eth0\" accept\n" + EVERY, "", ()),
        (EVERY, "\tflags dormant\n\n", ()),
    ],
)
def test_only_rules_that_reset_every_sender_count_as_closed(rules, head, closed):
    found = read(listed(rules, head), TAKEN + "file yes\nunit enabled\n")
    assert found.closed_ports == closed
    assert found.ports is (Ports.CLOSED if closed else Ports.PARTLY)
    assert found.ports_of((25, 465, 587)) is (Ports.CLOSED if closed == (25, 465, 587) else Ports.PARTLY)


def test_rules_in_a_chain_that_no_packet_comes_to_close_nothing():
    empty = listed("").removesuffix("}\ncode 0\n")
    assert read(f"{empty}\tchain other {{\n{EVERY}\t}}\n}}\ncode 0\n").closed_ports == ()


def test_the_error_of_a_damaged_record_says_how_to_get_out():
    damaged = base64.b64encode(RECORD.to_json()[:-5].encode()).decode()
    with pytest.raises(ParseError, match=r"mv /var/lib/mx-cookbooks/run\.json\.old .*run\.json, then --resume"):
        read(head=f"record {damaged}\n{TAKEN}")


@pytest.mark.parametrize(
    "said",
    [
        "sh: 1: nft: not found\ncode 127\n",
        "sh: /usr/sbin/nft: No such file or directory\ncode 127\n",
        "Error: Could not process rule: Operation not permitted\ncode 1\n",
    ],
)
def test_an_nft_that_is_missing_or_fails_is_never_taken_for_open_ports(said):
    with pytest.raises(ParseError, match="nft cannot show the table inet mx_depool"):
        read(said)
