"""What ``--status`` says of a host: which kernel it boots next, who was refused, and the command that goes on."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mxlib.commands.status import lines
from mxlib.model.record import Boot, Kernel
from mxlib.model.state import Mta, Ports
from tests.unit.support.records import RECORD

KERNELS = {"menu>old": "6.1.0-55", "menu>new": "6.1.0-56"}


def status(record=None, knocks=None, saved="", once=""):
    view = SimpleNamespace(
        kernel="k", boot="b", ports=Ports.CLOSED, mta=Mta.SERVING, puppet_off=False, saved=saved, next=once
    )
    depool = SimpleNamespace(record=record, knocks=knocks or {})
    return list(lines("mx1", SimpleNamespace(view=view, depool=depool), lambda entry: KERNELS.get(entry, ""), ""))


@pytest.mark.parametrize(
    ("saved", "once", "said"),
    [
        ("menu>old", "", "the next boot starts 6.1.0-55 (the saved entry)"),
        (
            "menu>old",
            "menu>new",
            "the next boot starts 6.1.0-56, once (the next entry); later ones 6.1.0-55 (the saved entry)",
        ),
        ("", "", "the next boot starts the first of GRUB's menu, as none is saved"),
        ("gone", "", "the next boot starts an entry whose kernel is not known, gone (the saved entry)"),
    ],
)
def test_it_says_the_kernel_and_whether_it_is_saved_or_for_once(saved, once, said):
    assert said in status(saved=saved, once=once)


@pytest.mark.parametrize(
    ("knocks", "said"),
    [
        ({}, None),
        ({"192.0.2.9": 1, "2001:db8::7": 12}, "2001:db8::7 (12), 192.0.2.9 (1)"),
        ({f"192.0.2.{n}": 1 for n in range(1, 13)}, " and 2 more"),
    ],
)
def test_it_names_who_was_refused(knocks, said):
    refused = [line for line in status(knocks=knocks) if line.startswith("refused in the last ten minutes: ")]
    assert [line.endswith(said) for line in refused] == ([True] if said else [])


@pytest.mark.parametrize(
    ("changes", "progress", "command"),
    [
        ({"stay": True, "target": Kernel("", ""), "boots": ()}, "not rebooted yet; it is to stay out", "pool-mx mx1"),
        ({"stay": True, "boots": (Boot("b0", "6.1.0-56"),)}, "target 6.1.0-56, fallback 6.1.0-55; a", "--resume"),
        ({"boots": ()}, "target 6.1.0-56, fallback 6.1.0-55; not rebooted yet", "--resume"),
    ],
)
def test_it_says_what_returns_a_host_to_service(changes, progress, command):
    said = status(record=replace(RECORD, **changes))
    assert said[-2].startswith(progress)
    assert said[-1].startswith("next: cookbook sre.mail.")
    assert command in said[-1]
