"""What a stale alias file leaves behind: cached refusals on our side, and mail that was refused meanwhile."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mxlib.aliases.found import Found, HostRefusals, RefreshWorld, Wanted
from mxlib.aliases.plan import concerned
from mxlib.aliases.rerun import Ending
from mxlib.base.errors import HostError, MxlibError, ParseError
from mxlib.base.text import one_line, plural
from mxlib.config.values import ADDRESS_PATTERN
from mxlib.facts.source import read_facts
from mxlib.mta.find import find
from mxlib.mta.refusal import MOST
from mxlib.protocols.host import Host

_LOG_DAYS = 14


class Aftermath:
    """Clears and lists it, for the addresses concerned and no others."""

    def __init__(self, world: RefreshWorld, wanted: Wanted, found: Found) -> None:
        """Touch nothing yet.

        Arguments:
            found: what the run found; what is found here goes there too.
        """
        self._world = world
        self._wanted = wanted
        self._found = found
        self._say = world.operator.line

    def forget(self) -> None:
        """Make the MTA forget that these addresses were refused, on the hosts that may be changed."""
        addresses = concerned(self._found.states, self._wanted.addresses)
        everything = tuple(dict.fromkeys((*addresses, *(one for targets in addresses.values() for one in targets))))
        for name in self._wanted.targets if everything else ():
            try:
                self._forget(self._world.hosts[name], everything)
            except MxlibError as error:
                self._found.unknown.append(f"{name}: cached callouts: {one_line(str(error))}")

    def list_refusals(self) -> None:
        """Find out whose mail was refused, on every MX; read only."""
        known = concerned(self._found.states, self._wanted.addresses)
        addresses = tuple(filter(ADDRESS_PATTERN.fullmatch, known))
        for host in self._world.hosts.values() if addresses else ():
            self._refusals(host, addresses)

    def _forget(self, host: Host, addresses: Sequence[str]) -> None:
        if any(end is not Ending.REFRESHED for (name, _), end in self._found.endings.items() if name == host.name):
            return  # the next sender would only make it remember again
        mta = find(self._world.policy.mta)
        if not mta.can.refusal_cache:
            return
        hints = read_facts(host, (mta.remembered_refusals,)).get(mta.remembered_refusals)
        if keys := hints.negative(addresses):
            said = host.act(mta.drop_refusals_script(keys), timeout=60).output.strip()
            what = plural(len(keys), "cached callout refusal")
            self._say(f"{host.name}: forgot {what} ({', '.join(keys)}): {one_line(said)}")
            self._found.cleared[host.name] = keys
            self._world.journal.write("cleared", host=host.name, keys=list(keys))
        for domain in hints.negative_domains(addresses):
            self._say(f"{host.name}: callouts to {domain} are refused as a whole; that hint stays, others need it")

    def _refusals(self, host: Host, addresses: Sequence[str]) -> None:
        since = self._since(host.name)
        try:
            source = find(self._world.policy.mta).refusals(addresses, since)
            listed = read_facts(host, (source,)).get(source)
        except (HostError, ParseError) as error:
            self._found.unknown.append(f"{host.name}: whose mail was refused: {one_line(str(error))}")
            return
        ours = self._world.probes.sender.lower()
        others = tuple(one for one in listed if one.sender.lower() != ours)
        self._found.refusals.append(HostRefusals(host.name, since, others, cut=len(listed) >= MOST))

    def _since(self, host: str) -> datetime:
        """When the first look's last good run on a host was: whoever was refused before knew a file that was new."""
        now = self._world.clock.now()
        known = [state.facts[host].last_success for state in self._found.looks[0].states if host in state.facts]
        return max(min((one for one in known if one), default=now - timedelta(days=1)), now - timedelta(days=_LOG_DAYS))
