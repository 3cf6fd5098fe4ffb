"""What GRUB boots: its menu, its environment block, and names of entries as GRUB understands them."""


import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import grub
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import ShellHost, fact, fixture

UUID = "5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11"
OLD, NEW = "6.1.0-47-cloud-amd64", "6.1.0-56-cloud-amd64"
MEDIUM = "abstraction \nfilesystem ext2\nsize 1024\n# GRUB Environment Block\n"


def grub_facts(config=None, environment=None, medium=MEDIUM):
    return fact(
        grub.SOURCE,
        config or fixture("host/grub.cfg"),
        environment if environment is not None else fixture("host/grub-editenv-list.txt"),
        medium,
    )


def test_grub():
    facts = grub_facts()
    old = facts.entry_for(OLD)
    assert old.full_id == f"gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}"
    assert facts.saved_entry == facts.entry_for(NEW).full_id
    assert (facts.default, facts.savedefault, facts.next_entry, facts.environment_writable) == (
        "saved",
        False,
        "",
        True,
    )
    assert len(facts.entries) == 5
    assert facts.find(facts.saved_entry).release == NEW
    assert facts.find(f"gnulinux-{OLD}-advanced-{UUID}") is None
    assert facts.entry_for("6.1.0-1-cloud-amd64") is None


def test_recovery_entries_are_never_taken():
    facts = grub_facts()
    assert [entry.recovery for entry in facts.entries] == [False, False, True, False, True]
    disguised = (
        fixture("host/grub.cfg")
        .replace(f"gnulinux-{OLD}-advanced", f"gnulinux-{OLD}-other")
        .replace(f"{OLD}-recovery", f"{OLD}-advanced")
    )
    assert grub_facts(disguised).entry_for(OLD) is None


def test_an_entry_of_the_same_kernel_with_another_purpose_is_not_taken():
    own = f"menuentry 'panics' --id lab-panic {{\n\tlinux /boot/vmlinuz-{OLD} root=x panic_on_oops=1\n}}\n"
    facts = grub_facts(own + fixture("host/grub.cfg"))
    assert facts.find("lab-panic").release == OLD
    assert facts.entry_for(OLD).full_id.startswith("gnulinux-advanced-")


def test_without_a_submenu_the_id_stands_alone():
    flat = "\n".join(line for line in fixture("host/grub.cfg").splitlines() if not line.startswith("submenu"))
    assert grub_facts(flat).entry_for(OLD).full_id == f"gnulinux-{OLD}-advanced-{UUID}"


def test_savedefault_and_a_fixed_default_are_seen():
    config = fixture("host/grub.cfg")
    assert grub_facts(config.replace("\tload_video\n", "\tsavedefault\n\tload_video\n")).savedefault
    assert grub_facts(config.replace('set default="${saved_entry}"', 'set default="0"')).default == "0"


def test_an_environment_that_grub_cannot_write():
    facts = grub_facts(medium=MEDIUM.replace("ext2", "btrfs"))
    assert (facts.environment_writable, facts.environment_problem) == (False, "/boot/grub is on the file system btrfs")


def test_an_empty_environment_has_no_saved_entry():
    assert grub_facts(environment="").saved_entry == ""
    assert grub_facts(environment="saved_entry=a>b\nnext_entry=\n").saved_entry == "a>b"


@pytest.mark.parametrize("config", ["x", "set default=0\n", "menuentry 'a' {\n}\n"])
def test_a_menu_that_cannot_be_read_is_unknown(config):
    with pytest.raises(FactUnknownError):
        grub_facts(config)


def test_the_lines_that_are_read_say_the_same_as_the_whole_file(tmp_path):
    (tmp_path / "grub.cfg").write_text(fixture("host/grub.cfg"), encoding="utf-8")
    script = grub.CONFIG.script.replace("/boot/grub/grub.cfg", str(tmp_path / "grub.cfg"))
    read = ShellHost().read(script, timeout=5).output
    assert grub_facts(read) == grub_facts()
    assert len(read) < len(fixture("host/grub.cfg")) / 2


