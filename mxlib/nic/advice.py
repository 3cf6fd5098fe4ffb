"""What helps a host whose network card gets another name: advised only where nothing rules it out. Pure.

For each method one function returns what rules it out. The advice and the act call the same function, so that no
advice is refused when it is followed.
"""

from collections.abc import Callable, Mapping, Sequence

from mxlib.facts.nic import NicFacts
from mxlib.model.record import Level
from mxlib.nic import networkd
from mxlib.nic.forecast import PIN, Fate, Forecast
from mxlib.nic.interfaces import NAME, dependents, has_stanza
from mxlib.nic.manager import Manager, managed
from mxlib.nic.rename import Rewrite, rename
from mxlib.nic.twin import pairs, settle, twin, twinned

Refuses = Callable[[NicFacts, Mapping[str, str]], str]


def stanzas(facts: NicFacts, renames: Mapping[str, str]) -> str:
    """Return why the cards cannot be configured under both names in ifupdown's files; empty if they can.

    Args:
        renames: present name to next name.
    """
    host = managed(facts)
    if host.by is not Manager.IFUPDOWN:
        return f"stanzas are ifupdown's, and the host is configured by {_whom(facts)}"
    if set(renames) & set(renames.values()):
        shown = ", ".join(f"{old} to {new}" for old, new in renames.items())
        return f"{shown}: two names at once do not work for a chain"
    try:
        twin(facts.files, renames, "")
    except ValueError as error:
        return f"two stanzas are not certain to work: {error}"
    return ""


def link(facts: NicFacts, renames: Mapping[str, str]) -> str:
    """Return why the present names cannot be pinned by MAC address; empty if they can.

    Args:
        renames: present name to next name.
    """
    lacking = {"update-initramfs", "lsinitramfs"} - facts.networking.tools
    if lacking:
        return f"a pin has to be in the initramfs, and the host has no {' and no '.join(sorted(lacking))}"
    for nic in facts.nics:
        mine = PIN.format(name=nic.name).rpartition("/")[2]
        for file in networkd.effective(facts.networking.files, ".link") if nic.name in renames else ():
            matches = networkd.matches(file, nic.name, nic.mac, facts.networking.files)
            if file.path.rpartition("/")[2] < mine and matches is not networkd.Match.NO:
                return f"{file.path} comes first and may name {nic.name}"
    odd = [name for name in renames if not NAME.fullmatch(name) or name not in {nic.name for nic in facts.nics}]
    return f"not a card of the host: {', '.join(odd)}" if odd else ""


def repair(facts: NicFacts, renames: Mapping[str, str]) -> str:
    """Return why the files cannot be repaired once the cards have their new names; empty if they can.

    Args:
        renames: name in the files to new name.
    """
    by = managed(facts).by
    if by not in (Manager.IFUPDOWN, Manager.NETWORKD):
        return f"the files of ifupdown and systemd-networkd are rewritten, and the host is configured by {_whom(facts)}"
    try:
        rewrite = rewritten(facts, renames)
    except ValueError as error:
        return str(error)
    if not rewrite.changed:
        return f"no file names {', '.join(renames)} where it is certainly a card"
    idle = [name for name in renames if not (has_stanza(facts.files, name) or dependents(facts.files, name))]
    return f"nothing brings {', '.join(idle)} up" if idle and by is Manager.IFUPDOWN else ""


def rewritten(facts: NicFacts, renames: Mapping[str, str]) -> Rewrite:
    """Return the host's network configuration with the new names; a prevention's second name goes away.

    Raises:
        ValueError: the files cannot be rewritten with certainty.
    """
    if managed(facts).by is Manager.NETWORKD:
        return networkd.rename(facts.networking.files, renames)
    return settle(facts.files, renames) if twinned(facts.files) else rename(facts.files, renames)


def _whom(facts: NicFacts) -> str:
    host = managed(facts)
    return host.by.value if host.by is not Manager.UNKNOWN else f"UNKNOWN: {host.why}"


PREVENTIONS: Mapping[str, Refuses] = {"stanzas": stanzas, "link": link}
"""The function that returns what rules out a prevention, by method."""


