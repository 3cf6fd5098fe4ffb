"""Clear the failure of a unit that is over: a leftover such as the ifup of an interface that has another name now."""

import shlex

from mxlib.base.text import one_line
from mxlib.config.sections import Site
from mxlib.facts.units import CLEARED, check_unit_name
from mxlib.remedies.bounds import CLEAR_FAILED, Order, is_stale
from mxlib.remedies.remedy import Bench, Remedy, by_checks, note


def refuse(site: Site, order: Order) -> str:
    """Only units that the site says may be cleared."""
    if is_stale(site, order.argument):
        return ""
    return f"{order.argument or 'no unit'}: only what remedy.clearable_units names, and no required unit"


def script(unit: str, said: str) -> str:
    """Note on the host that and why the failure was cleared, then clear it.

    The note explains the missing failure to the check of the units; the next boot removes it.

    Arguments:
        unit: full name of the unit.
        said: who and why.
    """
    name = shlex.quote(check_unit_name(unit))
    return f"""\
# clear the failure of {unit}
systemctl -q is-failed {name} || {{ echo 'it is not failed'; exit 1; }}
systemctl show -p SubState,Result,ExecMainStatus -- {name} | tr '\\n' ' '
journalctl -b -q --no-pager -n 3 -o cat -u {name} | cut -c 1-160
mkdir -p {CLEARED.rpartition("/")[0]}
printf '%s %s\\n' {name} {shlex.quote(said)} >>{CLEARED}
systemctl reset-failed {name}
"""


def apply(bench: Bench, order: Order) -> str:
    """Clear it."""
    result = bench.act(script(order.argument, note(bench)), 30.0)
    return f"the failure of {order.argument} is cleared; it was: {one_line(result.output, 300)}"


REMEDY = Remedy(
    name=CLEAR_FAILED,
    about="clear the failure of a unit that is over, such as ifup of an interface that has another name now",
    argument="UNIT",
    undo="nothing to take back: what the unit said is in the journal of this run and in the host's",
    refuse=refuse,
    commands=lambda _bench, order: [f"systemctl reset-failed {order.argument}"],
    apply=apply,
    judge=by_checks("units"),
    automatic=True,
)
