"""The next boot: it must lead to an entry that somebody chose."""

from mxlib.base.errors import ParseError
from mxlib.checks.check import Check, Finding, Scope, failed, ok, unknown
from mxlib.config.verify import VerifyPolicy
from mxlib.facts import boot, grub, kernel
from mxlib.facts.grub import GrubFacts
from mxlib.facts.source import Facts


def _next(found: GrubFacts) -> Finding | None:
    """Return what is wrong with the entries; None if the next boot is a chosen one."""
    if found.next_entry:
        return failed(f"a one-time boot is pending: {found.next_entry}")
    if found.default != "saved":
        return _leads(found, found.default, "the fixed entry")
    if found.savedefault:
        return failed("an entry of the menu saves itself as the default, so no fallback stays armed")
    if not found.saved_entry:
        return failed("GRUB_DEFAULT is saved, but nothing is saved: the newest kernel boots (see grub-set-default)")
    return _leads(found, found.saved_entry, "the saved entry")


def _leads(found: GrubFacts, name: str, what: str) -> Finding | None:
    """Return what is wrong with the target of an entry; None if it is a normal boot of a known kernel."""
    if "$" in name:
        return unknown(f"{what} is computed at boot: {name}")
    try:
        entry = found.find(name)
    except ParseError as error:
        return unknown(f"{what} is {name}: {error}")
    if entry is None:
        return failed(f"{what} is not in the menu, so GRUB silently boots the newest kernel: {name}")
    if entry.recovery:
        return failed(f"{what} does not boot the normal system: {name}, {entry.arguments}")
    return None if entry.release else unknown(f"which kernel {what} boots is unknown: {name}")


def judge(facts: Facts, policy: VerifyPolicy) -> Finding:
    """Judge this boot and the next one."""
    del policy
    this, running = facts.get(boot.SOURCE), facts.get(kernel.SOURCE).running
    found = facts.get(grub.SOURCE)
    wrong = _next(found)
    if wrong:
        return wrong
    entry = found.find(found.saved_entry if found.default == "saved" else found.default)
    other = f"; the next boot is {entry.release}" if entry and entry.release != running else ""
    return ok(f"{running} since {this.booted_at:%Y-%m-%d %H:%M} UTC, boot {this.boot_id}{other}")


CHECK = Check(
    "boot", "this boot, and where the next one leads", Scope.SERVICE,
    lambda _: (boot.SOURCE, kernel.SOURCE, grub.SOURCE), judge,
)  # fmt: skip
