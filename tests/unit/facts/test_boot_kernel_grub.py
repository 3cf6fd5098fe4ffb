from datetime import UTC, datetime

import pytest

from mxlib.base.errors import ParseError
from mxlib.facts import boot, grub, kernel
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import ShellHost, fact, fixture, output

UUID = "5eb0a9d1-3a4c-4f0c-9c53-0d2b6f1e7a11"
OLD, NEW = "6.1.0-47-cloud-amd64", "6.1.0-56-cloud-amd64"
BOOT = f"boot-id {fixture('host/boot-id.txt')}booted 1763690781\ncmdline {fixture('host/proc-cmdline.txt')}"
MEDIUM = "abstraction \nfilesystem ext2\nsize 1024\n# GRUB Environment Block\n"


def test_boot():
    facts = fact(boot.SOURCE, BOOT)
    assert str(facts.boot_id) == "d2733336-726a-420a-b3f7-ca0891c26301"
    assert facts.booted_at == datetime(2025, 11, 21, 2, 6, 21, tzinfo=UTC)
    assert facts.cmdline.startswith("BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-cloud-amd64 root=")
    assert facts.panic_s is None


@pytest.mark.parametrize(
    ("cmdline", "seconds"), [("ro panic=20", 20), ("panic=0 ro", None), ("panic=5 x panic=-1", -1), ("kpanic=3", None)]
)
def test_panic_on_the_command_line(cmdline, seconds):
    assert fact(boot.SOURCE, BOOT.replace("ro console", f"{cmdline} console")).panic_s == seconds


@pytest.mark.parametrize(
    "answer", ["", "boot-id \nbooted 1\ncmdline x\n", BOOT.replace("booted 1763690781\n", ""), "boot-id nan\n"]
)
def test_a_boot_that_cannot_be_told_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        fact(boot.SOURCE, answer)


UNAME_V = "#1 SMP PREEMPT_DYNAMIC Debian {} (2026-11-16)"


def kernel_answer(running=NEW, drop="", build="6.1.192-2"):
    packages = "".join(
        f"package install installed linux-image-{release} {version}\n"
        f"package unknown not-installed linux-image-{release}-unsigned \n"
        for release, version in ((OLD, "6.1.170-3"), (NEW, "6.1.192-2"))
    )
    files = "".join(
        f"file /boot/vmlinuz-{r}\nfile /boot/initrd.img-{r}\nfile /lib/modules/{r}/modules.dep\n" for r in (OLD, NEW)
    )
    answer = f"running {running}\nbuild {UNAME_V.format(build)}\n{packages}{files}"
    assert drop in answer
    return answer.replace(drop, "") if drop else answer


def test_kernels():
    facts = fact(kernel.SOURCE, kernel_answer())
    assert facts.running == NEW
    assert [(k.release, k.version, k.whole, k.held) for k in facts.installed] == [
        (OLD, "6.1.170-3", True, False),
        (NEW, "6.1.192-2", True, False),
    ]
    assert facts.running_kernel is facts.find(NEW)
    assert (facts.build, facts.waiting_build) == ("6.1.192-2", "")


def test_a_new_build_of_the_running_release_waits_for_a_boot():
    facts = fact(kernel.SOURCE, kernel_answer(build="6.1.192-1"))
    assert (facts.build, facts.waiting_build) == ("6.1.192-1", "6.1.192-2")


@pytest.mark.parametrize(
    ("said", "build"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-10-01)", "6.12.107-1"),
        ("#1 SMP Debian 3.16.7-ckt20-1+deb8u4 (2016-02-29)", "3.16.7-ckt20-1+deb8u4"),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12.57-1~bpo12+1 (2025-11-17)", "6.12.57-1~bpo12+1"),
        ("#1 SMP PREEMPT_DYNAMIC Fri Nov 27 10:00:00 UTC 2026", ""),
        ("", ""),
    ],
)
def test_the_build_by_what_the_kernel_says(said, build):
    assert kernel.build_of(said) == build


def test_a_kernel_that_does_not_say_its_build_is_no_known_one():
    facts = fact(kernel.SOURCE, kernel_answer().replace("Debian 6.1.192-2 ", ""))
    assert (facts.build, facts.waiting_build) == ("", "")


