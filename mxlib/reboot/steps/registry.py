"""Every step of a run. A new one: an :class:`Action` in the ``ACTIONS`` of its module, and that module in this list."""

from mxlib.model.state import Step
from mxlib.reboot.steps import (
    await_boot,
    boot,
    entries,
    guard,
    ledger,
    network,
    ports,
    proof,
    prove,
    queue,
    repair,
    service,
)
from mxlib.reboot.steps.step import Action

_MODULES = (guard, service, ports, network, queue, ledger, entries, boot, await_boot, repair, prove, proof)
ACTIONS: dict[Step, Action] = {one.step: one for module in _MODULES for one in module.ACTIONS}
