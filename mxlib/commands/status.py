"""Where a host stands, and whose the slot of the service is: ``--status`` of reboot-mx, which changes nothing."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spicerack import Spicerack

from mxlib.base.errors import MxlibError, ParseError, PoolError, ReportError
from mxlib.base.parallel import UnderWay
from mxlib.base.text import one_line
from mxlib.commands.answers import silence, within
from mxlib.commands.command import Command
from mxlib.commands.json_out import check_json, write_json
from mxlib.commands.request import RunRequest, check_host
from mxlib.config.sections import Site
from mxlib.facts import grub
from mxlib.facts.source import Facts, read_facts
from mxlib.model.outcome import Outcome
from mxlib.model.record import Record
from mxlib.model.state import NOT_POOLED, View
from mxlib.mta import standing
from mxlib.reboot.ends import by_hand, serves
from mxlib.reboot.report import next_command

_POOL_S = 5.0
"""Seconds for the pool, which was asked beside the host and etcd."""
_CLIENTS = 10
"""So many refused clients are named; more are counted."""


class HostStatus(Command):
    """Where one host stands."""

    name = "reboot-mx"
    reads_only = True

    def __init__(self, spicerack: Spicerack, site: Site, request: RunRequest, json_file: Path | None = None) -> None:
        """Check what was asked for; nothing is touched.

        Arguments:
            spicerack: the framework.
            site: the site's configuration.
            request: what the operator asked for.
            json_file: where it is written as JSON; ``-`` is the standard output; None for nowhere.

        Raises:
            mxlib.base.errors.ConfigError: the host is no MX of the site.
            mxlib.base.errors.ReportError: the file could not be written in the end.
        """
        super().__init__(spicerack, site, subject=check_host(site, request.host))
        self._request = request
        self._json_file = json_file
        self._found: dict[str, Any] = {}
        check_json(json_file)

    def work(self) -> Outcome:
        """Read and say it."""
        self.operator.busy(f"{self.subject}: the host, etcd and the pool are asked")
        world = self.wiring.world(self._request, self.run_id)
        found, asked = silence(world), UnderWay(self._pool)
        if found is not None:
            pool = self._pool_of(asked)
            self._found = {"answered": False, "pool": _pool_as_dict(pool)}
            self.operator.line(_pool_line(pool))
            if found.outcome is not Outcome.UNKNOWN:
                # where etcd does not answer, that is said already, and costs twenty seconds a time
                self._found["slot"] = world.adapters.slot.describe() or "free"
                self.operator.line(_slot(self._found["slot"]))
            return self.said(found.outcome, found.why)
        source = standing.source(world.mta)
        facts = read_facts(world.target, (source, grub.SOURCE))
        slot = world.adapters.slot.describe()
        pool = self._pool_of(asked)
        self._found = {"answered": True, "slot": slot or "free", "pool": _pool_as_dict(pool)}
        try:
            stands = facts.get(source)
        except ParseError as error:
            self.operator.line(_pool_line(pool))
            self.operator.line(_slot(slot))
            more = f"what else is known of it: cookbook sre.mail.status {self.subject}"
            return self.said(Outcome.UNKNOWN, f"{error}; {more}")
        stands = dataclasses.replace(stands, view=world.view(stands))
        self._found |= as_dict(self.subject, stands, kernels_of(facts))
        for line in lines(self.subject, stands, kernels_of(facts), slot, pool):
            self.operator.line(line)
        self._write(Outcome.DONE, "")
        return Outcome.DONE

    def _pool(self) -> Mapping[str, str]:
        pool = self.wiring.conftool(self.subject)
        return {} if pool is None else pool.read()

    def _pool_of(self, asked: UnderWay[Mapping[str, str]]) -> Mapping[str, str] | MxlibError:
        """The pool state, or why it is unknown: everything else has been read meanwhile."""
        return within(asked, _POOL_S, "conftool", PoolError)

    def said(self, outcome: Outcome, why: str) -> Outcome:
        """Say the last line, after what was found is written: here, that it cannot be changes no outcome."""
        try:
            self._write(outcome, why)
        except ReportError as error:
            self.operator.line(str(error))
        return super().said(outcome, why)

    def _write(self, outcome: Outcome, why: str) -> None:
        """Write what was found, once."""
        path, self._json_file = self._json_file, None
        ended = {"host": self.subject, "outcome": outcome.name, "exit_code": outcome.value, "why": why}
        write_json(path, {**self._found, **ended})


def kernels_of(facts: Facts) -> Callable[[str], str]:
    """Return what names the kernel of an entry of GRUB's menu; it gives an empty name where that is not known."""

    def kernel(entry: str) -> str:
        try:
            found = facts.get(grub.SOURCE).find(entry)
        except ParseError:
            return ""
        return found.release if found is not None else ""

    return kernel


