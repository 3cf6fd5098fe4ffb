"""Reading alias generators and their files on every MX at the same time."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mxlib.aliases.judge import AliasState
from mxlib.base.errors import HostError, ParseError
from mxlib.base.parallel import at_once
from mxlib.config.aliases import AliasGenerator
from mxlib.facts import alias_file, aliases
from mxlib.facts.aliases import AliasFacts
from mxlib.facts.source import Facts, Source, read_facts
from mxlib.protocols.host import Host

_MAX_PARALLEL = 16


def read_states(
    hosts: Sequence[Host], generators: Sequence[AliasGenerator], known: Mapping[str, Facts] | None = None
) -> tuple[AliasState, ...]:
    """Every generator on every host: one round trip a host, and a second one where files differ.

    Arguments:
        hosts: every MX of the site.
        known: what hosts have already answered, by name.

    Returns:
        A state each generator.
    """
    sources = [aliases.source(generator) for generator in generators]
    missing = [host for host in hosts if host.name not in (known or {})]
    found: dict[str, Facts | str] = {**(known or {}), **_ask(missing, sources)}
    states = [_state(generator, found) for generator in generators]
    return tuple(_with_entries(state, hosts) for state in states)


def _ask(hosts: Sequence[Host], sources: Sequence[Source[Any]]) -> dict[str, Facts | str]:
    """What each host answers, or why it does not."""

    def one(host: Host) -> Facts | str:
        try:
            return read_facts(host, sources)
        except (HostError, ParseError) as error:
            return str(error)

    return dict(zip([host.name for host in hosts], at_once(one, hosts), strict=True))


def _state(generator: AliasGenerator, found: Mapping[str, Facts | str]) -> AliasState:
    facts: dict[str, AliasFacts] = {}
    unread: dict[str, str] = {}
    for host, answer in found.items():
        try:
            if isinstance(answer, str):
                unread[host] = answer
            else:
                facts[host] = answer.get(aliases.source(generator))
        except ParseError as error:
            unread[host] = str(error)
    silent = frozenset(host for host, answer in found.items() if isinstance(answer, str))
    return AliasState(generator, facts, unread, silent)


def _with_entries(state: AliasState, hosts: Sequence[Host]) -> AliasState:
    """The entries too, where two files are not the same; those that cannot be read are left out."""
    if not state.differ:
        return state
    source = alias_file.entries_source(state.generator)
    asked = [host for host in hosts if host.name in state.facts and state.facts[host.name].file is not None]
    entries: dict[str, dict[str, str]] = {}
    for name, answer in _ask(asked, (source,)).items():
        if not isinstance(answer, str):
            try:
                entries[name] = answer.get(source)
            except ParseError:
                continue
    return dataclasses.replace(state, entries=entries)
