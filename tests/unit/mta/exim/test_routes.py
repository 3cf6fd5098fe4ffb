"""Where queued mail goes: the script, run for real on a made-up spool, with a router in place of Exim."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts.section import Section
from mxlib.mta.exim import backlog_script, queue, retry, retry_rules, routes
from mxlib.mta.exim import names as exim
from tests.unit.support.exim_backlog import Spool
from tests.unit.support.facts import fact

FOR_A_HOST = "begin retry\n  mx.provider.test * F,1m,10s\n  * * F,2h,15m; F,4d,6h\n"
DAY = 86400.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    config(made, FOR_A_HOST)
    return made


def config(spool: Spool, rules: str) -> None:
    Path(f"{spool.exim}.conf").write_text(f"begin transports\n  remote:\n  driver = smtp\n{rules}")


def read(spool: Spool) -> dict[str, dict[str, frozenset[str]]] | None:
    return routes.parse(spool.run(routes.SECTION.script))


def gives_up_after(spool: Spool, name: str) -> tuple[float, str]:
    """Seconds after its arrival at which Exim may give up on a message, as a verification reads it."""
    answers = [spool.run(section.script) for section in (queue.HEADERS, retry_rules.RULES, routes.SECTION)]
    found = fact(retry.SOURCE, *answers)
    age = queue.parse_now(answers[0]) - exim.received_at(name).timestamp()
    return found.left[name] + age, found.domains[name]


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        # The domain is handed to the host that the rule is about; so is the one behind the alias.
        ("postmaster@provider.test", (60.0, "provider.test")),
        ("user@lab.test", (60.0, "lab.test")),
        ("anybody@lists.test", (4 * DAY, "lists.test")),
        ("someone@local.test", (4 * DAY, "local.test")),
        # A local part that no command line carries: the domain's hosts are those of its postmaster.
        ('"john smith"@provider.test', (60.0, "provider.test")),
        ("jörg@provider.test", (60.0, "provider.test")),
        # Not routed at this time, so any host may be next.
        ("anybody@slow.test", (60.0, "slow.test")),
        ("postmaster@slow.test", (60.0, "slow.test")),
    ],
)
def test_a_rule_for_the_host_that_mail_is_handed_to_counts(
    spool: Spool, recipient: str, expected: tuple[float, str]
) -> None:
    others = () if "lists.test" not in recipient else ("postmaster@lists.test",)
    name = spool.put(recipient, *others)
    assert gives_up_after(spool, name) == expected


def test_exim_is_not_asked_where_every_rule_is_about_every_address(spool: Spool) -> None:
    config(spool, "begin retry\n\n  * * senders=wiki@lab.test F,1h,15m\n  * * F,4d,6h\nbegin rewrite\n  a b\n")
    spool.put("postmaster@provider.test")
    assert read(spool) is None


def test_rules_that_cannot_be_read_are_not_rules_about_every_address(spool: Spool) -> None:
    spool.put("postmaster@provider.test")
    Path(f"{spool.exim}.conf").unlink()
    script = routes.SECTION.script.replace(exim.BINARY, str(spool.exim))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No such file" in done.stderr


def test_a_message_may_go_anywhere_if_exim_was_not_asked_about_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = spool.put("a@lists.test", "postmaster@lists.test", age=900)
    assert gives_up_after(spool, first) == (4 * DAY, "lists.test")
    monkeypatch.setattr(
        routes, "SECTION", Section("queue-routes", routes.SECTION.script.replace("head -n 200 ", "head -n 0 "))
    )
    assert read(spool) == {first: {"lists.test": frozenset({"?"})}}


def test_one_recipient_of_each_domain_is_asked_first(spool: Spool) -> None:
    """A crowd at one domain does not keep Exim from being asked about another."""
    for number in range(205):
        spool.put(f"person{number}@local.test", age=900)
    last = spool.put("postmaster@provider.test", age=10)
    found = read(spool)
    assert found is not None
    assert found[last] == {"provider.test": frozenset({"mx.provider.test"})}
    unasked = [name for name, goes in found.items() if goes == {"local.test": frozenset({"?"})}]
    assert len(unasked) == 205 - 199


def test_what_bounces_at_its_next_attempt_takes_no_other_addresses_way(spool: Spool) -> None:
    spool.put("user@lab.test", age=20)
    gone = spool.put("gone@lab.test", age=10)
    found = read(spool)
    assert found is not None
    assert "provider.test" not in found[gone].get("lab.test", frozenset())


@pytest.mark.parametrize("text", ["", "asked maybe\n", "asked yes\n", "asked yes\nx\nend\n", "asked no\nend\n"])
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(ParseError):
        routes.parse(text)


def test_nothing_is_left_behind(spool: Spool) -> None:
    spool.put("user@lab.test")
    read(spool)
    assert spool.folders() == []


@pytest.mark.parametrize("script", [routes.SECTION.script, backlog_script.section(()).script])
@pytest.mark.parametrize("hangs", ["exec sleep 20", "trap : TERM; sleep 20"])
def test_nothing_is_left_behind_by_a_look_that_its_time_limit_ended(spool: Spool, script: str, hangs: str) -> None:
    spool.put("user@lab.test")
    answers = '|| cat "$0.conf"; exit; }\n'
    assert answers in spool.exim.read_text()
    spool.exim.write_text(spool.exim.read_text().replace(answers, f"{answers}{hangs}\n"))
    begin = time.monotonic()
    spool.run(script, "timeout", "-k", "5", "2")
    assert spool.folders() == []
    assert time.monotonic() - begin < 5, "it was not killed"


@pytest.mark.parametrize("kind", ["routes", "drain"])
def test_what_a_killed_look_has_left_goes_with_a_later_one_and_nothing_else(spool: Spool, kind: str) -> None:
    old, parallel = (spool.path / f"mx-{kind}.{name}" for name in ("oldone", "newone"))
    for folder in (old, parallel):
        folder.mkdir()
        (folder / "rows").touch()
    hour_ago = time.time() - 3700
    os.utime(old, (hour_ago, hour_ago))
    spool.put("user@lab.test")
    spool.run(routes.SECTION.script if kind == "routes" else backlog_script.section(()).script)
    assert spool.folders() == [parallel.name]
