"""Set a kernel parameter that makes a known kernel bug harmless, now and for later boots; and take that back."""

import shlex

from mxlib.base.errors import StepError
from mxlib.base.text import one_line
from mxlib.base.verdict import Status, Verdict
from mxlib.config.sections import Site
from mxlib.facts import sysctl
from mxlib.facts.source import read_facts
from mxlib.model.on_host import REPLACE
from mxlib.remedies.bounds import SET_SYSCTL, UNSET_SYSCTL, Order, allowed
from mxlib.remedies.remedy import Bench, Remedy, by_checks, note


def file_of(key: str) -> str:
    """Return the path of the file that keeps it for later boots."""
    return f"/etc/sysctl.d/90-mx-remedy-{key}.conf"


def refuse(site: Site, order: Order) -> str:
    """Only parameters and values that the site allows."""
    key, _, value = order.argument.partition("=")
    if value in allowed(site, key):
        return ""
    known = ", ".join(f"{one}={' or '.join(values)}" for one, values in site.remedy.sysctls.items())
    return f"{order.argument or 'no parameter'}: not among what remedy.sysctls and verify.sysctls allow: {known}"


def refuse_back(site: Site, order: Order) -> str:
    """Only parameters that could have been set."""
    return "" if allowed(site, order.argument) else f"{order.argument or 'no parameter'}: never set by this remedy"


def _path(key: str) -> str:
    return shlex.quote("/proc/sys/" + key.replace(".", "/"))


def script(key: str, value: str, said: str) -> str:
    """Keep the previous value, write the file, set the value, and read it back.

    Arguments:
        value: what it is set to.
        said: who and why.
    """
    file, wanted = shlex.quote(file_of(key)), shlex.quote(value)
    return f"""\
# set {key} to {value}
{REPLACE}before=$(sed -n 's/^# before: //p' {file} 2>/dev/null || :)
[ "$before" ] || before=$(cat {_path(key)})
printf '# mx-cookbooks: %s\\n# before: %s\\n-%s = %s\\n' {shlex.quote(said)} "$before" {key} {wanted} >{file}.new
replace {file}
printf '%s\\n' {wanted} >{_path(key)}
[ "$(tr -s '\\t ' ' ' <{_path(key)})" = {wanted} ]
printf 'before: %s\\n' "$before"
"""


def script_back(key: str) -> str:
    """Set the previous value, and remove the file."""
    file = shlex.quote(file_of(key))
    return f"""\
# set {key} to what it was
before=$(sed -n 's/^# before: //p' {file} 2>/dev/null || :)
[ "$before" ] || {{ echo 'this remedy has not set it'; exit 1; }}
printf '%s\\n' "$before" >{_path(key)}
rm {file}
printf 'again %s\\n' "$before"
"""


def apply(bench: Bench, order: Order) -> str:
    """Set it."""
    key, _, value = order.argument.partition("=")
    result = bench.act(script(key, value, note(bench)), 30.0)
    return f"{key} is {value}, also after a reboot ({file_of(key)}); {one_line(result.output)}"


def apply_back(bench: Bench, order: Order) -> str:
    """Undo it."""
    result = bench.act(script_back(order.argument), 30.0)
    return f"{order.argument} is {one_line(result.output)}"


def judge(bench: Bench, order: Order) -> tuple[Verdict, ...]:
    """The value as the kernel has it, and what the site requires."""
    key, _, value = order.argument.partition("=")
    source = sysctl.source((key,))
    facts = read_facts(bench.host, (source,))
    found = facts.get(source).get(key)
    if found is None:
        raise StepError(f"{key}: this kernel does not have it")
    status = Status.OK if found == value else Status.FAILED
    own = Verdict(key, status, f"{key} is {found}", facts.evidence(source, f"{key}:{found}"))
    return (own, *by_checks("sysctl", "kernel")(bench, order))


REMEDY = Remedy(
    name=SET_SYSCTL,
    about="set a kernel parameter that makes a known kernel bug harmless, now and for later boots",
    argument="KEY=VALUE",
    undo=f"{UNSET_SYSCTL} KEY sets the previous value and removes the file",
    refuse=refuse,
    commands=lambda _bench, order: [
        f"sysctl -w {order.argument}",
        f"echo '{order.argument}' >{file_of(order.argument.partition('=')[0])}",
    ],
    apply=apply,
    judge=judge,
)
REMEDY_BACK = Remedy(
    name=UNSET_SYSCTL,
    about="undo set-sysctl: the previous value, and no file",
    argument="KEY",
    undo=f"{SET_SYSCTL} KEY=VALUE",
    refuse=refuse_back,
    commands=lambda _bench, order: [f"sysctl -w {order.argument}=BEFORE; rm {file_of(order.argument)}"],
    apply=apply_back,
    judge=by_checks("sysctl"),
)
