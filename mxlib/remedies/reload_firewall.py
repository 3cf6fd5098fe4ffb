"""Load the host's firewall again, and prove that ports which a run has closed stay closed.

Debian's nftables.conf begins with ``flush ruleset``, which wipes our table too. So it is loaded again in the same
script, and read back. A wrong ruleset would lock everybody out: the host takes the reload back by a timer of its own,
unless a new connection has proven that the host can still be reached. Our sessions prove nothing: cumin's ssh may share
an earlier connection, which the firewall lets pass as established (seen in the lab).

The time to prove it begins when it is loaded. Before that another timer is armed, for a script that does not come to
its end. A reload that hangs (ferm looks names up) is ended, with systemd's job, before anything is taken back: else the
new rules would be loaded after that. A timer that fires and the script that disarms it make the same directory: one of
them can, and the other leaves it.

What comes back is as old as the reload, and the mail ports are as the runs have them now: our table is loaded where the
file of its rules is there, and else removed, as a run that has opened the ports meanwhile must not find them closed.

A second reload while the first one is not proven takes its place: the first one's timer goes, and the second one is
taken back, if need be, to what was loaded before both, as what the first one loaded was never proven.
"""

import shlex

from mxlib.base.errors import HostError, ParseError, StepError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.config.sections import Site
from mxlib.facts import depool
from mxlib.facts.source import read_facts
from mxlib.model.on_host import REPLACE
from mxlib.model.state import Ports
from mxlib.remedies.bounds import FIREWALLS, RELOAD_FIREWALL, Order, firewalls
from mxlib.remedies.remedy import Bench, Remedy, by_checks

_DIRECTORY = "/run/mx-cookbooks/firewall"
_TRY_S, _UNDOING_S, _RELOAD_S, _BACK_S, _SPARE_S = 60, 30, 90, 60, 60
"""Seconds to try the files; for an earlier reload that is being taken back, before a second one is given up; for
systemd to load them; to take that back; and for all else, such as the host's lock."""

_LOADING_S = _UNDOING_S + _RELOAD_S + _BACK_S + _SPARE_S
_LIMIT_S = float(_TRY_S + _LOADING_S)
# "systemctl cancel" without a job's number would cancel all.
_UNDO = f"""\
for job in $(systemctl list-jobs --plain --no-legend "$unit" | awk '{{ print $1 }}'); do systemctl cancel "$job"; done
busy() {{ case $(systemctl show -p ActiveState --value "$unit") in *ing) ;; *) return 1 ;; esac; }}
! busy || systemctl kill -s KILL "$unit"
tries=20
while busy && [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.5; done
code=0
nft -f {_DIRECTORY}/ruleset || {{ code=1; nft flush ruleset; }}
for tool in iptables-legacy ip6tables-legacy; do
if [ -e {_DIRECTORY}/$tool ]; then $tool-restore <{_DIRECTORY}/$tool || code=1
elif command -v $tool >/dev/null; then $tool -w 10 -P INPUT ACCEPT; $tool -w 10 -F INPUT; fi
done
if [ -s {depool.RULES} ]; then nft -f {depool.RULES}; else nft 'add table {depool.TABLE}; delete table {depool.TABLE}'
fi || code=1
exit "$code"
"""
_SCRIPT = """\
# reload the firewall
unit=
for one in {candidates}; do
if systemctl -q is-enabled "$one"; then unit=$one; break; fi
done
[ "$unit" ] || {{ echo 'no firewall is enabled: {candidates}'; exit 1; }}
case $unit in
{tries}
esac || {{ [ $? != 124 ] || echo "the files of $unit could not be tried within {try_s} s"; exit 1; }}
armed=$(systemctl list-units --plain --no-legend 'mx-firewall-undo-*' | sed 's/[.].*//' | sort -u)
if [ -z "$armed" ] || [ ! -s {directory}/ruleset ]; then
rm -rf {directory}
mkdir -p {directory}
{{ echo 'flush ruleset'; nft list ruleset; }} >{directory}/ruleset
[ ! -s /proc/net/ip_tables_names ] || iptables-legacy-save >{directory}/iptables-legacy
[ ! -s /proc/net/ip6_tables_names ] || ip6tables-legacy-save >{directory}/ip6tables-legacy
fi
{{ echo "unit=$unit"; printf %s {undo}; }} >{directory}/undo.new
{replace}replace {directory}/undo
arm() {{
timer=mx-firewall-undo-$(date +%s)-$1
systemd-run --quiet --collect --unit "$timer" --on-active="$2" --timer-property=AccuracySec=1s \
/bin/sh -c "mkdir {directory}/$timer && exec sh {directory}/undo"
echo "$timer" >{directory}/timer
}}
arm loading {loading_s:g}
for one in $armed; do
mkdir {directory}/"$one" 2>/dev/null || :
systemctl stop "$one.timer" 2>/dev/null || :
done
timeout {undoing_s} sh -c 'for one; do
while systemctl -q is-active "$one.service"; do sleep 1; done
done' sh $armed || {{
echo 'an earlier reload is still being taken back: try again'
exit 1
}}
way=restart
! systemctl -q is-active "$unit" || way=reload
systemctl reset-failed "$unit" 2>/dev/null || :
load() {{
timeout {reload_s} systemctl "$way" "$unit" || {{
if [ $? = 124 ]; then echo "$unit: its $way had no end within {reload_s} s"; else echo "$unit: its $way failed"; fi
return 1
}}
[ ! -s {rules} ] || {{ nft -f {rules} && nft list table {table} >/dev/null; }}
}}
load || {{
if sh {directory}/undo; then systemctl stop "$timer.timer" || :; echo 'what was loaded before is loaded again'
else echo "what was loaded before is NOT loaded again: the host tries that once more, within {loading_s:g} s"; fi
exit 1
}}
loading=$timer
arm loaded {patience:g}
mkdir {directory}/"$loading" 2>/dev/null || {{ echo 'it took too long, and the host is taking it back'; exit 1; }}
systemctl stop "$loading.timer" || :
echo "$way of $unit"
"""
_CONFIRM = f"""\
# keep the reloaded firewall
timer=$(cat {_DIRECTORY}/timer)
mkdir {_DIRECTORY}/"$timer" 2>/dev/null || {{ echo 'proven too late: the host has begun to take it back'; exit 1; }}
systemctl stop "$timer.timer" || :
"""


