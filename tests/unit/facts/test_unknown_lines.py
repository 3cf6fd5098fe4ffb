"""Readers whose facts no check judges: a line that they do not understand leaves the fact as it was, or unknown.

Each line of what each reader may be told is put into a form that it does not know, and one of such a form is put in
front of it. Some facts may lose the line: what was proven, or how long a reboot took, is then less, which is no better.
"""

import base64
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

import mxlib
from mxlib.base.errors import ParseError
from mxlib.checks.aliases import problems
from mxlib.config.probes import InboundProbe, OutboundProbe
from mxlib.facts import (
    alias_file,
    alias_hang,
    aliases,
    client_names,
    fastopen,
    nic,
    past_runs,
    proven_kernels,
    reachability,
)
from mxlib.facts.source import Facts, FactUnknownError, Source
from mxlib.mta import configuration, standing
from mxlib.mta.exim import (
    backlog,
    backlog_script,
    callout,
    clients,
    hints,
    maillog,
    probe,
    queue_flow,
    rejects,
    retry_rules,
)
from mxlib.mta.find import find
from mxlib.mta.mail import ProbeMail
from mxlib.probes import peer
from mxlib.reboot.steps import guard
from tests.unit.support import healthy
from tests.unit.support.aliases import GENERATOR
from tests.unit.support.facts import NOW, output
from tests.unit.support.unknown_forms import FORMS

SINCE = datetime(2026, 11, 21, 4, 0, 0, tzinfo=UTC)
MARK = "mark 12 34 56"
ID = "1xUaVg-00006Y-1v"
PROBE = OutboundProbe("y", "b@y.test", 4, sizes=(100,), times=1)
STAMP = "2026-11-21 06:43:09"
FILE = f"file {base64.b64encode(b'/etc/network/interfaces').decode()} {base64.b64encode(b'auto lo').decode()}"
BLOCK = "Id={}\nLoadState=loaded\nActiveState={}\nSubState=x\nResult=exit-code\nUnitFileState=enabled\n"


@dataclass(frozen=True)
class Reader:
    """One reader, and what it may be told.

    Attributes:
        source: the reader.
        text: its first section's answer; the others' are those of a healthy host.
        loses: whether it may leave a line out, as the fact is then no better.
        no_better: whether another fact is no better than the first one; by default none is.
    """

    source: Source[Any]
    text: str
    loses: bool = False
    no_better: Callable[[Any, Any], bool] = lambda _before, _after: False

    def read(self, text: str) -> Any:
        first, *others = self.source.sections
        known = healthy.host().outputs  # type: ignore[no-untyped-call]
        answers = {first.name: output(first, text), **{one.name: known[one.name] for one in others}}
        return Facts("mx1001.lab.test", NOW, answers).get(self.source)


def only(**worse: object) -> Callable[[Any, Any], bool]:
    """Whether nothing but these fields differ, and each has a value that is worse."""
    def judge(before: Any, after: Any) -> bool:
        rest = dataclasses.replace(after, **{key: getattr(before, key) for key in worse})
        fields = ((getattr(after, key), (getattr(before, key), value)) for key, value in worse.items())
        return bool(rest == before) and all(one in expected for one, expected in fields)

    return judge


def parsed(parse: Callable[[str], Any]) -> Source[Any]:
    """A source of a parser that is given a text."""
    section = client_names.names_section((), ())
    return Source("parser", (section,), lambda outputs: parse(outputs[section.name].text()))


