"""A panic of the kernel on trial becomes a reboot, hence a return to the fallback: a run's own file for GRUB.

Without ``panic=N`` on its command line a kernel that panics stands still for ever. Debian's ``grub-mkconfig`` reads
``/etc/default/grub.d/*.cfg`` after ``/etc/default/grub``; the file's name sorts behind a site's own.
"""

_FILE = "/etc/default/grub.d/zz-mx-cookbooks-trial.cfg"
_MENU = "/boot/grub/grub.cfg"
UPDATE_S = 300.0
"""``update-grub`` starts some thousand processes: seconds on iron, two minutes on an emulated machine that is busy."""


def arm_script(seconds: int) -> str:
    """Return the script that writes the file and checks GRUB's menu; where that is done already it does nothing.

    A site that says ``panic=`` itself is left alone.

    Arguments:
        seconds: from the panic to the reboot.
    """
    return f"""\
if ! grep -Eq '^[[:space:]]*linux[[:space:]].* panic=' {_MENU}; then
mkdir -p {_FILE.rpartition("/")[0]}
put {_FILE} '# Of a run of mx-cookbooks, until the kernel on trial is proven.
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX panic={seconds}"
'
update-grub >/dev/null 2>&1
grep -Eq '^[[:space:]]*linux[[:space:]].* panic={seconds}' {_MENU}
fi
"""


def disarm_script() -> str:
    """Return the script that removes the file, and the parameter from GRUB's menu, also where a run died in between."""
    return f"""\
if [ -e {_FILE} ] || [ -e {_FILE}.gone ]; then
[ ! -e {_FILE} ] || mv {_FILE} {_FILE}.gone
update-grub >/dev/null 2>&1
rm -f {_FILE}.gone {_FILE}.new
fi
"""
