"""The ledger outside the product: every fate a message can have is told apart."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.world import jsonl, ledger
from lab.world.ledger import reconcile

Line = dict[str, object]


def sent(lab_id: str, fate: str = "accepted", to: int = 1, **more: object) -> Line:
    line: Line = {
        "id": lab_id,
        "to": [f"u{n}@lab.test" for n in range(to)],
        "fate": fate,
        "accepted": fate == "accepted",
    }
    return line | {"body_sha256": "s", "time": "2026-01-01T00:00:00", "ambiguous": 0} | more


def came(lab_id: str, number: str = "1", acked: bool = True, to: int = 1, **more: object) -> Line:
    line: Line = {"event": "arrival", "arrival": number, "lab_id": lab_id, "acked": acked, "bounced": []}
    line["time"] = "2026-01-01T00:00:00"
    line["begun"] = "2025-12-31T23:59:00"
    return line | {"body_sha256": "s", "recipients": [f"u{n}@provider.test" for n in range(to)]} | more


def unseen(number: str) -> Line:
    return {"event": "reply-unseen", "arrival": number}


def test_arrived_once() -> None:
    account = reconcile([sent("a"), sent("b", to=3)], [came("a"), came("b", to=3)])
    assert (account.sent, account.recipients, account.arrived_once, account.balanced) == (2, 4, 2, True)


def test_missing_in_spool_and_bounced() -> None:
    arrived = [came("", bounced=["c"])]
    account = reconcile([sent("a"), sent("b"), sent("c")], arrived, spool={"b"})
    assert (account.missing, account.in_spool, account.bounced) == (["a"], ["b"], ["c"])
    assert not account.balanced
    assert reconcile([sent("b")], [], spool={"b"}).balanced
    assert not reconcile([sent("c")], arrived).balanced


def test_one_recipient_of_two_is_missing() -> None:
    assert reconcile([sent("a", to=2)], [came("a", to=1)]).missing == ["a"]


def test_recipients_may_arrive_in_transactions_of_their_own() -> None:
    arrived = [came("a", "1", recipients=["x@v4.test"]), came("a", "2", recipients=["x@v6.test"])]
    assert reconcile([sent("a", to=2)], arrived).arrived_once == 1


@pytest.mark.parametrize(
    ("arrived", "ambiguous", "explained"),
    [
        ([came("a", "1"), came("a", "2")], 0, False),
        ([came("a", "1", acked=False), came("a", "2")], 0, True),
        # attempt 1 times out after the data, attempt 2 is acknowledged, then the socket of 1 hands over its copy
        ([came("a", "2"), came("a", "1", acked=False)], 0, True),
        ([came("a", "2"), came("a", "1"), unseen("1")], 0, True),
        ([came("a", "2"), came("a", "1", acked=False), came("a", "3")], 0, False),
        # the one whose reply was never acknowledged was begun only after the 250 of the other one
        ([came("a", "1", time="T1"), came("a", "2", acked=False, begun="T2")], 0, False),
        ([came("a", "1", time="T1"), came("a", "2", begun="T2"), unseen("2")], 0, False),
        ([came("a", "1", time="T1"), came("a", "2", begun="T0", time="T2"), unseen("2")], 0, True),
        ([came("a", "1", time="T1"), came("a", "2", begun="T2"), unseen("2")], 1, True),
        ([came("a", "1"), unseen("1"), came("a", "2")], 0, True),
        ([came("a", "1"), unseen("1"), {"event": "reply-seen", "arrival": "1"}, came("a", "2")], 0, False),
        ([came("a", "1"), came("a", "2")], 1, True),
        ([came("a", "1"), came("a", "2"), came("a", "3")], 1, False),
        ([came("a", "1", acked=False), came("a", "2", acked=False), came("a", "3")], 0, True),
        ([came("a", "1"), came("a", "2", recipients=["other@provider.test"])], 0, False),
        ([came("a", "1"), came("a", "2", recipients=["other@provider.test"])], 1, False),
    ],
)
def test_a_second_copy_is_explained_only_by_a_lost_250(arrived: list[Line], ambiguous: int, explained: bool) -> None:
    account = reconcile([sent("a", ambiguous=ambiguous)], arrived)
    assert (account.duplicates_explained, account.duplicates) == ((["a"], []) if explained else ([], ["a"]))
    assert account.balanced is explained
    assert account.arrived_once == 0


def test_the_late_copy_of_an_attempt_that_timed_out_is_explained_only_if_it_was_never_acknowledged() -> None:
    """A times out after the end of data, B is answered at once, and then A's orphaned socket hands over its copy."""
    orphan = came("a", "A", begun="2026-01-01T10:00:00", time="2026-01-01T10:03:00")
    good = came("a", "B", begun="2026-01-01T10:02:00", time="2026-01-01T10:02:01")
    never = [good, orphan, unseen("A")]
    assert reconcile([sent("a")], never).duplicates_explained == ["a"]
    assert reconcile([sent("a")], [good, orphan]).duplicates == ["a"], "both were acknowledged"
    assert reconcile([sent("a")], never, confirmed={"A", "B"}).duplicates == ["a"], "the MX has logged both"
    assert reconcile([sent("a")], never, confirmed={"B"}).balanced
    again = came("a", "C", begun="2026-01-01T10:05:00", time="2026-01-01T10:05:01")
    assert reconcile([sent("a")], [*never, again, unseen("C")]).duplicates == ["a"], "B was known for minutes"


