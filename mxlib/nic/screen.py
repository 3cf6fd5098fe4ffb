"""What a serial console shows, as plain text, and what it is waiting for. Pure.

The forms come from real transcripts of Debian 12 (agetty, systemd 252, GRUB 2.06, SeaBIOS); prompts of initramfs,
emergency mode and fsck from the sources of initramfs-tools, dracut, systemd's sulogin and e2fsprogs.
"""

import re
from dataclasses import dataclass
from enum import Enum

# An unfinished sequence at the end is removed as well: the rest of it comes with the next piece.
_MOVES = re.compile(r"\x1b\[[0-9;]*[HJf]")
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"  # CSI: colours, bracketed paste
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_KERNEL = re.compile(r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])?[^\n]*(?:\n|\Z)")
_STATUS = re.compile(
    r"\[(?:  OK  |FAILED|DEPEND| INFO | WARN |[ *]{6})\] [^\n]*(?:\n|\Z)"
    r"|^ {9}(?:Starting|Stopping|Mounting|Unmounting|(?:De)?[Aa]ctivating|Reloading|Expecting device) [^\n]*(?:\n|\Z)",
    re.MULTILINE,
)
_ROOT_PROMPT = re.compile(
    r"^(?:\S*root@\S+?:?[^#\n]*|(?:ba|da)?sh(?:-[\d.]+)?|\[root@[^\]\n]*\]|[\w.-]+(?::\S*)?)?# ?$"
)
_USER_PROMPT = re.compile(r"^(?:\S+@\S+[^$#\n]*|(?:ba|da)?sh(?:-[\d.]+)?)?\$ ?$")
_LAST_LINES = 24


class Waiting(Enum):
    """What a machine is doing or waiting for, as its console shows."""

    SILENT = "nothing at all"
    BOOTING = "output, but no prompt"
    LOGIN = "a login prompt"
    PASSWORD = "a password prompt"  # noqa: S105
    ROOT_SHELL = "a root shell"
    USER_SHELL = "the shell of an ordinary user"
    PROMPT = "an unknown prompt"
    GRUB_MENU = "the GRUB menu"
    GRUB_SHELL = "GRUB's command line: it found no configuration, or somebody pressed c"
    GRUB_RESCUE = "GRUB's rescue prompt: it cannot find its own modules"
    INITRAMFS = "the initramfs shell: the root file system was not mounted"
    EMERGENCY = "emergency or rescue mode: systemd wants the root password for maintenance"
    FSCK = "a file system check that needs a person"
    PANIC = "a kernel panic"
    NO_BOOT_DEVICE = "the firmware finds nothing to boot from"
    NOT_RUNNING = "that the virtual machine is not running"


@dataclass(frozen=True)
class Screen:
    """What a console shows.

    Attributes:
        waiting: what the machine is doing or waiting for.
        detail: the lines that say why (the panic, the failed mounts); empty if there are none.
        last: the last lines, plain text.
    """

    waiting: Waiting
    detail: str
    last: str


def plain(raw: str) -> str:
    """Return a console's output without escape sequences and control characters; lines end in a line feed."""
    text = _ESCAPES.sub("", _MOVES.sub("\n", raw))
    return re.sub(r"\r+\n|\r+", "\n", text.replace("\r\r", "\r"))


def open_line(text: str) -> str:
    """Return the unfinished line of a console: the text after the last line feed.

    Arguments:
        text: text that went through :func:`quiet`.
    """
    return text.rpartition("\n")[2].strip()


def quiet(text: str) -> str:
    """Return plain text without messages of kernel and systemd, wherever in a line they begin."""
    return _STATUS.sub("", _KERNEL.sub("", text))


_PROMPTS: tuple[tuple[Waiting, re.Pattern[str]], ...] = (
    (
        Waiting.INITRAMFS,
        re.compile(
            r"\(initramfs\) ?$|^(?:dracut|(?:pre-)?(?:udev|trigger|mount|pivot)|cmdline|initqueue|switch_root):\S*# ?$"
        ),
    ),
    (Waiting.GRUB_RESCUE, re.compile(r"^grub rescue> ?$")),
    (Waiting.GRUB_SHELL, re.compile(r"^grub> ?$")),
    (Waiting.EMERGENCY, re.compile(r"(?:\(or press Control-D to continue\)|Press Enter for maintenance).*:? ?$")),
    (Waiting.LOGIN, re.compile(r"^(?:.* )?(?!Last )[\w.-]+ login: *$")),
    (Waiting.PASSWORD, re.compile(r"^Password: *$")),
    (Waiting.ROOT_SHELL, _ROOT_PROMPT),
    (Waiting.USER_SHELL, _USER_PROMPT),
)
# Searched in the text since the last sign of a new boot; the first one found is reported.
_STATES: tuple[tuple[Waiting, re.Pattern[str]], ...] = (
    (Waiting.NOT_RUNNING, re.compile(r"Connection to console of instance .*? failed[^\n]*")),
    (Waiting.PANIC, re.compile(r"Kernel panic - not syncing[^\n]*")),
    (Waiting.FSCK, re.compile(r"[^\n]*UNEXPECTED INCONSISTENCY[^\n]*\n?[^\n]*")),
    (Waiting.NO_BOOT_DEVICE, re.compile(r"No bootable device[^\n]*|Boot failed: not a bootable disk[^\n]*")),
    # sulogin asks in the host's language, systemd writes this in English; a login prompt after it is found first
    (Waiting.EMERGENCY, re.compile(r"You are in (?:emergency|rescue) mode")),
)
_CAUSES = re.compile(
    r"[^\n]*(?:Kernel panic - not syncing|UNEXPECTED INCONSISTENCY|\[FAILED\]|\[DEPEND\]|ALERT!|Gave up waiting for"
    r"|^error: |No bootable device|not a bootable disk|You are in (?:emergency|rescue) mode)[^\n]*",
    re.MULTILINE,
)
_GOING_DOWN = re.compile(
    r"systemd-shutdown\[1\]:|reboot: (?:Restarting|Power down)"
    r"|Reached target [^\n]*(?:shutdown|reboot|poweroff)\.target"
)
NEW_BOOT = re.compile(r"SeaBIOS \(version|GNU GRUB  version|Linux version \d|Booting `")


def _this_boot(text: str) -> str:
    starts = [match.start() for match in NEW_BOOT.finditer(text)]
    return text[starts[-1] :] if starts else text


def _prompt(text: str) -> Waiting | None:
    last = quiet(text).rstrip("\n").rpartition("\n")[2]
    at = text.rfind(last)
    if not last.strip() or (at >= 0 and _GOING_DOWN.search(text, at)):
        return None
    return next((waiting for waiting, form in _PROMPTS if form.search(last)), None)


def _state(text: str) -> Waiting | None:
    here = _this_boot(text)
    found = next((waiting for waiting, form in _STATES if form.search(here)), None)
    if found is None and "GNU GRUB  version" in here and "Booting `" not in here:
        return Waiting.GRUB_MENU
    return found


def look(raw: str) -> Screen:
    """Return what a console shows.

    Arguments:
        raw: its output with escape sequences; the end decides.
    """
    text = plain(raw)
    silent = Waiting.BOOTING if text.strip() else Waiting.SILENT
    waiting = _prompt(text) or _state(text) or silent
    causes = "\n".join(cause.strip() for cause in _CAUSES.findall(_this_boot(text))[-8:])
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return Screen(waiting, causes, "\n".join(lines[-_LAST_LINES:]))