def lines(
    host: str,
    found: standing.Standing,
    kernel_of: Callable[[str], str],
    slot: str,
    pool: Mapping[str, str] | MxlibError,
) -> Iterator[str]:
    """Return where a host stands, a line each.

    Arguments:
        host: its name.
        found: what it said.
        kernel_of: names the kernel of an entry of GRUB's menu.
        slot: who has the slot of the service; empty: nobody.
        pool: the value of each of its pool objects; empty: there is no pool; or why they are unknown.
    """
    view, record = found.view, found.depool.record
    yield f"{host}: kernel {view.kernel}, boot {view.boot}"
    yield f"mail ports {view.ports.value}, MTA {view.mta.said}, {view.puppet.said}"
    yield _pool_line(pool)
    yield f"the next boot starts {_next_kernel(view.saved, view.next, kernel_of)}"
    if found.depool.knocks:
        yield f"refused in the last ten minutes: {_refused(found.depool.knocks)}"
    yield _slot(slot)
    unpooled = not isinstance(pool, MxlibError) and bool(pool) and NOT_POOLED.issuperset(pool.values())
    out = "" if serves(view) and not unpooled else f", and it is out of service: {by_hand(view)}"
    yield from _run(host, record) if record is not None else (f"no run has claimed it{out}",)


def as_dict(host: str, found: standing.Standing, kernel_of: Callable[[str], str]) -> dict[str, Any]:
    """Return where a host stands, for a program.

    Arguments:
        host: its name.
        found: what it said.
        kernel_of: names the kernel of an entry of GRUB's menu.
    """
    view, record = found.view, found.depool.record
    entries = {name: {"entry": one, "kernel": kernel_of(one)} for name, one in _entries(view).items()}
    return {
        "kernel": view.kernel,
        "boot": view.boot,
        "ports": view.ports.value,
        "mta": view.mta.value,
        "puppet": view.puppet.value,
        "boot_entries": entries,
        "refused": dict(found.depool.knocks),
        "run": None if record is None else _run_as_dict(host, record),
    }


def _entries(view: View) -> dict[str, str]:
    """The entries of GRUB's environment that are set."""
    return {name: one for name, one in (("saved", view.saved), ("next", view.next)) if one}


def _run_as_dict(host: str, record: Record) -> dict[str, Any]:
    claim = {key: getattr(record, key) for key in ("run", "who", "since", "why", "stay")}
    kernels = {"target": record.target.release, "fallback": record.fallback.release}
    return {**claim, **kernels, "progress": _progress(record), "next": _next(host, record)}


def _pool_line(pool: Mapping[str, str] | MxlibError) -> str:
    if isinstance(pool, MxlibError):
        return f"pool: unknown: {one_line(str(pool))}"
    return f"pool: {', '.join(f'{service}={pool[service]}' for service in sorted(pool)) or 'none in front'}"


def _pool_as_dict(pool: Mapping[str, str] | MxlibError) -> dict[str, str] | None:
    """Nothing where it is unknown."""
    return None if isinstance(pool, MxlibError) else dict(pool)


def _slot(said: str) -> str:
    return f"slot of the service: {said or 'free'}"


def _next_kernel(saved: str, once: str, kernel_of: Callable[[str], str]) -> str:
    """Which kernel, and whether it is the saved entry or the one for the next boot only."""
    kept = f"{_kernel(saved, kernel_of)} (the saved entry)" if saved else "the first of GRUB's menu, as none is saved"
    return f"{_kernel(once, kernel_of)}, once (the next entry); later ones {kept}" if once else kept


def _kernel(entry: str, kernel_of: Callable[[str], str]) -> str:
    return kernel_of(entry) or f"an entry whose kernel is not known, {entry}"


def _refused(clients: Mapping[str, int]) -> str:
    """Which clients were refused how often, those that come most first."""
    ordered = sorted(clients.items(), key=lambda one: (-one[1], one[0]))
    shown = ", ".join(f"{address} ({count})" for address, count in ordered[:_CLIENTS])
    return f"{shown} and {len(ordered) - _CLIENTS} more" if len(ordered) > _CLIENTS else shown


def _run(host: str, record: Record) -> Iterator[str]:
    yield f"run {record.run}: {record.who} since {record.since}: {record.why}"
    kernels = f"target {record.target.release}, fallback {record.fallback.release}; " if record.target.release else ""
    staying = "; it is to stay out of service" if record.stay else ""
    yield f"{kernels}{_progress(record)}{staying}"
    yield f"next: {_next(host, record)}"


def _next(host: str, record: Record) -> str:
    ended = record.stay and record.awaited is None and not record.undoing
    return next_command(host, Outcome.DONE if ended else Outcome.LEFT_OUT, record)


def _progress(record: Record) -> str:
    if record.undoing:
        return f"being undone: {record.undoing}"
    if record.awaited is not None:
        return "a reboot was ordered and has not been seen to end"
    if not record.boots:
        return "not rebooted yet"
    trusted = "verified" if record.trusted(record.boot) else "not verified"
    return f"{len(record.boots)} boots since, now with {record.boots[-1].kernel}, {trusted}"
