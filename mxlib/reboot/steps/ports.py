"""Closing and opening the mail ports at the packet, as state that survives reboots and firewall reloads.

A table of our own ahead of the host's firewall answers new connections with a reset, so that senders go to the next MX
at once; sessions under way finish. The SYN is matched by TCP flags, not by the state of conntrack, which may be what is
broken. A unit ordered after the firewall and before the MTA loads the table; the firewalls' restarts and reloads, which
may flush it (Debian's nftables.conf does), are passed on to that unit. A reload of nftables is replaced by one that
loads its file and our table in one transaction, so that no packet comes in between.
"""

from mxlib.facts.depool import HOLD, RELOAD_DROP_IN, RULES, TABLE, UNIT, UNIT_FILE, gate, links
from mxlib.model.on_host import quoted
from mxlib.model.record import Record
from mxlib.model.state import Ports, State, Step
from mxlib.protocols.world import Done
from mxlib.reboot import plan
from mxlib.reboot.peers import ask_before_out
from mxlib.reboot.steps import proof
from mxlib.reboot.steps.step import Action, host_of, on_host
from mxlib.reboot.world import RebootWorld, record_of

_RULES = """\
# {note}
table {table}
delete table {table}
table {table} {{
  set prober {{
    type inet_service
    flags timeout
  }}
  set knocking4 {{
    type ipv4_addr
    size 4096
    flags dynamic, timeout
    timeout 10m
  }}
  set knocking6 {{
    type ipv6_addr
    size 4096
    flags dynamic, timeout
    timeout 10m
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iif "lo" accept
    tcp sport @prober accept
    tcp sport != {prober} {syn} update @knocking4 {{ ip saddr counter }}
    tcp sport != {prober} {syn} update @knocking6 {{ ip6 saddr counter }}
    {syn} counter reject with tcp reset
  }}
}}
"""
_UNIT = """\
[Unit]
Description=Out of service: mail ports closed by mx-cookbooks
ConditionPathExists=@RULES@
After=nftables.service ferm.service
Before=@UNITS@
PartOf=nftables.service ferm.service
ReloadPropagatedFrom=nftables.service ferm.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f @RULES@
ExecReload=/usr/sbin/nft -f @RULES@
[Install]
WantedBy=multi-user.target
RequiredBy=@UNITS@
"""
# Holds the MTA where masking cannot work: a real unit file in /etc/systemd/system keeps `systemctl mask` from its link.
# The drop-in asserts that the file is not there, so the file is what holds, and no daemon-reload is needed to hold.
_HOLD = f"[Unit]\nAssertPathExists=!{HOLD}\n"
# A pattern, as nft takes one that matches nothing for nothing: whatever is left of ours, the firewall itself is loaded.
_RELOAD = f"""\
[Service]
ExecReload=
ExecReload=/usr/sbin/nft 'include "%s"; include "{RULES.removesuffix(".nft")}*.nft"'
"""
# Only what is known to be one load of one file is replaced; anything else stays as its owner wrote it.
_ONE_LOAD = r"""\
END { if (NR == 1 && sub(/^argv\[\]=[^ ]*\/nft -f /, "", $2) && $2 ~ /^\/[^ "'%]*$/) print $2 }"""



def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def rules(ports: tuple[int, ...], note: str, prober: tuple[int, int]) -> str:
    """Return the table as a file for nft; loading it twice is harmless.

    Arguments:
        note: who, why and which run, for whoever finds the file.
        prober: first and last source port of verifications, which are no clients that came.
    """
    one_line = " ".join(note.split())
    syn = f"tcp dport {{ {', '.join(map(str, ports))} }} tcp flags & (fin | syn | rst | ack) == syn"
    return _RULES.format(note=one_line, table=TABLE, syn=syn, prober=f"{prober[0]}-{prober[1]}")


def close_script(ports: tuple[int, ...], note: str, prober: tuple[int, int], units: tuple[str, ...]) -> str:
    """Return the script that closes the ports now, then for good.

    The drop-ins for the MTA and for nftables come along, as they need the same reload.

    Like every script of an act it has the shell functions of :data:`~mxlib.model.on_host.PUT`.

    Arguments:
        note: who, why and which run.
        prober: first and last source port of verifications.
        units: every unit that may start the MTA.
    """
    unit = _UNIT.replace("@RULES@", RULES).replace("@UNITS@", " ".join(units))
    gates = "".join(f"stage {gate(one)} {quoted(_HOLD)}\n" for one in units)
    # A file that was renamed and a link that was made are in memory for some seconds, and a machine may lose its power.
    files = (RULES, UNIT_FILE, RELOAD_DROP_IN, *(path for one in units for path in (gate(one), *links(one))))
    return f"""\
# close the mail ports
put {RULES} {quoted(rules(ports, note, prober))}
nft -f {RULES}
mkdir -p {" ".join(map(_folder, (RELOAD_DROP_IN, *map(gate, units))))}
stage {UNIT_FILE} {quoted(unit)}
{gates}{reload_script()}put_staged
systemctl --quiet enable --now {UNIT}
sync {" ".join(dict.fromkeys(map(_folder, files)))}
"""


