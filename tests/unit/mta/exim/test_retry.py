"""When mail bounces."""

from datetime import timedelta

import pytest

from mxlib.facts.source import FactUnknownError
from mxlib.mta.exim import names as exim
from mxlib.mta.exim import retry
from tests.unit.support.exim_spool import DEFERRED, FROZEN_BOUNCE, PARTLY, header
from tests.unit.support.facts import ShellHost, fact, output

RULE = "Retry rule: *  *  F,2h,15m; G,16h,1h,1.5; F,4d,6h; "
NOW = exim.received_at(DEFERRED).timestamp() + 3600


def test_the_time_left_is_that_of_the_rule():
    found = fact(
        retry.SOURCE,
        f"message {DEFERRED} slow.test\nmessage {PARTLY} wiki.test\nrule slow.test {RULE}\n"
        f"rule wiki.test Retry rule: *  *  F,1h,15m; G,8h,1h,1.5; \nnow {NOW:.0f}\nend\n",
    )
    assert found.left[DEFERRED] == 4 * 86400 - 3600
    assert found.left[PARTLY] == pytest.approx(7 * 3600, abs=60)
    assert found.earliest == PARTLY
    assert found.within(8 * 3600) == (PARTLY,)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (RULE, timedelta(days=4)),
        ("Retry rule: *.test  F,1h30m,5m; ", timedelta(minutes=90)),
        ("Retry rule: x.test  H,1w,1h,2; ", timedelta(days=7)),
        ("No retry information found", None),
    ],
)
def test_cutoffs(text, span):
    assert retry.cutoff(text) == span


def test_a_domain_without_a_rule_is_counted_as_unknown():
    found = fact(retry.SOURCE, f"message {DEFERRED} odd.test\nnow {NOW:.0f}\nend\n")
    assert (found.unknown, found.earliest) == (1, None)


@pytest.mark.parametrize("text", ["", "message x y", f"message {DEFERRED} a.test\nend\n", "now nan-sense\nend\n"])
def test_a_cut_answer_is_unknown(text):
    with pytest.raises(FactUnknownError):
        fact(retry.SOURCE, text)


def test_the_script_leaves_frozen_mail_and_bounces_out(tmp_path):
    (tmp_path / "input").mkdir()
    messages = {
        DEFERRED: header(DEFERRED, ["u@Slow.test"]),
        FROZEN_BOUNCE: header(FROZEN_BOUNCE, ["s@perm.test"], sender="", options="-frozen 1763690988\n"),
        PARTLY: header(PARTLY, ["a@done.test", "b@left.test"], tree="NN a@done.test"),
    }
    for name, text in messages.items():
        (tmp_path / "input" / f"{name}-H").write_text(text)
    rules = tmp_path / "exim"
    rules.write_text('#!/bin/sh\necho "Retry rule: $2 $4  F,1h,15m; G,8h,1h,1.5;"\n')
    rules.chmod(0o755)
    script = retry.SECTION.script.replace(exim.SPOOL, str(tmp_path)).replace(exim.BINARY, str(rules))
    said = ShellHost().read(script, timeout=10).output
    assert f"message {DEFERRED} slow.test\n" in said
    assert f"message {PARTLY} left.test\n" in said
    assert FROZEN_BOUNCE not in said
    assert "rule slow.test Retry rule: alice@lab.test somebody@slow.test" in said
    assert set(retry.parse({"queue-retry": output(retry.SECTION, said)}).left) == {DEFERRED, PARTLY}