STANDING = healthy.STANDING.format(kernel="6.1.0-55-cloud-amd64", listeners=2, saved="a>b").replace(
    "puppet on", "build #1 SMP Debian 6.1.192-1 (2026-10-27)\nimage replaced\nparked yes\npuppet off"
)
READERS = {
    "standing": Reader(
        standing.source(find("exim")), STANDING, no_better=only(mta_unit="active?", stopping=True)
    ),
    "busy": Reader(
        guard.BUSY_SOURCE,
        "lock /var/lib/dpkg/lock\nwho op       pts/0        2026-11-21 02:01\ntty 34817 812 bash\nodd 1 x\n"
        "inhibitor apt shutdown\nunread-inhibitors no bus\nnft yes\nend\n",
    ),
    "backlog": Reader(
        Source("backlog", (backlog_script.section(()),), lambda outputs: backlog.parse(outputs["backlog"])),
        "zone +0000\nnow 1795236449\nok x.test 2026-11-21 06:43:09\ntook 192.0.2.7 2026-11-21 06:43:09\n"
        "bad y.test 2026-11-21 06:43:09 3 3 defer (111): Connection refused\nhost y.test 192.0.2.8 mx.y.test\n"
        "total 5 1\ndest y.test - 4 1 1xUaVg-00006Y-1v 1xUaVg-00006Y-1v\nend\n",
    ),
    "hints": Reader(hints.SOURCE, f"  T:mx.x.test:192.0.2.7 111 77 refused\n{'21-Nov-2026 06:43:09  ' * 3}*\nend\n"),
    "callout": Reader(
        callout.SOURCE,
        "21-Nov-2026 06:43:09 a@x.test callout=reject\n"
        f"21-Nov-2026 06:43:09 x.test callout=accept random=reject ({STAMP})\nend\n",
    ),
    "retry-rules": Reader(retry_rules.SOURCE, "logs in\nbegin retry\n  * quota\n  * * F,2h,15m; F,4d,6h\n",
        no_better=lambda before, after: after.after("x.test", "-") < before.after("x.test", "-"),
    ),
    "arrivals": Reader(clients.arrivals_source(SINCE), "192.0.2.9 5\n2001:db8::9 2\nend\n"),
    "flow": Reader(
        queue_flow.source("12:34:56"),
        f"arrived 1\ncompleted 1\ndelivered 1\nfailed 1\nlost 1\n{MARK}\nruns 1\n",
    ),
    "refusals": Reader(
        rejects.source(["a@x.test"], SINCE),
        f"zone +0000\n{STAMP} H=h.test [192.0.2.9] F=<b@y.test> rejected RCPT <a@x.test>: Unknown user\nend\n",
    ),
    "growth": Reader(
        maillog.growth_source("12:34:56"),
        f"lost\nzone +0000\nlast\n{MARK}\nlog\n{STAMP} {ID} => a@x.test R=r T=t H=mx.x.test [192.0.2.7]\n"
        f"{STAMP} {ID} Completed\n",
        # each event that is lost is named among the lines that were not understood
        no_better=lambda before, after: dataclasses.replace(after, unread=(), events=before.events) == before
        and set(after.events) <= set(before.events)
        and len(after.unread) >= max(1, len(before.events) - len(after.events)),
    ),
    "test-mails": Reader(
        probe.source([ProbeMail("tag", PROBE, 100, 1)], "a@x.test", "r1", 9, force=False),
        f"submitted tag 0 \nleft {ID} Message {ID} is locked\nid tag {ID}\nbounce {ID[:-1]}B\n"
        f"line {STAMP} {ID} == b@y.test R=r T=t defer (111): Connection refused\nopen 0\nwell tag\n",
    ),
    "peer": Reader(
        peer.source(("mx.x.test",), (4,), InboundProbe(("a@x.test",), ("b@x.test",)), "c@y.test", 9),
        "said mx.x.test 4 192.0.2.7 banner - 220 220 mx\nsaid mx.x.test 4 192.0.2.7 rcpt a@x.test 250 250 OK\n"
        "said mx.x.test 4 192.0.2.7 rcpt b@x.test 250 250 OK\nend\n",
    ),
    "configuration": Reader(
        configuration.source(find("exim")), f"mta={'a' * 16} firewall={'b' * 16} packages={'c' * 16}\n"
    ),
    "log-mark": Reader(maillog.MARK_SOURCE, f"{MARK}\n"),
    "fastopen": Reader(parsed(fastopen.parse_text), "TcpExt: A TCPFastOpenActive\nTcpExt: 1 2\n"),
    "client-names": Reader(
        parsed(client_names.parse_names), "host 192.0.2.21\nname 192.0.2.9 mail.x.test\nname 192.0.2.8 \nend\n"
    ),
    "nic-note": Reader(nic.NOTE_SOURCE, "52:54:00:00:00:01 ens5\n52:54:00:00:00:02 ens6\nend\n"),
    "nic": Reader(
        Source("nic", (nic.NETWORKING,), lambda outputs: nic._networking(nic._body(outputs, nic.NETWORKING))),
        f"unit networking enabled active\nunit systemd-networkd disabled inactive\ntool ifup\nvirt kvm\n{FILE}\nend\n",
    ),
    "nic-files": Reader(
        Source("nic", (nic.FILES,), lambda outputs: nic._files(nic._body(outputs, nic.FILES).splitlines())),
        f"{FILE}\nend\n",
    ),
    "access": Reader(
        reachability.SOURCE,
        "unit active\nlistens\nrule tcp dport 22 drop\nunread nft\nend\n",
        no_better=only(ssh_unit="unknown"),
    ),
    "aliases": Reader(
        aliases.source(GENERATOR),
        f"now 1795236449 4000.1\n{BLOCK.format(GENERATOR.unit, 'failed')}\n{BLOCK.format(GENERATOR.timer, 'active')}"
        f"NextElapseUSecMonotonic=9\njournal\nfile\nstat 1795230000 80 0\nlast 0a\ndigest {'a' * 64}  -\nentries 2\n"
        "malformed 1\nfirst odd\nend\n",
        no_better=lambda before, after: len(problems(GENERATOR, before)) <= len(problems(GENERATOR, after)),
    ),
    "alias-entries": Reader(alias_file.entries_source(GENERATOR), "a@x.test: b@y.test\nc@x.test: d@y.test\nend\n",
                            no_better=lambda before, after: len(before) == len(after)),
    "alias-hang": Reader(
        alias_hang.source(GENERATOR),
        "process 41 1 S 4000 poll_schedule python3 gen.py\nstack 41 poll\njournal started\n"
        'socket ESTAB 0 0 192.0.2.21:50000 192.0.2.50:443 users:(("python3",pid=41,fd=3)) lastrcv:4000000\nlooked\n',
    ),
    "past-runs": Reader(past_runs.SOURCE, "120\n130\n", loses=True),
    "proven": Reader(
        proven_kernels.SOURCE,
        '{"release": "6.1.0-55", "host": "a", "when": "b", "run": "c", "version": "6.1.192-1"}\n' * 2,
        loses=True,
    ),
}
# Judged by the checks, see test_unknown_forms.py.
BY_CHECKS = {source.name for check in healthy.CHECKS.values() for source in check.sources(healthy.POLICY)}