@pytest.mark.parametrize(
    ("release", "flavour"),
    [
        ("6.1.0-47-cloud-amd64", "cloud-amd64"),
        ("6.1.0-44-rt-amd64", "rt-amd64"),
        ("6.1.0-44-amd64", "amd64"),
        ("5.10.0-0.deb10.30-amd64", "amd64"),
        ("6.12.107+deb13-cloud-amd64", "cloud-amd64"),
        ("6.12.115+deb13.1-cloud-amd64", "cloud-amd64"),
        ("6.12.57+deb12-amd64", "amd64"),
        ("7.0-rc3-amd64", "amd64"),
        ("6.9.7-amd64", "amd64"),
        ("6.18.44", ""),
    ],
)
def test_flavours(release, flavour):
    assert kernel.flavour(release) == flavour


def test_kernels_of_debian_13():
    release = "6.12.107+deb13-cloud-amd64"
    facts = fact(kernel.SOURCE, kernel_answer().replace(OLD, release).replace(f"running {NEW}", f"running {release}"))
    assert (facts.running, facts.running_kernel.whole) == (release, True)


def test_a_line_that_is_nothing_about_kernels_makes_them_unknown():
    with pytest.raises(FactUnknownError, match="not a line about kernels: 'packages of another form'"):
        fact(kernel.SOURCE, kernel_answer() + "packages of another form\n")


@pytest.mark.parametrize(
    ("drop", "part"),
    [
        (f"file /boot/vmlinuz-{OLD}\n", "vmlinuz"),
        (f"file /boot/initrd.img-{OLD}\n", "initrd"),
        (f"file /lib/modules/{OLD}/modules.dep\n", "modules"),
        (f"package install installed linux-image-{OLD} 6.1.170-3\n", "package"),
    ],
)
def test_a_kernel_that_lacks_a_part_is_not_whole(drop, part):
    found = fact(kernel.SOURCE, kernel_answer(drop=drop)).find(OLD)
    assert found.missing == (part,)


def test_a_held_kernel_and_an_unsigned_one_and_a_debug_package():
    more = (
        "package hold installed linux-image-6.12.1-amd64-unsigned 6.12.1-1\n"
        "package install installed linux-image-6.12.1-amd64-dbg 6.12.1-1\n"
    )
    held = fact(kernel.SOURCE, kernel_answer() + more).find("6.12.1-amd64")
    assert (held.held, held.version, held.vmlinuz) == (True, "6.12.1-1", False)


@pytest.mark.parametrize("answer", ["", "running \n", "running $(reboot)\n", kernel_answer() + "running 5\n"])
def test_a_running_kernel_that_cannot_be_told_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        fact(kernel.SOURCE, answer)


def test_a_locked_dpkg_is_not_a_host_without_packages():
    locked = output(kernel.SECTION, kernel_answer(), errors="dpkg-query: error: unable to access the dpkg database")
    with pytest.raises(FactUnknownError, match="unable to access"):
        fact(kernel.SOURCE, locked)


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


def test_an_empty_environment_has_no_saved_entry():
    assert grub_facts(environment="").saved_entry == ""
    assert grub_facts(environment="saved_entry=a>b\nnext_entry=\n").saved_entry == "a>b"


@pytest.mark.parametrize(
    ("medium", "why"),
    [
        (MEDIUM.replace("abstraction ", "abstraction lvm"), "lvm"),
        (MEDIUM.replace("abstraction ", "abstraction diskfilter mdraid1x"), "mdraid1x"),
        (MEDIUM.replace("ext2", "btrfs"), "btrfs"),
        (MEDIUM.replace("1024", "512"), "1024"),
        (MEDIUM.replace("# GRUB", "GRUB"), "environment block"),
        ("filesystem ext2\nsize 1024\n# GRUB Environment Block\n", "something unknown"),
        (MEDIUM.replace("ext2", ""), "unknown"),
    ],
)
def test_an_environment_that_grub_cannot_write(medium, why):
    facts = grub_facts(medium=medium)
    assert not facts.environment_writable
    assert why in facts.environment_problem


@pytest.mark.parametrize("config", ["x", "set default=0\n", "menuentry 'a' {\n}\n"])
def test_a_menu_that_cannot_be_told_is_unknown(config):
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