def prepared(facts: NicFacts, forecast: Forecast, level: Level) -> dict[str, str]:
    """Return the cards that come up even under another name: present name to the reason."""
    found = served(facts, forecast, level)
    renames, second = forecast.renames(level), pairs(facts.files)
    for nic in (nic for nic in facts.nics if nic.name in renames):
        path = networkd.pinned(facts.networking.files, nic)
        if path:
            found[nic.name] = f"{path} names it by its MAC"
        elif managed(facts).by is Manager.IFUPDOWN and second.get(nic.name) == renames[nic.name]:
            found[nic.name] = "both names are configured"
    return found


def served(facts: NicFacts, forecast: Forecast, level: Level) -> dict[str, str]:
    """Return the cards that the host's own configuration brings up under either name: present name to the reason."""
    if managed(facts).by not in (Manager.NETWORKD, Manager.NETPLAN):
        return {}
    renames, files = forecast.renames(level), facts.networking.files
    found: dict[str, str] = {}
    for nic in (nic for nic in facts.nics if nic.name in renames):
        path, new = networkd.serving(files, nic.name, nic.mac, nic.altnames), renames[nic.name]
        if path and path == networkd.serving(files, new, nic.mac, networkd.altnames_as(nic, new)):
            found[nic.name] = f"{path} is about it under either name"
    return found


def unclear(facts: NicFacts, forecast: Forecast, level: Level) -> tuple[str, ...]:
    """Return the cards that no preparation covers, as their next name is unknown; a file may name one by its MAC."""
    sure = {nic.name for nic in facts.nics if networkd.pinned(facts.networking.files, nic)}
    return tuple(name for name in forecast.unknown(level) if name not in sure)


def nothing_to_pin(forecast: Forecast) -> str:
    """Return why ``--pin`` cannot prepare the host; empty if a cold start certainly renames, and nothing is unknown."""
    fate, unknown = forecast.fate(Level.COLD), ", ".join(forecast.unknown(Level.COLD))
    if fate is not Fate.RENAMED:
        return f"no cold start renames an interface ({fate.value}): nothing to pin"
    return f"what a cold start does to {unknown} is UNKNOWN: a pin of the others is not enough" if unknown else ""


def pin_advice(facts: NicFacts, forecast: Forecast, level: Level) -> str:
    """Return the command that prepares a host for a reboot that renames, or why there is none."""
    cold, these = forecast.renames(Level.COLD), forecast.renames(level)
    refused = {method: nothing_to_pin(forecast) or refuses(facts, cold) for method, refuses in PREVENTIONS.items()}
    # two stanzas serve for the one new name they were made for, a pin for any
    if cold != these:
        refused["stanzas"] = refused["stanzas"] or f"the name after a {level.value} reboot is another one"
    method = next((method for method, why in refused.items() if not why), None)
    if method is not None:
        return f"cookbook sre.mail.repair-nic {forecast.host} --pin --method {method}"
    return f"nothing here prepares it: {'; '.join(f'{method}: {why}' for method, why in refused.items())}"


def undo_lines(host: str, forecast: Forecast, method: str, kernels: Sequence[str]) -> tuple[str, ...]:
    """Return how to undo a preparation: the cookbook makes one stanza of two, a pin stays until it is removed.

    Args:
        method: ``stanzas`` or ``link``.
        kernels: for ``link``, the releases whose initramfs holds the pin.
    """
    if method == "stanzas":
        return (f"to undo, or after the boot: cookbook sre.mail.repair-nic {host} --settle",)
    paths = " ".join(PIN.format(name=name) for name in forecast.renames(Level.COLD))
    updates = "; ".join(f"update-initramfs -u -k {kernel}" for kernel in kernels)
    return (f"it stays after the boot; to undo, on the host: rm {paths}; {updates}",)


def guard_advice(facts: NicFacts, forecast: Forecast, *, console: bool) -> str:
    """Return which options of the run help against the rename of a cold start, or that nothing helps.

    Args:
        console: whether the console was proven to work, or may still be.
    """
    renames = forecast.renames(Level.COLD)
    refused = {method: refuses(facts, renames) for method, refuses in PREVENTIONS.items()}
    ways = [f"prevent it with --prevention {' or '.join(m for m, why in refused.items() if not why)}"]
    ways = ways if "" in refused.values() else []
    refused["repair"] = repair(facts, renames) or ("" if console else "the console does not work")
    if not refused["repair"]:
        ways.append("--accept nic-forecast leaves it to a repair over the console")
    return "; ".join(ways) or f"nothing here helps: {'; '.join(f'{way}: {why}' for way, why in refused.items())}"
