import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mxlib.nic.screen import Waiting, look, plain, quiet

SERIAL = Path(__file__).parents[1] / "fixtures" / "serial"
REPAIR = (SERIAL / "nic-repair-allow-hotplug.txt").read_bytes().decode()
GRUB = gzip.decompress((SERIAL / "grub-pinning.txt.gz").read_bytes()).decode()
KERNEL = "[   90.062106] device-mapper: core: CONFIG_IMA_DISABLE_HTABLE is disabled.\r\n"
STATUS = "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mssh.service\x1b[0m - OpenBSD Secure Shell server.\r\r\n"


def upto(text: str, mark: str) -> str:
    """A transcript up to and with a text."""
    return text[: text.index(mark) + len(mark)]


@pytest.mark.parametrize(
    ("text", "waiting"),
    [
        ("", Waiting.SILENT),
        (upto(REPAIR, "GNU GRUB  version 2.06-13+deb12u2"), Waiting.GRUB_MENU),
        (upto(REPAIR, "Kernel command line:"), Waiting.BOOTING),
        (upto(REPAIR, "mail login: "), Waiting.LOGIN),
        (upto(REPAIR, "mail login: root"), Waiting.BOOTING),
        (upto(REPAIR, "Password: "), Waiting.PASSWORD),
        (upto(REPAIR, "\x1b[?2004hroot@mail:~# "), Waiting.ROOT_SHELL),
        (upto(REPAIR, "exim4 -bpc; echo"), Waiting.BOOTING),
        (upto(GRUB, "mail login: [   90.062106]"), Waiting.LOGIN),
        (upto(GRUB, "systemd-shutdown[1]: "), Waiting.BOOTING),
        ("root@mail:~# \x1b[6n", Waiting.ROOT_SHELL),
        ("\r\n# ", Waiting.ROOT_SHELL),
        ("mail:~# ", Waiting.ROOT_SHELL),
        ("deploy@mail:~$ ", Waiting.USER_SHELL),
        ("mx1001 login: " + KERNEL + STATUS, Waiting.LOGIN),
        ("mail lo" + KERNEL + "gin: ", Waiting.LOGIN),
        ("(initramfs) ", Waiting.INITRAMFS),
        ("Entering emergency mode. Exit the shell to continue.\r\ndracut:/# ", Waiting.INITRAMFS),
        ("pre-mount:/# ", Waiting.INITRAMFS),
        ("mount1:/# ", Waiting.ROOT_SHELL),
        ("\r\nLast login: ", Waiting.BOOTING),
        ("Debian GNU/Linux 12 last login: ", Waiting.LOGIN),
        ("\x1b[0mgrub rescue> ", Waiting.GRUB_RESCUE),
        ("grub> ", Waiting.GRUB_SHELL),
        ("SeaBIOS (version 1.16)\r\nBooting from Hard Disk...\r\nNo bootable device.\r\n", Waiting.NO_BOOT_DEVICE),
        ("Connection to console of instance mx1001.lab.test failed, please check cluster\r\n", Waiting.NOT_RUNNING),
    ],
)
def test_what_a_console_waits_for(text: str, waiting: Waiting) -> None:
    assert look(text).waiting is waiting


def test_a_panic_is_told_with_its_text_until_the_next_boot() -> None:
    text = upto(REPAIR, "Kernel command line:") + (
        "\r\n[    2.512345] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n"
        "[    2.512399] ---[ end Kernel panic - not syncing: VFS ]---\r\n"
    )
    screen = look(text)
    assert screen.waiting is Waiting.PANIC
    assert "Unable to mount root fs" in screen.detail
    assert look(text + REPAIR[:9000]).waiting is not Waiting.PANIC


def test_emergency_mode_names_the_failed_unit() -> None:
    text = (
        "[\x1b[0;1;31mFAILED\x1b[0m] Failed to mount \x1b[0;1;39mvar-spool.mount\x1b[0m - /var/spool.\r\n"
        "[\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for Local File Systems.\r\n"
        'You are in emergency mode. After logging in, type "journalctl -xb" to view\r\nsystem logs.\r\n'
        "Give root password for maintenance\r\n(or press Control-D to continue): "
    )
    screen = look(text)
    assert screen.waiting is Waiting.EMERGENCY
    assert "var-spool.mount" in screen.detail


def test_a_file_system_check_that_wants_a_person() -> None:
    text = "/dev/vda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\r\n\t(i.e., without -a or -p options)\r\n"
    assert look(text).waiting is Waiting.FSCK
    assert "vda1" in look(text).detail


def test_plain_takes_away_colours_links_and_bracketed_paste() -> None:
    status = plain(REPAIR[REPAIR.index("status networking.service") :][:900])
    assert "\x1b" not in status
    assert "Loaded: loaded (/lib/systemd/system/networking.service; enabled; preset: enabled)" in status


@given(start=st.integers(0, len(REPAIR)), length=st.integers(0, 3000))
def test_any_cut_of_a_real_transcript_is_plain_and_recognised_without_error(start: int, length: int) -> None:
    screen = look(REPAIR[start : start + length])
    assert screen.waiting in Waiting
    assert not any(ord(char) < 32 and char not in "\t\n" for char in screen.last)


@given(place=st.integers(0, 12), noise=st.lists(st.sampled_from([KERNEL, STATUS]), max_size=3))
def test_noise_anywhere_does_not_hide_a_login_prompt(place: int, noise: list[str]) -> None:
    prompt = "mail login: "
    kernel = "".join(line for line in noise if line is KERNEL)
    assert look("\r\n" + prompt[:place] + kernel + prompt[place:] + "".join(noise)).waiting is Waiting.LOGIN


@given(text=st.text(max_size=200))
def test_plain_and_quiet_never_fail_and_leave_no_escape(text: str) -> None:
    assert "\x1b" not in quiet(plain(text))