def reload_script() -> str:
    """Return the script that makes a reload of nftables load the table in the same transaction.

    The drop-in is staged. A second time it finds our own command, which is not one load of one file, and leaves it.
    """
    return f"""\
rules=$(systemctl show -p ExecReload --value nftables.service | awk -F ' ; ' {quoted(_ONE_LOAD)})
[ -z "$rules" ] || stage {RELOAD_DROP_IN} "$(printf {quoted(_RELOAD)} "$rules")
"
"""


def open_script(units: tuple[str, ...]) -> str:
    """Return the script that opens the ports, and removes all that kept them closed.

    The table goes last: ended before that, the host stays closed now, is open after a reboot, and is seen as "partly".
    A table is named before it is deleted, so that a missing one is no error.

    Args:
        units: every unit that may start the MTA.
    """
    gates = [gate(one) for one in units]
    return f"""\
# open the mail ports
systemctl --quiet --no-reload disable {UNIT} || [ ! -e {UNIT_FILE} ]
rm -f {HOLD} {" ".join(gates)} {RELOAD_DROP_IN} {UNIT_FILE} {RULES}
rmdir {" ".join(map(_folder, gates))} {_folder(RELOAD_DROP_IN)} 2>/dev/null || :
nft 'add table {TABLE}; delete table {TABLE}'
"""


_FORGET = f"""\
systemctl daemon-reload
systemctl --quiet --job-mode=ignore-dependencies stop {UNIT} 2>/dev/null || :  # fails where it is not in memory
systemctl --quiet reset-failed {UNIT} 2>/dev/null || :
"""
FORGET_SCRIPT = f"# let systemd forget what kept the ports closed\n{_FORGET}"
"""For after :func:`open_script`; what is forgotten is harmless without its files.

A unit whose file is gone stays in systemd's memory, "not-found" and active or failed, until it is stopped or reset. It
is stopped alone: the MTA requires it as long as a link to it is there, and would be stopped with it.
"""


def note(record: Record) -> str:
    """Return who has taken the host out, for the files that say so."""
    return f"mx-cookbooks run {record.run}: {record.who}, {record.since}: {record.why}"


def close(world: RebootWorld, state: State) -> Done:
    """Close the mail ports for good."""
    assert world.progress.record is not None
    ask_before_out(world, state, Step.CLOSE)
    prober = world.site.probes.inbound.source_ports
    world.act(close_script(world.site.ports, note(world.progress.record), prober, world.mta.units))
    ports = ", ".join(str(port) for port in world.site.ports)
    return Done(f"ports {ports} answer with a reset (nft table {TABLE}, {UNIT} keeps it over reboots)")


def open_(world: RebootWorld, state: State) -> Done:
    """Give the ports back to the host's own firewall, where nothing has changed since the host was proven."""
    record = record_of(state)
    purpose, script = _opening(world, state).split("\n", 1)
    said = world.act(f"{purpose}\n{proof.unchanged(world, record)}{script}").output
    if changed := proof.changed_instead(world, record, said):
        return Done(f"not opened: {changed}")
    return Done("the mail ports are open again")


def _opening(world: RebootWorld, state: State) -> str:
    """Return the script; where a soak follows, systemd reads its units again in its pauses: a slow host needs 2 s."""
    later = plan.soaks(record_of(state), host_of(state))
    return open_script(world.mta.units) + ("" if later else _FORGET)


def let_in_script(world: RebootWorld, seconds: int) -> str:
    """Return the script that lets the prober's source ports through; the kernel closes them again by itself.

    Arguments:
        seconds: until it does.
    """
    first, last = world.site.probes.inbound.source_ports
    elements = ", ".join(f"{port} timeout {seconds}s" for port in range(first, last + 1))
    add = f"nft add element {TABLE} prober '{{ {elements} }}'"
    return f"# let test sessions in\nnft flush set {TABLE} prober\n{add}\n"


def let_prober_in(world: RebootWorld, seconds: int) -> None:
    """Let the prober's source ports through for so many seconds."""
    world.act(let_in_script(world, seconds), look=False)


def shut_prober_out(world: RebootWorld, record: Record | None = None) -> None:
    """Close the prober's source ports, and write a record."""
    world.act(f"# keep test sessions out again\nnft flush set {TABLE} prober", record=record)


def _commands(world: RebootWorld, _state: State) -> list[str]:
    """Return what closing does, as an operator would type it."""
    ports = ",".join(str(port) for port in world.site.ports)
    return [f"nft -f {RULES}   # new connections to {ports}: reset", f"systemctl enable --now {UNIT}"]


def _how_opened(world: RebootWorld, state: State) -> list[str]:
    return _opening(world, state).splitlines()[1:]


ACTIONS = (
    Action(Step.CLOSE, close, on_host(ports=Ports.CLOSED), _commands, undo=Step.OPEN),
    Action(Step.OPEN, open_, on_host(ports=Ports.OPEN), _how_opened, undo=Step.CLOSE),
)
