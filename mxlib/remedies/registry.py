"""Every remedy, in the order of a list."""

from mxlib.remedies import allow, clear_failed, clear_hints, reload_firewall, restart_unit, set_sysctl
from mxlib.remedies.remedy import Remedy

REMEDIES: dict[str, Remedy] = {
    remedy.name: remedy
    for remedy in (
        restart_unit.REMEDY,
        clear_failed.REMEDY,
        reload_firewall.REMEDY,
        set_sysctl.REMEDY,
        set_sysctl.REMEDY_BACK,
        clear_hints.REMEDY,
        allow.REMEDY,
        allow.REMEDY_CLOSE,
    )
}
