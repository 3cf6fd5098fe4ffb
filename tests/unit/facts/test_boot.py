"""The current boot of a host."""

from datetime import UTC, datetime

import pytest

from mxlib.facts import boot
from mxlib.facts.source import FactUnknownError
from tests.unit.support.facts import fact, fixture

BOOT = f"boot-id {fixture('host/boot-id.txt')}booted 1763690781\ncmdline {fixture('host/proc-cmdline.txt')}"


def test_boot():
    facts = fact(boot.SOURCE, BOOT)
    assert str(facts.boot_id) == "d2733336-726a-420a-b3f7-ca0891c26301"
    assert facts.booted_at == datetime(2025, 11, 21, 2, 6, 21, tzinfo=UTC)
    assert facts.cmdline.startswith("BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-cloud-amd64 root=")


@pytest.mark.parametrize(
    "answer", ["", "boot-id \nbooted 1\ncmdline x\n", BOOT.replace("booted 1763690781\n", ""), "boot-id nan\n"]
)
def test_a_boot_that_cannot_be_read_is_unknown(answer):
    with pytest.raises(FactUnknownError):
        fact(boot.SOURCE, answer)
