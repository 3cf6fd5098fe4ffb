"""What a plan shows of a step is what an operator would type: whole, and no comment of the script."""

from types import SimpleNamespace

from mxlib.mta.find import find
from mxlib.reboot.steps import entries, ports


def test_both_boot_entries_are_shown():
    goal = SimpleNamespace(entries_for=lambda _record: ("saved-1", "next-2"))
    world = SimpleNamespace(site=SimpleNamespace(boot=SimpleNamespace(panic=0)), progress=SimpleNamespace(goal=goal))
    shown = entries._commands_for_entries(world, SimpleNamespace(record="any"))
    assert [line.split()[-1] for line in shown] == ["saved_entry=saved-1", "next_entry=next-2"]


def test_opening_the_ports_is_shown_from_its_first_command_on():
    shown = ports._how_opened(SimpleNamespace(mta=find("exim")), None)
    assert shown[0].startswith("systemctl ")
    assert not [line for line in shown if line.startswith("#")]
