"""Restart a required unit that does not run, or a generator of alias files whose last run failed."""

import shlex

from mxlib.base.text import one_line
from mxlib.base.verdict import Verdict
from mxlib.config.sections import Site
from mxlib.facts.units import check_unit_name
from mxlib.mta.find import find
from mxlib.remedies.bounds import FIREWALLS, RESTART_UNIT, Order, restartable
from mxlib.remedies.remedy import Bench, Remedy, by_checks

_SPARE_S = 60
"""Seconds beyond the unit's own: for the host's lock (20), and for the journal of a slow host."""


def refuse(site: Site, order: Order) -> str:
    """Only units that the site names; a firewall has a remedy of its own, which proves more."""
    if order.argument not in restartable(site):
        named = ", ".join(restartable(site))
        return f"{order.argument or 'no unit'}: only what verify.required_units and aliases name: {named}"
    if order.argument in FIREWALLS:
        return f"{order.argument} is a firewall: use reload-firewall, which also proves that closed ports stay closed"
    return ""


def script(unit: str, timeout_s: float) -> str:
    """Show how it failed, then restart it; a unit that fails again ends with its own words.

    What systemd says about the unit is shown only where the unit itself said nothing.

    Arguments:
        unit: full name of the unit.
        timeout_s: seconds it may take.
    """
    name = shlex.quote(check_unit_name(unit))
    return f"""\
# restart {unit}
systemctl show -p Result,ExecMainStatus -- {name} | sed 's/.*=//' | paste -s -d ' '
own=$(journalctl -b -q --no-pager -n 2 -o cat _SYSTEMD_UNIT={name} || :)
[ -n "$own" ] || own=$(journalctl -b -q --no-pager -n 1 -o cat -u {name} || :)
printf '%s\\n' "$own" | cut -c 1-160
systemctl reset-failed {name} 2>/dev/null || :
timeout {timeout_s:g} systemctl restart {name} || {{
[ $? != 124 ] || echo 'it has not started within {timeout_s:g} s, and systemd goes on with it'
journalctl -b -q --no-pager -n 5 -o cat -u {name}
exit 1
}}
if systemctl -q is-failed {name}; then echo 'it has failed again'; exit 1; fi
"""


def apply(bench: Bench, order: Order) -> str:
    """Restart it."""
    limit = bench.site.remedy.unit_timeout
    result = bench.act(script(order.argument, limit), limit + _SPARE_S)
    how, _, words = result.output.partition("\n")
    return f"{order.argument} restarted; before: {one_line(how, 40)}: {one_line(words, 160)}"


def judge(bench: Bench, order: Order) -> tuple[Verdict, ...]:
    """Judge the units, and the MTA where its own was restarted."""
    own = order.argument in find(bench.site.verify.mta).units
    return by_checks("units", *(("mta",) if own else ()))(bench, order)


REMEDY = Remedy(
    name=RESTART_UNIT,
    about="restart a required unit that does not run, or an alias generator that failed",
    argument="UNIT",
    undo="nothing to take back: the unit did not run",
    refuse=refuse,
    commands=lambda _bench, order: [f"systemctl restart {order.argument}"],
    apply=apply,
    judge=judge,
    automatic=True,
)
