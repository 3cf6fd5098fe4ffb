"""Cached callouts, as a real host printed them."""

import subprocess

import pytest

from mxlib.base.errors import ParseError
from mxlib.mta.exim import callout
from tests.unit.support.facts import fact

DUMP = """\
21-Nov-2026 07:01:28 newqueue@tickets.test callout=reject
21-Nov-2026 07:01:28 Support@tickets.test/<user9@world.test> callout=reject
21-Nov-2026 07:01:28 fine@tickets.test callout=accept
21-Nov-2026 07:01:28 tickets.test callout=accept postmaster=unknown random=unknown
21-Nov-2026 07:01:28 closed.test callout=reject postmaster=unknown random=unknown
21-Nov-2026 07:01:28 $(reboot)@x callout=reject
end
"""


def test_only_refusals_of_the_addresses_concerned_are_found():
    found = fact(callout.SOURCE, DUMP)
    wanted = ["NEWQUEUE@tickets.test", "support@tickets.test", "fine@tickets.test", "$(reboot)@x", "a@closed.test"]
    assert found.negative(wanted) == ("Support@tickets.test/<user9@world.test>", "newqueue@tickets.test")
    assert found.negative_domains(wanted) == ("closed.test",)
    assert fact(callout.SOURCE, "end\n").negative(wanted) == ()


def test_a_dump_that_is_cut_short_is_not_known():
    with pytest.raises(ParseError):
        fact(callout.SOURCE, DUMP[:-4])
    with pytest.raises(ParseError, match="not an answer to a callout"):
        fact(callout.SOURCE, DUMP.replace("callout=accept", "callout=later", 1))


def test_records_are_removed_one_by_one(tmp_path):
    typed = tmp_path / "typed"
    stub = tmp_path / "exim_fixdb"
    stub.write_text(f"#!/bin/sh\ncat >{typed}\nprintf '> 21-Nov-2026\\n0 callout: reject\\n> deleted\\n> \\n'\n")
    stub.chmod(0o755)
    script = callout.clear_script(["a@x.test", "b@x.test/<p%c@d.test>"[:8]])
    done = subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert done.stdout == "cleared 1\n"
    assert typed.read_text() == "a@x.test\nd\nb@x.test\nd\n"
    for bad in ("a'b@x", "$(x)@y", "a b@x.test", "x\ny@z.test"):
        with pytest.raises(ParseError):
            callout.clear_script([bad])
