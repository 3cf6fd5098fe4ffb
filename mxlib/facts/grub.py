"""What GRUB will boot: its real menu, its environment block, and whether it can write that block."""

import re
from dataclasses import dataclass

from mxlib.base.errors import ParseError
from mxlib.facts.kernel import RELEASE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# Only the lines that decide: the whole file is long, and its icons and searches say nothing here.
CONFIG = Section(
    "grub-config",
    r"""
[ -s /boot/grub/grub.cfg ] || { echo "no /boot/grub/grub.cfg" >&2; exit 3; }
grep -E '^[[:space:]]*(menuentry |submenu |\}|linux(16|efi)?[[:space:]]|savedefault$|set default=)' /boot/grub/grub.cfg
""",
)
ENVIRONMENT = Section("grub-environment", "grub-editenv /boot/grub/grubenv list")
# GRUB cannot write its environment block on LVM, md RAID, btrfs or ZFS, and only into the 1024 bytes that are there
# (GRUB manual, "The GRUB environment block").
MEDIUM = Section(
    "grub-medium",
    """\
printf 'abstraction %s\\n' "$(grub-probe --target=abstraction /boot/grub)" || exit
printf 'filesystem %s\\n' "$(grub-probe --target=fs /boot/grub)" || exit
stat -c 'size %s' /boot/grub/grubenv
head -n 1 /boot/grub/grubenv
""",
    timeout_s=30,
)
_UNWRITABLE = frozenset({"btrfs", "zfs", "squash4", "iso9660"})
_SIGNATURE = "# GRUB Environment Block"
_OPEN = re.compile(r"^\s*(?P<kind>menuentry|submenu) (?P<rest>.*)\{\s*$")
_ID = re.compile(r"(?:\$menuentry_id_option|--id)[ =]'?(?P<id>[^' ]+)'?")
_TITLE = re.compile(r"(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\")")
_LINUX = re.compile(rf"^\s*linux(?:16|efi)?\s+\S*/vmlinuz-(?P<release>{RELEASE})(?P<arguments>(?:\s.*)?)$")
_RECOVERY = re.compile(r"(?:^|\s)(?:single|recovery|rescue|emergency|1|init=\S+)(?=\s|$)")


@dataclass(frozen=True)
class GrubEntry:
    """An entry of the menu.

    Attributes:
        full_id: what ``grub-reboot`` must be given: the ids of its submenus and its own, joined with ``>``.
        release: the kernel it boots; empty for an entry without one.
        recovery: whether it boots into something else than the normal system.
        arguments: the kernel's command line.
    """

    full_id: str
    release: str
    recovery: bool
    arguments: str = ""


@dataclass(frozen=True)
class GrubFacts:
    """What GRUB will do at the next boots.

    Attributes:
        default: ``saved`` when the menu boots the saved entry, else the fixed entry that it names.
        savedefault: whether an entry, once booted, makes itself the saved one: then no fallback stays armed.
        saved_entry: the saved entry, empty without one: then GRUB boots the first, the newest kernel.
        next_entry: the entry of the next boot only, empty without one.
        entries: the entries of the real menu, in its order.
        environment_writable: whether GRUB itself can clear ``next_entry``: else a one-time entry stays for ever.
        environment_problem: why it cannot; empty if it can.
    """

    default: str
    savedefault: bool
    saved_entry: str
    next_entry: str
    entries: tuple[GrubEntry, ...]
    environment_writable: bool
    environment_problem: str = ""

    def entry_for(self, release: str) -> GrubEntry | None:
        """The entry that boots a kernel release normally; never a recovery entry, nor one of another meaning.

        Arguments:
            release: ABI name of the kernel.
        """
        own = re.compile(rf"(?:.*>)?gnulinux-{re.escape(release)}-advanced-[^>]+")
        return next(
            (e for e in self.entries if e.release == release and not e.recovery and own.fullmatch(e.full_id)), None
        )

    def find(self, full_id: str) -> GrubEntry | None:
        """The entry with this full id; None when GRUB would silently boot another one."""
        return next((entry for entry in self.entries if entry.full_id == full_id), None)


def parse_menu(text: str) -> tuple[GrubEntry, ...]:
    """Read the menu of a grub.cfg.

    Arguments:
        text: grub.cfg, whole or only its entries' lines.
    """
    entries: list[GrubEntry] = []
    path: list[str] = []
    inside = False
    for line in text.splitlines():
        if opened := _OPEN.match(line):
            path.append(_entry_id(opened["rest"]))
            inside = opened["kind"] == "menuentry"
            entries += [GrubEntry(">".join(path), "", recovery=False)] if inside else []
        elif inside and (linux := _LINUX.match(line)):
            entries[-1] = _with_kernel(entries[-1], linux["release"], linux["arguments"].strip())
        elif re.match(r"^\s*\}\s*$", line) and path:
            path.pop()
            inside = False
    return tuple(entries)


def _entry_id(rest: str) -> str:
    """The id of an entry, or its title, which GRUB takes as well."""
    if found := _ID.search(rest):
        return found["id"]
    title = _TITLE.search(rest)
    return (title["single"] or title["double"] or "") if title else ""


def _with_kernel(entry: GrubEntry, release: str, arguments: str) -> GrubEntry:
    own_id = entry.full_id.rpartition(">")[2]
    return GrubEntry(entry.full_id, release, "-recovery-" in own_id or bool(_RECOVERY.search(arguments)), arguments)


def _default(text: str) -> str:
    """What the menu boots without a one-time entry: the last `set default=` that is not the one-time entry's."""
    found = [
        value
        for value in re.findall(r'^\s*set default="?([^"\n]*)"?\s*$', text, re.MULTILINE)
        if value != "${next_entry}"
    ]
    if not found:
        raise ParseError("grub.cfg does not say what is booted by default")
    return "saved" if found[-1] == "${saved_entry}" else found[-1]


def _environment(text: str) -> dict[str, str]:
    return {key: value for key, found, value in (line.partition("=") for line in text.splitlines()) if found}


def _environment_problem(text: str) -> str:
    """Why GRUB could not write its environment block; empty if it can."""
    known = {key: value for key, _, value in (line.partition(" ") for line in text.splitlines())}
    if known.get("abstraction", "?").strip():
        return f"/boot/grub lies on {known.get('abstraction', 'something unknown')}"
    if known.get("filesystem", "") in _UNWRITABLE | {""}:
        return f"/boot/grub lies on the file system {known.get('filesystem') or 'unknown'}"
    if known.get("size") != "1024" or _SIGNATURE not in text:
        return "/boot/grub/grubenv is not an environment block of 1024 bytes"
    return ""


def parse(outputs: Outputs) -> GrubFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: no menu, no environment block, or its medium could not be told.
    """
    config = outputs[CONFIG.name].text()
    environment = _environment(outputs[ENVIRONMENT.name].text())
    problem = _environment_problem(outputs[MEDIUM.name].text())
    entries = parse_menu(config)
    if not entries:
        raise ParseError("no entry in grub.cfg")
    return GrubFacts(
        default=_default(config),
        savedefault=any(line.strip() == "savedefault" for line in config.splitlines()),
        saved_entry=environment.get("saved_entry", ""),
        next_entry=environment.get("next_entry", ""),
        entries=entries,
        environment_writable=not problem,
        environment_problem=problem,
    )


SOURCE: Source[GrubFacts] = Source("grub", (CONFIG, ENVIRONMENT, MEDIUM), parse)
