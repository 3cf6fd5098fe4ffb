"""From the arguments of sre.mail.status to its table and outcome: one round trip a host, all side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from spicerack import Spicerack

from mxlib.adapters.conftool import ConftoolPool
from mxlib.adapters.etcd_api import make_client
from mxlib.adapters.etcd_roll import ROLL, describe
from mxlib.adapters.etcd_slot import EtcdSlot, Holder, SlotView
from mxlib.base.errors import MxlibError, ParseError, PoolError, SlotError
from mxlib.base.parallel import UnderWay
from mxlib.base.text import one_line, plural
from mxlib.base.windows import closing, opening, parse_all
from mxlib.commands import service_table as table
from mxlib.commands.answers import within
from mxlib.commands.command import Command
from mxlib.commands.json_out import check_json, write_json
from mxlib.commands.last_verification import Verified, parse_verified
from mxlib.commands.request import check_host
from mxlib.commands.roll_fleet import asked_of
from mxlib.config.sections import Site
from mxlib.facts.source import Facts, read_facts
from mxlib.model.outcome import Outcome

LAST = Path("/var/lib/mx-verify/last.json")
"""Where ``systemd/mx-verify.service`` keeps what it found last."""
WITHIN_S = 5.0


@dataclass(frozen=True)
class StatusRequest:
    """What the operator asked for.

    Attributes:
        hosts: the MXs; none stands for all of the site.
        within: seconds after which a host, etcd or the pool is not waited for any longer.
        json_file: where everything is written as JSON; ``-`` is the standard output; None for nowhere.
        last: the file of the last verification.
    """

    hosts: tuple[str, ...] = ()
    within: float = WITHIN_S
    json_file: Path | None = None
    last: Path = LAST


@dataclass(frozen=True)
class _Around:
    """What is not on the hosts, in words; what could not be read begins with "unknown"."""

    slot: str
    roll: str
    window: str

    @property
    def lines(self) -> tuple[str, ...]:
        return f"slot of the service: {self.slot}", f"roll: {self.roll}", f"window of a roll: {self.window}"

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be read; slot and roll have one reason where both lie in the same etcd."""
        said = {"slot of the service": self.slot, "roll": self.roll}
        lines = [f"{what}: {text}" for what, text in said.items() if text.startswith("unknown")]
        return tuple(lines[:1] if self.slot == self.roll else lines)


class ServiceStatus(Command):
    """The whole service in one table."""

    name = "status"
    reads_only = True

    def __init__(self, spicerack: Spicerack, site: Site, request: StatusRequest) -> None:
        """Check what was asked for; nothing is touched.

        Raises:
            mxlib.base.errors.ConfigError: a host is no MX of the site.
            mxlib.base.errors.ReportError: what was found could not be written where it was asked for.
        """
        super().__init__(spicerack, site)
        self._request = request
        self.hosts = tuple(dict.fromkeys(check_host(site, host) for host in request.hosts)) or tuple(site.mxs)
        check_json(request.json_file)

    def work(self) -> Outcome:
        """Read everything at the same time, and say it."""
        self.operator.busy(f"status: {plural(len(self.hosts), 'host')}, etcd and the pool are asked")
        begin, now = self.wiring.clock.monotonic(), self.wiring.clock.now()
        slot, pools = UnderWay(self._slots), UnderWay(self._pools)
        answers = self._asked()
        self.stop.check()
        # each had the hosts' time as well; what is a moment late is still waited for
        left = max(0.5, self._request.within - (self.wiring.clock.monotonic() - begin))
        read = table.Read(answers, self._pools_of(pools, left), self._verified(), now)
        around = _Around(*self._slots_of(slot, left), self._window(now))
        self.stop.check()
        return self._show(table.rows(self.site, read), around, now)

    def _show(self, rows: tuple[table.Row, ...], around: _Around, now: datetime) -> Outcome:
        end, why = table.outcome(rows, around.unknown)
        for line in (*table.table(rows, self.operator.room), *around.lines):
            self.operator.line(line)
        shared = {"slot": around.slot, "roll": around.roll, "window": around.window}
        ended = {"outcome": end.name, "exit_code": end.value, "why": why}
        write_json(self._request.json_file, {"when": now.isoformat(), "hosts": table.as_dict(rows), **shared, **ended})
        return self.said(end, why)

    # --- the hosts

    def _asked(self) -> dict[str, Facts | MxlibError]:
        hosts = {name: self.wiring.host(name, self._request.within) for name in self.hosts}
        return asked_of(hosts, lambda host: read_facts(host, table.sources(self.site)))

    # --- beside them; each in a thread that nobody has to wait for

    def _slots(self) -> tuple[str, str]:
        """Who has the slot of the service, and who rolls."""
        section = self.site.slot
        client, me = make_client(section.etcdrc), Holder("", "", "", "")
        service = EtcdSlot(client, section.key, section.lease, me, "only looking").look()
        roll = EtcdSlot(client, f"{section.key}-{ROLL}", section.lease, me, "only looking").look()
        return _holder(service), "none" if roll.holder is None and not roll.alive else _rolls(roll)

    def _slots_of(self, asked: UnderWay[tuple[str, str]], seconds: float) -> tuple[str, str]:
        found = within(asked, seconds, "etcd", SlotError)
        return (said := f"unknown: {found}", said) if isinstance(found, MxlibError) else found

    def _pools(self) -> dict[str, Mapping[str, str] | MxlibError]:
        """The pool state by host; empty where no pool is in front."""
        found: dict[str, Mapping[str, str] | MxlibError] = {}
        for name in self.hosts:
            if (tags := self.site.conftool_tags(name)) is None:
                continue
            try:
                found[name] = ConftoolPool(lambda: self.spicerack.confctl("node"), tags, name).read()
            except MxlibError as error:
                found[name] = error
        return found

    def _pools_of(
        self, asked: UnderWay[dict[str, Mapping[str, str] | MxlibError]], seconds: float
    ) -> Mapping[str, Mapping[str, str] | MxlibError]:
        found = within(asked, seconds, "conftool", PoolError)
        return dict.fromkeys(self.hosts, found) if isinstance(found, MxlibError) else found

    # --- on this management host

    def _verified(self) -> dict[str, Verified] | MxlibError:
        path = self._request.last
        try:
            return parse_verified(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            return ParseError(f"the last verification is not known here: {path}: {why}")
        except ParseError as error:
            return ParseError(f"the last verification is not known here: {path}: {error}")

    def _window(self, now: datetime) -> str:
        windows = parse_all(self.site.roll.windows)
        if not windows:
            return "always open"
        if (closes := closing(windows, now)) is not None:
            return f"open until {closes:%a %Y-%m-%d %H:%M} UTC"
        opens = opening(windows, now)
        return f"opens {opens:%a %Y-%m-%d %H:%M} UTC" if opens is not None else "none opens within a year"


def _holder(view: SlotView) -> str:
    if view.holder is None:
        return "being taken in this very moment" if view.alive else "free"
    life = "its run is alive" if view.alive else "its run no longer lives"
    host, run, who, since = map(one_line, (view.holder.host, view.holder.run, view.holder.who, view.holder.since))
    return f"held for {host} by {who} since {since} (run {run}; {life})"


def _rolls(view: SlotView) -> str:
    if view.holder is None or view.alive:
        return one_line(describe(view))
    return f"left by run {one_line(view.holder.run)} of {one_line(view.holder.who)}, which no longer lives"