ADVANCED = "Advanced options for Debian GNU/Linux"
# Real GRUB 2.06 (grub-emu) boots the same kernel by each of these; by a name it does not know it boots the first entry.
NAMES = {
    f"gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}": OLD,
    f"{ADVANCED}>Debian GNU/Linux, with Linux {OLD}": OLD,
    f"gnulinux-advanced-{UUID}>Debian GNU/Linux, with Linux {OLD}": OLD,
    "1>2": OLD,
    "0x1>02": OLD,
    "1>0": NEW,
    "1": NEW,
    ADVANCED: NEW,
    "0": NEW,
    "Debian GNU/Linux": NEW,
    f"gnulinux-simple-{UUID}": NEW,
    "0>whatever": NEW,
    "7": None,
    "1>9": None,
    "debian gnu/linux": None,
    f"Debian GNU/Linux, with Linux {OLD}": None,
    "": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_an_entry_is_understood_as_grub_does(name):
    found = grub_facts().find(name)
    assert (found.release if found else None) == NAMES[name]


def test_a_title_in_another_language_and_with_quotes():
    config = (
        fixture("host/grub.cfg")
        .replace("'Advanced options for Debian GNU/Linux'", "'Erweiterte Optionen für \"Debian\" > it'\\''s'")
        .replace(", with Linux", ", mit Linux")
    )
    facts = grub_facts(config)
    name = f'Erweiterte Optionen für "Debian" >> it\'s>Debian GNU/Linux, mit Linux {OLD}'
    assert facts.find(name) is facts.entry_for(OLD)
    assert grub_facts(config, f"saved_entry={name}\n").saved_entry == name


def test_entries_on_one_line_and_other_blocks_keep_their_places():
    own = (
        "function warn {\n\techo x\n}\n"
        f"menuentry 'other' --id other {{ linux /boot/vmlinuz-{OLD} root=x; }}\n"
        "hiddenentry 'x' {\n\tlinux /boot/vmlinuz-5 x\n}\n"
    )
    facts = grub_facts(own + fixture("host/grub.cfg"))
    assert facts.find("0").full_id == "other"
    assert facts.find("2>2").full_id == f"gnulinux-advanced-{UUID}>gnulinux-{OLD}-advanced-{UUID}"


def test_a_number_behind_a_conditional_entry_is_known_at_boot_only():
    efi = "if [ x = y ]; then\nmenuentry 'firmware' --id fw {\n\tfwsetup\n}\nfi\n"
    facts = grub_facts(efi + fixture("host/grub.cfg"))
    with pytest.raises(ParseError, match="known at boot only"):
        facts.find("2>2")
    assert facts.find(f"{ADVANCED}>2").release == OLD
    assert grub_facts(fixture("host/grub.cfg") + efi).find("1>2").release == OLD


@pytest.mark.parametrize(
    ("arguments", "recovery"),
    [
        ("ro init=/lib/systemd/systemd quiet", False),
        ("ro init=/sbin/init", False),
        ("ro init=/bin/sh", True),
        ("ro S", True),
        ("ro -b quiet", True),
        ("ro break=premount", True),
        ("ro nobreak=1 x-s", False),
        ("ro systemd.unit=rescue.target", True),
        ("ro single", True),
        ("ro s", True),
    ],
)
def test_what_is_no_normal_boot(arguments, recovery):
    config = fixture("host/grub.cfg").replace(f"menuentry 'Debian GNU/Linux, with Linux {OLD}' ", "menuentry 'mine' ")
    line = f"menuentry 'x' --id x {{\n\tlinux /boot/vmlinuz-{OLD} root=/dev/vda1 {arguments}\n}}\n"
    assert grub_facts(line + config).find("x").recovery is recovery


def test_a_title_that_cannot_be_read_makes_the_menu_unknown():
    with pytest.raises(FactUnknownError, match="not the title of an entry"):
        grub_facts("menuentry 'open {\n}\n" + fixture("host/grub.cfg"))


@pytest.mark.parametrize("line", ["submenu 'Advanced options'", "menuentry", "  menuentry 'x' --id x"])
def test_an_item_that_does_not_begin_a_block_makes_the_menu_unknown(line):
    with pytest.raises(FactUnknownError, match="not an item"):
        grub_facts(f"{line}\n" + fixture("host/grub.cfg"))


@pytest.mark.parametrize(
    ("line", "default"),
    [("set default='1>2'", "1>2"), ('default="7"', "7"), ("default=gnulinux-x", "gnulinux-x"), ('set default=""', "")],
)
def test_a_later_default_counts_however_it_is_written(line, default):
    assert grub_facts(fixture("host/grub.cfg") + f"\n{line}\n").default == default


@pytest.mark.parametrize("loaded", [True, False])
def test_what_grub_reads_at_the_end_of_its_menu_is_read_as_well(tmp_path, loaded):
    text = fixture("host/grub.cfg")
    assert "custom.cfg" in text
    text = text if loaded else text.replace("custom.cfg", "other.cfg")
    (tmp_path / "grub.cfg").write_text(text, encoding="utf-8")
    entry = "menuentry 'mine' --id mine {\n\tlinux /boot/vmlinuz-6.1.0-1-amd64 root=/dev/vda1\n}\ndefault=mine\n"
    (tmp_path / "custom.cfg").write_text(entry, encoding="utf-8")
    read = ShellHost().read(grub.CONFIG.script.replace("/boot/grub/", f"{tmp_path}/"), timeout=5).output
    found = grub_facts(read)
    assert (found.default, found.find("mine") is not None) == (("mine", True) if loaded else ("saved", False))
