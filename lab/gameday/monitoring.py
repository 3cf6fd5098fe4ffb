"""What the site's monitoring says: the project's own alert rules over the metrics of a real verification.

Debian's promtool evaluates the rules, so labels, annotations and their templates are Prometheus' own work. The time
that a rule waits (``for``) is taken as elapsed: a game begins when monitoring has waited.
"""

import ast
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.build.promtool import promtool
from lab.place import REPOSITORY, cache
from lab.shell import LabError, run
from lab.stations import infra
from lab.stations.box import Box

RULES = REPOSITORY / "alerts" / "mx.yaml"
_AT_S = 3 * 3600
"""The moment of evaluation, on promtool's clock: later than any window that a rule looks back on but the day's."""
_STEP_S = 300
_LASTS = timedelta(hours=12)
_SAMPLE = re.compile(r"(?P<series>(?P<name>[a-z_]+)(?:\{.*\})?) (?P<value>\S+)")
_MOMENT = re.compile(r"_(?:time|timestamp)_seconds$")
_FOUND = re.compile(r"^\s*(?P<what>Labels|Annotations):\{(?P<pairs>.*)\},?$", re.MULTILINE)
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_SEVERITIES = ("page", "warning", "ticket", "task")


@dataclass(frozen=True)
class FiredAlert:
    """An alert as a rule makes it, or a ticket, which no rule makes.

    Attributes:
        labels: with ``alertname``, ``severity`` and mostly ``instance``.
        annotations: with ``summary``, ``next`` and ``runbook``.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its name."""
        return self.labels["alertname"]

    @property
    def host(self) -> str:
        """The host that it is about; empty: none."""
        return self.labels.get("instance", "")

    @property
    def anchor(self) -> str:
        """The section of the runbook that it links to."""
        return self.annotations.get("runbook", "").partition("#")[2]

    @property
    def urgency(self) -> int:
        """0 for what wakes somebody; the greater, the later."""
        severity = self.labels.get("severity", "")
        return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def fired(metrics: str, now: float, rules: Path = RULES) -> list[FiredAlert]:
    """Return the alerts that the rules make of metrics which have been so for as long as each rule waits.

    Arguments:
        metrics: as ``verify-mx --metrics`` writes them.
        now: POSIX timestamp of the moment, as in the metrics.

    Raises:
        LabError: promtool cannot be had, or does not understand rules or metrics.
    """
    text = rules.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rules.yaml").write_text(without_waiting(text), encoding="utf-8")
        names = re.findall(r"^\s+- alert: (\w+)$", text, re.MULTILINE)
        # YAML is a superset of JSON
        Path(folder, "test.yaml").write_text(json.dumps(question(metrics, now, names)), encoding="utf-8")
        done = run([promtool(cache()), "test", "rules", Path(folder, "test.yaml")], check=False, timeout=60)
    alerts = answer(done.stdout)
    if bool(done.returncode) is not bool(alerts):
        raise LabError(f"promtool test rules: exit code {done.returncode}, {len(alerts)} alerts read:\n{done.stdout}")
    return alerts


def without_waiting(rules: str) -> str:
    """Return rules without their ``for``."""
    return re.sub(r"^ +for: .*\n", "", rules, flags=re.MULTILINE)


def question(metrics: str, now: float, names: Sequence[str]) -> dict[str, object]:
    """Return the test file that asks promtool which of some alerts fire: it expects none, and reports those it finds.

    Arguments:
        now: POSIX timestamp; moments in the metrics are moved to promtool's clock, which begins at 0.

    Raises:
        LabError: a line of the metrics is no sample.
    """
    count = _AT_S // _STEP_S
    series = []
    for line in metrics.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise LabError(f'metrics: {line!r}: expected a sample, such as name{{label="value"}} 1')
        value = float(match["value"]) - (now - _AT_S if _MOMENT.search(match["name"]) else 0)
        series.append({"series": match["series"], "values": f"{value:.3f}x{count}"})
    asked = [{"eval_time": f"{_AT_S}s", "alertname": name} for name in names]
    test = {"interval": f"{_STEP_S}s", "input_series": series, "alert_rule_test": asked}
    return {"rule_files": ["rules.yaml"], "evaluation_interval": f"{_STEP_S}s", "tests": [test]}


def answer(said: str) -> list[FiredAlert]:
    """Return the alerts that promtool found and nobody expected, the most urgent first.

    Arguments:
        said: what promtool 2.42 printed.
    """
    found, labels = [], {}
    for match in _FOUND.finditer(said):
        # Go quotes as Python does
        pairs = {key: str(ast.literal_eval(value)) for key, value in _PAIR.findall(match["pairs"])}
        if match["what"] == "Labels":
            labels = pairs
        else:
            found.append(FiredAlert(labels, pairs))
    return sorted(found, key=lambda one: (one.urgency, one.name, one.host, one.labels.get("check", "")))


def post(station: Box, alerts: Sequence[FiredAlert], *, over: bool = False) -> bool:
    """Hand alerts to the lab's Alertmanager, as Prometheus does.

    Arguments:
        station: the services station.
        over: they have ended.

    Returns:
        Whether Alertmanager took them.
    """
    now = datetime.now(UTC)
    times = {"endsAt": (now if over else now + _LASTS).isoformat()}
    times |= {} if over else {"startsAt": now.isoformat()}
    body = [{"labels": dict(one.labels), "annotations": dict(one.annotations), **times} for one in alerts]
    words = ["curl", "-sf", "--max-time", "10", "--noproxy", "*", "-H", "Content-Type: application/json", "-d", "@-"]
    url = f"{infra.ALERTMANAGER}/api/v2/alerts"
    return station.run([*words, url], input_text=json.dumps(body), check=False).returncode == 0


def shown(alerts: Sequence[FiredAlert]) -> str:
    """Return alerts as an operator reads them."""
    lines = []
    for one in alerts:
        lines.append(f"{one.labels.get('severity', ''):<8} {one.name}: {one.annotations['summary']}")
        lines += [f"         {key}: {one.annotations[key]}" for key in ("description", "next", "runbook")
                  if one.annotations.get(key)]  # fmt: skip
    return "\n".join(lines) + "\n" if lines else "no alert fires\n"