def refuse(site: Site, order: Order) -> str:
    """Only a firewall that is known."""
    if order.argument:
        return f"{RELOAD_FIREWALL} takes no argument"
    return "" if firewalls(site) else f"verify.required_units names none of {', '.join(FIREWALLS)}"


def script(site: Site) -> str:
    """Try the files, keep what is loaded, arm the undoing, load, and load our own table again."""
    known = firewalls(site)
    return _SCRIPT.format(
        candidates=" ".join(known),
        tries="\n".join(f"{name}) timeout {_TRY_S} {FIREWALLS[name]} ;;" for name in known),
        directory=_DIRECTORY,
        replace=REPLACE,
        undo=shlex.quote(_UNDO),
        patience=site.remedy.firewall_undo,
        try_s=_TRY_S,
        undoing_s=_UNDOING_S,
        reload_s=_RELOAD_S,
        loading_s=_LOADING_S,
        rules=depool.RULES,
        table=depool.TABLE,
    )


def apply(bench: Bench, _order: Order) -> str:
    """Load it, prove the host by a new connection, then let the undoing go."""
    address, port = _door(bench)
    before = _ports(bench)
    result = bench.act(script(bench.site), _LIMIT_S)
    taken_back = f"the host itself takes it back within {bench.site.remedy.firewall_undo:g} s"
    if not bench.greets(address, port):
        raise StepError(f"no new connection to {address} port {port} after it: {taken_back}")
    try:
        after = _ports(bench)
    except (HostError, ParseError) as error:
        raise StepError(f"no answer after it: {taken_back}: {error}") from None
    bench.act(_CONFIRM, 30.0)
    if after is not before:
        raise StepError(f"the mail ports were {before.value} before and are {after.value} now")
    return f"{one_line(result.output)}; the mail ports are {after.value}, as before"


def _ports(bench: Bench) -> Ports:
    """Return the state of the mail ports that the site names."""
    return read_facts(bench.host, (depool.SOURCE,)).get(depool.SOURCE).ports_of(bench.site.ports)


def _door(bench: Bench) -> tuple[str, int]:
    """Where the host's SSH server greets a new connection from here.

    Raises:
        mxlib.base.errors.StepError: nowhere, so that a reload could not be proven.
    """
    said = bench.host.read('# read where this session comes from\necho "$SSH_CONNECTION"', timeout=10).output.split()
    if len(said) != 4 or not said[3].isdecimal():
        raise StepError(f"nothing was done: sshd does not say where it was reached: {one_line(' '.join(said))!r}")
    address, port = said[2], int(said[3])
    if not bench.greets(address, port):
        raise StepError(f"nothing was done: {address} port {port} greets no new connection from here, to prove it by")
    return address, port


def judge(bench: Bench, order: Order) -> tuple[Verdict, ...]:
    """The firewall, its unit, and the ports, now and after a boot; that they are as before, the act itself has seen."""
    found = _ports(bench)
    status = Status.FAILED if found is Ports.PARTLY else Status.OK
    stands = Verdict("ports-stand", status, f"the mail ports are {found.value}")
    return (*by_checks("firewall", "units")(bench, order), stands)


REMEDY = Remedy(
    name=RELOAD_FIREWALL,
    about="load the firewall again from its files; ports that a run has closed are proven to stay closed",
    argument="",
    undo=f"sh {_DIRECTORY}/undo on the host loads what was loaded before (until the next boot)",
    refuse=refuse,
    commands=lambda bench, _order: [
        f"systemctl reload-or-restart {' | '.join(firewalls(bench.site))}   # taken back by a timer unless proven",
        f"nft -f {depool.RULES}   # where a run has closed the ports",
    ],
    apply=apply,
    judge=judge,
    automatic=True,
)
