"""What GRUB will boot: its menu and its environment block."""

import itertools
import re
import shlex
from dataclasses import dataclass, replace

from mxlib.base.errors import ParseError
from mxlib.base.lines import refuse_unknown
from mxlib.facts import grub_medium
from mxlib.facts.kernel import RELEASE
from mxlib.facts.section import Section
from mxlib.facts.source import Outputs, Source

# Only the lines that decide what is booted: the whole file is long. Debian's own 41_custom has GRUB read custom.cfg at
# its end, which may set another default.
CONFIG = Section(
    "grub-config",
    r"""
[ -s /boot/grub/grub.cfg ] || { echo "no /boot/grub/grub.cfg" >&2; exit 3; }
set -- /boot/grub/grub.cfg
! grep -qsF custom.cfg "$1" || [ ! -s /boot/grub/custom.cfg ] || set -- "$1" /boot/grub/custom.cfg
grep -hE -e '^[[:space:]]*(menuentry |submenu |\}|linux(16|efi)?[[:space:]]|savedefault$|(set )?default=|if |fi$)' \
-e '\{[[:space:]]*$' "$@"
""",
)
ENVIRONMENT = Section("grub-environment", "grub-editenv /boot/grub/grubenv list")
_OPEN = re.compile(r"^\s*(?P<kind>menuentry|submenu)\s(?P<rest>.*?)\{(?P<body>[^{}]*\}\s*)?$")
_ITEM = re.compile(r"\s*(?:menuentry|submenu)(?:\s|$)")
_BLOCK = re.compile(r"\{\s*$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_FUNCTION = re.compile(r"\s*(?:function\s|hiddenentry\s)")
_IDS = ("$menuentry_id_option", "${menuentry_id_option}", "--id")
# A component of the name of an entry ends at a single ">"; two of them stand for the character itself.
_COMPONENT = re.compile(r"(?P<name>(?:[^>]|>>)*)(?:>(?P<rest>.*))?", re.DOTALL)
_NUMBER = re.compile(r"\s*(?P<digits>0[xX][0-9a-fA-F]+|\d+)>?(?P<rest>.*)", re.DOTALL)
_LINUX = re.compile(rf"^\s*linux(?:16|efi)?\s+\S*/vmlinuz-(?P<release>{RELEASE})(?P<arguments>(?:\s.*)?)$")
_RECOVERY = re.compile(
    r"(?:^|\s)(?:single|recovery|rescue|emergency|-?[sS]|-b|1|break(?:=\S*)?|systemd\.unit=(?:rescue|emergency)\.target"
    r"|init=(?!(?:/usr)?(?:/sbin/init|/lib/systemd/systemd)(?:\s|$))\S+)(?=\s|$)"
)


@dataclass(frozen=True)
class GrubEntry:
    """An entry of the menu.

    Attributes:
        full_id: what ``grub-reboot`` needs: the ids of its submenus and its own, joined with ``>``.
        release: the kernel it boots; empty for an entry without one.
        recovery: whether it boots anything but the normal system.
        arguments: the kernel's command line.
    """

    full_id: str
    release: str
    recovery: bool
    arguments: str = ""


@dataclass(frozen=True)
class MenuItem:
    """An item of GRUB's menu: an entry or a submenu.

    Attributes:
        title: its title.
        item_id: its id; empty for one without.
        certain: whether it is there in any case: it is not inside an ``if``.
        entry: the entry; None for a submenu.
        submenu: the items of the submenu.
    """

    title: str
    item_id: str
    certain: bool = True
    entry: GrubEntry | None = None
    submenu: tuple["MenuItem", ...] = ()

    @property
    def entries(self) -> tuple[GrubEntry, ...]:
        """The entry, or all of the submenu."""
        return (self.entry,) if self.entry else tuple(one for item in self.submenu for one in item.entries)


@dataclass(frozen=True)
class GrubFacts:
    """What GRUB will do at the next boots.

    Attributes:
        default: ``saved`` when GRUB boots the saved entry, else the fixed entry.
        savedefault: whether an entry makes itself the saved one when it is booted: then no fallback stays armed.
        saved_entry: the saved entry, empty without one: then GRUB boots the first, the newest kernel.
        next_entry: the entry of the next boot only, empty without one.
        menu: the items of the menu, in order.
        environment_writable: whether GRUB will boot ``next_entry``, and can clear it: else it is ignored, or permanent.
        environment_problem: why not; empty if so.
    """

    default: str
    savedefault: bool
    saved_entry: str
    next_entry: str
    menu: tuple[MenuItem, ...]
    environment_writable: bool
    environment_problem: str = ""

    @property
    def entries(self) -> tuple[GrubEntry, ...]:
        """All entries of the menu, in order."""
        return tuple(entry for item in self.menu for entry in item.entries)

    def entry_for(self, release: str) -> GrubEntry | None:
        """Return the entry that boots a kernel release normally: no recovery entry, and none with another purpose.

        Args:
            release: ABI name of the kernel.
        """
        own = re.compile(rf"(?:.*>)?gnulinux-{re.escape(release)}-advanced-[^>]+")
        return next(
            (e for e in self.entries if e.release == release and not e.recovery and own.fullmatch(e.full_id)), None
        )

    def find(self, name: str) -> GrubEntry | None:
        """Return the entry that GRUB boots for a name; None if there is none, and GRUB would silently boot the first.

        Args:
            name: ids, titles or numbers of the submenus and of the entry, joined with ``>``.

        Raises:
            mxlib.base.errors.ParseError: it is a number, and an entry before it is conditional.
        """
        return _named(self.menu, name)


def _named(menu: tuple[MenuItem, ...], name: str) -> GrubEntry | None:
    """As GRUB does: a number first, else the first item with this title or id; a bare submenu means its first item."""
    number, component = _NUMBER.fullmatch(name), _COMPONENT.fullmatch(name)
    if number:
        index = _number(number["digits"])
        found, rest = (menu[index] if index < len(menu) else None), number["rest"]
        if not all(item.certain for item in menu[: index + 1]):
            raise ParseError(f"which entry is number {index} is known at boot only: some before it are conditional")
    elif component:
        wanted, rest = component["name"].replace(">>", ">"), component["rest"] or ""
        found = next((item for item in menu if wanted in (item.title, item.item_id)), None)
    else:
        return None
    if found is None or found.entry is not None:
        return found.entry if found else None
    return _named(found.submenu, rest or "0")


def _number(digits: str) -> int:
    """A number as C reads it: hexadecimal after 0x, octal after 0."""
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" and not set(digits) & set("89") else 10
    return int(digits, base)


class _Menu:
    """A menu while it is read: the items of each open submenu, and the blocks that are open around them."""

    def __init__(self) -> None:
        self._levels: list[list[MenuItem]] = [[]]
        self._open: list[MenuItem | None] = []
        self._conditions = 0

    @property
    def items(self) -> tuple[MenuItem, ...]:
        return tuple(self._levels[0])

    def line(self, line: str) -> None:
        inside = bool(self._open) and (self._open[-1] is None or self._open[-1].entry is not None)
        if opened := _OPEN.match(line):
            self._begin(opened["kind"], opened["rest"])
            if opened["body"] is not None:
                self._kernel(opened["body"])
                self._end()
        elif _ITEM.match(line):
            raise ParseError(f"not an item of GRUB's menu: {line.strip()[:100]!r}")
        elif _BLOCK.search(line):
            if not _FUNCTION.match(line):
                raise ParseError(f"unknown kind of block in GRUB's menu: {line.strip()[:100]!r}")
            self._open.append(None)
        elif re.match(r"\s*\}\s*$", line):
            self._end()
        elif inside:
            self._kernel(line)
        elif re.match(r"\s*if\s", line) and not re.search(r"\bfi\s*$", line):
            self._conditions += 1
        elif line.strip() == "fi":
            self._conditions -= 1

    def _begin(self, kind: str, rest: str) -> None:
        title, item_id = _title_and_id(rest)
        own = (item_id or title).replace(">", ">>")
        path = ">".join([*((one.item_id or one.title).replace(">", ">>") for one in self._open if one), own])
        entry = GrubEntry(path, "", recovery=False) if kind == "menuentry" else None
        self._open.append(MenuItem(title, item_id, self._conditions <= 0, entry))
        self._levels += [[]] if entry is None else []

    def _kernel(self, line: str) -> None:
        item = self._open[-1]
        if item is not None and item.entry is not None and (linux := _LINUX.match(line)):
            entry = _with_kernel(item.entry, linux["release"], linux["arguments"].strip())
            self._open[-1] = replace(item, entry=entry)

    def _end(self) -> None:
        item = self._open.pop() if self._open else None
        if item is not None:
            item = replace(item, submenu=tuple(self._levels.pop())) if item.entry is None else item
            self._levels[-1].append(item)


def parse_menu(text: str) -> tuple[MenuItem, ...]:
    """Read the menu of a grub.cfg.

    Args:
        text: grub.cfg, whole or only the lines about entries.

    Raises:
        mxlib.base.errors.ParseError: the title of an entry or the kind of a block is not understood.
    """
    menu = _Menu()
    for line in text.splitlines():
        menu.line(line)
    return menu.items


def _title_and_id(rest: str) -> tuple[str, str]:
    try:
        words = shlex.split(rest)
    except ValueError:
        raise ParseError(f"not the title of an entry of GRUB's menu: {rest.strip()[:100]!r}") from None
    ids = [value for word, value in itertools.pairwise(words) if word in _IDS]
    ids += [word.removeprefix("--id=") for word in words if word.startswith("--id=")]
    return words[0] if words else "", ids[0] if ids else ""


def _with_kernel(entry: GrubEntry, release: str, arguments: str) -> GrubEntry:
    own_id = entry.full_id.rpartition(">")[2]
    recovery = "-recovery-" in own_id or bool(_RECOVERY.search(arguments))
    return GrubEntry(entry.full_id, release, recovery, arguments)


def _default(text: str) -> str:
    """What the menu boots without a one-time entry: the last `set default=` that is not the one-time entry's."""
    set_to = re.findall(r"^\s*(?:set )?default=(.*?)\s*$", text, re.MULTILINE)
    found = [value for value in map(_unquoted, set_to) if value != "${next_entry}"]
    if not found:
        raise ParseError("grub.cfg does not set a default entry")
    return "saved" if found[-1] == "${saved_entry}" else found[-1]


def _unquoted(value: str) -> str:
    quote = value[:1]
    return value[1:-1] if quote in ("'", '"') and value.endswith(quote) and len(value) > 1 else value


def _environment(text: str) -> dict[str, str]:
    """The variables of the environment block.

    Raises:
        mxlib.base.errors.ParseError: a line is not a variable with its value.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    refuse_unknown(lines, _VARIABLE.match, "not a variable of GRUB's environment")
    return dict(line.split("=", 1) for line in lines)


def parse(outputs: Outputs) -> GrubFacts:
    """Read the answers of the sections.

    Raises:
        mxlib.base.errors.ParseError: no menu, no environment block, or the file system of the block is unknown.
    """
    config = outputs[CONFIG.name].text()
    environment = _environment(outputs[ENVIRONMENT.name].text())
    problem = grub_medium.problem(outputs[grub_medium.SECTION.name].text())
    menu = parse_menu(config)
    if not any(item.entries for item in menu):
        raise ParseError("grub.cfg has no entry")
    return GrubFacts(
        default=_default(config),
        savedefault=any(line.strip() == "savedefault" for line in config.splitlines()),
        saved_entry=environment.get("saved_entry", ""),
        next_entry=environment.get("next_entry", ""),
        menu=menu,
        environment_writable=not problem,
        environment_problem=problem,
    )


SOURCE: Source[GrubFacts] = Source("grub", (CONFIG, ENVIRONMENT, grub_medium.SECTION), parse)