def fate(reader: Reader, text: str) -> str:
    try:
        found = reader.read(text)
    except (FactUnknownError, ParseError):
        return "unknown"
    if found == reader.read(reader.text):
        return "the same"
    if reader.no_better(reader.read(reader.text), found):
        return "no better"
    return "less" if reader.loses and set(found) <= set(reader.read(reader.text)) else f"another: {found}"


def test_the_answers_are_such_as_are_read() -> None:
    for reader in READERS.values():
        assert reader.read(reader.text) is not None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", READERS)
def test_a_line_that_is_not_understood_leaves_a_fact_as_it_was_or_unknown(name: str, form: str) -> None:
    reader = READERS[name]
    lines = reader.text.splitlines()
    wrong = {}
    for index, line in enumerate(lines):
        if line:
            text = "\n".join((*lines[:index], *FORMS[form](line), *lines[index + 1 :], ""))
            wrong[line] = fate(reader, text)
    assert {line: said for line, said in wrong.items() if said.startswith("another")} == {}


# Functions that return a source: the name of the reader above, or of the source that a check judges.
MADE = {
    "mxlib.checks.disk.source": "disk",
    "mxlib.facts.alias_file.entries_source": "alias-entries",
    "mxlib.facts.alias_hang.source": "alias-hang",
    "mxlib.facts.aliases.source": "aliases",
    "mxlib.facts.disk.source": "disk",
    "mxlib.facts.sysctl.source": "sysctl",
    "mxlib.facts.units.source": "units",
    "mxlib.mta.configuration.source": "configuration",
    "mxlib.mta.exim.clients.arrivals_source": "arrivals",
    "mxlib.mta.exim.maillog.growth_source": "growth",
    "mxlib.mta.exim.probe.source": "test-mails",
    "mxlib.mta.exim.queue_flow.source": "flow",
    "mxlib.mta.exim.rejects.source": "refusals",
    "mxlib.mta.standing.source": "standing",
    "mxlib.probes.peer.source": "peer",
    "mxlib.verify.look._sessions": "peer",
}


def members() -> Iterator[tuple[str, Any]]:
    """Everything that the modules define or import, with its name."""
    for module in pkgutil.walk_packages(mxlib.__path__, "mxlib."):
        for name, value in vars(importlib.import_module(module.name)).items():
            yield f"{module.name}.{name}", value


def test_no_function_that_makes_a_reader_is_left_out() -> None:
    made = {
        name
        for name, value in members()
        if inspect.isfunction(value)
        and name == f"{value.__module__}.{value.__name__}"
        and re.match(r"(?:typing\.Optional\[)?mxlib\.facts\.source\.Source\[", str(value.__annotations__.get("return")))
    }
    assert made == MADE.keys()
    assert set(MADE.values()) <= READERS.keys() | BY_CHECKS


def test_no_reader_is_left_out() -> None:
    """Every source that a module offers is judged by a check, or is here."""
    offered = {value.name for _, value in members() if isinstance(value, Source)}
    here = {reader.source.name for reader in READERS.values()}
    # Parts of others: of the queue, of the MTA, and of the sockets.
    assert offered - BY_CHECKS - here - {"queue-length", "mta-version", "sockets", "listeners"} == set()