def test_a_reply_that_the_sender_lost_excuses_one_more_copy_for_each_recipient_and_not_two_for_one() -> None:
    first, again = came("a", "1", to=2), came("a", "2", to=2)
    assert reconcile([sent("a", to=2, ambiguous=1)], [first, again]).balanced
    twice = [came("a", number, to=1) for number in ("2", "3")]
    assert reconcile([sent("a", to=2, ambiguous=1)], [first, *twice]).duplicates == ["a"]


def test_an_altered_body_does_not_balance() -> None:
    account = reconcile([sent("a")], [came("a", body_sha256="t")])
    assert account.altered == ["a"]
    assert not account.balanced


def test_refused_unsent_unknown_and_anonymous() -> None:
    sends = [sent("r", "refused"), sent("u", "unsent"), sent("p"), sent("p", "refused")]
    account = reconcile(sends, [came("p"), came("u"), came("stranger"), came("")])
    assert (account.refused, account.unsent, account.arrived_unsent) == (["r", "p"], ["u"], ["u"])
    assert (account.unknown, account.anonymous, account.sent, account.balanced) == (["stranger"], 1, 1, True)


def test_since_and_tag_leave_others_out_without_making_them_unknown() -> None:
    sends = [sent("old", time="2026-01-01"), sent("new", time="2026-01-02", tag="x"), sent("other", time="2026-01-02")]
    account = reconcile(sends, [came("old")], since="2026-01-02", tag="x")
    assert (account.sent, account.missing, account.unknown) == (1, ["new"], [])


def test_what_nobody_sent_is_unknown_only_from_the_time_on_that_is_asked_for() -> None:
    arrived = [came("killed", time="2026-01-15"), came("stranger", time="2026-06-02")]
    assert reconcile([], arrived, since="2026-06-01").unknown == ["stranger"]
    assert reconcile([], arrived).unknown == ["killed", "stranger"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_every_message_sent_has_exactly_one_fate(counts: list[tuple[int, int]]) -> None:
    sends = [sent(f"m{n}") for n, _ in enumerate(counts)]
    arrived = [came(f"m{n}", f"{n}-{i}", acked=i < good) for n, (good, all_) in enumerate(counts) for i in range(all_)]
    account = reconcile(sends, arrived)
    fates = [account.missing, account.in_spool, account.bounced, account.duplicates, account.duplicates_explained]
    assert account.sent == account.arrived_once + sum(map(len, fates)) == len(counts)


def test_the_command_reads_torn_files_and_tells_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sent.jsonl").write_text(json.dumps(sent("a")) + "\n" + json.dumps(sent("b")))
    (tmp_path / "inbox.jsonl").write_text('{"event":"arr\n' + json.dumps(came("a")) + '\n{"event":')
    (tmp_path / "spool").write_text("b\n")
    assert ledger.main(["--state", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["missing"] == ["b"]
    assert ledger.main(["--state", str(tmp_path), "--spool", str(tmp_path / "spool")]) == 1
    assert "NOT SETTLED: mail lies in a spool" in capsys.readouterr().out
    assert ledger.main(["--state", str(tmp_path), "--since", "2027-01-01T00:00:00Z"]) == 1
    assert "NOTHING WAS SENT" in capsys.readouterr().out
    (tmp_path / "inbox.jsonl").write_text(json.dumps(came("a")) + "\n" + json.dumps(came("b")))
    assert ledger.main(["--state", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("\nbalanced\n")


def test_an_appender_starts_on_a_fresh_line_after_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a":1}\n{"b"')
    appender = jsonl.Appender(path)
    appender.append({"c": "é\n"})
    appender.close()
    assert list(jsonl.read(path)) == [{"a": 1}, {"c": "é\n"}]
    assert list(jsonl.read(tmp_path / "none")) == []


def test_times_compare_as_strings() -> None:
    assert jsonl.normalise("2026-01-01T01:00:00+01:00") == "2026-01-01T00:00:00.000000+00:00"
    assert jsonl.normalise("2026-01-01") == jsonl.normalise("2026-01-01T00:00:00Z")
